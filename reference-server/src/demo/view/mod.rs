//! What the person who started the demo sees while it runs.
//!
//! | mode                      | where           | what                                    |
//! |---------------------------|-----------------|-----------------------------------------|
//! | [`ViewMode::Terminal`]    | the whole screen | zones, totals, a map, the last log lines |
//! | [`ViewMode::Plain`]       | standard output | a line a second                         |
//! | [`ViewMode::Headless`]    | standard error  | a line every five seconds               |
//!
//! # Contract
//!
//! [`View::closed`] says when the person wants to leave; the demo then drains and calls
//! [`View::stop`], which gives the terminal back. A panic anywhere in the process gives it back
//! too, before its message is printed, and counts as a wish to leave.
//!
//! Deliberately absent: figures of its own. It shows what [`Status`] has.

mod draw;
mod line;
mod picture;
mod terminal;

use core::time::Duration;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::demo::view::picture::Painter;
use crate::telemetry::LogRing;
use crate::telemetry::Status;

const PLAIN_EVERY: Duration = Duration::from_secs(1);
const HEADLESS_EVERY: Duration = Duration::from_secs(5);

/// How to show the demo.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ViewMode {
    /// For scripts: progress on standard error, now and then.
    Headless,
    /// For pipes: a line a second on standard output.
    Plain,
    /// For people: takes over the terminal.
    Terminal,
}

impl ViewMode {
    /// [`Terminal`](Self::Terminal) if standard input and output are one, else
    /// [`Plain`](Self::Plain).
    pub fn detect() -> Self {
        let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
        if is_terminal { Self::Terminal } else { Self::Plain }
    }
}

/// What the view cannot know from [`Status`].
#[derive(Clone, Debug)]
pub struct ViewInfo {
    /// How to show it.
    pub mode: ViewMode,
    /// How many bots were asked for.
    pub bots: u32,
    /// How long the run will be, if that is known.
    pub run_for: Option<Duration>,
    /// Address of the web page, if it is up.
    pub page: Option<SocketAddr>,
    /// Where log lines go while the terminal is ours.
    pub logs: Option<Arc<LogRing>>,
}

/// The running view.
#[derive(Debug)]
pub struct View {
    mode: ViewMode,
    stop: Arc<AtomicBool>,
    stopped: watch::Sender<()>,
    closed: watch::Receiver<bool>,
    task: Option<JoinHandle<io::Result<()>>>,
}

impl View {
    /// Starts to show `status`. Must be called inside a runtime.
    pub fn start(status: Arc<Status>, info: ViewInfo) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, until) = watch::channel(());
        let (close, closed) = watch::channel(false);
        let mode = info.mode;
        let painter = Painter::new(status, info);
        let task = match mode {
            ViewMode::Headless => tokio::spawn(lines(painter, HEADLESS_EVERY, Out::Stderr, until)),
            ViewMode::Plain => tokio::spawn(lines(painter, PLAIN_EVERY, Out::Stdout, until)),
            ViewMode::Terminal => {
                let terminal = terminal::Screen::take()?;
                let stop = stop.clone();
                tokio::task::spawn_blocking(move || {
                    let ended = terminal::run(terminal, painter, &stop);
                    let _ = close.send(true);
                    ended
                })
            }
        };
        Ok(Self { mode, stop, stopped, closed, task: Some(task) })
    }

    /// Waits until the person wants to leave. Where nobody can say so, it waits for ever.
    pub async fn closed(&self) {
        let mut closed = self.closed.clone();
        match self.mode {
            // An error means that the view is gone, with the only way to say goodbye.
            ViewMode::Terminal => drop(closed.wait_for(|closed| *closed).await),
            ViewMode::Headless | ViewMode::Plain => core::future::pending().await,
        }
    }

    /// Shows the last state, and gives the terminal back.
    pub async fn stop(mut self) -> io::Result<()> {
        self.ask_to_stop();
        match self.task.take() {
            Some(task) => task.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }

    fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.stopped.send(());
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

enum Out {
    Stderr,
    Stdout,
}

async fn lines(
    mut painter: Painter,
    every: Duration,
    out: Out,
    mut until: watch::Receiver<()>,
) -> io::Result<()> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once, and shows nothing yet.
    ticks.tick().await;
    loop {
        let is_last = tokio::select! {
            _ = until.changed() => true,
            _ = ticks.tick() => false,
        };
        let line = line::line(&painter.paint());
        match out {
            Out::Stderr => writeln!(io::stderr(), "{line}")?,
            Out::Stdout => writeln!(io::stdout(), "{line}")?,
        }
        if is_last {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Status, View, ViewInfo, ViewMode};

    fn info() -> ViewInfo {
        ViewInfo { mode: ViewMode::Headless, bots: 2, run_for: None, page: None, logs: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_without_a_person_closes_only_when_stopped() {
        let view = View::start(Status::new(1, 1, 1.0), info()).unwrap();
        let wish = tokio::time::timeout(Duration::from_secs(4), view.closed()).await;
        assert!(wish.is_err(), "nobody asked to leave");
        view.stop().await.unwrap();
    }
}
