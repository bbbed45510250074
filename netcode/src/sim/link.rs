//! One direction between two hosts.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::entropy::Entropy;
use crate::time::Instant;

/// What a link does to datagrams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkConfig {
    /// One-way delay.
    pub delay: Duration,
    /// Each datagram is earlier or later by up to this much, uniformly. More than the spacing of
    /// the datagrams lets them overtake each other.
    pub jitter: Duration,
    /// The share of datagrams that is lost, 0.0 to 1.0.
    pub loss: f64,
    /// The share of datagrams that arrives twice, 0.0 to 1.0.
    pub duplicate: f64,
    /// Bytes a second that fit through; `None` is no limit.
    pub rate_bytes_per_s: Option<u64>,
    /// Bytes that wait when the rate is exceeded; what comes on top is dropped.
    pub queue_bytes: usize,
}

impl LinkConfig {
    /// A good path: 10 ms each way, in order, nothing lost.
    pub const CALM: Self = Self {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        loss: 0.0,
        duplicate: 0.0,
        rate_bytes_per_s: None,
        queue_bytes: 256 * 1024,
    };

    /// Weather that no game should be played in: a fifth lost, a tenth twice, all out of order.
    pub const STORM: Self = Self {
        delay: Duration::from_millis(60),
        jitter: Duration::from_millis(40),
        loss: 0.2,
        duplicate: 0.1,
        rate_bytes_per_s: Some(256 * 1024),
        queue_bytes: 64 * 1024,
    };
}

impl Default for LinkConfig {
    /// [`LinkConfig::CALM`].
    fn default() -> Self {
        Self::CALM
    }
}

/// What became of the datagrams of a link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LinkStats {
    /// Handed to [`Link::send`].
    pub sent: u64,
    /// Lost on the way.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub overflowed: u64,
    /// Copies that were made.
    pub duplicated: u64,
    /// Handed out by [`Link::poll_arrival`], copies included.
    pub arrived: u64,
}

/// One direction of a network path, in virtual time.
///
/// It carries anything that can be copied; how many bytes it counts for is said on sending.
///
/// ```
/// use netcode::sim::{Link, LinkConfig};
/// use netcode::time::Instant;
///
/// let mut link = Link::new(LinkConfig::CALM, 1);
/// link.send(Instant::EPOCH, 5, "hello");
/// let at = link.poll_timeout().unwrap();
/// assert_eq!(at, Instant::EPOCH + LinkConfig::CALM.delay);
/// assert_eq!(link.poll_arrival(Instant::EPOCH), None);
/// assert_eq!(link.poll_arrival(at), Some("hello"));
/// ```
#[derive(Clone, Debug)]
pub struct Link<T: Clone = Vec<u8>> {
    config: LinkConfig,
    entropy: Entropy,
    /// By arrival; what arrives at one instant, in the order sent.
    in_flight: BTreeMap<(Instant, u64), T>,
    next: u64,
    /// When the last byte accepted has left the queue.
    free_at: Instant,
    stats: LinkStats,
}

