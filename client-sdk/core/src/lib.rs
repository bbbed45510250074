//! What a game links to be in a Shardline world: a poll-driven client, and an async facade.
//!
//! ```text
//!   engine ──▶ Client<G> ──┬── lobby ── control ──QUIC────▶ gateway     requests, matches, chat
//!     ▲                    └── world ─┬ zones ──netcode──▶ zone, zone  inputs, snapshots
//!     └── events, character, view     ├ play      the own character: predicted, reconciled
//!                                     └ replica   the others, as last seen
//! ```
//!
//! [`Client`] is a state machine: it owns no socket, reads no clock, starts no thread. The engine
//! gives it datagrams, the time and inputs, and takes datagrams and events. One UDP socket carries
//! it all.
//!
//! Deliberately absent: rendering, smoothing, and the rules of any game: these are a
//! [`Game`](shardline_protocol::Game), the same that the server runs.

#![forbid(unsafe_code)]

pub mod client;
pub mod config;
pub mod error;
pub mod event;
#[cfg(feature = "tokio")]
pub mod runtime;
pub mod session;
pub mod stats;

mod control;
mod lobby;
mod play;
mod replica;
mod world;
mod zones;

pub use client::Client;
pub use config::ClientConfig;
pub use event::ClientEvent;
#[cfg(feature = "tokio")]
pub use runtime::AsyncClient;
pub use session::SessionState;
pub use stats::ClientStats;
