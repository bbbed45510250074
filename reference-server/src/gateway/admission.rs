//! How often somebody may try: token buckets, kept for a bounded number of somebodies.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netcode::time::Instant;

const NANOS_PER_S: u128 = 1_000_000_000;

/// How many at once, and how fast more come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// Most at once, at least 1.
    pub burst: u32,
    /// How many in [`per`](Self::per) after that, at least 1.
    pub count: u32,
    /// The time for [`count`](Self::count) of them.
    pub per: Duration,
}

impl Rate {
    /// `count` a minute, all of them at once if need be.
    pub const fn per_minute(count: u32) -> Self {
        Self { burst: count, count, per: Duration::from_secs(60) }
    }

    /// `count` a second, with a reserve of `burst`.
    pub const fn per_second(count: u32, burst: u32) -> Self {
        Self { burst, count, per: Duration::from_secs(1) }
    }

    /// The time in which one comes.
    fn interval(self) -> u128 {
        (self.per.as_nanos() / u128::from(self.count.max(1))).max(1)
    }
}

/// Tokens that come back with time. Kept as the instant at which it will be full again.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokenBucket {
    full_at: Instant,
}

impl TokenBucket {
    /// Takes one token.
    ///
    /// # Errors
    ///
    /// How long to wait for one.
    pub fn take(&mut self, now: Instant, rate: Rate) -> Result<(), Duration> {
        let interval = rate.interval();
        let missing = self.full_at.saturating_since(now).as_nanos() + interval;
        let room = interval * u128::from(rate.burst.max(1));
        if missing > room {
            return Err(duration(missing - room));
        }
        self.full_at = now + duration(missing);
        Ok(())
    }
}

fn duration(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A bucket for each key, for a bounded number of keys: the one used least recently is forgotten.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    keys_max: usize,
    buckets: BTreeMap<K, (TokenBucket, Instant)>,
    /// Oldest use first: one entry a bucket.
    uses: BTreeSet<(Instant, K)>,
}

impl<K: Clone + Ord> Buckets<K> {
    /// Full buckets, at most `keys_max` of them remembered at once.
    pub fn new(rate: Rate, keys_max: usize) -> Self {
        Self { rate, keys_max: keys_max.max(1), buckets: BTreeMap::new(), uses: BTreeSet::new() }
    }

    /// Takes one token of `key`.
    ///
    /// # Errors
    ///
    /// How long to wait for one.
    pub fn take(&mut self, now: Instant, key: &K) -> Result<(), Duration> {
        let (mut bucket, used_at) = self.buckets.remove(key).unwrap_or_default();
        self.uses.remove(&(used_at, key.clone()));
        if self.buckets.len() >= self.keys_max
            && let Some((_, oldest)) = self.uses.pop_first()
        {
            self.buckets.remove(&oldest);
        }
        let result = bucket.take(now, self.rate);
        self.buckets.insert(key.clone(), (bucket, now));
        self.uses.insert((now, key.clone()));
        result
    }
}

/// The part of an address that one subscriber has: /32 of IPv4, /56 of IPv6.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct AddressPrefix(IpAddr);

impl AddressPrefix {
    /// The prefix of `address`; an IPv4 address is the same however it is written.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(four) => Self(four.into()),
            IpAddr::V6(six) => {
                let kept = u128::from(six) & (u128::MAX << (128 - 56));
                Self(IpAddr::V6(kept.into()))
            }
        }
    }
}

/// Whole milliseconds to wait, never 0.
pub fn retry_after_ms(wait: Duration) -> u32 {
    let millis = wait.as_nanos().div_ceil(NANOS_PER_S / 1_000);
    u32::try_from(millis).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AddressPrefix, Buckets, Duration, Instant, Rate, TokenBucket, retry_after_ms};

    #[test]
    fn a_burst_then_a_rate() {
        let rate = Rate::per_second(10, 3);
        let mut bucket = TokenBucket::default();
        let start = Instant::from_millis(5_000);
        let taken = (0..5).filter(|_| bucket.take(start, rate).is_ok()).count();
        assert_eq!(taken, 3);
        assert_eq!(bucket.take(start, rate), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(start + Duration::from_millis(100), rate), Ok(()));
        assert!(bucket.take(start + Duration::from_millis(199), rate).is_err());
    }

    #[test]
    fn keys_do_not_share_and_the_oldest_is_forgotten() {
        let mut buckets = Buckets::new(Rate::per_minute(1), 2);
        let at = Instant::from_millis;
        assert!(buckets.take(at(1), &"a").is_ok() && buckets.take(at(2), &"b").is_ok());
        assert!(buckets.take(at(3), &"a").is_err() && buckets.take(at(4), &"b").is_err());
        assert!(buckets.take(at(5), &"c").is_ok());
        assert!(buckets.take(at(6), &"b").is_err(), "used later than a, so still known");
        assert!(buckets.take(at(7), &"a").is_ok(), "forgotten");
        assert_eq!((buckets.buckets.len(), buckets.uses.len()), (2, 2));
    }

    #[test]
    fn neighbours_share_a_prefix() {
        let of = |text: &str| AddressPrefix::of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:0:12::1"), of("2001:db8:0:ff:9::2"));
        assert_ne!(of("2001:db8:0:12::1"), of("2001:db8:0:112::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn nobody_is_told_to_wait_for_no_time() {
        assert_eq!(retry_after_ms(Duration::from_nanos(1)), 1);
        assert_eq!(retry_after_ms(Duration::from_millis(5)), 5);
        assert_eq!(retry_after_ms(Duration::MAX), u32::MAX);
    }

    proptest! {
        /// Never more than the burst and what came since, whoever asks when.
        #[test]
        fn the_rate_holds(waits in prop::collection::vec(0..2_000_u64, 1..200)) {
            let rate = Rate::per_second(5, 7);
            let (mut bucket, mut now, mut taken) = (TokenBucket::default(), Instant::EPOCH, 0);
            for wait in waits {
                now += Duration::from_millis(wait);
                taken += u128::from(bucket.take(now, rate).is_ok());
                let most = 7 + u128::from(now.as_micros()) * 5 / 1_000_000;
                prop_assert!(taken <= most, "{taken} of {most} at {now:?}");
            }
        }
    }
}
