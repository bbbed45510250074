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

/// The programs of the book, run as tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../book/src/guide/first-connection.md")]
    mod first_connection {}
    #[doc = include_str!("../../book/src/guide/channels.md")]
    mod channels {}
    #[doc = include_str!("../../book/src/guide/snapshots.md")]
    mod snapshots {}
    #[doc = include_str!("../../book/src/guide/prediction.md")]
    mod prediction {}
}
