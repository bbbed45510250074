//! A copy of a character that can travel: between zones, and to the store.
//!
//! Self-contained: whoever holds it can go on with the simulation at the next tick. The state and
//! the inputs are bytes of the game's own encoding, so that nothing here knows a game.

use prost::Message;

use crate::ids::{AccountId, CharacterId, Epoch, ItemId};

/// Most bytes of an encoded image: a plain character needs a few hundred.
pub const IMAGE_BYTES_MAX: usize = 16 * 1024;

/// A character at the end of a tick, with the inputs that wait for it.
#[derive(Clone, PartialEq, Message)]
pub struct EntityImage {
    /// Whose.
    #[prost(uint64, tag = "1")]
    pub character_raw: u64,
    /// Its player.
    #[prost(uint64, tag = "2")]
    pub account_raw: u64,
    /// Its name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The client's X25519 key: tokens for other zones are bound to it. 32 bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub client_public: Vec<u8>,
    /// The epoch of the source; the target's is higher.
    #[prost(uint32, tag = "5")]
    pub epoch_raw: u32,
    /// Discontinuities that the server declared so far.
    #[prost(uint32, tag = "6")]
    pub override_epoch: u32,
    /// The state is the one after this tick.
    #[prost(uint64, tag = "7")]
    pub tick: u64,
    /// `Game::encode_character`.
    #[prost(bytes = "vec", tag = "8")]
    pub state: Vec<u8>,
    /// The input consumed last, which is held when one is missing. `Game::encode_input`.
    #[prost(bytes = "vec", tag = "9")]
    pub last_input: Vec<u8>,
    /// Inputs that arrived for later ticks.
    #[prost(message, repeated, tag = "10")]
    pub waiting: Vec<WaitingInput>,
    /// Ticks so far for which no input had arrived in time.
    #[prost(uint64, tag = "11")]
    pub starved: u64,
    /// What the character holds: a copy of what the ledger says, to show, never to trade by.
    #[prost(uint64, repeated, tag = "12")]
    pub items_raw: Vec<u64>,
}

/// An input that waits for its tick.
#[derive(Clone, PartialEq, Message)]
pub struct WaitingInput {
    /// Its tick.
    #[prost(uint64, tag = "1")]
    pub tick: u64,
    /// `Game::encode_input`.
    #[prost(bytes = "vec", tag = "2")]
    pub input: Vec<u8>,
}

impl EntityImage {
    /// Whose.
    pub fn character(&self) -> CharacterId {
        CharacterId(self.character_raw)
    }

    /// Its player.
    pub fn account(&self) -> AccountId {
        AccountId(self.account_raw)
    }

    /// The epoch of the source.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch_raw)
    }

    /// What the character holds.
    pub fn items(&self) -> impl Iterator<Item = ItemId> {
        self.items_raw.iter().map(|&item| ItemId(item))
    }
}
