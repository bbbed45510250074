//! What delivery means.
//!
//! | delivery | order | loss | duplicates | for |
//! | --- | --- | --- | --- | --- |
//! | unreliable | as it comes | yes | no | snapshots, inputs |
//! | unreliable sequenced | newest wins, older dropped | yes | no | voice, poses |
//! | reliable unordered | as it comes | no | no | effects, spawns |
//! | reliable ordered | as sent, per channel | no | no | chat, trade, RPC |
//!
//! ```text
//!   send ──▶ queue ──plan──▶ frames of a packet ──▶ wire ──▶ receive ──▶ delivered
//!              ▲                                               │
//!              └── lost receipts            acked receipts ◀───┘ (by way of recovery)
//! ```
//!
//! Channels do not wait for each other. A message is cut into fragments when it does not fit a
//! packet. Bounds: bytes queued per channel (the sender is told), messages in flight
//! ([`WINDOW_MESSAGES`]), bytes held for reassembly and reordering per connection.
//!
//! Deliberately absent: packets, time-outs, keys. What is lost is said by recovery.

mod config;
mod error;
mod reassembly;
mod receive;
mod send;
mod set;
#[cfg(test)]
mod tests;

pub use config::{ChannelConfig, ChannelTable, ChannelTableError, Delivery};
pub use error::{ChannelViolation, SendError};
pub use send::{FRAGMENT_BYTES, Receipt, WINDOW_MESSAGES};
pub use set::{Channels, Delivered, Planned, ReceiptOutcome, Taken};
