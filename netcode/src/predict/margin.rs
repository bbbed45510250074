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

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Margin, WINDOW};
    use crate::tick::Tick;
    use crate::time::Instant;

    fn arrive(margin: &mut Margin, tick: u64, early_ms: i64) {
        let starts_at = Instant::from_millis(1_000 + tick * 33);
        let early = Duration::from_millis(early_ms.unsigned_abs());
        let arrived_at = if early_ms < 0 { starts_at + early } else { starts_at - early };
        margin.on_arrival(Tick::new(tick), arrived_at, starts_at);
    }

    #[test]
    fn it_is_low_without_obeying_one_that_is_alone() {
        let mut margin = Margin::new();
        assert_eq!(margin.value_us(), 0);
        for tick in 0..100 {
            arrive(&mut margin, tick, if tick == 90 { -50 } else { 20 + tick as i64 % 5 });
        }
        assert_eq!(margin.value_us(), 20_000);
        arrive(&mut margin, 100, -7);
        assert_eq!(margin.value_us(), -7_000);
        // Copies of what came in time are no arrivals.
        (0..100).for_each(|tick| arrive(&mut margin, tick, -900));
        assert_eq!(margin.value_us(), -7_000);
        (101..101 + WINDOW as u64).for_each(|tick| arrive(&mut margin, tick, 30));
        assert_eq!(margin.value_us(), 30_000);
    }

    #[test]
    fn a_tick_out_of_this_world_is_ignored() {
        let mut margin = Margin::new();
        margin.on_arrival(Tick::new(u64::MAX), Instant::EPOCH, Instant::from_nanos(u64::MAX));
        assert!(!margin.is_known());
        arrive(&mut margin, 1, 5);
        assert_eq!(margin.value_us(), 5_000);
    }
}
