//! How early inputs arrive: what the server tells each client.

use crate::tick::Tick;
use crate::time::Instant;

/// Arrivals that a value rests on: about a second of inputs.
const WINDOW: usize = 32;
/// Which of them counts, from the latest: one that is alone does not move anything.
const RANK: usize = 1;
/// No margin is beyond this, in microseconds; what claims to be is ignored.
const MARGIN_MAX_US: i64 = 10_000_000;

/// How early the inputs of one client arrive before their ticks start.
#[derive(Clone, Debug)]
pub struct Margin {
    newest: Option<Tick>,
    window: [i32; WINDOW],
    count: usize,
}

impl Default for Margin {
    fn default() -> Self {
        Self::new()
    }
}

impl Margin {
    /// Nothing arrived yet.
    pub fn new() -> Self {
        Self { newest: None, window: [0; WINDOW], count: 0 }
    }

    /// An input for `tick`, which starts at `starts_at`, arrived, in time or not. The inputs of one
    /// packet are given oldest first; copies of what has arrived before change nothing.
    pub fn on_arrival(&mut self, tick: Tick, arrived_at: Instant, starts_at: Instant) {
        if self.newest.is_some_and(|newest| tick <= newest) {
            return;
        }
        let micros = |at: Instant| i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
        let margin = micros(starts_at) - micros(arrived_at);
        if margin.abs() > MARGIN_MAX_US {
            return;
        }
        self.newest = Some(tick);
        self.window[self.count % WINDOW] = margin as i32;
        self.count += 1;
    }

    /// How early, in microseconds: low, but not the lowest, of about a second; negative is late.
    /// Zero before anything arrived.
    pub fn value_us(&self) -> i32 {
        let mut window = self.window;
        let window = &mut window[..self.count.min(WINDOW)];
        window.sort_unstable();
        let rank = RANK.min(window.len().saturating_sub(1));
        window.get(rank).copied().unwrap_or(0)
    }

    /// Whether anything arrived.
    pub fn is_known(&self) -> bool {
        self.count > 0
    }
}
