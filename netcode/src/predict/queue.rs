//! The server's half: exactly one input for every tick.

use std::collections::VecDeque;

use crate::tick::Tick;

/// How many ticks ahead of the next one an input may arrive. More is more than any client leads.
pub const INPUTS_WAITING_MAX: usize = 64;

/// What became of an input that arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Inserted {
    /// It waits for its tick.
    Fresh,
    /// Its tick has one already: the first counts.
    Duplicate,
    /// Its tick is consumed.
    Late,
    /// Its tick is [`INPUTS_WAITING_MAX`] or more away.
    TooEarly,
}

/// The input of one tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Consumed<I> {
    /// Its tick.
    pub tick: Tick,
    /// What the player does in it.
    pub input: I,
    /// Nothing had arrived for this tick: the input before is held.
    pub is_starved: bool,
}

/// Inputs that wait for their ticks. Every tick consumes one, so that whoever sends more gains
/// nothing.
///
/// ```
/// use netcode::predict::{InputQueue, Inserted};
/// use netcode::tick::Tick;
///
/// let mut queue = InputQueue::new(Tick::new(7));
/// assert_eq!(queue.insert(Tick::new(8), 'b'), Inserted::Fresh);
/// assert_eq!(queue.insert(Tick::new(7), 'a'), Inserted::Fresh);
/// assert_eq!(queue.insert(Tick::new(7), 'x'), Inserted::Duplicate);
/// let inputs = [queue.consume(), queue.consume(), queue.consume()];
/// assert_eq!(inputs.map(|consumed| consumed.input), ['a', 'b', 'b']);
/// assert_eq!(queue.starved(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct InputQueue<I> {
    next: Tick,
    last: I,
    starved: u64,
    /// The slot at index `i` is for `next + i`.
    slots: VecDeque<Option<I>>,
}

impl<I: Clone + Default> InputQueue<I> {
    /// A queue whose first input is for `next`; until one arrives, the default is held.
    pub fn new(next: Tick) -> Self {
        Self::restore(next, I::default(), 0)
    }
}

impl<I: Clone> InputQueue<I> {
    /// The queue of a character that another server had: `last` is held until an input arrives.
    /// What waited there is inserted afterwards.
    pub fn restore(next: Tick, last: I, starved: u64) -> Self {
        Self { next, last, starved, slots: VecDeque::new() }
    }

    /// Takes an input for `tick`.
    pub fn insert(&mut self, tick: Tick, input: I) -> Inserted {
        if tick < self.next {
            return Inserted::Late;
        }
        let ahead = tick.saturating_since(self.next);
        if ahead >= INPUTS_WAITING_MAX as u64 {
            return Inserted::TooEarly;
        }
        let ahead = ahead as usize;
        if ahead >= self.slots.len() {
            self.slots.resize(ahead + 1, None);
        }
        let slot = &mut self.slots[ahead];
        if slot.is_some() {
            return Inserted::Duplicate;
        }
        *slot = Some(input);
        Inserted::Fresh
    }

    /// The input of the next tick, which is over with that.
    pub fn consume(&mut self) -> Consumed<I> {
        let tick = self.next;
        self.next = tick.next();
        let arrived = self.slots.pop_front().flatten();
        let is_starved = arrived.is_none();
        match arrived {
            Some(input) => self.last = input,
            None => self.starved = self.starved.saturating_add(1),
        }
        Consumed { tick, input: self.last.clone(), is_starved }
    }

    /// The tick that [`consume`](Self::consume) is for.
    pub fn next(&self) -> Tick {
        self.next
    }

    /// The input consumed last.
    pub fn last(&self) -> &I {
        &self.last
    }

    /// Ticks so far for which nothing had arrived.
    pub fn starved(&self) -> u64 {
        self.starved
    }

    /// What waits, by tick.
    pub fn waiting(&self) -> impl DoubleEndedIterator<Item = (Tick, &I)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(index, slot)| Some((self.next + index as u64, slot.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;

    use proptest::prelude::*;

    use super::{INPUTS_WAITING_MAX, InputQueue, Inserted};
    use crate::tick::Tick;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Insert(u64),
        Consume,
    }

    fn op() -> impl Strategy<Value = Op> {
        let tick = prop_oneof![8 => 0..100_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)];
        prop_oneof![3 => tick.prop_map(Op::Insert), 1 => Just(Op::Consume)]
    }

    proptest! {
        #[test]
        fn each_tick_consumes_the_first_input_that_came_for_it_or_holds(
            ops in prop::collection::vec(op(), 0..300),
        ) {
            let mut queue = InputQueue::new(Tick::new(5));
            let (mut next, mut last, mut starved) = (5, 0, 0);
            let mut waiting = BTreeMap::new();
            // Each arrival is told apart by its number.
            for (op, number) in ops.into_iter().zip(1_usize..) {
                match op {
                    Op::Insert(tick) => {
                        let expected = if tick < next {
                            Inserted::Late
                        } else if tick - next >= INPUTS_WAITING_MAX as u64 {
                            Inserted::TooEarly
                        } else if let Entry::Vacant(place) = waiting.entry(tick) {
                            place.insert(number);
                            Inserted::Fresh
                        } else {
                            Inserted::Duplicate
                        };
                        prop_assert_eq!(queue.insert(Tick::new(tick), number), expected);
                    }
                    Op::Consume => {
                        let arrived = waiting.remove(&next);
                        last = arrived.unwrap_or(last);
                        starved += u64::from(arrived.is_none());
                        let consumed = queue.consume();
                        prop_assert_eq!(consumed.tick, Tick::new(next));
                        prop_assert_eq!(consumed.input, last);
                        prop_assert_eq!(consumed.is_starved, arrived.is_none());
                        next += 1;
                    }
                }
                prop_assert_eq!(queue.next(), Tick::new(next));
                prop_assert_eq!((*queue.last(), queue.starved()), (last, starved));
                let model = waiting.iter().map(|(&tick, input)| (Tick::new(tick), input));
                prop_assert!(queue.waiting().eq(model));
            }
        }
    }

    #[test]
    fn a_queue_that_moved_goes_on_where_it_was() {
        let mut source = InputQueue::new(Tick::new(1));
        for tick in [1, 2, 4] {
            source.insert(Tick::new(tick), tick);
        }
        source.consume();
        let mut target = InputQueue::restore(source.next(), *source.last(), source.starved());
        for (tick, input) in source.waiting() {
            assert_eq!(target.insert(tick, *input), Inserted::Fresh);
        }
        for _ in 0..5 {
            assert_eq!(source.consume(), target.consume());
        }
        assert_eq!(target.starved(), 3);
    }

    #[test]
    fn the_last_tick_of_all_is_harmless() {
        let mut queue = InputQueue::new(Tick::new(u64::MAX));
        assert_eq!(queue.insert(Tick::new(u64::MAX), 1), Inserted::Fresh);
        assert_eq!(queue.consume().input, 1);
        assert_eq!(queue.consume().tick, Tick::new(u64::MAX));
    }
}
