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
