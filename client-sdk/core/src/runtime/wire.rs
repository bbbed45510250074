//! The socket, with or without weather in front of it.

use core::net::SocketAddr;
use std::io;

use netcode::time::Instant;
use shardline_protocol::game::Game;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::time::sleep_until;

use crate::client::Client;
#[cfg(feature = "sim")]
use crate::runtime::conditioner::Conditioner;

/// Longest datagram that is taken; a longer one is none of ours.
const DATAGRAM_BYTES: usize = 2048;
/// Datagrams taken in one turn: a flood cannot starve timers.
const DATAGRAMS_PER_TURN: usize = 256;

/// A UDP socket, and what it has no room for.
#[derive(Debug)]
pub(super) struct Wire {
    socket: UdpSocket,
    /// What the kernel did not take; nothing is drawn from the client until it has gone.
    held: Option<(SocketAddr, Vec<u8>)>,
    slot: Box<[u8; DATAGRAM_BYTES]>,
    #[cfg(feature = "sim")]
    conditioner: Option<Conditioner>,
}

impl Wire {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            held: None,
            slot: Box::new([0; DATAGRAM_BYTES]),
            #[cfg(feature = "sim")]
            conditioner: None,
        })
    }

    #[cfg(feature = "sim")]
    pub(super) fn set_conditions(
        &mut self,
        up: netcode::sim::LinkConfig,
        down: netcode::sim::LinkConfig,
        seed: u64,
    ) {
        self.conditioner = Some(Conditioner::new(up, down, seed));
    }

    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits for a datagram, for room to send if that is wanted, or for `wake_at`.
    pub(super) async fn ready(&self, wake_at: Option<std::time::Instant>) -> io::Result<()> {
        let mut interest = Interest::READABLE;
        if self.held.is_some() {
            interest |= Interest::WRITABLE;
        }
        let ready = self.socket.ready(interest);
        match wake_at {
            Some(at) => tokio::select! {
                ready = ready => ready.map(drop),
                () = sleep_until(at.into()) => Ok(()),
            },
            None => ready.await.map(drop),
        }
    }

    /// Takes what has arrived.
    pub(super) fn receive<G: Game>(
        &mut self,
        now: Instant,
        client: &mut Client<G>,
    ) -> io::Result<()> {
        for _ in 0..DATAGRAMS_PER_TURN {
            let (len, from) = match self.socket.try_recv_from(&mut self.slot[..]) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP error that some peer's host provoked, told here. It is not ours.
                Err(error) if is_of_a_peer(&error) => continue,
                Err(error) => return Err(error),
            };
            let datagram = &mut self.slot[..len];
            #[cfg(feature = "sim")]
            if let Some(conditioner) = &mut self.conditioner {
                conditioner.on_received(now, from, datagram);
                continue;
            }
            client.handle_datagram(now, from, datagram);
        }
        #[cfg(feature = "sim")]
        if let Some(conditioner) = &mut self.conditioner {
            while let Some((from, mut datagram)) = conditioner.poll_received(now) {
                client.handle_datagram(now, from, &mut datagram);
            }
        }
        Ok(())
    }

    /// Sends what the client has to send.
    pub(super) fn flush<G: Game>(
        &mut self,
        now: Instant,
        client: &mut Client<G>,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        if let Some((to, datagram)) = self.held.take()
            && !send(&self.socket, to, &datagram)?
        {
            self.held = Some((to, datagram));
        }
        while self.held.is_none()
            && let Some(to) = self.next_to_send(now, client, buffer)
        {
            if !send(&self.socket, to, buffer)? {
                self.held = Some((to, buffer.clone()));
            }
        }
        Ok(())
    }

    #[cfg(feature = "sim")]
    fn next_to_send<G: Game>(
        &mut self,
        now: Instant,
        client: &mut Client<G>,
        buffer: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let Some(conditioner) = &mut self.conditioner else {
            return client.poll_transmit(now, buffer);
        };
        while let Some(to) = client.poll_transmit(now, buffer) {
            conditioner.on_sent(now, to, buffer);
        }
        let (to, datagram) = conditioner.poll_sent(now)?;
        *buffer = datagram;
        Some(to)
    }

    #[cfg(not(feature = "sim"))]
    fn next_to_send<G: Game>(
        &mut self,
        now: Instant,
        client: &mut Client<G>,
        buffer: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        client.poll_transmit(now, buffer)
    }

    /// When datagrams that are held up by the weather go on.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        #[cfg(feature = "sim")]
        if let Some(conditioner) = &self.conditioner {
            return conditioner.poll_timeout();
        }
        None
    }
}

/// Gives a datagram to the kernel; `false` if it has no room.
fn send(socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<bool> {
    match socket.try_send_to(datagram, to) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        // Lost, as on any network.
        Err(error) if is_of_a_peer(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether an error tells of a path or a peer, not of the socket.
fn is_of_a_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        InvalidInput, NetworkDown, NetworkUnreachable, PermissionDenied,
    };
    matches!(
        error.kind(),
        AddrNotAvailable
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | InvalidInput
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
    )
}
