//! What a client tells its game.

use core::fmt;

use shardline_protocol::control::{ChatMessage, MatchEnded, MatchFound, Party, Session};
use shardline_protocol::zone::{Hit, ItemMoved, Refused, TradeClosed, TradeProposed};

use crate::error::{DisconnectReason, GatewayError, RequestError};

/// Names a request to the gateway. Its answer carries the same.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a zone, as the servers do.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ZoneId(pub u32);

impl fmt::Display for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that a game should know. Told once, in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The control connection is up.
    GatewayConnected,
    /// The control connection is gone. Play goes on; the next login opens it again.
    GatewayLost(GatewayError),
    /// A request was not carried out.
    RequestFailed {
        /// Which.
        request: RequestId,
        /// Why.
        error: RequestError,
    },
    /// A request was carried out, and there is nothing more to say.
    Done {
        /// Which.
        request: RequestId,
    },
    /// There is an account now.
    Registered {
        /// The request that this answers.
        request: RequestId,
        /// Its id.
        account_id: u64,
    },
    /// The lobby is open.
    LoggedIn {
        /// The request that this answers.
        request: RequestId,
        /// Who is logged in.
        session: Session,
    },
    /// The party that the player belongs to, after a change. Without members: none.
    Party {
        /// The request that this answers, or `None` if others changed it.
        request: Option<RequestId>,
        /// As it is now.
        party: Party,
    },
    /// A ticket waits in a queue.
    TicketQueued {
        /// The request that this answers, or `None` if the party's leader asked.
        request: Option<RequestId>,
        /// Names the wish to play.
        ticket_id: u64,
    },
    /// A ticket waits no more.
    TicketClosed {
        /// The request that this answers, or `None`.
        request: Option<RequestId>,
        /// Which.
        ticket_id: u64,
        /// `cancelled`, `matched`, `party_changed` or `shutdown`.
        reason: String,
    },
    /// A match was made.
    MatchFound(MatchFound),
    /// A match is over.
    MatchEnded(MatchEnded),
    /// Someone said something.
    Chat(ChatMessage),
    /// The player is in the world: the character is there, inputs are wanted.
    Joined {
        /// The request that asked for it.
        request: RequestId,
        /// Where.
        zone: ZoneId,
        /// The character's id, which is its entity id too.
        character_id: u64,
    },
    /// Another zone owns the character. Nothing has to be done.
    Crossed {
        /// The owner before.
        from: ZoneId,
        /// The owner now.
        to: ZoneId,
        /// The authority epoch now.
        epoch: u32,
    },
    /// The server moved the character on purpose: a respawn, a teleport. Do not smooth over it.
    Overridden {
        /// The override epoch now.
        override_epoch: u32,
    },
    /// An attack hit.
    Hit(Hit),
    /// An item changed its owner; 0 is the ground.
    ItemMoved(ItemMoved),
    /// Someone proposes a trade.
    TradeProposed(TradeProposed),
    /// A trade is over.
    TradeClosed(TradeClosed),
    /// The zone could not do what the player asked for.
    Refused(Refused),
    /// The player has left the world, as asked.
    Left,
    /// The player is out of the world, unasked. The world may be entered again.
    Disconnected(DisconnectReason),
    /// The client is closed; nothing follows.
    Closed,
}

impl ClientEvent {
    /// The request that this answers, if it answers one.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Self::RequestFailed { request, .. }
            | Self::Done { request }
            | Self::Registered { request, .. }
            | Self::LoggedIn { request, .. }
            | Self::Joined { request, .. } => Some(*request),
            Self::Party { request, .. }
            | Self::TicketQueued { request, .. }
            | Self::TicketClosed { request, .. } => *request,
            _ => None,
        }
    }
}
