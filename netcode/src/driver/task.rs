//! The loop around an endpoint, one turn at a time.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;

use quinn_udp::BATCH_SIZE;

use crate::connection::Event;
use crate::driver::clock::Clock;
use crate::driver::outbox::Outbox;
use crate::driver::socket::Socket;
use crate::driver::stats::DriverStats;
use crate::endpoint::{ConnectionHandle, Endpoint};
use crate::time::Instant;
use crate::wire::CloseCode;

/// System calls for datagrams in one turn; each takes up to [`BATCH_SIZE`], and more if the kernel
/// has joined them.
const RECEIVES_MAX: usize = 1024 / BATCH_SIZE;
/// Time between looks at the timers while the kernel has no room.
const BLOCKED_AFTER: Duration = Duration::from_millis(5);
/// How long [`Driver::shut_down`] waits for peers to fall silent: three probe timeouts of a path
/// of 150 ms.
const SHUT_DOWN_MAX: Duration = Duration::from_secs(1);

/// An endpoint with its clock and its socket.
#[derive(Debug)]
pub struct Driver {
    clock: Clock,
    socket: Socket,
    endpoint: Endpoint,
    outbox: Outbox,
    /// Where the endpoint writes a datagram.
    buffer: Vec<u8>,
    stats: DriverStats,
}

impl Driver {
    /// Joins the three. The endpoint's instants must be those of `clock`.
    pub fn new(clock: Clock, socket: Socket, endpoint: Endpoint) -> Self {
        Self {
            clock,
            socket,
            endpoint,
            outbox: Outbox::default(),
            buffer: Vec::new(),
            stats: DriverStats::default(),
        }
    }

    /// Waits until a datagram is there or a timer is due, takes all that is there (within a bound),
    /// and sends what is due.
    ///
    /// Cancel-safe: it waits in one place, before it has taken anything.
    ///
    /// # Errors
    ///
    /// The socket is unusable. Errors that a peer or the network can cause are only counted.
    pub async fn turn(&mut self) -> io::Result<()> {
        self.flush();
        self.wait().await?;
        self.receive()?;
        self.endpoint.handle_timeout(self.clock.now());
        self.flush();
        Ok(())
    }

    async fn wait(&self) -> io::Result<()> {
        let is_blocked = !self.outbox.is_empty();
        let ready = self.socket.ready(is_blocked);
        // What cannot be sent stays due, and must not keep this loop busy.
        let earliest = if is_blocked { self.clock.now() + BLOCKED_AFTER } else { Instant::EPOCH };
        match self.endpoint.poll_timeout().map(|at| at.max(earliest)) {
            None => ready.await,
            Some(at) => {
                let at = self.clock.std_instant(at).into();
                tokio::time::timeout_at(at, ready).await.unwrap_or(Ok(()))
            }
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        for _ in 0..RECEIVES_MAX {
            let now = self.clock.now();
            let (endpoint, stats) = (&mut self.endpoint, &mut self.stats);
            let received = self.socket.receive(|from, datagram| {
                stats.datagrams_received += 1;
                stats.bytes_received += datagram.len() as u64;
                if let Err(reason) = endpoint.handle_datagram(now, from, datagram) {
                    *stats.dropped.entry(reason.label()).or_default() += 1;
                    tracing::trace!(%from, %reason, "dropped a datagram");
                }
            });
            match received {
                Ok(0) => break,
                // Answers to strangers have little room in the endpoint.
                Ok(_) => self.flush(),
                Err(error) if is_of_the_network(&error) => {
                    self.stats.receive_errors += 1;
                    tracing::trace!(%error, "the socket reports an error");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends what is due. Call it after `send`, `close` or `connect` on the endpoint; what the
    /// kernel has no room for waits for the next turn.
    pub fn flush(&mut self) {
        let now = self.clock.now();
        loop {
            let socket = &self.socket;
            if !self.outbox.drain(&mut self.stats, |batch| socket.send(batch)) {
                return;
            }
            while !self.outbox.is_full() {
                let Some(transmit) = self.endpoint.poll_transmit(now, &mut self.buffer) else {
                    break;
                };
                self.outbox.push(transmit.to, &self.buffer);
            }
            if self.outbox.is_empty() {
                return;
            }
        }
    }

    /// The next event, oldest first. Drain it after every turn.
    pub fn poll_event(&mut self) -> Option<(ConnectionHandle, Event)> {
        self.endpoint.poll_event()
    }

    /// Closes every connection, tells the peers and waits, a second at most, until all have heard.
    /// Events that are left are lost.
    pub async fn shut_down(mut self, code: CloseCode) {
        let until = self.clock.std_instant(self.clock.now() + SHUT_DOWN_MAX);
        let close = async {
            loop {
                // Again each turn: somebody may have come in meanwhile.
                self.endpoint.close_all(self.clock.now(), code);
                self.flush();
                while self.endpoint.poll_event().is_some() {}
                if self.endpoint.connections() == 0 && self.outbox.is_empty() {
                    return;
                }
                if self.turn().await.is_err() {
                    return;
                }
            }
        };
        // Who has not heard by then runs into the idle timeout.
        let _ = tokio::time::timeout_at(until.into(), close).await;
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The endpoint; [`flush`](Self::flush) after a change.
    pub fn endpoint_mut(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// The time, as the endpoint counts it.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Where the socket is bound.
    pub fn local_address(&self) -> SocketAddr {
        self.socket.local_address()
    }

    /// Counters since the start.
    pub fn stats(&self) -> DriverStats {
        self.stats.clone()
    }
}

/// Whether an error on receiving is an answer of the network to something sent, or passes by
/// itself. Others mean that the socket is gone.
fn is_of_the_network(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown, NetworkUnreachable,
        OutOfMemory, PermissionDenied, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | NetworkDown
            | NetworkUnreachable
            | OutOfMemory
            | PermissionDenied
            | TimedOut
    )
}
