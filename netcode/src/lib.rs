//! Secure reliable-over-UDP protocol for games.

pub mod entropy;
pub mod snapshot;
pub mod tick;
pub mod time;
