//! The zone itself: who is in it, and the order of a tick.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use netcode::crypto::PublicKey;
use netcode::endpoint::ConnectionHandle;
use netcode::entropy::Entropy;
use netcode::predict::InputQueue;
use netcode::snapshot::{EntityId, Schema};
use netcode::tick::{Tick, TickRate};
use netcode::time::Instant;
use netcode::wire::CloseCode;
use prost::Message;
use shardline_protocol::game::{Game, Point};
use shardline_protocol::zone::{ToClient, Welcome, to_client};

use crate::access::Purpose;
use crate::ids::{AccountId, CharacterId, Epoch, Incarnation, ItemId, Owner, TradeId, ZoneId};
use crate::image::EntityImage;
use crate::world::entity::{Character, Phase};
use crate::world::interest::Grid;
use crate::world::items::{Move, Proposal};
use crate::world::layout::Layout;
use crate::world::link::Link;
use crate::world::scene::{Kind, Scene, Seen, character_entity, item_entity};
use crate::world::{Arrival, Claim, Consumption, Happened, Input, Output, RemoteAttack, Transport};

/// What a zone is told at its start.
#[derive(Clone, Debug)]
pub struct ZoneConfig {
    /// Which zone.
    pub id: ZoneId,
    /// Its life, from the register.
    pub incarnation: Incarnation,
    /// How the world is cut.
    pub layout: Layout,
    /// When [`Tick::ZERO`] starts: the same for every zone of the cluster.
    pub epoch: Instant,
    /// How far a client sees, in world units.
    pub interest_radius: f32,
    /// How near a border a client connects ahead, in world units: two seconds at a walk, or more.
    pub strip: f32,
    /// How far beyond the border a character crosses, in world units: who walks along the border
    /// does not change zones with every step.
    pub hysteresis: f32,
    /// Ticks after which a character without a client leaves the world.
    pub alone_ticks_max: u64,
    /// Ticks between two checkpoints.
    pub checkpoint_ticks: u64,
    /// Most bytes of one snapshot: one datagram.
    pub snapshot_bytes_max: usize,
}

impl ZoneConfig {
    /// The defaults, which suit 30 Hz and walking people.
    pub fn new(id: ZoneId, incarnation: Incarnation, layout: Layout, epoch: Instant) -> Self {
        Self {
            id,
            incarnation,
            layout,
            epoch,
            interest_radius: 48.0,
            strip: 24.0,
            hysteresis: 1.5,
            alone_ticks_max: 300,
            checkpoint_ticks: 150,
            snapshot_bytes_max: 1_100,
        }
    }
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ZoneCounts {
    /// Characters that the zone owns.
    pub characters: usize,
    /// Characters of other zones that it knows of.
    pub ghosts: usize,
    /// Items on the ground.
    pub items: usize,
    /// Clients, those ahead of a crossing included.
    pub clients: usize,
    /// Messages of clients that broke the form, so far.
    pub violations: u64,
}

/// A zone. See the module.
#[derive(Debug)]
pub struct Zone<G: Game> {
    pub(super) game: G,
    pub(super) config: ZoneConfig,
    pub(super) rate: TickRate,
    pub(super) schema: Arc<Schema>,
    pub(super) entropy: Entropy,
    /// The tick stepped last.
    pub(super) tick: Tick,
    pub(super) is_draining: bool,
    pub(super) violations: u64,

    pub(super) characters: BTreeMap<CharacterId, Character<G>>,
    pub(super) links: BTreeMap<CharacterId, Link<G::Input>>,
    pub(super) by_connection: BTreeMap<ConnectionHandle, CharacterId>,
    /// Characters that the register was asked for.
    pub(super) claiming: BTreeMap<CharacterId, (AccountId, PublicKey)>,

    pub(super) ground: BTreeMap<ItemId, Point>,
    pub(super) moves: BTreeMap<u128, Move>,
    pub(super) busy_items: BTreeSet<ItemId>,
    pub(super) proposals: BTreeMap<TradeId, Proposal>,

