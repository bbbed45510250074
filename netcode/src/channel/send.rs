//! The sending half of a channel.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::channel::config::ChannelConfig;
use crate::channel::error::SendError;
use crate::wire::{ChannelId, MessageFrame, MessageId, Part};

/// Bytes of every fragment but the last of a message. A longer message is cut.
pub const FRAGMENT_BYTES: usize = 1100;
/// Reliable messages that may be in flight on one channel. Far below what truncated ids can tell
/// apart.
pub const WINDOW_MESSAGES: u64 = 4096;

/// What queueing a message costs beyond its bytes: messages of no bytes fill a queue too.
const QUEUED_OVERHEAD_BYTES: usize = 64;

const _: () = assert!(2 * WINDOW_MESSAGES < MessageId::WINDOW);

/// Stands in a sent packet for a message or fragment that it carried.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Receipt {
    /// Its channel.
    pub channel: ChannelId,
    /// The message.
    pub id: MessageId,
    /// Which fragment; 0 for a whole message.
    pub part: u16,
}

/// A frame to be put in a packet.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// What it stands for, if anybody wants to know its fate.
    pub(super) receipt: Option<Receipt>,
    channel: ChannelId,
    id: MessageId,
    part: Option<Part>,
    payload: Bytes,
}

impl Frame {
    /// As it goes on the wire.
    pub(super) fn as_wire(&self) -> MessageFrame<'_> {
        MessageFrame {
            channel: self.channel,
            id_low: self.id.truncate(),
            part: self.part,
            payload: &self.payload,
        }
    }
}

#[derive(Debug)]
struct Message {
    payload: Bytes,
    parts: u16,
    /// Parts whose fate is open. Reliable: not acknowledged. Others: not acknowledged nor lost.
    open: u16,
    /// Which parts are acknowledged; only for messages of more than one.
    acked: Vec<bool>,
    is_lost: bool,
}

/// Queues, fragments and remembers the messages of one channel.
#[derive(Debug)]
pub(super) struct SendHalf {
    channel: ChannelId,
    config: ChannelConfig,
    next_id: MessageId,
    queued_bytes: usize,
    /// Not yet planned; the front may be planned in part.
    queue: VecDeque<(MessageId, Bytes)>,
    next_part: u16,
    /// Lost parts that are to be sent again, oldest first.
    again: BTreeSet<(MessageId, u16)>,
    /// Planned messages whose fate matters.
    in_flight: BTreeMap<MessageId, Message>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    Acked,
    Lost,
    Open,
}

impl SendHalf {
    pub(super) fn new(channel: ChannelId, config: ChannelConfig) -> Self {
        Self {
            channel,
            config,
            next_id: MessageId(0),
            queued_bytes: 0,
            queue: VecDeque::new(),
            next_part: 0,
            again: BTreeSet::new(),
            in_flight: BTreeMap::new(),
        }
    }

    pub(super) fn config(&self) -> &ChannelConfig {
        &self.config
    }

    pub(super) fn push(&mut self, payload: Bytes) -> Result<MessageId, SendError> {
        let (bytes, max) = (payload.len(), self.config.message_bytes_max);
        if bytes > max {
            return Err(SendError::TooLarge { bytes, max });
        }
        let cost = bytes + QUEUED_OVERHEAD_BYTES;
        // Into an empty queue goes whatever the channel allows, or it could never be sent.
        if !self.queue.is_empty() && self.queued_bytes + cost > self.config.queue_bytes_max {
            return Err(SendError::QueueFull { channel: self.channel });
        }
        let id = self.next_id;
        self.next_id = id.next();
        self.queued_bytes += cost;
        self.queue.push_back((id, payload));
        Ok(id)
    }

    pub(super) fn has_frames(&self) -> bool {
        !self.again.is_empty() || self.front_may_go()
    }

    /// Reliable messages that the peer has not acknowledged, and all that are not yet sent.
    pub(super) fn pending(&self) -> usize {
        self.in_flight.len() + self.queue.len()
    }

