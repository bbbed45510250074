//! Where the server is in its ticks.

use core::time::Duration;
use std::collections::VecDeque;

use crate::tick::{Tick, TickRate};
use crate::time::Instant;

/// Samples that an estimate rests on: about a second of snapshots.
const SAMPLES_MAX: usize = 32;
/// An error of more than this is stepped over, at most this far in one sample.
const STEP_MAX: Duration = Duration::from_millis(100);
/// A smaller error is worked off at this share of the time that passes.
const SLEW_SHARE: i128 = 20;
/// No sample claims more.
const RTT_MAX: Duration = Duration::from_secs(10);

/// A point of the server's timeline.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// The tick under way.
    pub tick: Tick,
    /// Microseconds since its start.
    pub micros: u32,
}

/// The server's timeline, estimated from samples that the network delays.
///
/// It never jumps: after the first sample an error is worked off at 5 % of the time that passes,
/// and only one beyond 100 ms is stepped over, 100 ms at a time. It is for showing things when they
/// happened; how early inputs are sent is the business of [`Lead`](crate::predict::Lead).
#[derive(Clone, Debug)]
pub struct TickClock {
    rate: TickRate,
    samples: VecDeque<Sample>,
    estimate: Option<Estimate>,
}

/// All in nanoseconds: what to add to the caller's time for the time since tick zero.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    at: Instant,
    offset: i128,
    wanted: i128,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    offset: i128,
    rtt: Duration,
}

impl TickClock {
    /// A clock that knows nothing yet.
    pub fn new(rate: TickRate) -> Self {
        Self { rate, samples: VecDeque::with_capacity(SAMPLES_MAX), estimate: None }
    }

    /// At `now` something arrived that the server sent `tick_micros` microseconds into `tick`; a
    /// round trip takes `rtt`.
    pub fn on_sample(&mut self, now: Instant, tick: Tick, tick_micros: u32, rtt: Duration) {
        let rtt = rtt.min(RTT_MAX);
        let sent = self.nanos(tick) + i128::from(tick_micros) * 1_000;
        let offset = sent + (rtt / 2).as_nanos() as i128 - i128::from(now.as_nanos());
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { offset, rtt });
        let wanted = self.wanted();
        let Some(estimate) = self.estimate else {
            self.estimate = Some(Estimate { at: now, offset, wanted: offset });
            return;
        };
        let mut offset = estimate.offset_at(now);
        let step_max = STEP_MAX.as_nanos() as i128;
        if (wanted - offset).abs() > step_max {
            offset += (wanted - offset).clamp(-step_max, step_max);
        }
        self.estimate = Some(Estimate { at: now.max(estimate.at), offset, wanted });
    }

    /// Where the server is at `now`, or `None` before the first sample.
    pub fn position_at(&self, now: Instant) -> Option<Position> {
        let nanos = i128::from(now.as_nanos()) + self.estimate?.offset_at(now);
        let nanos = u128::try_from(nanos).unwrap_or(0);
        let hz = u128::from(self.rate.hz());
        let tick = nanos * hz / 1_000_000_000;
        let start = (tick * 1_000_000_000).div_ceil(hz);
        let micros = (nanos.saturating_sub(start) / 1_000) as u32;
        Some(Position { tick: Tick::new(u64::try_from(tick).unwrap_or(u64::MAX)), micros })
    }

    /// The caller's time at which the server starts `tick`, as far as is known at `now`.
    pub fn starts_at(&self, tick: Tick, now: Instant) -> Option<Instant> {
        let nanos = self.nanos(tick) - self.estimate?.offset_at(now);
        Some(Instant::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)))
    }

    fn nanos(&self, tick: Tick) -> i128 {
        let nanos = (u128::from(tick.get()) * 1_000_000_000).div_ceil(self.rate.hz().into());
        i128::try_from(nanos).unwrap_or(i128::MAX)
    }

    /// The median of those samples whose round trip is not longer than the median one: what was
    /// held up on the way tells little.
    fn wanted(&self) -> i128 {
        let mut samples = [(Duration::ZERO, 0_i128); SAMPLES_MAX];
        let samples = &mut samples[..self.samples.len()];
        for (place, sample) in samples.iter_mut().zip(&self.samples) {
            *place = (sample.rtt, sample.offset);
        }
        samples.sort_unstable();
        let median = samples[(samples.len() - 1) / 2].0;
        let good = samples.partition_point(|(rtt, _)| *rtt <= median);
        let good = &mut samples[..good];
        good.sort_unstable_by_key(|(_, offset)| *offset);
        good[(good.len() - 1) / 2].1
    }
}

impl Estimate {
    fn offset_at(&self, now: Instant) -> i128 {
        let slew_max = now.saturating_since(self.at).as_nanos() as i128 / SLEW_SHARE;
        self.offset + (self.wanted - self.offset).clamp(-slew_max, slew_max)
    }
}