    /// What each neighbour told last, and until when it holds.
    pub(super) ghosts: BTreeMap<ZoneId, (Vec<Seen>, Tick)>,
    /// Characters that went over, until their new zone tells of them.
    pub(super) departed: BTreeMap<EntityId, (Seen, Tick)>,
    /// Where characters went, for attacks that come late.
    pub(super) moved: BTreeMap<CharacterId, (ZoneId, Tick)>,
    pub(super) ghosts_told: BTreeSet<ZoneId>,
    pub(super) late_attacks: Vec<(RemoteAttack, Tick)>,

    pub(super) scene: Scene,
    pub(super) found: Vec<(u32, f32)>,
    pub(super) outputs: VecDeque<Output>,
}

impl<G: Game> Zone<G> {
    /// A zone without anyone. The first step is the one after `tick`.
    pub fn new(game: G, config: ZoneConfig, tick: Tick, entropy: Entropy) -> Self {
        let (min, max) = config.layout.bounds(config.id);
        let grid = Grid::new(min, max, config.interest_radius / 2.0);
        Self {
            schema: Arc::new(game.schema()),
            rate: game.tick_rate(),
            game,
            config,
            entropy,
            tick,
            is_draining: false,
            violations: 0,
            characters: BTreeMap::new(),
            links: BTreeMap::new(),
            by_connection: BTreeMap::new(),
            claiming: BTreeMap::new(),
            ground: BTreeMap::new(),
            moves: BTreeMap::new(),
            busy_items: BTreeSet::new(),
            proposals: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            departed: BTreeMap::new(),
            moved: BTreeMap::new(),
            ghosts_told: BTreeSet::new(),
            late_attacks: Vec::new(),
            scene: Scene::new(grid),
            found: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened. Drain [`poll_output`](Self::poll_output) afterwards.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Connected { connection, account, character, client_public, purpose } => {
                self.on_connected(connection, account, character, client_public, purpose);
            }
            Input::Disconnected { connection } => self.on_disconnected(connection),
            Input::Message { connection, channel, payload } => {
                self.on_message(now, connection, channel, &payload);
            }
            Input::Receipt { connection, message, is_acked } => {
                let link = self.by_connection.get(&connection);
                if let Some(link) = link.and_then(|character| self.links.get_mut(character)) {
                    link.on_receipt(message, is_acked);
                }
            }
            Input::Claimed { character, claim } => self.on_claimed(character, claim),
            Input::Settled { txid, is_committed } => self.on_settled(txid, is_committed),
            Input::Ground { items } => self.ground.extend(items),
            Input::Ghosts { zone, tick: _, entities } => self.on_ghosts(zone, &entities),
            Input::Attack(attack) => self.on_remote_attack(attack),
            Input::HitDone(hit) => self.tell_hit(hit.attacker, &hit),
            Input::Ready { character, to } => self.on_ready(character, to),
            Input::NotReady { character, to } => self.on_not_ready(character, to),
            Input::Offer { character, access } => self.on_offer(character, access),
            Input::Committed { character, to, epoch } => self.on_committed(character, to, epoch),
            Input::Resume { character, epoch } => self.on_resume(character, epoch),
            Input::Activate { epoch, image } => self.on_activate(epoch, &image),
            Input::Forget { character } => self.on_forget(character),
            Input::Lost { character } => self.on_lost(character),
            Input::Drain => self.is_draining = true,
        }
    }

    /// Runs the next tick, and sends what clients should know through `transport`.
    pub fn step(&mut self, transport: &mut impl Transport) -> Tick {
        self.tick = self.tick.next();
        self.simulate();
        self.retry_late_attacks();
        self.expire_proposals();
        self.cross_borders();
        self.forget_departed();
        self.rebuild_scene();
        self.tell_neighbours();
        self.replicate(transport);
        self.release_those_who_left();
        if self.tick.get().is_multiple_of(self.config.checkpoint_ticks) {
            self.checkpoint();
        }
        self.tick
    }

