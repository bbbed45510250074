//! All channels of a connection: who sends next, and the budget that reassembly shares.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::channel::config::{ChannelConfig, ChannelTable};
use crate::channel::error::{ChannelViolation, SendError};
use crate::channel::reassembly::Budget;
use crate::channel::receive::ReceiveHalf;
use crate::channel::send::{Fate, Frame, Receipt, SendHalf};
use crate::wire::{ChannelId, MessageFrame, MessageId};

/// Most frames that are put in one packet.
const PLAN_FRAMES_MAX: usize = 256;

/// A message or a fate for the application.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delivered {
    /// A message arrived.
    Message {
        /// On which channel.
        channel: ChannelId,
        /// Its bytes.
        payload: Bytes,
    },
    /// The fate of a message of ours, on a channel with receipts.
    Receipt {
        /// On which channel.
        channel: ChannelId,
        /// Which message.
        message: MessageId,
        /// Its fate.
        outcome: ReceiptOutcome,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReceiptOutcome {
    /// The peer's transport has all of it.
    Acked,
    /// A part of it is lost, and the channel does not send it again.
    Lost,
}

/// Whether a frame could be taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Taken {
    /// No room to hold it: the packet must not be acknowledged, so that it comes again.
    NoRoom,
    /// Taken, or not needed any more.
    Yes,
}

/// The frames of one packet, in order.
#[derive(Debug, Default)]
pub struct Planned {
    frames: Vec<Frame>,
}

impl Planned {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Appends the frames, the last one without length, and their receipts; empties the plan.
    pub fn encode(&mut self, out: &mut Vec<u8>, receipts: &mut Vec<Receipt>) {
        let last = self.frames.len().wrapping_sub(1);
        for (index, frame) in self.frames.drain(..).enumerate() {
            frame.as_wire().encode(index == last, out);
            receipts.extend(frame.receipt);
        }
    }
}

/// All channels of one connection.
#[derive(Debug)]
pub struct Channels {
    send: Vec<SendHalf>,
    receive: Vec<ReceiveHalf>,
    budget: Budget,
    delivered: VecDeque<Delivered>,
    /// Who goes first among channels of one priority.
    turn: usize,
    /// Reused between frames.
    scratch: Vec<Bytes>,
}

impl Channels {
    /// The channels of `table`; `hold_bytes_max` bounds what is held for reassembly and order.
    pub fn new(table: &ChannelTable, hold_bytes_max: usize) -> Self {
        let channels = table.channels();
        let send = |(index, config): (usize, &ChannelConfig)| {
            SendHalf::new(ChannelId(index as u8), *config)
        };
        Self {
            send: channels.iter().enumerate().map(send).collect(),
            receive: channels.iter().map(|config| ReceiveHalf::new(*config)).collect(),
            budget: Budget::new(hold_bytes_max),
            delivered: VecDeque::new(),
            turn: 0,
            scratch: Vec::new(),
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`SendError`], at once; nothing is queued then.
    pub fn send(&mut self, channel: ChannelId, payload: Bytes) -> Result<MessageId, SendError> {
        let half = self.send.get_mut(usize::from(channel.0));
        half.ok_or(SendError::UnknownChannel { channel })?.push(payload)
    }

    /// Whether there is anything to send.
    pub fn has_frames(&self) -> bool {
        self.send.iter().any(SendHalf::has_frames)
    }

    /// Messages of `channel` that are queued or, on a reliable channel, not yet acknowledged.
    pub fn pending(&self, channel: ChannelId) -> usize {
        self.send.get(usize::from(channel.0)).map_or(0, SendHalf::pending)
    }

    /// Fills `plan` with frames of at most `room` bytes in all, the most urgent first.
    pub fn plan(&mut self, mut room: usize, plan: &mut Planned) {
        for priority in 0..=ChannelConfig::PRIORITY_LAST {
            let mut idle = 0;
            while idle < self.send.len() && plan.frames.len() < PLAN_FRAMES_MAX {
                self.turn = (self.turn + 1) % self.send.len();
                let half = &mut self.send[self.turn];
                let frame = if half.config().priority == priority { half.plan(room) } else { None };
                match frame {
                    Some(frame) => {
                        room -= frame.as_wire().encoded_len();
                        plan.frames.push(frame);
                        idle = 0;
                    }
                    None => idle += 1,
                }
            }
        }
    }

    /// Takes a frame of the peer.
    ///
    /// # Errors
    ///
    /// [`ChannelViolation`]: the peer broke a rule, and the connection must end.
    pub fn on_frame(&mut self, frame: &MessageFrame<'_>) -> Result<Taken, ChannelViolation> {
        let index = usize::from(frame.channel.0);
        let mut taken = self.try_frame(index, frame)?;
        let is_short = !self.budget.fits(frame.payload.len());
        if taken == Taken::NoRoom && is_short && self.shed() {
            taken = self.try_frame(index, frame)?;
        }
        Ok(taken)
    }

    /// The peer has what the receipt stands for.
    pub fn on_acked(&mut self, receipt: Receipt) {
        if let Some(half) = self.send.get_mut(usize::from(receipt.channel.0)) {
            let fate = half.on_acked(receipt);
            self.report(receipt, fate);
        }
    }

    /// The packet with the receipt is lost.
    pub fn on_lost(&mut self, receipt: Receipt) {
        if let Some(half) = self.send.get_mut(usize::from(receipt.channel.0)) {
            let fate = half.on_lost(receipt);
            self.report(receipt, fate);
        }
    }

    /// A probe is to carry what the receipt stands for, if it is still wanted.
    pub fn on_probe(&mut self, receipt: Receipt) {
        if let Some(half) = self.send.get_mut(usize::from(receipt.channel.0)) {
            half.on_probe(receipt);
        }
    }

    /// The next message or fate, oldest first.
    pub fn poll_delivered(&mut self) -> Option<Delivered> {
        self.delivered.pop_front()
    }

    /// Bytes held for reassembly and order.
    pub fn held_bytes(&self) -> usize {
        self.budget.used()
    }

    fn try_frame(
        &mut self,
        index: usize,
        frame: &MessageFrame<'_>,
    ) -> Result<Taken, ChannelViolation> {
        let half = self.receive.get_mut(index).ok_or(ChannelViolation::UnknownChannel)?;
        let taken = half.on_frame(frame, &mut self.budget, &mut self.scratch)?;
        let channel = frame.channel;
        let messages = self.scratch.drain(..);
        self.delivered.extend(messages.map(|payload| Delivered::Message { channel, payload }));
        Ok(taken)
    }

    /// Gives up what is least missed: an unreliable message that is not complete.
    fn shed(&mut self) -> bool {
        self.receive.iter_mut().any(|half| half.shed(&mut self.budget))
    }

    fn report(&mut self, receipt: Receipt, fate: Fate) {
        let half = &self.send[usize::from(receipt.channel.0)];
        let outcome = match fate {
            Fate::Open => return,
            Fate::Acked => ReceiptOutcome::Acked,
            Fate::Lost => ReceiptOutcome::Lost,
        };
        if half.config().has_receipts {
            let (channel, message) = (receipt.channel, receipt.id);
            self.delivered.push_back(Delivered::Receipt { channel, message, outcome });
        }
    }
}
