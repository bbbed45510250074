//! A stay in the world: which zones are connected, which one owns the character, and how it ends.
//!
//! ```text
//!   ask ──ZoneAccess──▶ connect ──Welcome, Own──▶ in the world ──leave, loss──▶ over
//!                                                  │        ▲
//!                        Offer: connect ahead ─────┤        │ Own of a higher epoch
//!                        Crossed, owner lost ──────┴────────┘
//! ```
//!
//! The highest epoch rules. `Crossed` is a hint, a close of the old owner is none of the player's
//! business: only when the owner is gone and no other zone shows the character in time is the stay
//! over.
//!
//! Deliberately absent: the gateway.

mod message;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use netcode::config::EndpointConfig;
use netcode::connection::{ConnectAccess, ConnectionError};
use netcode::crypto::{PublicKey, SecretKey};
use netcode::entropy::Entropy;
use netcode::snapshot::Schema;
use netcode::time::Instant;
use netcode::wire::{ChannelId, CloseCode};
use prost::Message as _;
use shardline_protocol::control::ZoneAccess;
use shardline_protocol::game::Game;
use shardline_protocol::play::{CHANNEL_CONTROL, CHANNEL_INPUT};
use shardline_protocol::zone::{Leave, ToZone, to_zone};

use crate::error::{DisconnectReason, PlayError};
use crate::event::{RequestId, ZoneId};
use crate::play::{Play, PlayCounters};
use crate::replica::Replica;
use crate::zones::Zones;

/// Input packets that may wait in a connection before new ones are held back: they say it all
/// again.
const INPUT_PACKETS_WAITING: usize = 2;

/// How long the parts of a stay may take, and how its inputs are timed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) join: Duration,
    pub(crate) crossing: Duration,
    pub(crate) leave: Duration,
    /// How early inputs should reach the server.
    pub(crate) input_margin: Duration,
}

/// What a world tells the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WorldEvent {
    /// The character is there.
    Joined { request: RequestId, zone: ZoneId, character_id: u64 },
    /// The world was not entered.
    NotLetIn { request: RequestId, reason: DisconnectReason },
    /// The owner is gone or says that it is no more the owner; another is awaited.
    Crossing,
    /// Another zone owns the character.
    Crossed { from: ZoneId, to: ZoneId, epoch: u32 },
    /// A crossing turned out to be none: the owner is the one before.
    Stayed,
    /// The server moved the character on purpose.
    Overridden { override_epoch: u32 },
    /// For the game.
    Message(to_client::Body),
    /// The stay ended as asked.
    Left,
    /// The stay ended otherwise.
    Lost(DisconnectReason),
}

pub(crate) use shardline_protocol::zone::to_client;

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    /// The gateway shows the way.
    Asked,
    /// The first zone is being entered.
    Joining,
    Playing,
    /// The owner is gone or has handed the character over; why, if it is gone.
    Crossing(Option<DisconnectReason>),
    Leaving,
}

impl Phase {
    fn is_playing(&self) -> bool {
        matches!(self, Self::Playing | Self::Crossing(_))
    }
}

/// One stay.
#[derive(Debug)]
struct Stay<G: Game> {
    request: RequestId,
    secret: SecretKey,
    phase: Phase,
    deadline: Option<Instant>,
    character_id: u64,
    /// The zone that is entered or owns the character.
    owner: ZoneId,
    is_welcome: bool,
    items: BTreeSet<u64>,
    play: Play<G>,
    replica: Replica,
}

/// The world as this client is in it, or not.
#[derive(Debug)]
pub(crate) struct World<G: Game> {
    game: G,
    schema: Arc<Schema>,
    timing: Timing,
    zones: Zones,
    stay: Option<Stay<G>>,
    events: VecDeque<WorldEvent>,
    /// Of stays that are over.
    counters: PlayCounters,
    crossings: u64,
    snapshots: u64,
    snapshot_errors: u64,
    malformed: u64,
}

impl<G: Game> World<G> {
    pub(crate) fn new(
        game: G,
        schema: Arc<Schema>,
        config: EndpointConfig,
        timing: Timing,
        entropy: Entropy,
    ) -> Self {
        Self {
            game,
            schema,
            timing,
            zones: Zones::new(config, entropy),
            stay: None,
            events: VecDeque::new(),
            counters: PlayCounters::default(),
            crossings: 0,
            snapshots: 0,
            snapshot_errors: 0,
            malformed: 0,
        }
    }