    /// The next thing to be done, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The tick stepped last.
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// Which zone this is.
    pub fn id(&self) -> ZoneId {
        self.config.id
    }

    /// How many there are.
    pub fn counts(&self) -> ZoneCounts {
        let is_ghost = |seen: &&Seen| matches!(seen.kind, Kind::Ghost(_));
        ZoneCounts {
            characters: self.characters.len(),
            ghosts: self.scene.entities().iter().filter(is_ghost).count(),
            items: self.ground.len(),
            clients: self.links.len(),
            violations: self.violations,
        }
    }

    /// Where the characters and the items of this zone are, for a map.
    pub fn places(&self) -> (Vec<Point>, Vec<Point>) {
        let characters = self.characters.values().map(|one| self.game.position(&one.state));
        (characters.collect(), self.ground.values().copied().collect())
    }

    /// The characters that the zone owns, and their epochs.
    pub fn owned(&self) -> impl Iterator<Item = (CharacterId, Epoch)> {
        self.characters.iter().map(|(id, character)| (*id, character.epoch))
    }

    /// Whether a zone that is shut down has nothing left to do.
    pub fn is_drained(&self) -> bool {
        self.is_draining && self.characters.is_empty() && self.moves.is_empty()
    }

    /// Consumes one input for every character of ours, and runs the game.
    fn simulate(&mut self) {
        let mut consumed = Vec::with_capacity(self.characters.len());
        let mut attacks = Vec::new();
        for (&id, character) in &mut self.characters {
            if character.phase == Phase::Owned {
                advance(&self.game, id, character, self.tick, &mut consumed, &mut attacks);
            }
        }
        if !consumed.is_empty() {
            self.outputs.push_back(Output::Consumed(consumed));
        }
        self.resolve_attacks(attacks);
    }

    fn rebuild_scene(&mut self) {
        let game = &self.game;
        let own = self.characters.iter().map(|(&id, character)| Seen {
            id: character_entity(id),
            at: game.position(&character.state),
            state: game.observe_character(&character.state),
            kind: Kind::Own,
        });
        let items = self.ground.iter().map(|(&item, &at)| Seen {
            id: item_entity(item),
            at,
            state: game.observe_item(at),
            kind: Kind::Item,
        });
        let ghosts = self.ghosts.values().flat_map(|(seen, _)| seen).copied();
        let departed = self.departed.values().map(|(seen, _)| *seen);
        self.scene.rebuild(own.chain(items).chain(ghosts).chain(departed));
    }

    fn on_connected(
        &mut self,
        connection: ConnectionHandle,
        account: AccountId,
        character: CharacterId,
        client_public: PublicKey,
        purpose: Purpose,
    ) {
        if self.is_draining {
            self.outputs.push_back(Output::Close { connection, code: CloseCode::Shutdown });
            return;
        }
        if let Some(older) = self.links.remove(&character) {
            self.by_connection.remove(&older.connection);
            let (connection, code) = (older.connection, CloseCode::Replaced);
            self.outputs.push_back(Output::Close { connection, code });
        }
        self.links.insert(character, Link::new(connection, Arc::clone(&self.schema)));
        self.by_connection.insert(connection, character);
        if let Some(owned) = self.characters.get_mut(&character) {
            owned.client_public = client_public;
            owned.alone_since = None;
            owned.is_leaving = false;
            self.welcome(character);
            return;
        }
        match purpose {
            Purpose::Ahead => {
                self.welcome(character);
                self.outputs.push_back(Output::AheadConnected { character });
            }
            Purpose::Enter => {
                // One claim at a time: each raises the epoch.
                if self.claiming.insert(character, (account, client_public)).is_none() {
                    self.outputs.push_back(Output::Claim { character });
                }
            }
        }
    }

