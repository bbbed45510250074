//! Matchmaking and zone servers for a large online world.

pub mod admin;
pub mod bus;
pub mod demo;
pub mod gateway;
pub mod ids;
pub mod matchmaking;
pub mod persistence;
pub mod rating;
pub mod settings;
pub mod telemetry;
