//! A zone: a piece of the line, with a netcode server at its door.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use netcode::config::EndpointConfig;
use netcode::connection::Event;
use netcode::crypto::{Claims, PublicKey, SecretKey, TokenKey};
use netcode::endpoint::{ConnectionHandle, Endpoint, ServerKeys};
use netcode::entropy::Entropy;
use netcode::predict::{InputQueue, Margin};
use netcode::snapshot::{Candidate, EntityId, EntityState, SnapshotEncoder};
use netcode::tick::Tick;
use netcode::time::Instant;
use netcode::wire::{ChannelId, CloseCode};
use prost::Message as _;
use shardline_protocol::control::ZoneAccess;
use shardline_protocol::game::Game;
use shardline_protocol::play::{
    CHANNEL_CONTROL, CHANNEL_INPUT, CHANNEL_SNAPSHOT, Own, SnapshotHeader, channels, decode_inputs,
};
use shardline_protocol::zone::{ToClient, ToZone, Welcome, to_client, to_zone};

use super::game::{LineGame, Walk, Walker};

/// Unix time at the start of every test.
pub(crate) const UNIX_MS: u64 = 1_800_000_000_000;
/// Bytes of entities in one snapshot.
const BUDGET: usize = 800;

/// What a zone holds of a character that is its own.
pub(crate) struct Owned {
    pub(crate) epoch: u32,
    pub(crate) override_epoch: u32,
    pub(crate) character: Walker,
    pub(crate) queue: InputQueue<Walk>,
}

/// One client at the door.
struct Guest {
    handle: ConnectionHandle,
    public: PublicKey,
    encoder: SnapshotEncoder,
    sent: VecDeque<(netcode::wire::MessageId, Tick)>,
    margin: Margin,
}

pub(crate) struct Zone {
    pub(crate) id: u32,
    pub(crate) address: SocketAddr,
    pub(crate) endpoint: Endpoint,
    pub(crate) owned: BTreeMap<u64, Owned>,
    /// Inputs for characters that may come.
    pub(crate) ahead: BTreeMap<u64, BTreeMap<Tick, Walk>>,
    /// What the clients asked for.
    pub(crate) asked: Vec<to_zone::Body>,
    /// It says nothing on the reliable channel.
    pub(crate) is_mute: bool,
    /// It shows nobody anything.
    pub(crate) is_shy: bool,
    /// Entities that stand around.
    pub(crate) scenery: BTreeMap<EntityId, EntityState>,
    public: PublicKey,
    key: TokenKey,
    guests: BTreeMap<u64, Guest>,
    entropy: Entropy,
}

impl Zone {
    pub(crate) fn new(id: u32, address: SocketAddr, seed: u64) -> Self {
        let mut entropy = Entropy::from_simulation_seed(seed);
        let secret = SecretKey::generate(&mut entropy);
        let key = TokenKey::generate(1, &mut entropy);
        let public = secret.public();
        let keys = ServerKeys { secret, token_keys: vec![key.clone()], server_id: id };
        let config = EndpointConfig::builder(channels())
            .schema_hash(LineGame.schema().hash())
            .unix_ms_at_epoch(UNIX_MS)
            .build()
            .unwrap();
        Self {
            id,
            address,
            endpoint: Endpoint::server(config, keys, entropy.fork()),
            owned: BTreeMap::new(),
            ahead: BTreeMap::new(),
            asked: Vec::new(),
            is_mute: false,
            is_shy: false,
            scenery: BTreeMap::new(),
            public,
            key,
            guests: BTreeMap::new(),
            entropy,
        }
    }

    /// The way in.
    pub(crate) fn access(
        &mut self,
        now: Instant,
        character_id: u64,
        client: PublicKey,
    ) -> ZoneAccess {
        let unix_s = (UNIX_MS + now.as_micros() / 1000) / 1000;
        let claims = Claims {
            server_id: self.id,
            not_before_s: unix_s - 5,
            not_after_s: unix_s + 45,
            session_id: self.entropy.bytes(),
            account_id: 1,
            character_id,
            client_public: client,
            extension: Bytes::new(),
        };
        ZoneAccess {
            zone_id: self.id,
            address: self.address.to_string(),
            connect_token: self.key.seal(&claims, &mut self.entropy),
            server_public_key: self.public.0.to_vec().into(),
            character_id,
        }
    }

    /// The key of a client that is connected.
    pub(crate) fn guest(&self, character_id: u64) -> Option<PublicKey> {
        self.guests.get(&character_id).map(|guest| guest.public)
    }

    pub(crate) fn send(&mut self, character_id: u64, body: to_client::Body) {
        if let Some(guest) = self.guests.get(&character_id).filter(|_| !self.is_mute) {
            let message = ToClient { body: Some(body) }.encode_to_vec();
            let channel = ChannelId(CHANNEL_CONTROL);
            self.endpoint.send(guest.handle, channel, message.into()).unwrap();
        }
    }

    /// Bytes on a channel, as a broken zone would send.
    pub(crate) fn send_raw(&mut self, character_id: u64, channel: u8, bytes: Vec<u8>) {
        if let Some(guest) = self.guests.get(&character_id) {
            self.endpoint.send(guest.handle, ChannelId(channel), bytes.into()).unwrap();
        }
    }

