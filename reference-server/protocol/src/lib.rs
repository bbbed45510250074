//! What Shardline clients and servers say to each other.
//!
//! ```text
//!   client ──ClientFrame / ServerFrame──▶ gateway    QUIC, one stream      [control]
//!   client ──ToZone / ToClient─────────▶ zone       netcode, reliable     [zone]
//!   client ──InputPacket───────────────▶ zone       netcode, unreliable   [play]
//!   client ◀─SnapshotHeader + delta───── zone       netcode, unreliable   [play]
//! ```
//!
//! The messages are protobuf where they are rare and must evolve, and a layout of our own where
//! they are frequent. [`Game`] is the seam at which a studio puts its own rules: server, bots and
//! clients run the same [`Game::step`], which is what makes prediction exact.
//!
//! Deliberately absent: sockets, time, and the rules of any particular game.

pub mod frame;
pub mod game;
pub mod play;

pub use game::Game;

/// Control messages, generated from `proto/control.proto`.
pub use generated::control::v1 as control;
/// Zone messages, generated from `proto/zone.proto`.
pub use generated::zone::v1 as zone;

/// The modules nest as the protobuf packages do, because the generated paths are relative.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod generated {
    pub mod control {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/shardline.control.v1.rs"));
        }
    }
    pub mod zone {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/shardline.zone.v1.rs"));
        }
    }
}
