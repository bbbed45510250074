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
//! it all. A frame of a game is this:
//!
//! ```
//! use std::net::UdpSocket;
//!
//! use client_sdk::{Client, ClientEvent};
//! use netcode::time::Instant;
//! use shardline_protocol::Game;
//!
//! /// `socket` does not block; `sample` reads the player's controls.
//! fn frame<G: Game>(
//!     client: &mut Client<G>,
//!     socket: &UdpSocket,
//!     now: Instant,
//!     sample: impl Fn() -> G::Input,
//! ) -> std::io::Result<()> {
//!     let mut bytes = [0; 2048];
//!     while let Ok((len, from)) = socket.recv_from(&mut bytes) {
//!         client.handle_datagram(now, from, &mut bytes[..len]);
//!     }
//!     client.handle_timeout(now);
//!     while client.next_input_tick(now).is_some() {
//!         // Predicted at once: what is drawn in this frame shows it.
//!         client.push_input(now, sample()).expect("it is wanted");
//!     }
//!     let mut datagram = Vec::new();
//!     while let Some(to) = client.poll_transmit(now, &mut datagram) {
//!         socket.send_to(&datagram, to)?;
//!     }
//!     while let Some(event) = client.poll_event() {
//!         match event {
//!             ClientEvent::LoggedIn { .. } => drop(client.enter_world(now)),
//!             ClientEvent::Joined { zone, .. } => println!("in zone {zone}"),
//!             _ => {}
//!         }
//!     }
//!     if let Some(character) = client.character() {
//!         let position = client.game().position(character);
//!         println!("at {position:?}, {} in view", client.entities().count());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Who has no frames waits until [`Client::poll_timeout`] or [`Client::next_input_at`], or lets
#![cfg_attr(feature = "tokio", doc = "[`AsyncClient`] do it.")]
#![cfg_attr(not(feature = "tokio"), doc = "the async facade (feature `tokio`) do it.")]
//!
//! # Invariants
//!
//! - Bytes of anyone never panic, allocate without bound, or log above `trace`.
//! - Every request is answered by exactly one event.
//! - An input for a tick is wanted once; ticks are consecutive.
//! - Authority over the character is the highest epoch; what an older owner says is history.
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

/// The examples of the README compile.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
