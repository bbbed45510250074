//! What the measurements share: a client and a server in virtual time, and a world of entities.
//!
//! `cargo bench -p benches` measures; nothing here runs, timed or not, in tests.

pub mod pair;
pub mod world;
