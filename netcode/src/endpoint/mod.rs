//! Many peers behind one socket, no I/O.
//!
//! ```text
//!   handle_datagram ──┐                      ┌── poll_transmit ──▶ socket
//!   handle_timeout  ──┼──▶   Endpoint  ──────┼── poll_event    ──▶ application
//!   connect, send   ──┤    slots · routes    └── poll_timeout  ──▶ timer
//!   close           ──┘    [server: door]
//! ```
//!
//! # Contract: drain after every input
//!
//! After any call on the left, drain the right in the order shown: `poll_transmit` and
//! `poll_event` until they answer `None`, then read `poll_timeout` once. Time never decreases.
//!
//! A datagram finds its connection in constant time: by connection id at a server, by address at a
//! client (which has at most one connection to an address). Connections with something to send
//! wait in a queue, timers in an ordered set: no call walks all connections.
//!
//! Deliberately absent: sockets, threads, a clock. `driver` has them.

mod door;
mod handle;
mod slots;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

pub use door::ServerKeys;
pub use handle::ConnectionHandle;

use crate::channel::SendError;
use crate::config::EndpointConfig;
use crate::connection::{
    Answered, ClientHandshake, ConnectAccess, ConnectionError, ConnectionStats, DropReason, Event,
};
use crate::crypto::Claims;
use crate::endpoint::door::{Door, Verdict};
use crate::endpoint::slots::{Phase, Slots};
use crate::entropy::Entropy;
use crate::time::Instant;
use crate::wire::{ChannelId, CloseCode, ConnectionId, LongPacket, MessageId, ShortHeader};

/// Answers to strangers that wait for the socket; more are not made.
const ANSWERS_MAX: usize = 256;

/// A datagram for the caller to put on the wire. Its bytes are in the caller's buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
}

/// Why a connection was not even tried.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is a connection to this address already; close it first.
    #[error("already connected to {remote}")]
    AlreadyConnected {
        /// The address.
        remote: SocketAddr,
    },
    /// The server's key is not a point of the curve, or the token is too long.
    #[error("access is not usable")]
    BadAccess,
    /// As many connections as the configuration allows.
    #[error("too many connections")]
    TooMany,
}