    pub(crate) fn close(&mut self, now: Instant, character_id: u64, code: CloseCode) {
        if let Some(guest) = self.guests.remove(&character_id) {
            self.endpoint.close(now, guest.handle, code);
        }
    }

    /// Takes in what the connections tell.
    pub(crate) fn drain(&mut self, now: Instant) {
        while let Some((handle, event)) = self.endpoint.poll_event() {
            match event {
                Event::Connected => self.on_connected(now, handle),
                Event::Message { channel, payload } => {
                    self.on_message(now, handle, channel.0, &payload);
                }
                Event::Receipt { message, outcome, .. } => {
                    self.on_receipt(handle, message, outcome);
                }
                _ => {
                    self.guests.retain(|_, guest| guest.handle != handle);
                }
            }
        }
    }

    fn on_connected(&mut self, now: Instant, handle: ConnectionHandle) {
        let claims = self.endpoint.claims(handle).unwrap();
        let (character_id, public) = (claims.character_id, claims.client_public);
        let guest = Guest {
            handle,
            public,
            encoder: SnapshotEncoder::new(Arc::new(LineGame.schema())),
            sent: VecDeque::new(),
            margin: Margin::new(),
        };
        self.guests.insert(character_id, guest);
        let rate = LineGame.tick_rate();
        let tick = rate.tick_at(now, Instant::EPOCH);
        let into = now - rate.starts_at(tick, Instant::EPOCH);
        let owned = self.owned.get(&character_id);
        let welcome = Welcome {
            zone_id: self.id,
            character_id,
            tick: tick.get(),
            tick_micros: into.as_micros() as u32,
            tick_hz: rate.hz().into(),
            owner: owned.is_some(),
            epoch: owned.map_or(0, |owned| owned.epoch),
            items: vec![41, 42],
        };
        self.send(character_id, to_client::Body::Welcome(welcome));
    }

    fn on_message(&mut self, now: Instant, from: ConnectionHandle, channel: u8, payload: &[u8]) {
        let Some((id, guest)) = self.guests.iter_mut().find(|(_, guest)| guest.handle == from)
        else {
            return;
        };
        if channel == CHANNEL_CONTROL {
            let body = ToZone::decode(payload).unwrap().body.unwrap();
            let has_left = matches!(body, to_zone::Body::Leave(_));
            self.asked.push(body);
            if has_left {
                let id = *id;
                self.owned.remove(&id);
                self.close(now, id, CloseCode::NoError);
            }
            return;
        }
        assert_eq!(channel, CHANNEL_INPUT);
        let owned = self.owned.get_mut(id);
        let ahead = self.ahead.entry(*id).or_default();
        let mut owned = owned;
        for (tick, input) in decode_inputs(&LineGame, payload).unwrap() {
            let starts_at = LineGame.tick_rate().starts_at(tick, Instant::EPOCH);
            guest.margin.on_arrival(tick, now, starts_at);
            match &mut owned {
                Some(owned) => {
                    owned.queue.insert(tick, input);
                }
                None => {
                    ahead.entry(tick).or_insert(input);
                }
            }
        }
    }

    fn on_receipt(
        &mut self,
        from: ConnectionHandle,
        message: netcode::wire::MessageId,
        outcome: netcode::channel::ReceiptOutcome,
    ) {
        let guest = self.guests.values_mut().find(|guest| guest.handle == from);
        let Some(guest) = guest else { return };
        let Some(index) = guest.sent.iter().position(|(sent, _)| *sent == message) else { return };
        let (_, tick) = guest.sent.remove(index).unwrap();
        match outcome {
            netcode::channel::ReceiptOutcome::Acked => guest.encoder.on_acked(tick),
            _ => guest.encoder.on_lost(tick),
        }
    }

    /// Sends everybody the state after `tick`.
    pub(crate) fn publish(&mut self, tick: Tick) {
        if self.is_shy {
            return;
        }
        let mut view = self.scenery.clone();
        for (id, owned) in &self.owned {
            view.insert(EntityId(*id), LineGame.observe_character(&owned.character));
        }
        for (id, guest) in &mut self.guests {
            let own = self.owned.get(id).map(|owned| Own {
                epoch: owned.epoch,
                override_epoch: owned.override_epoch,
                consumed: Tick::new(owned.queue.next().get() - 1),
                starved: owned.queue.starved(),
                margin_us: guest.margin.value_us(),
                character: owned.character,
            });
            let mut message = Vec::new();
            SnapshotHeader { tick, own }.encode(&LineGame, &mut message);
            let candidates: Vec<_> = view
                .iter()
                .map(|(id, state)| Candidate { id: *id, state, priority: 1.0 })
                .collect();
            guest.encoder.encode(tick, &candidates, BUDGET, &mut message);
            let channel = ChannelId(CHANNEL_SNAPSHOT);
            if let Ok(sent) = self.endpoint.send(guest.handle, channel, message.into()) {
                guest.sent.push_back((sent, tick));
            }
        }
    }
}
