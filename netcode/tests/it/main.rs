//! What the transport promises, shown over simulated networks in virtual time.
//!
//! Nothing here opens a socket, reads a clock or sleeps; every run is determined by its seed.
//! `SIM_SEED=n cargo test -p netcode --test it delivery` replays one seed.

mod amplification;
mod close;
mod cost;
mod delivery;
mod determinism;
mod handshake;
mod limits;
mod replay;
mod support;
