//! The client's inputs, until the server has consumed them.

use std::collections::VecDeque;

use crate::tick::Tick;

/// Inputs of consecutive ticks that the server may not have.
///
/// Each packet carries all of them, so that a lost packet loses nothing.
///
/// ```
/// use netcode::predict::InputBuffer;
/// use netcode::tick::Tick;
///
/// let mut inputs = InputBuffer::new(32);
/// for (tick, input) in [(4, 'a'), (5, 'b'), (6, 'c')] {
///     inputs.push(Tick::new(tick), input);
/// }
/// inputs.on_consumed(Tick::new(4));
/// assert!(inputs.unconsumed().eq(&['b', 'c']));
/// assert_eq!(inputs.newest(), Some(Tick::new(6)));
/// ```
#[derive(Clone, Debug)]
pub struct InputBuffer<I> {
    /// The tick after the newest.
    next: Tick,
    inputs: VecDeque<I>,
    capacity: usize,
}

impl<I: Clone> InputBuffer<I> {
    /// A buffer of at most `capacity` inputs, at least one; beyond, the oldest is given up.
    pub fn new(capacity: usize) -> Self {
        Self { next: Tick::ZERO, inputs: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// Adds the input of `tick`. Ticks that were skipped hold the input before, as the server does.
    /// Nothing happens if `tick` is not a later one.
    pub fn push(&mut self, tick: Tick, input: I) {
        if let Some(newest) = self.newest() {
            if tick <= newest {
                return;
            }
            let skipped = tick.saturating_since(self.next);
            let held = self.inputs.back().cloned();
            for held in held.into_iter().cycle().take(skipped.min(self.capacity as u64) as usize) {
                self.push_next(held);
            }
        }
        self.push_next(input);
        self.next = tick.next();
    }

    /// The server has consumed the inputs up to `tick`.
    pub fn on_consumed(&mut self, tick: Tick) {
        while self.oldest().is_some_and(|oldest| oldest <= tick) {
            self.inputs.pop_front();
        }
    }

    /// Those that the server is not known to have consumed, oldest first.
    pub fn unconsumed(&self) -> impl DoubleEndedIterator<Item = &I> + ExactSizeIterator {
        self.inputs.iter()
    }

    /// The tick of the first of [`unconsumed`](Self::unconsumed).
    pub fn oldest(&self) -> Option<Tick> {
        let len = self.inputs.len() as u64;
        (len > 0).then(|| self.next.saturating_back(len))
    }

    /// The tick of the last of [`unconsumed`](Self::unconsumed).
    pub fn newest(&self) -> Option<Tick> {
        (!self.inputs.is_empty()).then(|| self.next.saturating_back(1))
    }

    /// The input of `tick`, if it is still here.
    pub fn get(&self, tick: Tick) -> Option<&I> {
        let oldest = self.oldest().filter(|oldest| *oldest <= tick)?;
        self.inputs.get(usize::try_from(tick.saturating_since(oldest)).ok()?)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    fn push_next(&mut self, input: I) {
        if self.inputs.len() >= self.capacity {
            self.inputs.pop_front();
        }
        self.inputs.push_back(input);
    }
}