    fn on_disconnected(&mut self, connection: ConnectionHandle) {
        let Some(character) = self.by_connection.remove(&connection) else { return };
        self.links.remove(&character);
        match self.characters.get_mut(&character) {
            Some(owned) => owned.alone_since = Some(self.tick),
            None => self.outputs.push_back(Output::AheadLost { character }),
        }
    }

    fn on_claimed(&mut self, id: CharacterId, claim: Option<Claim>) {
        let Some((account, client_public)) = self.claiming.remove(&id) else { return };
        if let Some(owned) = self.characters.get_mut(&id) {
            // It came over the border meanwhile: all that the claim did is to raise the epoch.
            owned.epoch = claim.map_or(owned.epoch, |claim| claim.epoch.max(owned.epoch));
            self.welcome(id);
            return;
        }
        let Some(claim) = claim else {
            self.close_link(id, CloseCode::Moved);
            self.outputs.push_back(Output::AheadLost { character: id });
            return;
        };
        let stored =
            claim.state.and_then(|state| self.game.decode_character(&mut state.as_slice()).ok());
        let state = stored.unwrap_or_else(|| {
            let at = self.spawn_point();
            self.game.spawn(at)
        });
        let character = Character {
            account,
            name: claim.name,
            client_public,
            epoch: claim.epoch,
            override_epoch: 0,
            phase: Phase::Owned,
            state,
            tick: self.tick,
            queue: InputQueue::new(self.tick.next()),
            items: claim.items.into_iter().collect(),
            near: BTreeMap::new(),
            owned_since: self.tick,
            moves_open: 0,
            alone_since: (!self.links.contains_key(&id)).then_some(self.tick),
            is_leaving: false,
        };
        self.characters.insert(id, character);
        self.welcome(id);
    }

    /// Goes on with a character that came from another zone: first through the ticks that nobody
    /// simulated, with the inputs that came for them.
    fn on_activate(&mut self, epoch: Epoch, image: &EntityImage) {
        let id = image.character();
        if self.characters.contains_key(&id) {
            return;
        }
        let Some(mut character) = Character::from_image(&self.game, image, epoch) else { return };
        character.owned_since = self.tick;
        self.departed.remove(&character_entity(id));
        self.moved.remove(&id);
        match self.links.get_mut(&id) {
            Some(link) => {
                for (tick, input) in link.take_ahead() {
                    let _ = character.queue.insert(tick, input);
                }
                link.reset_snapshots(Arc::clone(&self.schema));
            }
            None => character.alone_since = Some(self.tick),
        }
        let arrival = Arrival {
            character: id,
            epoch,
            source_tick: character.tick,
            gap_ticks: self.tick.saturating_since(character.tick),
            waiting: image.waiting.iter().map(|waiting| Tick::new(waiting.tick)).collect(),
        };
        self.outputs.push_back(Output::Arrived(arrival));
        self.catch_up(id, character);
    }

    /// Brings a character to the present tick, and takes it in.
    pub(super) fn catch_up(&mut self, id: CharacterId, mut character: Character<G>) {
        let (mut consumed, mut attacks) = (Vec::new(), Vec::new());
        advance(&self.game, id, &mut character, self.tick, &mut consumed, &mut attacks);
        self.characters.insert(id, character);
        if !consumed.is_empty() {
            self.outputs.push_back(Output::Consumed(consumed));
        }
        self.resolve_attacks(attacks);
    }

    fn spawn_point(&mut self) -> Point {
        let (min, max) = self.config.layout.bounds(self.config.id);
        // Away from the border, so that nobody starts with a crossing.
        [0, 1].map(|axis| {
            let share = 0.2 + 0.6 * self.entropy.unit() as f32;
            min[axis] + (max[axis] - min[axis]) * share
        })
    }

