//! Players at the door: accounts, and the one way by which clients ask for things.
//!
//! ```text
//!   client ══QUIC stream══ service ──Event──▶ Sessions ──Action──▶ service
//!                                                │  ▲               frames, hashes, closes
//!                                         Output │  │ Input
//!                                                ▼  │
//!                                    the rest of the server, wired by `app`
//! ```
//!
//! [`Sessions`](sessions::Sessions) is pure and decides everything; [`service`] moves bytes and
//! computes hashes, and decides nothing.
//!
//! # Invariants
//!
//! - An account has at most one session. A later login replaces the earlier one.
//! - Between [`Output::LoggedIn`] and [`Output::LoggedOut`] of a character nobody else is said to
//!   be logged in with it; everything said of a session comes between the two.
//! - Each request of a client is answered at most once, and exactly once if whoever was asked by
//!   an [`Output`] answers.
//! - An unknown name and a wrong password look the same, also to a stopwatch: both are hashed.
//! - Whatever a client sends, memory and work for it are bounded: by the frame, by the session, by
//!   the address prefix and by the account.
//!
//! Deliberately absent: connect tokens, what a party or a zone is, and where accounts are kept.

use core::fmt;

use shardline_protocol::control::server_frame::Body;
use zeroize::Zeroizing;

use crate::ids::{AccountId, CharacterId, MatchId, PartyId, TicketId};
use crate::rating::Rating;

pub mod admission;
pub mod config;
mod connection;
pub mod password;
pub mod service;
pub mod session;
pub mod sessions;
pub mod stats;
mod tls;

#[cfg(test)]
mod tests;

/// A connected client, by a number that is never used again.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(pub u64);

/// What the gateway wants from the rest of the server, or tells it. What carries a `request` is
/// answered by the [`Input`] that the variant names, with the same session and request.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Wants [`Input::AccountFound`].
    FindAccount {
        /// Who asks.
        session: SessionId,
        /// Correlation.
        request: u64,
        /// The account's name.
        name: String,
    },
    /// Wants [`Input::AccountCreated`].
    CreateAccount {
        /// Who asks.
        session: SessionId,
        /// Correlation.
        request: u64,
        /// Must not be taken.
        name: String,
        /// A PHC string, to be given back as it is.
        password_hash: String,
    },
    /// Somebody is here.
    LoggedIn {
        /// The session.
        session: SessionId,
        /// Who plays.
        account: AccountId,
        /// Whom.
        character: CharacterId,
        /// Under which name.
        name: String,
        /// As it was found.
        rating: Rating,
    },
    /// Somebody is here no more.
    LoggedOut {
        /// The session.
        session: SessionId,
        /// Whom it played.
        character: CharacterId,
    },
    /// Wants [`Input::Reply`].
    Matchmaking {
        /// Who asks.
        session: SessionId,
        /// Correlation.
        request: u64,
        /// The character of the session.
        character: CharacterId,
        /// What for.
        command: MatchCommand,
    },
    /// A way into the world. Wants [`Input::Reply`].
    EnterWorld {
        /// Who asks.
        session: SessionId,
        /// Correlation.
        request: u64,
        /// The account of the session.
        account: AccountId,
        /// Its character.
        character: CharacterId,
        /// Its name.
        name: String,
        /// X25519, for the connect token.
        client_public: [u8; 32],
    },
    /// Something was said, and has been delivered. For the record.
    Chat {
        /// By whom.
        from: CharacterId,
        /// To whom.
        channel: ChatChannel,
        /// What.
        text: String,
    },
}

/// What a player asks of the matchmaker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MatchCommand {
    /// Cancel a ticket.
    Cancel(TicketId),
    /// Make a party.
    CreateParty,
    /// Enter the queue of this name.
    Enqueue(String),
    /// Join a party.
    JoinParty(PartyId),
    /// Leave the party.
    LeaveParty,
}

/// Who hears what is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChatChannel {
    /// The players of one match.
    Match(MatchId),
    /// One player.
    Whisper(CharacterId),
    /// Everybody who is logged in.
    World,
}

impl ChatChannel {
    /// The stable name, as clients use it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Match(_) => "match",
            Self::Whisper(_) => "whisper",
            Self::World => "world",
        }
    }
}

/// What the rest of the server tells the gateway.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Answers [`Output::FindAccount`]; `Ok(None)` if there is no such account.
    AccountFound {
        /// As asked.
        session: SessionId,
        /// As asked.
        request: u64,
        /// The account, if there is one.
        found: Result<Option<FoundAccount>, Unavailable>,
    },
    /// Answers [`Output::CreateAccount`].
    AccountCreated {
        /// As asked.
        session: SessionId,
        /// As asked.
        request: u64,
        /// The new account, or why there is none.
        result: Result<AccountId, CreateAccountError>,
    },
    /// Answers a request. For a session that is gone it is dropped.
    Reply {
        /// As asked.
        session: SessionId,
        /// As asked.
        request: u64,
        /// The answer.
        body: Body,
    },
    /// Something to say unasked, if the character is logged in.
    Push {
        /// To whom.
        character: CharacterId,
        /// What.
        body: Body,
    },
    /// A match runs: its players may talk.
    MatchStarted {
        /// Which.
        match_id: MatchId,
        /// Who plays.
        members: Vec<CharacterId>,
    },
    /// A match is over.
    MatchEnded {
        /// Which.
        match_id: MatchId,
    },
    /// The server shuts down: nobody is let in any more. Who is here stays.
    Drain,
}

/// An account as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundAccount {
    /// Who pays.
    pub account: AccountId,
    /// Whom it plays.
    pub character: CharacterId,
    /// As registered.
    pub name: String,
    /// As given in [`Output::CreateAccount`].
    pub password_hash: String,
    /// How strong the player is.
    pub rating: Rating,
}

/// The store does not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unavailable;

/// Why there is no new account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CreateAccountError {
    /// Somebody has the name.
    NameTaken,
    /// The store does not answer.
    Unavailable,
}

/// A password on its way to be hashed: never shown, and wiped when done with.
#[derive(Clone, Eq, PartialEq)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// For the hash function.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
