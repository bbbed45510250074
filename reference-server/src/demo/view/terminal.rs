//! The terminal: taken, drawn on, and given back whatever happens.

use core::time::Duration;
use std::io::{self, Stdout, Write, stdout};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::demo::view::draw::draw;
use crate::demo::view::line::line;
use crate::demo::view::picture::Painter;

/// Time between two frames; a key is seen at once.
const FRAME_EVERY: Duration = Duration::from_millis(250);

/// The terminal in our hands. Dropping it gives it back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// Cleared by whoever gives the terminal back first: us, or a panic.
    is_ours: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal, and makes sure that a panic on any thread gives it back.
    pub(super) fn take() -> io::Result<Self> {
        let is_ours = Arc::new(AtomicBool::new(true));
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        enable_raw_mode()?;
        let screen = Self { terminal, is_ours: is_ours.clone() };
        execute!(stdout(), EnterAlternateScreen)?;
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back(&is_ours);
            print(info);
        }));
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back(&self.is_ours);
        let _ = self.terminal.show_cursor();
    }
}

fn give_back(is_ours: &AtomicBool) {
    if is_ours.swap(false, Ordering::AcqRel) {
        // There is nobody to tell if the terminal is gone.
        let _ = execute!(stdout(), LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// Draws until told to stop, the person wants to leave, or something panics. Blocks.
pub(super) fn run(mut screen: Screen, mut painter: Painter, stop: &AtomicBool) -> io::Result<()> {
    let mut last = None;
    while !stop.load(Ordering::Acquire) && screen.is_ours.load(Ordering::Acquire) {
        let picture = painter.paint();
        screen.terminal.draw(|frame| draw(frame, &picture))?;
        last = Some(picture);
        if event::poll(FRAME_EVERY)? && is_goodbye(&event::read()?) {
            break;
        }
    }
    drop(screen);
    if let Some(picture) = last {
        // Where the screen was, the last figures stay to be read.
        let _ = writeln!(stdout(), "{}", line(&picture));
    }
    Ok(())
}

fn is_goodbye(event: &Event) -> bool {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else {
        return false;
    };
    match code {
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
        KeyCode::Char('c') => modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, KeyCode, KeyEvent, KeyModifiers, is_goodbye};

    #[test]
    fn q_and_control_c_say_goodbye() {
        let key = |code, modifiers| Event::Key(KeyEvent::new(code, modifiers));
        assert!(is_goodbye(&key(KeyCode::Char('q'), KeyModifiers::NONE)));
        assert!(is_goodbye(&key(KeyCode::Char('c'), KeyModifiers::CONTROL)));
        assert!(!is_goodbye(&key(KeyCode::Char('c'), KeyModifiers::NONE)));
        assert!(!is_goodbye(&Event::Resize(80, 24)));
    }
}
