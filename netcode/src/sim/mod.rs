//! Seeded networks in virtual time, for simulations and as a game's link conditioner.
//!
//! ```text
//!            ┌─ rate, queue ──┐   ┌ loss ─┐   ┌─ delay ± jitter, duplicates ──┐
//!   send ──▶ │ waits or drops │──▶│ drops │──▶│ in flight, ordered by arrival │──▶ poll_arrival
//!            └────────────────┘   └───────┘   └───────────────────────────────┘
//! ```
//!
//! A [`Link`] is one direction between two hosts; a [`Network`] is a link for every pair of hosts
//! that talk, and partitions between them. Both are machines like the rest of this crate: they
//! are told the time and never wait. Equal seeds and equal calls give equal arrivals.
//!
//! # Writing a simulation
//!
//! 1. One seed determines a run: weather, traffic, keys. A failure prints it.
//! 2. **Storm** (safety): loss, jitter, duplicates and partitions. After every step assert what
//!    must hold at all times: "what arrived in order is a prefix of what was sent".
//! 3. **Calm** (liveness): heal, set [`LinkConfig::CALM`], and assert that what is promised comes
//!    true within a bounded *time* and a bounded number of *steps*. Without the second bound a
//!    timer that fires without effect hangs the test in place of failing it.
//! 4. A step jumps to the least [`poll_timeout`](Network::poll_timeout) of all that take part,
//!    delivers what has arrived, fires timers, then drains every machine. Nothing else moves time.
//! 5. It is finished when bugs, planted by hand, turn it red.
//!
//! ```
//! use core::time::Duration;
//! use netcode::sim::{LinkConfig, Network};
//! use netcode::time::Instant;
//!
//! let (client, server) = ("10.0.0.1:5000".parse()?, "10.0.0.2:4433".parse()?);
//! let mut network = Network::new(LinkConfig::STORM, 7);
//! let mut now = Instant::EPOCH;
//! let (mut offered, mut arrived) = (0, 0);
//!
//! let mut step = |network: &mut Network, now: &mut Instant| {
//!     *now = network.poll_timeout().unwrap_or(*now + Duration::from_millis(10)).max(*now);
//!     while let Some((from, to, datagram)) = network.poll_arrival(*now) {
//!         assert_eq!((from, to, datagram.len()), (client, server, 100)); // safety
//!         arrived += 1;
//!     }
//!     offered += 1;
//!     network.send(*now, client, server, vec![0; 100]);
//!     offered - arrived
//! };
//! for _ in 0..1_000 {
//!     step(&mut network, &mut now); // storm
//! }
//! network.set_config(LinkConfig::CALM);
//! let missing_after_storm = step(&mut network, &mut now);
//! for _ in 0..1_000 {
//!     step(&mut network, &mut now); // calm
//! }
//! assert!(step(&mut network, &mut now) <= missing_after_storm + 1, "the calm loses nothing");
//! # Ok::<(), std::net::AddrParseError>(())
//! ```
//!
//! Deliberately absent: a clock, sockets, and any idea of what the datagrams mean.

mod link;
mod network;

pub use link::{Link, LinkConfig, LinkStats};
pub use network::{Network, NetworkStats};
