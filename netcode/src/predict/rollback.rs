//! A state that runs ahead of the server, and is put right when it was wrong.

use std::collections::VecDeque;

use crate::tick::Tick;

/// Most ticks that a prediction runs ahead of what is confirmed. Older ones are given up.
pub const PREDICTED_MAX: usize = 128;

/// What an authoritative state did to a prediction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reconciled<S> {
    /// It is what was predicted.
    Confirmed,
    /// It is not: the inputs since then have been replayed from it.
    Corrected {
        /// The newest prediction as it was before, for whoever hides the difference.
        before: S,
        /// Inputs replayed.
        replayed: usize,
    },
    /// It is older than one that came before, or than all that is remembered: ignored.
    Stale,
    /// It is newer than all that was predicted: the prediction continues from it.
    Ahead,
}

/// Predicts one state (a character, or all that a client simulates) from inputs.
///
/// ```
/// use netcode::predict::{Predictor, Reconciled};
/// use netcode::tick::Tick;
///
/// let step = |position: &mut i32, input: &i32, _: Tick| *position += input;
/// let mut predictor = Predictor::new(Tick::new(0), 100);
/// for tick in 1..=3 {
///     predictor.predict(Tick::new(tick), 5, step);
/// }
/// assert_eq!(*predictor.state(), 115);
///
/// // The server agrees with tick 1; in tick 2 something pushed the character.
/// assert_eq!(predictor.reconcile(Tick::new(1), 105, i32::eq, step), Reconciled::Confirmed);
/// let corrected = predictor.reconcile(Tick::new(2), 90, i32::eq, step);
/// assert_eq!(corrected, Reconciled::Corrected { before: 115, replayed: 1 });
/// assert_eq!(*predictor.state(), 95);
/// ```
#[derive(Clone, Debug)]
pub struct Predictor<S, I> {
    /// The last tick for which the state is the server's.
    confirmed: Tick,
    /// The state after `base_tick`: that of `confirmed`, unless prediction ran too far ahead of it.
    base: S,
    base_tick: Tick,
    /// One for each tick after `base_tick`.
    steps: VecDeque<Step<S, I>>,
    /// The newest input, to be held in ticks that are skipped, as the server does.
    held: Option<I>,
}

#[derive(Clone, Debug)]
struct Step<S, I> {
    input: I,
    /// After the input.
    state: S,
}

impl<S: Clone, I: Clone> Predictor<S, I> {
    /// Starts from the server's state after `tick`.
    pub fn new(tick: Tick, state: S) -> Self {
        Self { confirmed: tick, base: state, base_tick: tick, steps: VecDeque::new(), held: None }
    }

    /// Steps to the state after `tick`. Ticks that were skipped hold the last input that was
    /// predicted, or this one if there is none; a gap of more than [`PREDICTED_MAX`] ticks is
    /// jumped over. Nothing happens if `tick` is not a later one.
    pub fn predict(&mut self, tick: Tick, input: I, mut step: impl FnMut(&mut S, &I, Tick)) {
        let skipped = tick.saturating_since(self.tick()).saturating_sub(1);
        if tick <= self.tick() {
            return;
        }
        if skipped > PREDICTED_MAX as u64 {
            self.base = self.state().clone();
            self.base_tick = tick.saturating_back(1);
            self.steps.clear();
        } else if skipped > 0 {
            let held = self.held.clone().unwrap_or_else(|| input.clone());
            for _ in 0..skipped {
                self.step(held.clone(), &mut step);
            }
        }
        self.held = Some(input.clone());
        self.step(input, &mut step);
    }

    /// Compares with the server's `state` after `tick`, by `same`; if it differs, replays from it.
    pub fn reconcile(
        &mut self,
        tick: Tick,
        state: S,
        same: impl FnOnce(&S, &S) -> bool,
        mut step: impl FnMut(&mut S, &I, Tick),
    ) -> Reconciled<S> {
        if tick <= self.confirmed || tick < self.base_tick {
            return Reconciled::Stale;
        }
        if tick > self.tick() {
            self.reset(tick, state);
            return Reconciled::Ahead;
        }
        let behind = tick.saturating_since(self.base_tick) as usize;
        let last = behind.checked_sub(1).and_then(|index| self.steps.get(index));
        let is_same = same(last.map_or(&self.base, |last| &last.state), &state);
        let before = (!is_same).then(|| self.state().clone());
        self.confirmed = tick;
        self.base_tick = tick;
        self.base = state;
        self.steps.drain(..behind);
        let Some(before) = before else { return Reconciled::Confirmed };
        let mut now = self.base.clone();
        for (index, predicted) in self.steps.iter_mut().enumerate() {
            step(&mut now, &predicted.input, tick + 1 + index as u64);
            predicted.state = now.clone();
        }
        Reconciled::Corrected { before, replayed: self.steps.len() }
    }

    /// Starts again from the server's state after `tick`, and forgets everything predicted.
    pub fn reset(&mut self, tick: Tick, state: S) {
        self.confirmed = tick;
        self.base = state;
        self.base_tick = tick;
        self.steps.clear();
    }

    /// The newest state.
    pub fn state(&self) -> &S {
        self.steps.back().map_or(&self.base, |last| &last.state)
    }

    /// The tick after which it is the state.
    pub fn tick(&self) -> Tick {
        self.base_tick + self.steps.len() as u64
    }

    /// The newest tick for which the server's state is known.
    pub fn confirmed(&self) -> Tick {
        self.confirmed
    }

    fn step(&mut self, input: I, step: &mut impl FnMut(&mut S, &I, Tick)) {
        let mut state = self.state().clone();
        step(&mut state, &input, self.tick().next());
        self.steps.push_back(Step { input, state });
        if self.steps.len() > PREDICTED_MAX
            && let Some(oldest) = self.steps.pop_front()
        {
            self.base = oldest.state;
            self.base_tick = self.base_tick.next();
        }
    }
}
