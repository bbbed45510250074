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
    /// The tick of the last one.
    newest: Tick,
    inputs: VecDeque<I>,
    capacity: usize,
}

impl<I: Clone> InputBuffer<I> {
    /// A buffer of at most `capacity` inputs, at least one; beyond, the oldest is given up.
    pub fn new(capacity: usize) -> Self {
        Self { newest: Tick::ZERO, inputs: VecDeque::new(), capacity: capacity.max(1) }
    }

    /// Adds the input of `tick`. Ticks that were skipped hold the input before, as the server does.
    /// Nothing happens if `tick` is not a later one.
    pub fn push(&mut self, tick: Tick, input: I) {
        if let Some(newest) = self.newest() {
            if tick <= newest {
                return;
            }
            let skipped = tick.saturating_since(newest) - 1;
            let held = self.inputs.back().cloned();
            for held in held.into_iter().cycle().take(skipped.min(self.capacity as u64) as usize) {
                self.push_next(held);
            }
        }
        self.push_next(input);
        self.newest = tick;
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
        let newest = self.newest()?;
        Some(newest.saturating_back(self.inputs.len() as u64 - 1))
    }

    /// The tick of the last of [`unconsumed`](Self::unconsumed).
    pub fn newest(&self) -> Option<Tick> {
        (!self.inputs.is_empty()).then_some(self.newest)
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

#[cfg(test)]
mod tests {
    use super::InputBuffer;
    use crate::tick::Tick;

    fn ticks(inputs: &InputBuffer<u64>) -> Vec<u64> {
        inputs.unconsumed().copied().collect()
    }

    #[test]
    fn the_oldest_is_given_up_and_skipped_ticks_hold_the_one_before() {
        let mut inputs = InputBuffer::new(4);
        assert_eq!((inputs.oldest(), inputs.newest(), inputs.len()), (None, None, 0));
        for tick in [10, 11, 11, 9, 14] {
            inputs.push(Tick::new(tick), tick);
        }
        assert_eq!(ticks(&inputs), [11, 11, 11, 14]);
        assert_eq!(inputs.oldest(), Some(Tick::new(11)));
        assert_eq!(inputs.get(Tick::new(13)), Some(&11));
        assert_eq!(inputs.get(Tick::new(10)), None);
        assert_eq!(inputs.get(Tick::new(15)), None);

        inputs.on_consumed(Tick::new(12));
        assert_eq!(ticks(&inputs), [11, 14]);
        inputs.on_consumed(Tick::new(u64::MAX));
        assert!(inputs.is_empty());
        inputs.push(Tick::new(3), 3);
        assert_eq!(inputs.newest(), Some(Tick::new(3)));
    }

    #[test]
    fn ticks_at_the_end_of_all_are_harmless() {
        let mut inputs = InputBuffer::new(4);
        inputs.push(Tick::new(1), 1);
        inputs.push(Tick::new(u64::MAX - 1), 2);
        inputs.push(Tick::new(u64::MAX), 3);
        inputs.push(Tick::new(u64::MAX), 4);
        assert!(inputs.len() <= 4);
        assert_eq!(inputs.get(Tick::new(u64::MAX - 2)), Some(&1));
    }
}
