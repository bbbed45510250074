//! Names of things. Newtypes, so that one cannot be taken for another.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[derive(Deserialize, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Who pays and logs in.
    AccountId(u64)
}
id! {
    /// Whom the account plays. Below 2^48. Also the character's entity id in snapshots.
    CharacterId(u64)
}
id! {
    /// A thing that exists once. Never reused. Below 2^48.
    ItemId(u64)
}
id! {
    /// One result of the matchmaker.
    MatchId(u64)
}
id! {
    /// Players who queue together.
    PartyId(u64)
}
id! {
    /// A wish to play, in a queue.
    TicketId(u64)
}
id! {
    /// A proposed exchange of items.
    TradeId(u64)
}
id! {
    /// A piece of the world with one owner process.
    ZoneId(u32)
}
id! {
    /// Which life of a zone process: taken from the register at its start, rises for ever.
    Incarnation(u64)
}
id! {
    /// Rises with every change of a character's row in the ownership register.
    Epoch(u32)
}

/// A row of the ownership register: who may act for a character.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Owner {
    /// The zone.
    pub zone: ZoneId,
    /// Its life; a restarted zone owns nothing of what its former life owned.
    pub incarnation: Incarnation,
    /// Raised by every change of the row.
    pub epoch: Epoch,
}
