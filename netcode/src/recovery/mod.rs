//! What was sent, what arrived, what is lost, how much may be sent now.
//!
//! ```text
//!                    ┌─────────▶ acknowledged ──▶ its receipts, to the channels
//!   sent (in flight) ┤
//!                    └─────────▶ lost ──────────▶ its receipts, to the channels
//! ```
//!
//! A packet remembers what it carried as opaque receipts. Nothing is sent again because it was
//! lost; it is sent again because a channel, told of the loss, still wants it (RFC 9002).
//!
//! Invariant: recovery does not know channels; every method that can change a timer takes `now`.

mod config;
mod congestion;
mod received;
mod rtt;
mod sent;

pub use config::RecoveryConfig;
pub use congestion::{Controller, NewReno};
pub use received::AckTracker;
pub use rtt::RttEstimator;
pub use sent::{AckError, Acked, SentPackets, TimeoutAction};