    /// Tells a client where it is.
    fn welcome(&mut self, id: CharacterId) {
        let owned = self.characters.get(&id);
        let welcome = Welcome {
            zone_id: self.config.id.0,
            character_id: id.0,
            tick: self.tick.get(),
            tick_micros: 0,
            tick_hz: self.rate.hz().into(),
            owner: owned.is_some(),
            epoch: owned.map_or(0, |owned| owned.epoch.0),
            items: owned.iter().flat_map(|owned| &owned.items).map(|item| item.0).collect(),
        };
        self.tell(id, to_client::Body::Welcome(welcome));
    }

    /// Sends a client a message, if it is there.
    pub(super) fn tell(&mut self, character: CharacterId, body: to_client::Body) {
        let Some(link) = self.links.get(&character) else { return };
        let message = Bytes::from(ToClient { body: Some(body) }.encode_to_vec());
        self.outputs.push_back(Output::Tell { connection: link.connection, message });
    }

    /// Ends a client's connection.
    pub(super) fn close_link(&mut self, character: CharacterId, code: CloseCode) {
        if let Some(link) = self.links.remove(&character) {
            let connection = link.connection;
            self.by_connection.remove(&connection);
            self.outputs.push_back(Output::Close { connection, code });
        }
    }

    /// The row of the register that gives this zone the character.
    pub(super) fn owner(&self, epoch: Epoch) -> Owner {
        Owner { zone: self.config.id, incarnation: self.config.incarnation, epoch }
    }

    pub(super) fn happened(&mut self, happened: Happened) {
        self.outputs.push_back(Output::Happened(happened));
    }

    /// Stores those without a client, or everyone when the zone shuts down.
    fn release_those_who_left(&mut self) {
        let (now, is_draining) = (self.tick, self.is_draining);
        let alone_max = self.config.alone_ticks_max;
        let leaves = |character: &Character<G>| {
            let is_alone_long =
                character.alone_since.is_some_and(|since| now.saturating_since(since) >= alone_max);
            character.phase == Phase::Owned
                && character.moves_open == 0
                && (is_draining || character.is_leaving || is_alone_long)
        };
        let leavers: Vec<_> = self
            .characters
            .iter()
            .filter(|(_, character)| leaves(character))
            .map(|(id, _)| *id)
            .collect();
        for id in leavers {
            let Some(character) = self.characters.remove(&id) else { continue };
            for &to in character.near.keys() {
                self.outputs.push_back(Output::Away { character: id, to });
            }
            let (owner, state) = (self.owner(character.epoch), character.encoded(&self.game));
            self.outputs.push_back(Output::Left { character: id });
            self.outputs.push_back(Output::Release { character: id, owner, state });
            let code = if is_draining { CloseCode::Shutdown } else { CloseCode::NoError };
            self.close_link(id, code);
        }
    }

    fn checkpoint(&mut self) {
        let rows = self.characters.iter().filter(|(_, one)| one.phase == Phase::Owned);
        let rows: Vec<_> =
            rows.map(|(&id, one)| (id, one.epoch, one.encoded(&self.game))).collect();
        if !rows.is_empty() {
            let incarnation = self.config.incarnation;
            self.outputs.push_back(Output::Checkpoint { incarnation, rows });
        }
    }
}

/// Simulates a character up to `until`, one input a tick.
fn advance<G: Game>(
    game: &G,
    id: CharacterId,
    character: &mut Character<G>,
    until: Tick,
    consumed: &mut Vec<Consumption>,
    attacks: &mut Vec<(CharacterId, G::Attack)>,
) {
    while character.tick < until {
        let used = character.queue.consume();
        assert_eq!(used.tick, character.tick.next(), "an input for each tick, once");
        if let Some(attack) = game.step(&mut character.state, &used.input, used.tick) {
            attacks.push((id, attack));
        }
        character.tick = used.tick;
        let (epoch, tick, is_starved) = (character.epoch, used.tick, used.is_starved);
        consumed.push(Consumption { character: id, epoch, tick, is_starved });
    }
}