    /// Starts a stay: `request` asks the gateway for the way. All tokens of the stay will be bound
    /// to the key that this returns.
    pub(crate) fn on_asked(&mut self, request: RequestId, entropy: &mut Entropy) -> PublicKey {
        let secret = SecretKey::generate(entropy);
        let public = secret.public();
        self.stay = Some(Stay {
            request,
            secret,
            phase: Phase::Asked,
            deadline: None,
            character_id: 0,
            owner: ZoneId(0),
            is_welcome: false,
            items: BTreeSet::new(),
            play: Play::new(self.game.clone(), self.timing.input_margin, self.counters),
            replica: Replica::new(Arc::clone(&self.schema)),
        });
        public
    }

    /// The gateway did not show the way. `false` if nobody wants to know any more.
    pub(crate) fn on_no_access(&mut self, request: RequestId) -> bool {
        let is_asked = |stay: &Stay<G>| stay.request == request && stay.phase == Phase::Asked;
        let is_wanted = self.stay.as_ref().is_some_and(is_asked);
        if is_wanted {
            self.stay = None;
        }
        is_wanted
    }

    /// The gateway shows the way.
    pub(crate) fn on_access(&mut self, now: Instant, request: RequestId, access: &ZoneAccess) {
        let Some(stay) = &mut self.stay else { return };
        if stay.request != request || stay.phase != Phase::Asked {
            return;
        }
        stay.phase = Phase::Joining;
        stay.deadline = Some(now + self.timing.join);
        stay.character_id = access.character_id;
        stay.owner = ZoneId(access.zone_id);
        if !self.connect(now, access) {
            self.end(now, Some(DisconnectReason::BadAccess));
        }
    }

    /// Connects to the zone that `access` is for. `false` if the access is not usable.
    fn connect(&mut self, now: Instant, access: &ZoneAccess) -> bool {
        let Some(stay) = &self.stay else { return false };
        let Ok(address) = access.address.parse::<SocketAddr>() else { return false };
        let Ok(server_public) = <[u8; 32]>::try_from(&access.server_public_key[..]) else {
            return false;
        };
        let access_to = ConnectAccess {
            token: access.connect_token.clone(),
            client_secret: stay.secret.clone(),
            server_public: PublicKey(server_public),
        };
        self.zones.connect(now, ZoneId(access.zone_id), address, access_to)
    }

    /// Leaves, politely.
    pub(crate) fn leave(&mut self, now: Instant) {
        let Some(stay) = &mut self.stay else { return };
        match stay.phase {
            Phase::Leaving => {}
            Phase::Asked | Phase::Joining => self.end(now, None),
            Phase::Playing | Phase::Crossing(_) => {
                stay.phase = Phase::Leaving;
                stay.deadline = Some(now + self.timing.leave);
                // Whoever owns the character by the time that it arrives, one of them does.
                let leave = encoded(to_zone::Body::Leave(Leave {}));
                let open: Vec<_> = self.zones.open().collect();
                for zone in open {
                    // A full queue only means that the deadline decides.
                    let _ = self.zones.send(zone, ChannelId(CHANNEL_CONTROL), leave.clone());
                }
            }
        }
    }

    /// Ends the stay, and every connection.
    pub(crate) fn close(&mut self, now: Instant) {
        self.forget(now);
    }

