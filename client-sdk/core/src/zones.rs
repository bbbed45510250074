//! Connections to zones: to the owner of the character, ahead of a crossing, and left behind.
//!
//! ```text
//!   connect ──▶ Pending ──Event::Connected──▶ Open ──close, peer closes──▶ (gone)
//!                 ▲
//!   an older connection to that address drains: tried again until it may be
//! ```
//!
//! A zone is named by its id; where it is and by which connection it is reached stays in here.
//! Closing one is quiet: only what a peer or the network ends is told.
//!
//! Deliberately absent: which zone owns the character, and what messages mean.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use netcode::channel::SendError;
use netcode::config::EndpointConfig;
use netcode::connection::{ConnectAccess, ConnectionError, ConnectionStats, Event};
use netcode::endpoint::{ConnectError, ConnectionHandle, Endpoint};
use netcode::entropy::Entropy;
use netcode::time::Instant;
use netcode::wire::{ChannelId, CloseCode};

use crate::event::ZoneId;

/// Zones that a client is connected to at a time: the owner and all that meet in its corner, twice.
const ZONES_MAX: usize = 8;
/// How often an address that is not free yet is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// How long it is tried.
const RETRY_FOR: Duration = Duration::from_secs(5);
/// How long a zone that the character has left is kept: a player on a border comes back.
const LINGER: Duration = Duration::from_secs(10);

/// What became of the connection to a zone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ZoneEvent {
    Connected,
    Message { channel: ChannelId, payload: Bytes },
    Closed(ConnectionError),
}

/// Why a connection is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Purpose {
    /// It is entered, owns the character, or is about to.
    Wanted,
    /// The character has left it.
    Left { until: Instant },
}

#[derive(Debug)]
struct Link {
    handle: ConnectionHandle,
    is_open: bool,
    purpose: Purpose,
    /// It was offered since the character entered it: by the next owner, whose offer may be here
    /// before it is known to be the owner.
    is_offered: bool,
}

#[derive(Debug)]
struct Waiting {
    address: SocketAddr,
    access: ConnectAccess,
    again_at: Instant,
    until: Instant,
}

/// All connections to zones.
#[derive(Debug)]
pub(crate) struct Zones {
    endpoint: Endpoint,
    links: BTreeMap<ZoneId, Link>,
    names: BTreeMap<ConnectionHandle, ZoneId>,
    waiting: BTreeMap<ZoneId, Waiting>,
}

