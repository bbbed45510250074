//! Weather between the socket and the client (feature `sim`).

use core::net::SocketAddr;

use netcode::sim::{Link, LinkConfig};
use netcode::time::Instant;

/// Whom it is for or from, and its bytes.
type Addressed = (SocketAddr, Vec<u8>);

/// One link each way, for all datagrams of a client.
#[derive(Debug)]
pub(super) struct Conditioner {
    up: Link<Addressed>,
    down: Link<Addressed>,
}

impl Conditioner {
    pub(super) fn new(up: LinkConfig, down: LinkConfig, seed: u64) -> Self {
        // Luck of their own, from one seed.
        Self { up: Link::new(up, seed), down: Link::new(down, !seed) }
    }

    pub(super) fn on_sent(&mut self, now: Instant, to: SocketAddr, datagram: &[u8]) {
        self.up.send(now, datagram.len(), (to, datagram.to_vec()));
    }

    pub(super) fn poll_sent(&mut self, now: Instant) -> Option<Addressed> {
        self.up.poll_arrival(now)
    }

    pub(super) fn on_received(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        self.down.send(now, datagram.len(), (from, datagram.to_vec()));
    }

    pub(super) fn poll_received(&mut self, now: Instant) -> Option<Addressed> {
        self.down.poll_arrival(now)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.up.poll_timeout(), self.down.poll_timeout()].into_iter().flatten().min()
    }
}
