//! How a connection ends, and why a datagram was ignored.
//!
//! | question | type | who branches on it |
//! | --- | --- | --- |
//! | Why was this datagram ignored? | [`DropReason`] | metrics |
//! | Why is this connection over? | [`ConnectionError`] | the application |
//! | What do we tell the peer? | [`CloseCode`] | the peer, and its metrics |

use core::time::Duration;

use thiserror::Error;

use crate::channel::ChannelViolation;
use crate::wire::{CloseCode, DecodeError};

/// Why a connection ended. Terminal: it is told once, and nothing after it.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The peer said goodbye.
    #[error("closed by peer: {0}")]
    ClosedByPeer(CloseCode),
    /// The application called `close`.
    #[error("closed locally: {0}")]
    ClosedLocally(CloseCode),
    /// The server did not answer the handshake.
    #[error("no answer from the server for {after:?}")]
    HandshakeTimedOut {
        /// The configured limit.
        after: Duration,
    },
    /// An authenticated peer broke the protocol. A bug in it, or an attack from inside.
    #[error("peer misbehaved: {0}")]
    PeerMisbehaved(PeerMisbehaved),
    /// The server declined, or the two sides do not fit.
    #[error("refused: {0}")]
    Refused(CloseCode),
    /// Nothing arrived for the idle timeout.
    #[error("no packet for {after:?}")]
    TimedOut {
        /// The agreed idle timeout.
        after: Duration,
    },
}

impl ConnectionError {
    /// What to tell the peer, if it is still worth telling it anything.
    pub const fn close_code(self) -> Option<CloseCode> {
        match self {
            Self::ClosedLocally(code) => Some(code),
            Self::PeerMisbehaved(_) => Some(CloseCode::ProtocolViolation),
            Self::ClosedByPeer(_)
            | Self::HandshakeTimedOut { .. }
            | Self::Refused(_)
            | Self::TimedOut { .. } => None,
        }
    }
}

/// The rule that the peer broke. One variant, one rule, one test.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// It acknowledged a packet that was never sent.
    #[error("acknowledged a packet that was not sent")]
    AckedUnsent,
    /// It broke a rule of a channel.
    #[error("{0}")]
    Channel(#[from] ChannelViolation),
    /// A packet that it sealed holds no well-formed frames.
    #[error("malformed frame: {0}")]
    Frame(#[from] DecodeError),
}

/// Why a datagram was dropped without a trace but a counter.
///
/// Anyone can send us bytes. A drop never logs above `trace`, allocates, or moves a timer.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DropReason {
    /// Its connection has ended.
    #[error("connection has ended")]
    Closed,
    /// Its cookie is not one of ours, or old.
    #[error("cookie not accepted")]
    Cookie,
    /// It is not a well-formed datagram.
    #[error("malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// The handshake message in it was not made for this handshake.
    #[error("handshake message not accepted")]
    Noise,
    /// It has been seen before, or is too old to tell.
    #[error("replayed")]
    Replayed,
    /// The connect token is not accepted; the client was told.
    #[error("connect token not accepted")]
    Token,
    /// Too many handshakes at once.
    #[error("too many handshakes")]
    TooBusy,
    /// Its tag is wrong: forged, damaged, or for other keys.
    #[error("cannot be opened")]
    Unopened,
    /// A long packet that this side does not take, or not now.
    #[error("unexpected long packet")]
    UnexpectedPacket,
    /// No connection with that id or address.
    #[error("unknown connection")]
    UnknownConnection,
    /// It asks for a version that is not spoken here; the client was told.
    #[error("unsupported version")]
    Version,
}

impl DropReason {
    /// A stable label for the counter of dropped datagrams.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Cookie => "cookie",
            Self::Malformed(_) => "malformed",
            Self::Noise => "noise",
            Self::Replayed => "replayed",
            Self::Token => "token",
            Self::TooBusy => "too_busy",
            Self::Unopened => "unopened",
            Self::UnexpectedPacket => "unexpected_packet",
            Self::UnknownConnection => "unknown_connection",
            Self::Version => "version",
        }
    }
}
