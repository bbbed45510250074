//! What can go wrong, by who has to act on it.
//!
//! | question | type | who branches on it |
//! | --- | --- | --- |
//! | Can these settings work? | [`ConfigError`] | the developer |
//! | Why was a request not carried out? | [`RequestError`] | the user interface |
//! | Why is the gateway gone? | [`GatewayError`] | the user interface |
//! | Why is the player out of the world? | [`DisconnectReason`] | the user interface |
//! | Why can this not be done now? | [`PlayError`] | the game |

use core::time::Duration;

use netcode::connection::ConnectionError;
use netcode::wire::CloseCode;
use shardline_protocol::control::ErrorCode;
use thiserror::Error;

/// Settings that cannot work.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Nothing can be sent there.
    #[error("{address} is not the address of a gateway")]
    Gateway {
        /// As given.
        address: core::net::SocketAddr,
    },
    /// Not a DNS name or an IP address.
    #[error("`{name}` is not the name of a server")]
    ServerName {
        /// As given.
        name: String,
    },
    /// Not a certificate in DER.
    #[error("certificate cannot be used: {reason}")]
    Certificate {
        /// For people.
        reason: String,
    },
    /// Zero, or longer than an hour.
    #[error("{name} {value:?} is outside 1 ms to 1 h")]
    Timeout {
        /// Which setting.
        name: &'static str,
        /// As given.
        value: Duration,
    },
    /// Everybody would see this player late.
    #[error("input_margin {value:?} is over 300 ms")]
    InputMargin {
        /// As given.
        value: Duration,
    },
    /// The transport does not take its settings.
    #[error("transport: {0}")]
    Transport(#[from] netcode::config::ConfigError),
    /// The cryptography that was linked lacks what the control connection needs.
    #[error("control connection: {reason}")]
    Control {
        /// For people.
        reason: String,
    },
}

/// Why a request was not carried out.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum RequestError {
    /// The gateway said no.
    #[error("refused: {} ({message})", code.as_str_name())]
    Refused {
        /// Stable; branch on this.
        code: ErrorCode,
        /// For people; not stable.
        message: String,
        /// When to try again, if that may help.
        retry_after: Option<Duration>,
    },
    /// The connection to the gateway was lost before the answer came. It may have been done.
    #[error("gateway lost before the answer")]
    GatewayLost,
    /// No answer in time. It may yet be done.
    #[error("no answer for {after:?}")]
    TimedOut {
        /// The configured limit.
        after: Duration,
    },
    /// Too many requests wait for their answers already.
    #[error("too many requests at once")]
    TooMany,
    /// It does not fit the session: for example, entering the world twice.
    #[error("not possible now")]
    WrongState,
    /// Longer than the control connection carries.
    #[error("request too large")]
    TooLarge,
    /// The answer is not one to this request, or cannot be used.
    #[error("answer cannot be used")]
    BadAnswer,
    /// The world could not be entered, although the gateway had shown the way.
    #[error("not let in: {0}")]
    NotLetIn(DisconnectReason),
}

/// Why the control connection is over.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum GatewayError {
    /// The gateway ended it.
    #[error("closed by the gateway: {reason}")]
    ClosedByGateway {
        /// For people.
        reason: String,
    },
    /// Nothing was heard of it.
    #[error("gateway does not answer")]
    TimedOut,
    /// Its certificate is not the pinned one, or the handshake failed otherwise.
    #[error("no secure connection: {reason}")]
    Insecure {
        /// For people.
        reason: String,
    },
    /// It sent what cannot be read.
    #[error("gateway sent a malformed frame")]
    Malformed,
}

/// Why the player is out of the world.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The connection to the zone that owned the character ended.
    #[error("zone lost: {0}")]
    ZoneLost(ConnectionError),
    /// The character was handed to another zone, but that zone never showed it.
    #[error("crossing not completed within {after:?}")]
    CrossingTimedOut {
        /// The configured limit.
        after: Duration,
    },
    /// A zone let us in, but did not show the character.
    #[error("character not shown within {after:?}")]
    JoinTimedOut {
        /// The configured limit.
        after: Duration,
    },
    /// The zone plays by another clock or schema: client and server are not the same version.
    #[error("zone is of another version")]
    Incompatible,
    /// The way into the zone that was shown cannot be used.
    #[error("access to the zone is not usable")]
    BadAccess,
}

impl DisconnectReason {
    /// The close code, if the zone said one.
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::ZoneLost(
                ConnectionError::ClosedByPeer(code) | ConnectionError::Refused(code),
            ) => Some(*code),
            _ => None,
        }
    }
}

/// Why something cannot be done in the world now. Nothing was sent.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PlayError {
    /// The player is not in the world.
    #[error("not in the world")]
    NotInWorld,
    /// No tick wants an input now.
    #[error("no input is wanted now")]
    NotWanted,
    /// The zone is behind with what was sent before.
    #[error("too much waits to be sent")]
    Busy,
}
