//! Steps of a simulation.

use core::fmt;
use core::num::NonZeroU16;
use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

use crate::time::Instant;

/// One step of the simulation, counted from the start of the world. Never wraps.
///
/// ```
/// use netcode::tick::Tick;
///
/// let tick = Tick::new(41).next();
/// assert_eq!(tick.get(), 42);
/// assert_eq!(tick - Tick::new(40), 2);
/// assert_eq!(Tick::new(40).saturating_since(tick), 0);
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tick(u64);

impl Tick {
    /// The first tick of the world.
    pub const ZERO: Self = Self(0);

    /// The tick with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The tick after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Ticks since `earlier`, or zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `ticks` ticks before this one, or [`Tick::ZERO`].
    #[must_use]
    pub const fn saturating_back(self, ticks: u64) -> Self {
        Self(self.0.saturating_sub(ticks))
    }
}

impl Add<u64> for Tick {
    type Output = Self;

    fn add(self, ticks: u64) -> Self {
        Self(self.0.saturating_add(ticks))
    }
}

impl AddAssign<u64> for Tick {
    fn add_assign(&mut self, ticks: u64) {
        *self = *self + ticks;
    }
}

impl Sub for Tick {
    type Output = i64;

    /// The signed distance in ticks; saturates.
    fn sub(self, other: Self) -> i64 {
        if self.0 >= other.0 {
            i64::try_from(self.0 - other.0).unwrap_or(i64::MAX)
        } else {
            i64::try_from(other.0 - self.0).map_or(i64::MIN, |distance| -distance)
        }
    }
}

impl fmt::Debug for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How many ticks a second has.
///
/// ```
/// use netcode::tick::{Tick, TickRate};
/// use netcode::time::Instant;
///
/// let rate = TickRate::new(30).unwrap();
/// let start = Instant::from_millis(500);
/// assert_eq!(rate.starts_at(Tick::new(30), start), Instant::from_millis(1500));
/// assert_eq!(rate.tick_at(Instant::from_millis(1499), start), Tick::new(29));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TickRate(NonZeroU16);

impl TickRate {
    /// A rate of `hz` ticks a second, or `None` for zero.
    pub const fn new(hz: u16) -> Option<Self> {
        match NonZeroU16::new(hz) {
            Some(hz) => Some(Self(hz)),
            None => None,
        }
    }

    /// Ticks a second.
    pub const fn hz(self) -> u16 {
        self.0.get()
    }

    /// How long one tick lasts, rounded down to a nanosecond.
    pub const fn period(self) -> Duration {
        Duration::from_nanos(1_000_000_000 / self.0.get() as u64)
    }

    /// When `tick` starts, if [`Tick::ZERO`] starts at `start`. No drift: rounded once.
    pub fn starts_at(self, tick: Tick, start: Instant) -> Instant {
        let hz = u128::from(self.0.get());
        let nanos = (u128::from(tick.get()) * 1_000_000_000).div_ceil(hz);
        start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The tick that is under way at `now`, if [`Tick::ZERO`] starts at `start`.
    pub fn tick_at(self, now: Instant, start: Instant) -> Tick {
        let nanos = u128::from(now.saturating_since(start).as_nanos() as u64);
        let ticks = nanos * u128::from(self.0.get()) / 1_000_000_000;
        Tick::new(u64::try_from(ticks).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::{Instant, Tick, TickRate};

    #[test]
    fn the_tick_that_starts_now_is_under_way_now() {
        for hz in [1, 20, 30, 60, 64, 128] {
            let rate = TickRate::new(hz).unwrap();
            let start = Instant::from_millis(7);
            for number in [0, 1, 2, 29, 30, 31, 1_000_003] {
                let tick = Tick::new(number);
                assert_eq!(rate.tick_at(rate.starts_at(tick, start), start), tick, "{hz} Hz");
            }
        }
    }

    #[test]
    fn distance_is_signed_and_saturates() {
        assert_eq!(Tick::new(3) - Tick::new(5), -2);
        assert_eq!(Tick::new(u64::MAX) - Tick::ZERO, i64::MAX);
        assert_eq!(Tick::ZERO - Tick::new(u64::MAX), i64::MIN);
    }
}
