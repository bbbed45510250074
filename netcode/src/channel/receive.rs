//! The receiving half of a channel.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::channel::config::{ChannelConfig, Delivery};
use crate::channel::error::ChannelViolation;
use crate::channel::reassembly::{Budget, Partial};
use crate::channel::send::WINDOW_MESSAGES;
use crate::channel::set::Taken;
use crate::wire::{MessageFrame, MessageId, Part};

/// Unreliable messages that are put together at one time; the oldest is given up for a newer one.
const PARTIALS_UNRELIABLE_MAX: usize = 8;

/// Sorts, deduplicates and reassembles what arrives on one channel.
#[derive(Debug)]
pub(super) struct ReceiveHalf {
    config: ChannelConfig,
    /// Reliable: all before it are here. Others: one past the newest.
    next: MessageId,
    /// Reliable unordered: delivered ahead of `next`.
    ahead: BTreeSet<MessageId>,
    /// Reliable ordered: complete, but ahead of `next`.
    early: BTreeMap<MessageId, Bytes>,
    partials: BTreeMap<MessageId, Partial>,
    /// Unreliable: one past the newest that was given up before it was complete.
    given_up: MessageId,
}

impl ReceiveHalf {
    pub(super) fn new(config: ChannelConfig) -> Self {
        Self {
            config,
            next: MessageId(0),
            ahead: BTreeSet::new(),
            early: BTreeMap::new(),
            partials: BTreeMap::new(),
            given_up: MessageId(0),
        }
    }

    /// Takes a message or fragment; what is due is appended to `delivered`.
    pub(super) fn on_frame(
        &mut self,
        frame: &MessageFrame<'_>,
        budget: &mut Budget,
        delivered: &mut Vec<Bytes>,
    ) -> Result<Taken, ChannelViolation> {
        if frame.payload.len() > self.config.message_bytes_max {
            return Err(ChannelViolation::TooLarge);
        }
        let id = MessageId::expand(frame.id_low, self.next);
        if self.config.delivery.is_reliable() {
            if id.0 >= self.next.0 + WINDOW_MESSAGES {
                return Err(ChannelViolation::WindowExceeded);
            }
            //= book/src/spec/channels.md#reliable-delivery
            //# A receiver MUST deliver every reliable message exactly once.
            if id < self.next || self.ahead.contains(&id) || self.early.contains_key(&id) {
                return Ok(Taken::Yes);
            }
        } else if self.is_outdated(id) {
            return Ok(Taken::Yes);
        }
        let message = match frame.part {
            None => Bytes::copy_from_slice(frame.payload),
            Some(part) => match self.on_part(id, part, frame.payload, budget)? {
                Assembly::Complete(message) => message,
                Assembly::Waits => return Ok(Taken::Yes),
                Assembly::NoRoom => return Ok(Taken::NoRoom),
            },
        };
        Ok(self.on_message(id, message, budget, delivered))
    }

    fn on_message(
        &mut self,
        id: MessageId,
        message: Bytes,
        budget: &mut Budget,
        delivered: &mut Vec<Bytes>,
    ) -> Taken {
        match self.config.delivery {
            Delivery::Unreliable | Delivery::UnreliableSequenced => {
                self.next = self.next.max(id.next());
                delivered.push(message);
            }
            Delivery::ReliableUnordered => {
                delivered.push(message);
                self.ahead.insert(id);
                while self.ahead.remove(&self.next) {
                    self.next = self.next.next();
                }
            }
            Delivery::ReliableOrdered if id == self.next => {
                delivered.push(message);
                self.next = self.next.next();
                while let Some(message) = self.early.remove(&self.next) {
                    budget.give_back(message.len());
                    delivered.push(message);
                    self.next = self.next.next();
                }
            }
            Delivery::ReliableOrdered => {
                if !budget.take(message.len()) {
                    return Taken::NoRoom;
                }
                self.early.insert(id, message);
            }
        }
        Taken::Yes
    }

    fn on_part(
        &mut self,
        id: MessageId,
        part: Part,
        payload: &[u8],
        budget: &mut Budget,
    ) -> Result<Assembly, ChannelViolation> {
        let is_reliable = self.config.delivery.is_reliable();
        let is_new = !self.partials.contains_key(&id);
        if !is_reliable && is_new && !self.make_room_for_partial(id, budget) {
            return Ok(Assembly::NoRoom);
        }
        let partial = self.partials.entry(id).or_insert_with(|| Partial::new(part.count));
        if !partial.check(part, payload, self.config.message_bytes_max)? {
            return Ok(Assembly::Waits);
        }
        //= book/src/spec/channels.md#memory
        //# A receiver MUST take every fragment of the message that all others of its channel wait
        //# for.
        // The message that all others wait for is always let in: its size is bounded, and only its
        // completion gives room back.
        let is_awaited = is_reliable && id == self.next;
        if is_awaited {
            budget.take_anyway(payload.len());
        } else if !budget.take(payload.len()) {
            return Ok(Assembly::NoRoom);
        }
        partial.insert(part.index, payload);
        if !partial.is_complete() {
            return Ok(Assembly::Waits);
        }
        let partial = self.partials.remove(&id).expect("it was just filled");
        Ok(Assembly::Complete(partial.assemble(budget)))
    }

    /// Says whether message `id` may be begun. One that was given up may not: its last fragments
    /// would be acknowledged, and its sender take it for received.
    fn make_room_for_partial(&mut self, id: MessageId, budget: &mut Budget) -> bool {
        let oldest = self.partials.keys().next().copied();
        let is_full = self.partials.len() >= PARTIALS_UNRELIABLE_MAX;
        if id < self.given_up || is_full && oldest.is_some_and(|oldest| id < oldest) {
            return false;
        }
        if is_full {
            self.give_up_oldest(budget);
        }
        true
    }

    fn give_up_oldest(&mut self, budget: &mut Budget) -> bool {
        let Some((id, partial)) = self.partials.pop_first() else { return false };
        self.given_up = self.given_up.max(id.next());
        partial.discard(budget);
        true
    }

    //= book/src/spec/channels.md#unreliable-delivery
    //# A receiver MUST NOT deliver an unreliable sequenced message that is older than one it has
    //# delivered.
    fn is_outdated(&self, id: MessageId) -> bool {
        self.config.delivery == Delivery::UnreliableSequenced && id < self.next
    }

    /// Gives up the oldest unreliable partial message; says whether there was one.
    pub(super) fn shed(&mut self, budget: &mut Budget) -> bool {
        !self.config.delivery.is_reliable() && self.give_up_oldest(budget)
    }
}

enum Assembly {
    Complete(Bytes),
    NoRoom,
    Waits,
}