impl Zones {
    pub(crate) fn new(config: EndpointConfig, entropy: Entropy) -> Self {
        Self {
            endpoint: Endpoint::client(config, entropy),
            links: BTreeMap::new(),
            names: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Connects, unless there is a connection already. `false` if that is not possible.
    pub(crate) fn connect(
        &mut self,
        now: Instant,
        zone: ZoneId,
        address: SocketAddr,
        access: ConnectAccess,
    ) -> bool {
        if let Some(link) = self.links.get_mut(&zone) {
            (link.purpose, link.is_offered) = (Purpose::Wanted, true);
            return true;
        }
        if self.links.len() + self.waiting.len() >= ZONES_MAX && !self.waiting.contains_key(&zone) {
            return false;
        }
        match self.endpoint.connect(now, address, &access) {
            Ok(handle) => {
                self.waiting.remove(&zone);
                self.names.insert(handle, zone);
                let purpose = Purpose::Wanted;
                let link = Link { handle, is_open: false, purpose, is_offered: false };
                self.links.insert(zone, link);
                true
            }
            Err(ConnectError::AlreadyConnected { .. }) => {
                let until = self.waiting.get(&zone).map_or(now + RETRY_FOR, |older| older.until);
                let again_at = now + RETRY_AFTER;
                self.waiting.insert(zone, Waiting { address, access, again_at, until });
                true
            }
            Err(_) => false,
        }
    }

    /// Ends the connection to `zone`, if there is one. No event follows.
    pub(crate) fn close(&mut self, now: Instant, zone: ZoneId) {
        self.waiting.remove(&zone);
        if let Some(link) = self.links.remove(&zone) {
            self.names.remove(&link.handle);
            self.endpoint.close(now, link.handle, CloseCode::NoError);
        }
    }

    pub(crate) fn close_all(&mut self, now: Instant) {
        self.waiting.clear();
        while let Some((zone, _)) = self.links.first_key_value() {
            self.close(now, *zone);
        }
    }

    /// The character has gone from one zone to another. The connection to the one that it left
    /// stays for a while.
    pub(crate) fn on_crossed(&mut self, now: Instant, from: ZoneId, to: ZoneId) {
        if let Some(link) = self.links.get_mut(&to) {
            (link.purpose, link.is_offered) = (Purpose::Wanted, false);
        }
        if let Some(link) = self.links.get_mut(&from).filter(|link| !link.is_offered) {
            link.purpose = Purpose::Left { until: now + LINGER };
        }
    }

    /// Queues a message.
    pub(crate) fn send(
        &mut self,
        zone: ZoneId,
        channel: ChannelId,
        payload: Bytes,
    ) -> Result<(), SendError> {
        let link = self.links.get(&zone).ok_or(SendError::NotConnected)?;
        self.endpoint.send(link.handle, channel, payload).map(|_| ())
    }

    /// Messages of `channel` that wait to be sent.
    pub(crate) fn pending(&self, zone: ZoneId, channel: ChannelId) -> usize {
        self.links.get(&zone).map_or(0, |link| self.endpoint.pending(link.handle, channel))
    }

    /// The zones to which messages may be sent.
    pub(crate) fn open(&self) -> impl Iterator<Item = ZoneId> + '_ {
        self.links.iter().filter(|(_, link)| link.is_open).map(|(zone, _)| *zone)
    }

    /// Whether any zone but `zone` is connected or about to be.
    pub(crate) fn has_other_than(&self, zone: ZoneId) -> bool {
        self.links.keys().chain(self.waiting.keys()).any(|other| *other != zone)
    }

    pub(crate) fn stats(&self, zone: ZoneId) -> Option<ConnectionStats> {
        self.links.get(&zone).and_then(|link| self.endpoint.stats(link.handle))
    }

    /// Whether nothing is left to be sent or waited for.
    pub(crate) fn is_drained(&self) -> bool {
        self.endpoint.connections() == 0
    }

    /// Takes a datagram; `false` if it was ignored.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> bool {
        self.endpoint.handle_datagram(now, from, datagram).is_ok()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        let is_over = |link: &Link| matches!(link.purpose, Purpose::Left { until } if now >= until);
        let over: Vec<_> =
            self.links.iter().filter(|(_, link)| is_over(link)).map(|(zone, _)| *zone).collect();
        over.into_iter().for_each(|zone| self.close(now, zone));

        self.waiting.retain(|_, waiting| now < waiting.until);
        let due = |waiting: &Waiting| now >= waiting.again_at;
        let due: Vec<_> = self.waiting.iter().filter(|(_, w)| due(w)).map(|(z, _)| *z).collect();
        for zone in due {
            if let Some(waiting) = self.waiting.get(&zone) {
                let (address, access) = (waiting.address, waiting.access.clone());
                if !self.connect(now, zone, address, access) {
                    self.waiting.remove(&zone);
                }
            }
        }
    }

    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        buffer: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        self.endpoint.poll_transmit(now, buffer).map(|transmit| transmit.to)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let left = self.links.values().filter_map(|link| match link.purpose {
            Purpose::Wanted => None,
            Purpose::Left { until } => Some(until),
        });
        let waiting = self.waiting.values().map(|waiting| waiting.again_at.min(waiting.until));
        self.endpoint.poll_timeout().into_iter().chain(left).chain(waiting).min()
    }

    pub(crate) fn poll_event(&mut self) -> Option<(ZoneId, ZoneEvent)> {
        while let Some((handle, event)) = self.endpoint.poll_event() {
            // Of a connection that was closed here nobody wants to hear.
            let Some(zone) = self.names.get(&handle).copied() else { continue };
            match event {
                Event::Connected => {
                    if let Some(link) = self.links.get_mut(&zone) {
                        link.is_open = true;
                    }
                    return Some((zone, ZoneEvent::Connected));
                }
                Event::Message { channel, payload } => {
                    return Some((zone, ZoneEvent::Message { channel, payload }));
                }
                Event::Closed(error) => {
                    self.names.remove(&handle);
                    self.links.remove(&zone);
                    return Some((zone, ZoneEvent::Closed(error)));
                }
                _ => {}
            }
        }
        None
    }
}
