//! One client: how far it has come, and what it may say.
//!
//! ```text
//!                  Register ──▶ hashing ──▶ creating ─┐
//!            ┌──────────────────────────────────────◀─┘
//!            ▼
//!          fresh ── Login ──▶ finding ──▶ verifying ──▶ logged in
//!            ▲                   │            │
//!            └────── no such account, wrong password, store away
//! ```

use std::collections::BTreeSet;

use netcode::time::Instant;

use crate::gateway::admission::{AddressPrefix, TokenBucket};
use crate::gateway::{FoundAccount, Password};
use crate::ids::{AccountId, CharacterId};

/// Fewest and most characters of a name.
pub const NAME_LENGTH: (usize, usize) = (3, 24);
/// Fewest and most bytes of a password.
pub const PASSWORD_BYTES: (usize, usize) = (8, 128);
/// Most bytes of a chat message.
pub const CHAT_BYTES_MAX: usize = 256;
/// Most bytes of a queue's name.
pub const QUEUE_BYTES_MAX: usize = 64;

/// What is known of a connected client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) prefix: AddressPrefix,
    pub(super) state: State,
    /// When it is closed if it is not logged in by then.
    pub(super) deadline: Instant,
    pub(super) requests: TokenBucket,
    pub(super) chat: TokenBucket,
    /// Requests that the rest of the server is to answer. Bounded by the limits.
    pub(super) waiting: BTreeSet<u64>,
}

#[derive(Debug)]
pub(super) enum State {
    Fresh,
    /// Waits for the hash of a new account's password.
    Hashing {
        request: u64,
        name: String,
    },
    /// Waits for the store to create an account.
    Creating {
        request: u64,
    },
    /// Waits for the store to find an account.
    Finding {
        request: u64,
        password: Password,
    },
    /// Waits for the password to be compared. No account is a comparison too.
    Verifying {
        request: u64,
        found: Option<Box<FoundAccount>>,
    },
    LoggedIn(Player),
}

#[derive(Clone, Debug)]
pub(super) struct Player {
    pub(super) account: AccountId,
    pub(super) character: CharacterId,
    pub(super) name: String,
}

impl Session {
    pub(super) fn new(prefix: AddressPrefix, deadline: Instant) -> Self {
        Self {
            prefix,
            state: State::Fresh,
            deadline,
            requests: TokenBucket::default(),
            chat: TokenBucket::default(),
            waiting: BTreeSet::new(),
        }
    }

    pub(super) fn player(&self) -> Option<&Player> {
        match &self.state {
            State::LoggedIn(player) => Some(player),
            _ => None,
        }
    }
}

/// Whether a name may be registered: ASCII letters, digits, `_` and `-`.
pub fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (NAME_LENGTH.0..=NAME_LENGTH.1).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// Whether a password may be used.
pub fn is_password(password: &str) -> bool {
    (PASSWORD_BYTES.0..=PASSWORD_BYTES.1).contains(&password.len())
}

/// Whether a text may be said: something, not too much, nothing that moves a cursor.
pub fn is_chat(text: &str) -> bool {
    (1..=CHAT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::{is_chat, is_name, is_password};

    #[test]
    fn bounds_are_where_they_are_said_to_be() {
        let names = ["abc", "A-b_9", &"x".repeat(24)];
        assert!(names.into_iter().all(is_name));
        let not_names = ["", "ab", &"x".repeat(25), "a b", "a\0bc", "\u{e4}bc", "../x"];
        assert!(!not_names.into_iter().any(is_name));

        assert!(is_password(&"x".repeat(8)) && is_password(&"x".repeat(128)));
        assert!(!is_password(&"x".repeat(7)) && !is_password(&"x".repeat(129)));

        assert!(is_chat("h\u{e9}") && is_chat(&"x".repeat(256)));
        assert!(!is_chat("") && !is_chat(&"x".repeat(257)) && !is_chat("a\x1b[2J"));
    }
}
