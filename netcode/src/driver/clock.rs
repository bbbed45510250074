//! What the operating system knows and the core does not: the time, and chance.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::{SecureRandom, SystemRandom};

use crate::entropy::Entropy;
use crate::time::Instant;

/// How far ahead a deadline is set that the machine's clock cannot express.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// A monotonic clock that counts from its start. Copies tell the same time.
///
/// ```
/// use netcode::driver::Clock;
///
/// let clock = Clock::start();
/// assert!(clock.now() <= clock.now());
/// assert!(clock.unix_ms_at_epoch() > 0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: std::time::Instant,
    unix_ms_at_epoch: u64,
}

impl Clock {
    /// A clock whose epoch is now.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            anchor: std::time::Instant::now(),
            unix_ms_at_epoch: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The time since the start.
    #[allow(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Instant {
        Instant::EPOCH + std::time::Instant::now().saturating_duration_since(self.anchor)
    }

    /// Unix time at the start, in milliseconds; what
    /// [`EndpointConfig::unix_ms_at_epoch`](crate::config::EndpointConfig::unix_ms_at_epoch)
    /// wants. Later changes of the machine's date do not count.
    pub fn unix_ms_at_epoch(&self) -> u64 {
        self.unix_ms_at_epoch
    }

    /// The same point in time as the standard library, and with it a timer, names it. One too far
    /// off to be expressed becomes one in thirty years.
    pub fn std_instant(&self, at: Instant) -> std::time::Instant {
        let since = Duration::from_nanos(at.as_nanos());
        self.anchor.checked_add(since).unwrap_or_else(|| self.anchor + FAR)
    }
}

/// Randomness from the operating system: for one endpoint, or to fork for several.
///
/// # Panics
///
/// If the operating system has none: keys drawn from anything else would be worthless.
pub fn system_entropy() -> Entropy {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).expect("the operating system gives random bytes");
    Entropy::from_seed(seed)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Clock, system_entropy};
    use crate::time::Instant;

    #[test]
    fn instants_survive_the_way_to_the_standard_library() {
        let clock = Clock::start();
        let earlier = clock.std_instant(Instant::EPOCH);
        let later = clock.std_instant(Instant::from_millis(1500));
        assert_eq!(later - earlier, Duration::from_millis(1500));
        assert!(clock.std_instant(Instant::from_nanos(u64::MAX)) > later);
    }

    #[test]
    fn entropy_is_not_the_same_twice() {
        assert_ne!(system_entropy().bytes::<16>(), system_entropy().bytes::<16>());
    }
}