/// Connections behind one socket, as a client, and as a server if it has [`ServerKeys`].
#[derive(Debug)]
pub struct Endpoint {
    config: Arc<EndpointConfig>,
    entropy: Entropy,
    door: Option<Door>,
    slots: Slots,
    by_id: HashMap<ConnectionId, usize>,
    /// Connections that we opened.
    by_address: HashMap<SocketAddr, usize>,
    /// Slots that may have something to send.
    ready: VecDeque<usize>,
    timers: BTreeSet<(Instant, usize)>,
    events: VecDeque<(ConnectionHandle, Event)>,
    answers: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Endpoint {
    /// An endpoint that opens connections.
    pub fn client(config: EndpointConfig, entropy: Entropy) -> Self {
        Self::new(config, None, entropy)
    }

    /// An endpoint that takes connections, and may open some.
    pub fn server(config: EndpointConfig, keys: ServerKeys, mut entropy: Entropy) -> Self {
        let door = Door::new(keys, entropy.fork());
        Self::new(config, Some(door), entropy)
    }

    fn new(config: EndpointConfig, door: Option<Door>, entropy: Entropy) -> Self {
        Self {
            slots: Slots::new(config.connections_max()),
            config: Arc::new(config),
            entropy,
            door,
            by_id: HashMap::new(),
            by_address: HashMap::new(),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            events: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    /// Starts a handshake with the server at `remote`. [`Event::Connected`] or [`Event::Closed`]
    /// tells how it went.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], at once.
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        access: &ConnectAccess,
    ) -> Result<ConnectionHandle, ConnectError> {
        if self.by_address.contains_key(&remote) {
            return Err(ConnectError::AlreadyConnected { remote });
        }
        if access.token.len() > crate::wire::TOKEN_BYTES_MAX {
            return Err(ConnectError::BadAccess);
        }
        let (config, entropy) = (Arc::clone(&self.config), self.entropy.fork());
        let handshake = ClientHandshake::new(config, now, remote, access, entropy)
            .map_err(|_| ConnectError::BadAccess)?;
        let phase = Phase::Connecting(Box::new(handshake));
        let handle = self.slots.insert(phase, None).ok_or(ConnectError::TooMany)?;
        self.by_address.insert(remote, handle.index());
        self.touch(handle.index());
        Ok(handle)
    }

    /// Takes one datagram off the network; its bytes are spoiled.
    ///
    /// # Errors
    ///
    /// [`DropReason`], for a counter. Nothing else happened then, but that a stranger may be
    /// answered.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), DropReason> {
        if ShortHeader::is_long(datagram) {
            return self.on_long(now, from, datagram);
        }
        let header = ShortHeader::decode(datagram)?;
        let index = match header.connection_id {
            Some(id) => self.by_id.get(&id),
            None => self.by_address.get(&from),
        };
        let index = *index.ok_or(DropReason::UnknownConnection)?;
        let Some(Phase::Live(connection)) = self.slots.phase_mut(index) else {
            return Err(DropReason::UnexpectedPacket);
        };
        // Until a new path can be proven, a connection stays at the address it was made from.
        if connection.remote() != from {
            return Err(DropReason::UnknownConnection);
        }
        let was_unconfirmed = connection.is_unconfirmed();
        let outcome = connection.handle_packet(now, header, datagram);
        if was_unconfirmed && !connection.is_unconfirmed() {
            self.on_confirmed(now, index);
        }
        self.touch(index);
        outcome
    }

    fn on_long(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), DropReason> {
        match LongPacket::decode(datagram)? {
            LongPacket::Hello(hello) => {
                let door = self.door.as_mut().ok_or(DropReason::UnexpectedPacket)?;
                if self.answers.len() >= ANSWERS_MAX {
                    return Err(DropReason::TooBusy);
                }
                let has_room = self.slots.has_room();
                let by_id = &self.by_id;
                let is_free = |id: &ConnectionId| !by_id.contains_key(id);
                match door.on_hello(&self.config, now, from, &hello, has_room, is_free) {
                    Verdict::Drop(reason) => Err(reason),
                    Verdict::Answer(answer, outcome) => {
                        self.answers.push_back((from, answer));
                        outcome
                    }
                    Verdict::Accept(accepted) => {
                        let id = accepted.connection.id();
                        let phase = Phase::Live(accepted.connection);
                        let claims = Some(Arc::new(accepted.claims));
                        let inserted = self.slots.insert(phase, claims);
                        let handle = inserted.ok_or(DropReason::TooBusy)?;
                        if let Some(door) = &mut self.door {
                            door.on_pending(accepted.pending, handle.index());
                        }
                        self.by_id.insert(id, handle.index());
                        self.answers.push_back((from, accepted.answer));
                        self.touch(handle.index());
                        Ok(())
                    }
                }
            }
            answer => self.on_answer(now, from, &answer),
        }
    }

    fn on_answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        answer: &LongPacket<'_>,
    ) -> Result<(), DropReason> {
        let index = *self.by_address.get(&from).ok_or(DropReason::UnknownConnection)?;
        let Some(Phase::Connecting(_)) = self.slots.phase_mut(index) else {
            return Err(DropReason::UnexpectedPacket);
        };
        let Some(Phase::Connecting(mut handshake)) = self.slots.take_phase(index) else {
            return Err(DropReason::UnexpectedPacket);
        };
        let (answered, outcome) = match answer {
            LongPacket::Accept(accept) => handshake.on_accept(now, accept),
            LongPacket::Refuse(refuse) => match handshake.on_refuse(refuse) {
                Ok(error) => (Answered::Failed(error), Ok(())),
                Err(reason) => (Answered::Pending(handshake), Err(reason)),
            },
            LongPacket::Retry(retry) => {
                let outcome = handshake.on_retry(now, retry);
                (Answered::Pending(handshake), outcome)
            }
            LongPacket::Hello(_) => {
                (Answered::Pending(handshake), Err(DropReason::UnexpectedPacket))
            }
        };
        match answered {
            Answered::Done(connection) => self.slots.put_phase(index, Phase::Live(connection)),
            Answered::Pending(handshake) => {
                self.slots.put_phase(index, Phase::Connecting(handshake));
            }
            Answered::Failed(error) => {
                self.fail(index, error);
                return outcome;
            }
        }
        self.touch(index);
        outcome
    }

    /// Tells the endpoint that `now` has come. Harmless if nothing is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Taken out first: what is due may stay due until it is sent, after this call.
        let later = self.timers.split_off(&(now + Duration::from_nanos(1), 0));
        for (_, index) in core::mem::replace(&mut self.timers, later) {
            self.slots.set_timer(index, None);
            match self.slots.phase_mut(index) {
                Some(Phase::Connecting(handshake)) => {
                    if let Err(error) = handshake.handle_timeout(now) {
                        self.fail(index, error);
                        continue;
                    }
                }
                Some(Phase::Live(connection)) => connection.handle_timeout(now),
                None => continue,
            }
            self.touch(index);
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`SendError`], at once; nothing is queued then.
    pub fn send(
        &mut self,
        handle: ConnectionHandle,
        channel: ChannelId,
        payload: Bytes,
    ) -> Result<MessageId, SendError> {
        let Some(Phase::Live(connection)) = self.slots.get_mut(handle) else {
            return Err(SendError::NotConnected);
        };
        let sent = connection.send(channel, payload)?;
        self.touch(handle.index());
        Ok(sent)
    }

    /// Ends a connection and tells the peer. [`Event::Closed`] follows.
    pub fn close(&mut self, now: Instant, handle: ConnectionHandle, code: CloseCode) {
        match self.slots.get_mut(handle) {
            Some(Phase::Connecting(_)) => {
                self.fail(handle.index(), ConnectionError::ClosedLocally(code));
            }
            Some(Phase::Live(connection)) => {
                connection.close(now, code);
                self.touch(handle.index());
            }
            None => {}
        }
    }

