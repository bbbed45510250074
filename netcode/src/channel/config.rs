//! The table of channels that both sides must agree on.

use core::hash::Hasher;

use siphasher::sip::SipHasher24;
use thiserror::Error;

use crate::channel::send::FRAGMENT_BYTES;
use crate::wire::ChannelId;

/// What a channel promises.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// Everything sent arrives once, in the order sent.
    ReliableOrdered,
    /// Everything sent arrives once, as soon as it can.
    ReliableUnordered,
    /// What arrives, arrives once.
    Unreliable,
    /// What arrives, arrives once and is newer than all before it.
    UnreliableSequenced,
}

impl Delivery {
    /// Whether what is lost is sent again.
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::ReliableOrdered | Self::ReliableUnordered)
    }
}

/// One channel.
///
/// ```
/// use netcode::channel::{ChannelConfig, Delivery};
///
/// let chat = ChannelConfig::new(Delivery::ReliableOrdered).message_bytes_max(1024);
/// let state = ChannelConfig::new(Delivery::Unreliable).priority(1).with_receipts();
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct ChannelConfig {
    pub(super) delivery: Delivery,
    pub(super) priority: u8,
    pub(super) message_bytes_max: usize,
    pub(super) queue_bytes_max: usize,
    pub(super) has_receipts: bool,
}

impl ChannelConfig {
    /// Most bytes of a message, unless set: 64 KiB on reliable channels, four fragments on others.
    pub const MESSAGE_BYTES_RELIABLE: usize = 64 * 1024;
    /// Bytes that wait to be sent, unless set.
    pub const QUEUE_BYTES_DEFAULT: usize = 256 * 1024;
    /// The least urgent priority; 0 is the most urgent.
    pub const PRIORITY_LAST: u8 = 3;

    /// A channel with defaults for the rest.
    pub fn new(delivery: Delivery) -> Self {
        let message_bytes_max =
            if delivery.is_reliable() { Self::MESSAGE_BYTES_RELIABLE } else { 4 * FRAGMENT_BYTES };
        Self {
            delivery,
            priority: 0,
            message_bytes_max,
            queue_bytes_max: Self::QUEUE_BYTES_DEFAULT,
            has_receipts: false,
        }
    }

    /// Sets who goes first: 0 before 1 before 2 before 3; channels of one priority take turns.
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// Sets the most bytes of a message.
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }

    /// Sets how many bytes may wait to be sent; every message counts 64 more than it has.
    pub fn queue_bytes_max(mut self, bytes: usize) -> Self {
        self.queue_bytes_max = bytes;
        self
    }

    /// The most bytes of a message.
    pub fn message_bytes(&self) -> usize {
        self.message_bytes_max
    }

    /// Reports the fate of every message, acknowledged or lost.
    pub fn with_receipts(mut self) -> Self {
        self.has_receipts = true;
        self
    }
}

/// The channels of a connection; a [`ChannelId`] is an index. The same on both sides, or they do
/// not connect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelTable {
    channels: Vec<ChannelConfig>,
}

/// A table that cannot work.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ChannelTableError {
    /// None, or more than 16.
    #[error("{count} channels; a table has 1 to {}", ChannelId::COUNT_MAX)]
    Count {
        /// As given.
        count: usize,
    },
    /// A message limit of zero, or of more fragments than there can be.
    #[error("channel {channel}: messages of {bytes} bytes cannot be sent")]
    MessageBytes {
        /// Which channel.
        channel: ChannelId,
        /// Its limit.
        bytes: usize,
    },
    /// There are four priorities.
    #[error("channel {channel}: priority {priority} is over {}", ChannelConfig::PRIORITY_LAST)]
    Priority {
        /// Which channel.
        channel: ChannelId,
        /// As given.
        priority: u8,
    },
}

impl ChannelTable {
    /// Most bytes that any channel can carry: 1,024 fragments.
    pub const MESSAGE_BYTES_MAX: usize = 1024 * FRAGMENT_BYTES;

    /// Checks and makes a table.
    ///
    /// # Errors
    ///
    /// [`ChannelTableError`] names the channel and the limit.
    pub fn new(channels: Vec<ChannelConfig>) -> Result<Self, ChannelTableError> {
        if channels.is_empty() || channels.len() > ChannelId::COUNT_MAX {
            return Err(ChannelTableError::Count { count: channels.len() });
        }
        for (index, config) in channels.iter().enumerate() {
            let channel = ChannelId(index as u8);
            let bytes = config.message_bytes_max;
            if bytes == 0 || bytes > Self::MESSAGE_BYTES_MAX {
                return Err(ChannelTableError::MessageBytes { channel, bytes });
            }
            if config.priority > ChannelConfig::PRIORITY_LAST {
                return Err(ChannelTableError::Priority { channel, priority: config.priority });
            }
        }
        Ok(Self { channels })
    }

    /// The channels, in order.
    pub fn channels(&self) -> &[ChannelConfig] {
        &self.channels
    }

    /// A number that differs when anything does that both sides must agree on.
    pub fn hash(&self) -> u64 {
        let mut hasher = SipHasher24::new();
        for channel in &self.channels {
            hasher.write_u8(match channel.delivery {
                Delivery::ReliableOrdered => 0,
                Delivery::ReliableUnordered => 1,
                Delivery::Unreliable => 2,
                Delivery::UnreliableSequenced => 3,
            });
            hasher.write(&(channel.message_bytes_max as u64).to_le_bytes());
        }
        hasher.finish()
    }
}
