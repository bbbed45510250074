//! How many bytes may be in flight.

use crate::recovery::config::RecoveryConfig;
use crate::time::Instant;

const PACKET_BYTES: usize = 1200;
/// A loss halves the window.
const LOSS_FACTOR: (usize, usize) = (1, 2);

/// Decides how many bytes may be in flight.
pub trait Controller: core::fmt::Debug + Send {
    /// Bytes that may be in flight.
    fn window(&self) -> usize;

    /// A packet of `bytes`, sent at `sent_at`, was acknowledged. `is_limited`: the window, not the
    /// application, was what held sending back.
    fn on_acked(&mut self, bytes: usize, sent_at: Instant, is_limited: bool);

    /// Packets were lost, the newest of them sent at `sent_at`.
    fn on_lost(&mut self, now: Instant, sent_at: Instant);

    /// Nothing came through for several probe timeouts.
    fn on_persistent_congestion(&mut self);
}

/// NewReno (RFC 9002, section 7): slow start, then a packet more a round trip, half on loss. A
/// window that the application does not fill does not grow (RFC 7661).
#[derive(Clone, Copy, Debug)]
pub struct NewReno {
    window: usize,
    slow_start_until: usize,
    recovery_start: Option<Instant>,
    bytes_acked: usize,
    min: usize,
    max: usize,
}

impl NewReno {
    /// A controller with the bounds of `config`.
    pub fn new(config: &RecoveryConfig) -> Self {
        Self {
            window: config.window_initial_bytes,
            slow_start_until: usize::MAX,
            recovery_start: None,
            bytes_acked: 0,
            min: config.window_min_bytes,
            max: config.window_max_bytes,
        }
    }
}

impl Controller for NewReno {
    fn window(&self) -> usize {
        self.window
    }

    fn on_acked(&mut self, bytes: usize, sent_at: Instant, is_limited: bool) {
        //= book/src/spec/recovery.md#congestion
        //# A sender MUST NOT let a window grow that it does not fill:
        if !is_limited || self.recovery_start.is_some_and(|start| sent_at <= start) {
            return;
        }
        if self.window < self.slow_start_until {
            self.window += bytes;
        } else {
            self.bytes_acked += bytes;
            if self.bytes_acked >= self.window {
                self.bytes_acked -= self.window;
                self.window += PACKET_BYTES;
            }
        }
        self.window = self.window.min(self.max);
    }

    fn on_lost(&mut self, now: Instant, sent_at: Instant) {
        //= book/src/spec/recovery.md#congestion
        //# A sender MUST halve its window no more than once for packets that were sent before it
        //# learned of a loss.
        // One reduction a round trip: losses of what was sent before it are the same event.
        if self.recovery_start.is_some_and(|start| sent_at <= start) {
            return;
        }
        self.recovery_start = Some(now);
        self.window = (self.window * LOSS_FACTOR.0 / LOSS_FACTOR.1).max(self.min);
        self.slow_start_until = self.window;
        self.bytes_acked = 0;
    }

    fn on_persistent_congestion(&mut self) {
        self.window = self.min;
        self.recovery_start = None;
        self.bytes_acked = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Controller, NewReno, PACKET_BYTES};
    use crate::recovery::config::RecoveryConfig;
    use crate::time::Instant;

    //= book/src/spec/recovery.md#congestion
    //= type=test
    //# A sender MUST halve its window no more than once for packets that were sent before it
    //# learned of a loss.
    #[test]
    fn it_doubles_then_halves_once_a_round_trip() {
        let at = Instant::from_millis;
        let mut reno = NewReno::new(&RecoveryConfig::default());
        let start = reno.window();
        for _ in 0..start / PACKET_BYTES {
            reno.on_acked(PACKET_BYTES, at(1), true);
        }
        assert_eq!(reno.window(), 2 * start);
        reno.on_lost(at(100), at(50));
        reno.on_lost(at(101), at(99));
        assert_eq!(reno.window(), start);
        reno.on_acked(PACKET_BYTES, at(90), true);
        assert_eq!(reno.window(), start, "sent before the loss was known");
    }

    //= book/src/spec/recovery.md#congestion
    //= type=test
    //# A sender MUST NOT let a window grow that it does not fill:
    #[test]
    fn what_the_application_does_not_use_does_not_grow() {
        let mut reno = NewReno::new(&RecoveryConfig::default());
        let start = reno.window();
        (0..1000).for_each(|_| reno.on_acked(PACKET_BYTES, Instant::EPOCH, false));
        assert_eq!(reno.window(), start);
    }
}
