//! Secure reliable-over-UDP protocol for games.

pub mod channel;
pub mod config;
pub mod connection;
pub mod crypto;
#[cfg(feature = "tokio")]
pub mod driver;
pub mod endpoint;
pub mod entropy;
pub mod predict;
pub mod recovery;
#[cfg(feature = "sim")]
pub mod sim;
pub mod snapshot;
pub mod tick;
pub mod time;
pub mod wire;
