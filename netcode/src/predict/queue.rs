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