    /// The next frame that takes at most `room` bytes.
    pub(super) fn plan(&mut self, room: usize) -> Option<Frame> {
        if let Some((id, part)) = self.again.first().copied() {
            let message = self.in_flight.get(&id)?;
            let frame = self.frame(id, part, &message.payload.clone(), message.parts);
            if frame.as_wire().encoded_len() > room {
                return None;
            }
            self.again.remove(&(id, part));
            return Some(frame);
        }
        if !self.front_may_go() {
            return None;
        }
        let (id, payload) = self.queue.front().cloned()?;
        let parts = parts(payload.len());
        let frame = self.frame(id, self.next_part, &payload, parts);
        if frame.as_wire().encoded_len() > room {
            return None;
        }
        self.on_planned(id, payload, parts);
        Some(frame)
    }

    /// The peer has this part.
    pub(super) fn on_acked(&mut self, receipt: Receipt) -> Fate {
        let Some(message) = self.in_flight.get_mut(&receipt.id) else { return Fate::Open };
        let acked = message.acked.get_mut(usize::from(receipt.part));
        if acked.is_some_and(|acked| core::mem::replace(acked, true)) {
            return Fate::Open;
        }
        self.again.remove(&(receipt.id, receipt.part));
        message.open -= 1;
        if message.open > 0 {
            return Fate::Open;
        }
        let is_lost = message.is_lost;
        self.in_flight.remove(&receipt.id);
        if is_lost { Fate::Open } else { Fate::Acked }
    }

    /// Whether it is lost is open, but send it again if it is wanted: for a probe.
    pub(super) fn on_probe(&mut self, receipt: Receipt) {
        let Some(message) = self.in_flight.get(&receipt.id) else { return };
        let is_acked = message.acked.get(usize::from(receipt.part)).is_some_and(|acked| *acked);
        if self.config.delivery.is_reliable() && !is_acked {
            self.again.insert((receipt.id, receipt.part));
        }
    }

    /// The packet with this part is lost.
    pub(super) fn on_lost(&mut self, receipt: Receipt) -> Fate {
        if self.config.delivery.is_reliable() {
            self.on_probe(receipt);
            return Fate::Open;
        }
        let Some(message) = self.in_flight.get_mut(&receipt.id) else { return Fate::Open };
        let was_lost = core::mem::replace(&mut message.is_lost, true);
        message.open -= 1;
        if message.open == 0 {
            self.in_flight.remove(&receipt.id);
        }
        if was_lost { Fate::Open } else { Fate::Lost }
    }

    fn front_may_go(&self) -> bool {
        let Some((id, _)) = self.queue.front() else { return false };
        if !self.config.delivery.is_reliable() {
            return true;
        }
        let oldest = self.in_flight.first_key_value().map_or(*id, |(oldest, _)| *oldest);
        id.0 - oldest.0 < WINDOW_MESSAGES
    }

    fn frame(&self, id: MessageId, index: u16, payload: &Bytes, parts: u16) -> Frame {
        let is_tracked = self.config.delivery.is_reliable() || self.config.has_receipts;
        let receipt = Receipt { channel: self.channel, id, part: index };
        let start = usize::from(index) * FRAGMENT_BYTES;
        let end = (start + FRAGMENT_BYTES).min(payload.len());
        Frame {
            receipt: is_tracked.then_some(receipt),
            channel: self.channel,
            id,
            part: (parts > 1).then_some(Part { index, count: parts }),
            payload: if parts > 1 { payload.slice(start..end) } else { payload.clone() },
        }
    }

    fn on_planned(&mut self, id: MessageId, payload: Bytes, parts: u16) {
        self.next_part += 1;
        let is_whole = self.next_part == parts;
        if is_whole {
            self.queue.pop_front();
            self.next_part = 0;
            self.queued_bytes -= payload.len() + QUEUED_OVERHEAD_BYTES;
        }
        let is_tracked = self.config.delivery.is_reliable() || self.config.has_receipts;
        if is_tracked {
            let acked = || if parts > 1 { vec![false; usize::from(parts)] } else { Vec::new() };
            self.in_flight.entry(id).or_insert_with(|| Message {
                payload,
                parts,
                open: parts,
                acked: acked(),
                is_lost: false,
            });
        }
    }
}

/// How many fragments a message of `bytes` is cut into; at least one.
fn parts(bytes: usize) -> u16 {
    u16::try_from(bytes.div_ceil(FRAGMENT_BYTES).max(1)).expect("the table bounds messages")
}