impl<T: Clone> Link<T> {
    /// An idle link whose luck `seed` determines.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            entropy: Entropy::from_simulation_seed(seed),
            in_flight: BTreeMap::new(),
            next: 0,
            free_at: Instant::EPOCH,
            stats: LinkStats::default(),
        }
    }

    /// Changes the weather for what is sent from now on.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// The present weather.
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// Puts a datagram of `bytes` bytes on the link.
    pub fn send(&mut self, now: Instant, bytes: usize, datagram: T) {
        // Always four draws: a change of one knob leaves the luck of the others alone.
        let is_lost = self.entropy.unit() < self.config.loss;
        let is_twice = self.entropy.unit() < self.config.duplicate;
        let (first, second) = (self.wander(), self.wander());
        self.stats.sent += 1;
        let Some(leaves_at) = self.enqueue(now, bytes) else {
            self.stats.overflowed += 1;
            return;
        };
        if is_lost {
            self.stats.lost += 1;
            return;
        }
        if is_twice {
            self.stats.duplicated += 1;
            self.insert(leaves_at + second, datagram.clone());
        }
        self.insert(leaves_at + first, datagram);
    }

    /// The next datagram that has arrived by `now`, the earliest first.
    pub fn poll_arrival(&mut self, now: Instant) -> Option<T> {
        let entry = self.in_flight.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        self.stats.arrived += 1;
        Some(entry.remove())
    }

    /// When the next datagram arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.in_flight.keys().next().map(|(at, _)| *at)
    }

    /// Datagrams under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What became of the datagrams so far.
    pub fn stats(&self) -> LinkStats {
        self.stats
    }

    /// Delay and jitter of one datagram.
    fn wander(&mut self) -> Duration {
        let spread = self.config.jitter.mul_f64(2.0 * self.entropy.unit());
        (self.config.delay + spread).saturating_sub(self.config.jitter)
    }

    /// When the datagram has passed the bottleneck; `None` if its queue is full.
    ///
    /// A lost datagram takes its share of the rate: it is lost behind the bottleneck.
    fn enqueue(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let Some(rate) = self.config.rate_bytes_per_s else { return Some(now) };
        let rate = rate.max(1) as f64;
        let waiting_bytes = self.free_at.saturating_since(now).as_secs_f64() * rate;
        if waiting_bytes + bytes as f64 > self.config.queue_bytes as f64 {
            return None;
        }
        self.free_at = self.free_at.max(now) + Duration::from_secs_f64(bytes as f64 / rate);
        Some(self.free_at)
    }

    fn insert(&mut self, at: Instant, datagram: T) {
        self.in_flight.insert((at, self.next), datagram);
        self.next += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Link, LinkConfig};

    const STEP: Duration = Duration::from_millis(1);

    /// Sends `count` numbered datagrams of 100 bytes, 1 ms apart, and takes all that arrives.
    fn run(config: LinkConfig, seed: u64, count: u32) -> (Link<u32>, Vec<(Instant, u32)>) {
        let mut link = Link::new(config, seed);
        let mut now = Instant::EPOCH;
        for number in 0..count {
            link.send(now, 100, number);
            now += STEP;
        }
        let mut arrivals = Vec::new();
        while let Some(at) = link.poll_timeout() {
            while let Some(number) = link.poll_arrival(at) {
                arrivals.push((at, number));
            }
        }
        (link, arrivals)
    }

    #[test]
    fn calm_keeps_order_and_delay() {
        let (link, arrivals) = run(LinkConfig::CALM, 1, 1000);
        let expected: Vec<_> =
            (0..1000).map(|n| (Instant::EPOCH + STEP * n + LinkConfig::CALM.delay, n)).collect();
        assert_eq!(arrivals, expected);
        assert_eq!(link.in_flight(), 0);
    }

    #[test]
    fn equal_seeds_give_equal_storms() {
        let (link, arrivals) = run(LinkConfig::STORM, 7, 2000);
        assert_eq!(arrivals, run(LinkConfig::STORM, 7, 2000).1);
        assert_ne!(arrivals, run(LinkConfig::STORM, 8, 2000).1);
        let stats = link.stats();
        assert_eq!(stats.sent, 2000);
        assert_eq!(stats.arrived, stats.sent - stats.lost + stats.duplicated - stats.overflowed);
    }

    #[test]
    fn shares_are_what_the_config_says() {
        let config = LinkConfig { loss: 0.3, duplicate: 0.2, ..LinkConfig::CALM };
        let stats = run(config, 3, 20_000).0.stats();
        assert!(stats.lost.abs_diff(6_000) < 300, "{stats:?}");
        assert!(stats.duplicated.abs_diff(2_800) < 300, "{stats:?}");
        let all = LinkConfig { loss: 1.0, ..LinkConfig::CALM };
        assert_eq!(run(all, 3, 100).1, []);
    }

    #[test]
    fn jitter_reorders_and_stays_in_its_bounds() {
        let config = LinkConfig { jitter: Duration::from_millis(9), ..LinkConfig::CALM };
        let (_, arrivals) = run(config, 4, 1000);
        assert!(!arrivals.is_sorted_by_key(|(_, number)| *number), "nothing overtook");
        for (at, number) in arrivals {
            let took = at - (Instant::EPOCH + STEP * number);
            assert!(took >= Duration::from_millis(1) && took <= Duration::from_millis(19));
        }
    }

    #[test]
    fn rate_spaces_datagrams_and_the_queue_has_an_end() {
        let config = LinkConfig {
            rate_bytes_per_s: Some(10_000), // 10 ms for each
            queue_bytes: 1_000,
            ..LinkConfig::CALM
        };
        let (link, arrivals) = run(config, 5, 100);
        let stats = link.stats();
        // 99 ms drain 9 datagrams, 10 wait.
        assert!(stats.arrived.abs_diff(20) <= 1, "{stats:?}");
        assert_eq!(stats.overflowed, 100 - stats.arrived);
        let gaps = arrivals.windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(gaps.into_iter().all(|gap| gap == Duration::from_millis(10)));
    }

    #[test]
    fn one_knob_leaves_the_luck_of_the_others_alone() {
        let lossy = LinkConfig { loss: 0.3, ..LinkConfig::CALM };
        let lossy_and_late = LinkConfig { jitter: STEP / 4, ..lossy };
        let numbers = |config| run(config, 6, 500).1.into_iter().map(|(_, n)| n);
        assert!(numbers(lossy).eq(numbers(lossy_and_late)));
    }
}
