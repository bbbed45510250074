//! Log lines: to standard error, or into a [`LogRing`] while a terminal view owns the screen.

use std::collections::VecDeque;
use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Words, for people.
    #[default]
    Text,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(()),
        }
    }
}

/// Where log lines go.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum LogSink {
    /// Into memory, for a view that shows the last of them.
    Ring(Arc<LogRing>),
    /// Standard error.
    #[default]
    Stderr,
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InitError {
    /// The process has a subscriber already.
    #[error("log lines already have a destination in this process")]
    AlreadySet,
    /// The filter cannot be read.
    #[error("log filter {filter:?} cannot be read ({reason}); write it like `info,netcode=debug`")]
    Filter {
        /// As given.
        filter: String,
        /// What its parser says.
        reason: String,
    },
}

/// Sends the log lines of this process that `filter` lets through to `sink`.
///
/// `filter` is a list of levels by module, like `info,netcode=debug`.
pub fn init(format: LogFormat, filter: &str, sink: LogSink) -> Result<(), InitError> {
    let filter = EnvFilter::try_new(filter).map_err(|error| InitError::Filter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    let done = match (sink, format) {
        (LogSink::Stderr, LogFormat::Text) => lines.with_writer(io::stderr).finish().try_init(),
        (LogSink::Stderr, LogFormat::Json) => {
            lines.json().with_writer(io::stderr).finish().try_init()
        }
        (LogSink::Ring(ring), LogFormat::Text) => lines.with_writer(ring).finish().try_init(),
        (LogSink::Ring(ring), LogFormat::Json) => {
            lines.json().with_writer(ring).finish().try_init()
        }
    };
    done.map_err(|_| InitError::AlreadySet)
}

/// The last log lines, in memory. Older ones are forgotten.
#[derive(Debug)]
pub struct LogRing {
    lines_max: usize,
    lines: Mutex<VecDeque<String>>,
}

impl LogRing {
    /// Bytes kept of one line.
    pub const LINE_BYTES_MAX: usize = 1_024;

    /// Remembers `lines_max` lines.
    pub fn new(lines_max: usize) -> Arc<Self> {
        Arc::new(Self { lines_max, lines: Mutex::default() })
    }

    /// The last `count` lines, oldest first.
    pub fn last(&self, count: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
    }

    fn push(&self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(Self::LINE_BYTES_MAX)];
        let text = String::from_utf8_lossy(bytes);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            lines.push_back(line.chars().filter(|c| !c.is_control()).collect());
            if lines.len() > self.lines_max {
                lines.pop_front();
            }
        }
    }
}

/// Each write is a whole line, as `tracing-subscriber` gives them.
impl io::Write for &LogRing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{InitError, LogFormat, LogRing, LogSink, init};

    fn logged(ring: &std::sync::Arc<LogRing>, action: impl FnOnce()) {
        let lines = tracing_subscriber::fmt().with_ansi(false).with_writer(ring.clone());
        tracing::subscriber::with_default(lines.finish(), action);
    }

    #[test]
    fn the_ring_keeps_the_last_lines_only() {
        let ring = LogRing::new(2);
        logged(&ring, || {
            for line in ["one", "two", "three"] {
                tracing::info!("{line}");
            }
        });
        let lines = ring.last(9);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with("two") && lines[1].ends_with("three"), "{lines:?}");
        assert_eq!(ring.last(1), lines[1..]);
    }

    #[test]
    fn a_line_is_bounded_and_has_no_control_characters() {
        let ring = LogRing::new(4);
        logged(&ring, || tracing::info!("\u{1b}[2J{}", "x".repeat(9_000)));
        let lines = ring.last(4);
        assert!(lines[0].len() <= LogRing::LINE_BYTES_MAX);
        assert!(lines[0].chars().all(|c| !c.is_control()), "{lines:?}");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let error = init(LogFormat::Text, "netcode=loud", LogSink::Stderr).unwrap_err();
        assert!(matches!(&error, InitError::Filter { filter, .. } if filter == "netcode=loud"));
    }
}
