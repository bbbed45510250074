//! What an application should know.

use bytes::Bytes;

use crate::channel::ReceiptOutcome;
use crate::connection::error::ConnectionError;
use crate::wire::{ChannelId, MessageId};

/// Something that happened to a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is over; nothing follows.
    Closed(ConnectionError),
    /// Keys are agreed and proven: messages may flow.
    Connected,
    /// A message arrived.
    Message {
        /// On which channel.
        channel: ChannelId,
        /// Its bytes.
        payload: Bytes,
    },
    /// The fate of a message of ours, on a channel with receipts. Told once.
    Receipt {
        /// On which channel.
        channel: ChannelId,
        /// As `send` named it.
        message: MessageId,
        /// Acknowledged or lost.
        outcome: ReceiptOutcome,
    },
}
