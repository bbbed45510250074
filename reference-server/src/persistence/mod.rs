//! What survives a crash: accounts, characters, who owns them, items, what happened.
//!
//! ```text
//!   gateway ──accounts──────────┐
//!   matchmaking ──ratings───────┤                 one writer              one file
//!   handoff ──ownership─────────┼──▶ [`Ledger`] ──group commit──▶ SQLite (WAL, FULL sync)
//!   world ──items, checkpoints──┤        │                               ▲
//!   bus ──events────────────────┘        └────────── one reader ─────────┘
//! ```
//!
//! # Contract
//!
//! Methods are async and may take as long as a disk does, so they are never called on a tick
//! thread: a task awaits them and hands the answer on. When a write is answered it is durable.
//!
//! # Invariants
//!
//! - A character has at most one owner, and its epoch never falls (`register`).
//! - An item is in one place; it is never deleted and its id never used again (`item`).
//! - Every move of an item is one row of an append-only table, and who made it was the owner at
//!   that moment. The places of all items can be derived from these rows.
//! - Who asks again with the same transaction id gets the same answer and changes nothing.
//!
//! Deliberately absent: what a character's state means, time (rows carry the caller's, or the
//! database's for audit only), and SQL outside this folder.

mod account;
mod error;
mod item;
mod record;
mod register;
mod service;
#[cfg(test)]
mod tests;
mod writer;

pub use account::{AccountRow, CharacterRow, CreateError, NewAccount};
pub use error::{LedgerError, OpenError};
pub use item::{GroundItem, MoveError, TradeSide};
pub use record::{Counts, EVENT_BYTES_MAX, EventRecord, MatchRecord, RecordError};
pub use register::{ClaimError, Claimed, FenceError, STATE_BYTES_MAX};
pub use service::{Ledger, LedgerStats};
