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
/// The connection to a zone that the character has left is for that zone to end, because a player
/// on a border comes back; but the longest left makes room when there is none.
const ZONES_MAX: usize = 8;
/// How often an address that is not free yet is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// How long it is tried.
const RETRY_FOR: Duration = Duration::from_secs(5);

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
    Left { since: Instant },
}

#[derive(Debug)]
struct Link {
    handle: ConnectionHandle,
    is_open: bool,
    purpose: Purpose,
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
            link.purpose = Purpose::Wanted;
            return true;
        }
        if !self.waiting.contains_key(&zone) && !self.make_room(now) {
            return false;
        }
        match self.endpoint.connect(now, address, &access) {
            Ok(handle) => {
                self.waiting.remove(&zone);
                self.names.insert(handle, zone);
                let link = Link { handle, is_open: false, purpose: Purpose::Wanted };
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

    /// The character has gone from one zone to another.
    pub(crate) fn on_crossed(&mut self, now: Instant, from: ZoneId, to: ZoneId) {
        if let Some(link) = self.links.get_mut(&to) {
            link.purpose = Purpose::Wanted;
        }
        if let Some(link) = self.links.get_mut(&from) {
            link.purpose = Purpose::Left { since: now };
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
        let waiting = self.waiting.values().map(|waiting| waiting.again_at.min(waiting.until));
        self.endpoint.poll_timeout().into_iter().chain(waiting).min()
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

    /// `false` if there is no room for one more.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.links.len() + self.waiting.len() < ZONES_MAX {
            return true;
        }
        let left = self.links.iter().filter_map(|(zone, link)| match link.purpose {
            Purpose::Left { since } => Some((since, *zone)),
            Purpose::Wanted => None,
        });
        let Some((_, longest_left)) = left.min() else { return false };
        self.close(now, longest_left);
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use netcode::crypto::SecretKey;
    use shardline_protocol::play::channels;

    use super::{
        ConnectAccess, EndpointConfig, Entropy, Instant, SocketAddr, ZONES_MAX, ZoneId, Zones,
    };

    const NOW: Instant = Instant::EPOCH;

    fn connect(zones: &mut Zones, zone: u32) -> bool {
        let mut entropy = Entropy::from_simulation_seed(zone.into());
        let access = ConnectAccess {
            token: Bytes::from_static(b"token"),
            client_secret: SecretKey::generate(&mut entropy),
            server_public: SecretKey::generate(&mut entropy).public(),
        };
        let address = SocketAddr::from(([10, 0, 0, 1], 1000 + zone as u16));
        zones.connect(NOW, ZoneId(zone), address, access)
    }

    fn full() -> Zones {
        let config = EndpointConfig::builder(channels()).build().unwrap();
        let mut zones = Zones::new(config, Entropy::from_simulation_seed(1));
        assert!((0..ZONES_MAX as u32).all(|zone| connect(&mut zones, zone)));
        zones
    }

    #[test]
    fn offers_without_end_open_no_connections_without_end() {
        let mut zones = full();
        assert!(!connect(&mut zones, 100));
        assert!(connect(&mut zones, 3), "that one is there");
        assert_eq!(zones.links.len(), ZONES_MAX);
    }

    #[test]
    fn the_zone_that_was_left_first_makes_room() {
        let mut zones = full();
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            let now = NOW + core::time::Duration::from_secs(from.into());
            zones.on_crossed(now, ZoneId(from), ZoneId(to));
        }
        assert!(connect(&mut zones, 100));
        assert!(!zones.links.contains_key(&ZoneId(1)), "zone 0 was left first, but is the owner");
        assert!(zones.poll_event().is_none(), "quietly");
        assert!(connect(&mut zones, 101));
        assert!(!connect(&mut zones, 102));
    }
}