    /// Asks the owner for something.
    pub(crate) fn ask(&mut self, body: to_zone::Body) -> Result<(), PlayError> {
        let stay = self.stay.as_ref().ok_or(PlayError::NotInWorld)?;
        if !stay.phase.is_playing() {
            return Err(PlayError::NotInWorld);
        }
        let sent = self.zones.send(stay.owner, ChannelId(CHANNEL_CONTROL), encoded(body));
        sent.map_err(|_| PlayError::Busy)
    }

    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> bool {
        let is_taken = self.zones.handle_datagram(now, from, datagram);
        self.drain(now);
        is_taken
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.zones.handle_timeout(now);
        self.drain(now);
        let is_due = |stay: &&mut Stay<G>| stay.deadline.is_some_and(|deadline| now >= deadline);
        let Some(stay) = self.stay.as_mut().filter(is_due) else { return };
        match stay.phase.clone() {
            Phase::Leaving => self.end(now, None),
            Phase::Joining => {
                let after = self.timing.join;
                self.end(now, Some(DisconnectReason::JoinTimedOut { after }));
            }
            Phase::Crossing(lost) => {
                let after = self.timing.crossing;
                let reason = lost.unwrap_or(DisconnectReason::CrossingTimedOut { after });
                self.end(now, Some(reason));
            }
            Phase::Asked | Phase::Playing => stay.deadline = None,
        }
    }

    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        buffer: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        self.send_inputs();
        self.zones.poll_transmit(now, buffer)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.stay.as_ref().and_then(|stay| stay.deadline);
        self.zones.poll_timeout().into_iter().chain(deadline).min()
    }

    pub(crate) fn poll_event(&mut self) -> Option<WorldEvent> {
        self.events.pop_front()
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.zones.is_drained()
    }

    /// One packet for all inputs since the last one, to every zone that may need them.
    fn send_inputs(&mut self) {
        let Some(stay) = &mut self.stay else { return };
        let mut packet = Vec::new();
        if !stay.play.take_packet(&mut packet) {
            return;
        }
        let packet = Bytes::from(packet);
        let channel = ChannelId(CHANNEL_INPUT);
        let open: Vec<_> = self.zones.open().collect();
        for zone in open {
            if self.zones.pending(zone, channel) < INPUT_PACKETS_WAITING {
                // What cannot be sent now is in the next packet too.
                let _ = self.zones.send(zone, channel, packet.clone());
            }
        }
    }

    /// A connection has ended, and not because we wanted it.
    fn on_closed(&mut self, now: Instant, zone: ZoneId, error: ConnectionError) {
        let crossing_deadline = now + self.timing.crossing;
        let Some(stay) = &mut self.stay else { return };
        stay.replica.on_closed(now, zone);
        if zone != stay.owner {
            return;
        }
        let reason = DisconnectReason::ZoneLost(error);
        let has_moved = error == ConnectionError::ClosedByPeer(CloseCode::Moved);
        let is_silent = matches!(error, ConnectionError::TimedOut { .. });
        match &stay.phase {
            Phase::Leaving => self.end(now, None),
            // Another zone may show it yet.
            Phase::Playing if has_moved || (is_silent && self.zones.has_other_than(zone)) => {
                stay.phase = Phase::Crossing(Some(reason));
                stay.deadline = Some(crossing_deadline);
                self.events.push_back(WorldEvent::Crossing);
            }
            Phase::Crossing(_) => stay.phase = Phase::Crossing(Some(reason)),
            Phase::Asked | Phase::Joining | Phase::Playing => self.end(now, Some(reason)),
        }
    }

    /// Ends the stay: as asked, or for a reason.
    fn end(&mut self, now: Instant, reason: Option<DisconnectReason>) {
        let Some(stay) = &self.stay else { return };
        let request = stay.request;
        let is_entered = !matches!(stay.phase, Phase::Asked | Phase::Joining);
        self.events.push_back(match reason {
            None => WorldEvent::Left,
            Some(reason) if is_entered => WorldEvent::Lost(reason),
            Some(reason) => WorldEvent::NotLetIn { request, reason },
        });
        self.forget(now);
    }

    fn forget(&mut self, now: Instant) {
        if let Some(stay) = self.stay.take() {
            self.counters = stay.play.counters();
        }
        self.zones.close_all(now);
    }
}

/// What the game and its statistics read.
impl<G: Game> World<G> {
    pub(crate) fn play(&self) -> Option<&Play<G>> {
        self.stay.as_ref().map(|stay| &stay.play)
    }

    /// The same, but only while there is something to play.
    pub(crate) fn playing(&self) -> Option<&Play<G>> {
        self.stay.as_ref().filter(|stay| stay.phase.is_playing()).map(|stay| &stay.play)
    }

    pub(crate) fn playing_mut(&mut self) -> Option<&mut Play<G>> {
        self.stay.as_mut().filter(|stay| stay.phase.is_playing()).map(|stay| &mut stay.play)
    }

    pub(crate) fn replica(&self) -> Option<&Replica> {
        self.stay.as_ref().map(|stay| &stay.replica)
    }

    pub(crate) fn items(&self) -> Option<&BTreeSet<u64>> {
        self.stay.as_ref().map(|stay| &stay.items)
    }

    pub(crate) fn character_id(&self) -> Option<u64> {
        self.stay.as_ref().filter(|stay| stay.phase != Phase::Asked).map(|stay| stay.character_id)
    }

    pub(crate) fn owner(&self) -> Option<ZoneId> {
        self.stay.as_ref().filter(|stay| stay.phase != Phase::Asked).map(|stay| stay.owner)
    }

    pub(crate) fn zones(&self) -> &Zones {
        &self.zones
    }

    pub(crate) fn counters(&self) -> PlayCounters {
        self.play().map_or(self.counters, Play::counters)
    }

    pub(crate) fn crossings(&self) -> u64 {
        self.crossings
    }

    /// Snapshots, those that could not be read, and other messages that could not be read.
    pub(crate) fn received(&self) -> (u64, u64, u64) {
        (self.snapshots, self.snapshot_errors, self.malformed)
    }
}

fn encoded(body: to_zone::Body) -> Bytes {
    ToZone { body: Some(body) }.encode_to_vec().into()
}
