//! A caller's mistake, and a peer's.

use thiserror::Error;

use crate::wire::ChannelId;

/// Why a message was not queued. It is given at once; nothing was queued.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is over, or not yet there.
    #[error("not connected")]
    NotConnected,
    /// The channel's queue holds as much as it may. Send again when the peer has caught up.
    #[error("the queue of channel {channel} is full")]
    QueueFull {
        /// Which.
        channel: ChannelId,
    },
    /// Longer than the channel allows.
    #[error("message of {bytes} bytes is over the limit of {max} bytes")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The channel table has no such channel.
    #[error("no channel {channel}")]
    UnknownChannel {
        /// As given.
        channel: ChannelId,
    },
}

/// The rule of a channel that the peer broke.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ChannelViolation {
    /// Fragments of one message disagree about how many there are.
    #[error("fragments disagree")]
    FragmentMismatch,
    /// A message is longer than its channel allows.
    #[error("message over the limit of its channel")]
    TooLarge,
    /// A message for a channel that does not exist.
    #[error("no such channel")]
    UnknownChannel,
    /// A reliable message farther ahead than the window lets its sender go.
    #[error("message beyond the window")]
    WindowExceeded,
}
