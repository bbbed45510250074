//! Entities of others, between two states that are known.

use std::collections::VecDeque;

use crate::predict::clock::Position;
use crate::tick::{Tick, TickRate};

/// Most states kept of one entity.
pub const SAMPLES_KEPT: usize = 32;

/// What to show of an entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampled<S> {
    /// Between two known states.
    Between(S),
    /// The oldest known state: the time asked for is before it.
    Early(S),
    /// The newest known state: nothing later has arrived.
    Held(S),
}

impl<S> Sampled<S> {
    /// The state, however it came about.
    pub fn into_state(self) -> S {
        match self {
            Self::Between(state) | Self::Early(state) | Self::Held(state) => state,
        }
    }
}

/// The last states of one entity of which the network brings some late and some never.
///
/// ```
/// use netcode::predict::{Interpolator, Position, Sampled};
/// use netcode::tick::{Tick, TickRate};
///
/// let mut x = Interpolator::new();
/// x.push(Tick::new(10), 100.0);
/// x.push(Tick::new(12), 200.0);
/// let rate = TickRate::new(50).unwrap();
/// let at = Position { tick: Tick::new(10), micros: 10_000 };
/// let shown = x.sample(at, rate, |from, to, t| from + (to - from) * t);
/// assert_eq!(shown, Some(Sampled::Between(125.0)));
/// ```
#[derive(Clone, Debug)]
pub struct Interpolator<S> {
    /// By tick.
    samples: VecDeque<(Tick, S)>,
}

impl<S> Default for Interpolator<S> {
    fn default() -> Self {
        Self { samples: VecDeque::new() }
    }
}

impl<S: Clone> Interpolator<S> {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state at `tick`, in any order. A second one for the same tick, and one older than all of
    /// [`SAMPLES_KEPT`], change nothing.
    pub fn push(&mut self, tick: Tick, state: S) {
        let Err(index) = self.samples.binary_search_by_key(&tick, |(tick, _)| *tick) else {
            return;
        };
        self.samples.insert(index, (tick, state));
        if self.samples.len() > SAMPLES_KEPT {
            self.samples.pop_front();
        }
    }

    /// Forgets what was before `tick`: the entity was moved there by other means than its own.
    pub fn restart(&mut self, tick: Tick, state: S) {
        self.samples.clear();
        self.samples.push_back((tick, state));
    }

    /// The state at `at`: `lerp` is given the states around it and how far between them it is, from
    /// 0 to 1. `None` if nothing is known.
    pub fn sample(
        &self,
        at: Position,
        rate: TickRate,
        lerp: impl FnOnce(&S, &S, f32) -> S,
    ) -> Option<Sampled<S>> {
        let after = self.samples.partition_point(|(tick, _)| *tick <= at.tick);
        let Some(before) = after.checked_sub(1) else {
            return self.samples.front().map(|(_, state)| Sampled::Early(state.clone()));
        };
        let (from_tick, from) = &self.samples[before];
        let Some((to_tick, to)) = self.samples.get(after) else {
            return Some(Sampled::Held(from.clone()));
        };
        let part = f64::from(at.micros) * f64::from(rate.hz()) / 1e6;
        let passed = at.tick.saturating_since(*from_tick) as f64 + part.min(1.0);
        let whole = to_tick.saturating_since(*from_tick) as f64;
        Some(Sampled::Between(lerp(from, to, (passed / whole) as f32)))
    }

    /// The newest tick for which a state is known.
    pub fn newest(&self) -> Option<Tick> {
        self.samples.back().map(|(tick, _)| *tick)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Interpolator, SAMPLES_KEPT, Sampled};
    use crate::predict::clock::Position;
    use crate::tick::{Tick, TickRate};

    fn shown(x: &Interpolator<f32>, tick: u64, micros: u32) -> Option<Sampled<f32>> {
        let at = Position { tick: Tick::new(tick), micros };
        x.sample(at, TickRate::new(50).unwrap(), |from, to, t| from + (to - from) * t)
    }

    #[test]
    fn before_and_after_all_that_is_known_it_stands_still() {
        let mut x = Interpolator::new();
        assert_eq!(shown(&x, 3, 0), None);
        x.push(Tick::new(12), 2.0);
        x.push(Tick::new(10), 1.0);
        x.push(Tick::new(12), 7.0);
        assert_eq!(shown(&x, 9, 19_999), Some(Sampled::Early(1.0)));
        assert_eq!(shown(&x, 11, 0), Some(Sampled::Between(1.5)));
        assert_eq!(shown(&x, 12, 0), Some(Sampled::Held(2.0)));
        assert_eq!(shown(&x, u64::MAX, u32::MAX), Some(Sampled::Held(2.0)));
        x.restart(Tick::new(13), 9.0);
        assert_eq!(shown(&x, 12, 0), Some(Sampled::Early(9.0)));
    }

    proptest! {
        #[test]
        fn a_straight_line_is_shown_as_one(
            ticks in prop::collection::vec(0..200_u64, 1..100), at in 0..200_u64,
            micros in 0..20_000_u32,
        ) {
            let mut x = Interpolator::new();
            for tick in &ticks {
                x.push(Tick::new(*tick), *tick as f32);
            }
            let mut kept = ticks;
            kept.sort_unstable();
            kept.dedup();
            let kept = &kept[kept.len().saturating_sub(SAMPLES_KEPT)..];
            let (first, last) = (kept[0] as f32, kept[kept.len() - 1] as f32);
            let exact = at as f32 + micros as f32 / 20_000.0;
            let shown = shown(&x, at, micros).unwrap().into_state();
            prop_assert!((shown - exact.clamp(first, last)).abs() < 1e-3, "{shown} {exact}");
        }
    }
}
