//! Who plays with whom: parties, tickets, a queue, matches and their ratings.
//!
//! ```text
//!   Arrived Left ───────────┐                       ┌── Replied      to who asked
//!   CreateParty JoinParty   │                       ├── PartyChanged to the members
//!   LeaveParty Enqueue ─────┼──▶    Matchmaker   ───┼── TicketOpened TicketClosed
//!   Cancel                  │   parties, pool,      ├── MatchFound   to the players
//!   Scored (a hit) ─────────┤   running matches     └── MatchEnded   and to the store
//!   Drain ──────────────────┘           ▲
//!                                handle_timeout
//! ```
//!
//! # Contract
//!
//! [`Matchmaker`](matchmaker::Matchmaker) does no I/O and reads no clock. After any call of
//! `handle` or `handle_timeout`, drain `poll_output`, then read `poll_timeout` once and call
//! `handle_timeout` when it is due. `now` never decreases. The same seed and calls give the same
//! outputs.
//!
//! # Invariants
//!
//! - A character is in at most one party, has at most one open ticket and plays in at most one
//!   match; not in a match and on a ticket at once.
//! - The members of a ticket are in one team of one match, all of them. A change of a party closes
//!   its ticket first.
//! - Each [`Output::TicketOpened`] is followed by exactly one [`Output::TicketClosed`], and each
//!   [`Output::MatchFound`] by exactly one [`Output::MatchEnded`] as long as time goes on. A
//!   checker that reads outputs alone can hold all of these.
//! - Each request gets exactly one [`Output::Replied`].
//! - State is bounded by the characters that have arrived and not left.
//!
//! Deliberately absent: sockets, names, where a match takes place, what a hit is, and backfill.

use core::time::Duration;

use thiserror::Error;

use crate::ids::{CharacterId, MatchId, PartyId, TicketId};
use crate::matchmaking::glicko::Outcome;
use crate::rating::Rating;

pub mod glicko;
pub mod matches;
pub mod matchmaker;
pub mod parties;
pub mod pool;
pub mod queue;
pub mod service;
pub mod split;

#[cfg(test)]
mod tests;

/// What the matchmaker is told. `reply` is chosen by the caller and comes back in
/// [`Output::Replied`].
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A player is here. Everything else of a character that is not here is refused. Ignored but
    /// for the presence if the matchmaker knows it already: then its own rating is newer.
    Arrived {
        /// Who.
        character: CharacterId,
        /// As stored.
        rating: Rating,
    },
    /// A player is gone: it leaves its party and its ticket closes. A match that it plays in
    /// goes on.
    Left {
        /// Who.
        character: CharacterId,
    },
    /// Makes a party of one.
    CreateParty {
        /// Correlation.
        reply: u64,
        /// Who asks.
        character: CharacterId,
    },
    /// Joins a party of which one was told the id.
    JoinParty {
        /// Correlation.
        reply: u64,
        /// Who asks.
        character: CharacterId,
        /// Which.
        party: PartyId,
    },
    /// Leaves the party.
    LeaveParty {
        /// Correlation.
        reply: u64,
        /// Who asks.
        character: CharacterId,
    },
    /// Wants to play: alone, or as the leader with the whole party.
    Enqueue {
        /// Correlation.
        reply: u64,
        /// Who asks.
        character: CharacterId,
        /// The name of the queue.
        queue: String,
    },
    /// Does not want to play after all. Any member may say so.
    Cancel {
        /// Correlation.
        reply: u64,
        /// Who asks.
        character: CharacterId,
        /// Its open ticket.
        ticket: TicketId,
    },
    /// A hit in the world. Counts if both play in one match, for different teams.
    Scored {
        /// Who hit.
        attacker: CharacterId,
        /// Who was hit.
        target: CharacterId,
    },
    /// The server shuts down: tickets close and no more are opened. Matches run on.
    Drain,
}

/// What the matchmaker says.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// The answer to a request.
    Replied {
        /// As in the request.
        reply: u64,
        /// What came of it.
        result: Result<Reply, Refusal>,
    },
    /// Somebody joined or left. Never said of a party that nobody is in.
    PartyChanged {
        /// Which.
        party: PartyId,
        /// All members now, the leader first.
        members: Vec<CharacterId>,
    },
    /// Somebody waits for a match.
    TicketOpened {
        /// Fresh, and above all before it.
        ticket: TicketId,
        /// The party, unless a player came alone.
        party: Option<PartyId>,
        /// Who plays.
        members: Vec<CharacterId>,
    },
    /// Somebody does not wait any more.
    TicketClosed {
        /// Which.
        ticket: TicketId,
        /// Who was on it.
        members: Vec<CharacterId>,
        /// Why.
        reason: CloseReason,
    },
    /// A match starts now. The tickets have been closed before.
    MatchFound {
        /// Fresh.
        match_id: MatchId,
        /// How long it runs.
        duration_s: u32,
        /// Who plays, by team.
        players: Vec<MatchedPlayer>,
    },
    /// A match is over.
    MatchEnded {
        /// Which.
        match_id: MatchId,
        /// Hits of each team.
        scores: Vec<u32>,
        /// Who won.
        outcome: Outcome,
        /// New ratings of all who played.
        ratings: Vec<(CharacterId, Rating)>,
    },
}

/// The good answer to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// To [`Input::Cancel`]: the ticket will not be matched.
    Cancelled,
    /// To [`Input::LeaveParty`].
    LeftParty,
    /// To [`Input::CreateParty`] and [`Input::JoinParty`].
    Party {
        /// Which.
        party: PartyId,
        /// All members, the leader first.
        members: Vec<CharacterId>,
    },
    /// To [`Input::Enqueue`].
    Queued {
        /// The new ticket.
        ticket: TicketId,
    },
}

/// Why a request was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// One party at a time.
    #[error("already in a party")]
    AlreadyInParty,
    /// One ticket at a time.
    #[error("already in a queue")]
    AlreadyQueued,
    /// The server shuts down.
    #[error("the server is shutting down")]
    Draining,
    /// Somebody of the party still plays.
    #[error("a match is running")]
    InMatch,
    /// No party of that id.
    #[error("no such party")]
    NoSuchParty,
    /// No queue of that name.
    #[error("no such queue")]
    NoSuchQueue,
    /// Not a ticket of this player, or it is closed: perhaps matched.
    #[error("no such ticket")]
    NoSuchTicket,
    /// The character has not arrived, or has left.
    #[error("this character is not here")]
    NotHere,
    /// Not in a party.
    #[error("not in a party")]
    NotInParty,
    /// The leader decides for all.
    #[error("only the leader of the party may do this")]
    NotLeader,
    /// The party has as many members as the queue allows.
    #[error("the party is full")]
    PartyFull,
}

/// Why a ticket was closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// A member said so.
    Cancelled,
    /// The only member is gone.
    Left,
    /// A match was found.
    Matched,
    /// Somebody joined or left the party.
    PartyChanged,
    /// The server shuts down.
    Shutdown,
}

impl CloseReason {
    /// The stable name, as clients are told it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Left => "left",
            Self::Matched => "matched",
            Self::PartyChanged => "party_changed",
            Self::Shutdown => "shutdown",
        }
    }
}

/// A place in a match.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MatchedPlayer {
    /// Who.
    pub character: CharacterId,
    /// The team, from 0.
    pub team: u32,
    /// The party that came together, if one did.
    pub party: Option<PartyId>,
    /// The ticket, closed by now.
    pub ticket: TicketId,
    /// How long the ticket waited.
    pub waited: Duration,
}