    /// Ends every connection and tells the peers.
    pub fn close_all(&mut self, now: Instant, code: CloseCode) {
        for index in 0..self.slots.count() {
            if self.slots.phase_mut(index).is_some() {
                self.close(now, self.slots.handle(index), code);
            }
        }
    }

    /// Bytes that may be sent now: what an application fills with its most important state.
    pub fn budget(&self, handle: ConnectionHandle) -> usize {
        match self.slots.get(handle) {
            Some(Phase::Live(connection)) => connection.budget(),
            _ => 0,
        }
    }

    /// Messages of `channel` that wait or, on a reliable channel, are not yet acknowledged.
    pub fn pending(&self, handle: ConnectionHandle, channel: ChannelId) -> usize {
        match self.slots.get(handle) {
            Some(Phase::Live(connection)) => connection.pending(channel),
            _ => 0,
        }
    }

    /// Counters and gauges, while the connection lives.
    pub fn stats(&self, handle: ConnectionHandle) -> Option<ConnectionStats> {
        match self.slots.get(handle) {
            Some(Phase::Live(connection)) => Some(connection.stats()),
            _ => None,
        }
    }

    /// What the connect token of a connection said; only of those that were taken, not opened.
    pub fn claims(&self, handle: ConnectionHandle) -> Option<&Claims> {
        self.slots.claims(handle)
    }

    /// The peer's address.
    pub fn remote(&self, handle: ConnectionHandle) -> Option<SocketAddr> {
        self.slots.get(handle).map(Phase::remote)
    }

    /// Connections and handshakes that there are.
    pub fn connections(&self) -> usize {
        self.slots.len()
    }

    /// Writes the next datagram to `buffer`, which is cleared first.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        buffer.clear();
        if let Some((to, answer)) = self.answers.pop_front() {
            buffer.extend_from_slice(&answer);
            return Some(Transmit { to });
        }
        while let Some(index) = self.ready.pop_front() {
            self.slots.set_ready(index, false);
            let Some(phase) = self.slots.phase_mut(index) else { continue };
            let to = phase.remote();
            let has_sent = match phase {
                Phase::Connecting(handshake) => handshake.poll_transmit(now, buffer),
                Phase::Live(connection) => connection.poll_transmit(now, buffer),
            };
            if has_sent {
                // There may be more; but the others' turn comes first.
                self.mark_ready(index);
                return Some(Transmit { to });
            }
            self.reset_timer(index);
        }
        None
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<(ConnectionHandle, Event)> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and poll again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A client has proven that it holds its keys: from here on its token is used.
    fn on_confirmed(&mut self, now: Instant, index: usize) {
        let (Some(door), Some(claims)) = (&mut self.door, self.slots.claims_at(index)) else {
            return;
        };
        let handle = self.slots.handle(index);
        let Some(replaced) = door.on_confirmed(now, &self.config, &claims, handle) else { return };
        if let Some(Phase::Live(older)) = self.slots.get_mut(replaced) {
            older.close(now, CloseCode::Replaced);
            self.touch(replaced.index());
        }
    }

    /// Something about the slot has changed: it may have events, something to send, a timer.
    fn touch(&mut self, index: usize) {
        self.mark_ready(index);
        self.after(index);
    }

    fn mark_ready(&mut self, index: usize) {
        if self.slots.set_ready(index, true) {
            self.ready.push_back(index);
        }
    }

    fn after(&mut self, index: usize) {
        let handle = self.slots.handle(index);
        let Some(Phase::Live(connection)) = self.slots.phase_mut(index) else {
            self.reset_timer(index);
            return;
        };
        while let Some(event) = connection.poll_event() {
            self.events.push_back((handle, event));
        }
        if connection.is_gone() {
            self.remove(index);
        } else {
            self.reset_timer(index);
        }
    }

    fn reset_timer(&mut self, index: usize) {
        let at = match self.slots.phase_mut(index) {
            Some(Phase::Connecting(handshake)) => Some(handshake.poll_timeout()),
            Some(Phase::Live(connection)) => connection.poll_timeout(),
            None => None,
        };
        let before = self.slots.set_timer(index, at);
        if before != at {
            before.map(|before| self.timers.remove(&(before, index)));
            at.map(|at| self.timers.insert((at, index)));
        }
    }

    fn fail(&mut self, index: usize, error: ConnectionError) {
        self.events.push_back((self.slots.handle(index), Event::Closed(error)));
        self.remove(index);
    }

    fn remove(&mut self, index: usize) {
        if let Some(at) = self.slots.set_timer(index, None) {
            self.timers.remove(&(at, index));
        }
        let remote = self.slots.remote_at(index);
        if let Some(remote) = remote.filter(|remote| self.by_address.get(remote) == Some(&index)) {
            self.by_address.remove(&remote);
        }
        if let Some(Phase::Live(connection)) = self.slots.phase_mut(index) {
            let id = connection.id();
            if self.by_id.get(&id) == Some(&index) {
                self.by_id.remove(&id);
            }
        }
        if let Some(door) = &mut self.door {
            door.on_removed(index);
        }
        self.slots.remove(index);
    }
}
