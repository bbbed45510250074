//! Matchmaking and zone servers for a large online world.

pub mod access;
pub mod admin;
pub mod app;
pub mod bus;
pub mod demo;
pub mod gateway;
pub mod handoff;
pub mod ids;
pub mod image;
pub mod matchmaking;
pub mod persistence;
pub mod rating;
pub mod settings;
pub mod telemetry;
pub mod world;
