//! Round-trip time (RFC 9002, section 5).

use core::time::Duration;

/// The least that a timer waits.
const GRANULARITY: Duration = Duration::from_millis(1);

/// Smoothed round-trip time and its variation.
#[derive(Clone, Copy, Debug)]
pub struct RttEstimator {
    latest: Duration,
    smoothed: Duration,
    variation: Duration,
    min: Duration,
    has_sample: bool,
}

impl RttEstimator {
    /// An estimate to start from.
    pub fn new(initial: Duration) -> Self {
        let variation = initial / 2;
        Self { latest: initial, smoothed: initial, variation, min: initial, has_sample: false }
    }

    /// Takes a sample: `rtt` from sending a packet to its acknowledgement, which the peer held back
    /// for `ack_delay`.
    pub fn on_sample(&mut self, rtt: Duration, ack_delay: Duration) {
        self.latest = rtt;
        if !self.has_sample {
            self.has_sample = true;
            self.min = rtt;
            self.smoothed = rtt;
            self.variation = rtt / 2;
            return;
        }
        self.min = self.min.min(rtt);
        // A peer that overstates its delay must not push the estimate below what was seen.
        let adjusted = if rtt >= self.min + ack_delay { rtt - ack_delay } else { rtt };
        let deviation = self.smoothed.abs_diff(adjusted);
        self.variation = (self.variation * 3 + deviation) / 4;
        self.smoothed = (self.smoothed * 7 + adjusted) / 8;
    }

    /// The last sample.
    pub fn latest(&self) -> Duration {
        self.latest
    }

    /// The smallest sample.
    pub fn min(&self) -> Duration {
        self.min
    }

    /// The smoothed time.
    pub fn smoothed(&self) -> Duration {
        self.smoothed
    }

    /// Mean deviation of the samples.
    pub fn variation(&self) -> Duration {
        self.variation
    }

    /// After this long without an acknowledgement, probe; `ack_delay_max` is the peer's.
    pub fn probe_timeout(&self, ack_delay_max: Duration) -> Duration {
        self.smoothed + (self.variation * 4).max(GRANULARITY) + ack_delay_max
    }

    /// A packet this much older than one that was acknowledged is lost.
    pub fn loss_delay(&self) -> Duration {
        (self.smoothed.max(self.latest) * 9 / 8).max(GRANULARITY)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::RttEstimator;

    #[test]
    fn it_converges_and_the_peers_delay_is_taken_off() {
        let ms = Duration::from_millis;
        let mut rtt = RttEstimator::new(ms(333));
        rtt.on_sample(ms(50), ms(0));
        assert_eq!((rtt.smoothed(), rtt.variation()), (ms(50), ms(25)));
        for _ in 0..100 {
            rtt.on_sample(ms(70), ms(20));
        }
        assert!(rtt.smoothed() < ms(51), "{:?}", rtt.smoothed());
        // A claim that would take the sample below the least one is not believed.
        rtt.on_sample(ms(50), ms(40));
        assert!(rtt.smoothed() >= ms(49));
    }
}
