//! A character is simulated by one zone at a time, once in every tick, wherever it walks; an item
//! is where the ledger says.
//!
//! Two zones and their parts in handoffs, wired by hand to a model of the ledger, with messages
//! that are late or lost. Players walk to and fro over the border, shoot, and move items. Every
//! run is a seed; `SIM_SEED=n` replays one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use netcode::channel::SendError;
use netcode::config::EndpointConfig;
use netcode::connection::ConnectAccess;
use netcode::crypto::{PublicKey, SecretKey};
use netcode::endpoint::{ConnectionHandle, Endpoint};
use netcode::entropy::Entropy;
use netcode::tick::Tick;
use netcode::time::Instant;
use netcode::wire::MessageId;
use prost::Message;
use reference_game::ReferenceGame;
use reference_game::angle::Angle;
use reference_server::access::{Door, Purpose};
use reference_server::handoff::{self, Handoff};
use reference_server::ids::{
    AccountId, CharacterId, Epoch, Incarnation, ItemId, Owner, TradeId, ZoneId,
};
use reference_server::world::{
    self, Claim, Consumption, ItemMove, Layout, Transport, Zone, ZoneConfig,
};
use shardline_protocol::game::Game;
use shardline_protocol::play::{CHANNEL_CONTROL, CHANNEL_INPUT, channels, encode_inputs};
use shardline_protocol::zone::{
    AcceptTrade, Drop, PickUp, ProposeTrade, ToClient, ToZone, to_client, to_zone,
};

const SEEDS: u64 = 24;
const EDGE: f32 = 192.0;
const LIFE: Incarnation = Incarnation(1);
const PLAYERS: u64 = 4;
const ITEMS: u64 = 12;
const PLAY_TICKS: u64 = 750;
const CALM_TICKS: u64 = 200;

/// Swallows snapshots.
struct Nowhere;

impl Transport for Nowhere {
    fn budget(&self, _: ConnectionHandle) -> usize {
        1_100
    }

    fn send(&mut self, _: ConnectionHandle, _: u8, _: Bytes) -> Result<MessageId, SendError> {
        Ok(MessageId(0))
    }
}

/// Who owns what: the rules of `persistence`, in memory.
#[derive(Default)]
struct Ledger {
    rows: BTreeMap<CharacterId, Owner>,
    holders: BTreeMap<ItemId, Result<CharacterId, ZoneId>>,
}

impl Ledger {
    fn transfer(&mut self, id: CharacterId, from: Owner, zone: ZoneId) -> Option<Owner> {
        let row = self.rows.get_mut(&id).filter(|row| **row == from)?;
        *row = Owner { zone, incarnation: LIFE, epoch: Epoch(from.epoch.0 + 1) };
        Some(*row)
    }

    fn move_item(&mut self, zone: ZoneId, item_move: ItemMove) -> bool {
        let sides = match item_move {
            ItemMove::PickUp { character, owner, item } => {
                vec![(character, owner, Some(item), Err(zone), Ok(character))]
            }
            ItemMove::Drop { character, owner, item, .. } => {
                vec![(character, owner, Some(item), Ok(character), Err(zone))]
            }
            ItemMove::Trade { sides: [(one, first, gives), (other, second, wants)], .. } => vec![
                (one, first, gives, Ok(one), Ok(other)),
                (other, second, wants, Ok(other), Ok(one)),
            ],
        };
        let is_valid = sides.iter().all(|(character, owner, item, from, _)| {
            self.rows.get(character) == Some(owner)
                && item.is_none_or(|item| self.holders.get(&item) == Some(from))
        });
        for (_, _, item, _, to) in sides.into_iter().filter(|_| is_valid) {
            self.holders.extend(item.map(|item| (item, to)));
        }
        is_valid
    }
}

/// What is on its way to a zone.
enum Mail {
    World(world::Input),
    Handoff(handoff::Input),
    /// A client that was told to connect ahead.
    Client(CharacterId),
}

/// A zone as its host knows it.
struct Host {
    zone: Zone<ReferenceGame>,
    handoff: Handoff,
    connections: BTreeMap<CharacterId, ConnectionHandle>,
}

struct Player {
    walk: u8,
    inputs: BTreeMap<Tick, reference_game::Input>,
    trade: Option<TradeId>,
    items: BTreeSet<ItemId>,
}

struct Cluster {
    game: ReferenceGame,
    hosts: Vec<Host>,
    ledger: Ledger,
    mail: BTreeMap<(Tick, u64), (ZoneId, Mail)>,
    mailed: u64,
    players: BTreeMap<CharacterId, Player>,
    endpoint: Endpoint,
    entropy: Entropy,
    tick: Tick,
    is_calm: bool,
    /// What each character consumed last.
    lines: BTreeMap<CharacterId, Consumption>,
    crossings: u64,
    moves: u64,
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let mut entropy = Entropy::from_simulation_seed(seed);
        let layout = Layout::new(1, 2, EDGE).unwrap();
        let game = ReferenceGame::new(layout.size()[0], layout.size()[1]).unwrap();
        let tick = Tick::new(5_000);
        let host = |zone: ZoneId| {
            let door = Door {
                zone,
                address: ([127, 0, 0, 1], 7_000).into(),
                server_public: PublicKey([3; 32]),
                token_key: Door::zone_key(&[1; 32], zone),
            };
            let config = ZoneConfig::new(zone, LIFE, layout, Instant::EPOCH);
            Host {
                zone: Zone::new(game.clone(), config, tick, entropy.fork()),
                handoff: Handoff::new(door, LIFE, entropy.fork()),
                connections: BTreeMap::new(),
            }
        };
        let hosts = layout.zones().map(host).collect();
        let config = EndpointConfig::builder(channels()).build().unwrap();
        let mut cluster = Self {
            game,
            hosts,
            ledger: Ledger::default(),
            mail: BTreeMap::new(),
            mailed: 0,
            players: BTreeMap::new(),
            endpoint: Endpoint::client(config, entropy.fork()),
            entropy,
            tick,
            is_calm: false,
            lines: BTreeMap::new(),
            crossings: 0,
            moves: 0,
        };
        cluster.lay_out_items();
        (1..=PLAYERS).map(CharacterId).for_each(|id| cluster.enter(id));
        cluster
    }

    fn lay_out_items(&mut self) {
        for item in (1..=ITEMS).map(ItemId) {
            let zone = ZoneId((item.0 % 2) as u32);
            let at = [EDGE - 6.0 + 12.0 * zone.0 as f32, 60.0 + item.0 as f32];
            self.ledger.holders.insert(item, Err(zone));
            self.tell(zone, world::Input::Ground { items: vec![(item, at)] });
        }
    }

    /// A player who starts near the border.
    fn enter(&mut self, id: CharacterId) {
        let player =
            Player { walk: 0, inputs: BTreeMap::new(), trade: None, items: BTreeSet::new() };
        self.players.insert(id, player);
        let zone = ZoneId((id.0 % 2) as u32);
        self.connect(zone, id, Purpose::Enter);
        let at = [EDGE - 8.0 + 16.0 * zone.0 as f32, 60.0 + id.0 as f32];
        let mut state = Vec::new();
        self.game.encode_character(&self.game.spawn(at), &mut state);
        let owner = Owner { zone, incarnation: LIFE, epoch: Epoch(1) };
        self.ledger.rows.insert(id, owner);
        let claim =
            Claim { epoch: Epoch(1), name: String::new(), state: Some(state), items: vec![] };
        self.tell(zone, world::Input::Claimed { character: id, claim: Some(claim) });
    }

    fn connect(&mut self, zone: ZoneId, character: CharacterId, purpose: Purpose) {
        if self.host(zone).connections.contains_key(&character) {
            return;
        }
        let client_secret = SecretKey::generate(&mut self.entropy);
        let access = ConnectAccess {
            token: Bytes::from_static(&[0; 64]),
            client_secret,
            server_public: SecretKey::generate(&mut self.entropy).public(),
        };
        let port = 1 + self.endpoint.connections() as u16;
        let remote = ([10, 0, 0, 1], port).into();
        let connection = self.endpoint.connect(Instant::EPOCH, remote, &access).unwrap();
        self.host(zone).connections.insert(character, connection);
        let (account, client_public) = (AccountId(character.0), PublicKey([7; 32]));
        let connected =
            world::Input::Connected { connection, account, character, client_public, purpose };
        self.tell(zone, connected);
    }

    fn host(&mut self, zone: ZoneId) -> &mut Host {
        &mut self.hosts[zone.0 as usize]
    }

    fn now(&self) -> Instant {
        self.game.tick_rate().starts_at(self.tick, Instant::EPOCH)
    }

    fn chance(&mut self, one_in: u32) -> bool {
        !self.is_calm && self.entropy.below(one_in) == 0
    }

    fn post(&mut self, to: ZoneId, ticks_max: u32, mail: Mail) {
        self.mailed += 1;
        let due = self.tick + u64::from(self.entropy.below(ticks_max + 1));
        self.mail.insert((due, self.mailed), (to, mail));
    }

    fn tell(&mut self, zone: ZoneId, input: world::Input) {
        let now = self.now();
        self.host(zone).zone.handle(now, input);
        self.pump(zone);
    }

    fn tell_handoff(&mut self, zone: ZoneId, input: handoff::Input) {
        let now = self.now();
        self.host(zone).handoff.handle(now, 1_000, input);
        self.pump(zone);
    }

    fn pump(&mut self, zone: ZoneId) {
        loop {
            if let Some(output) = self.host(zone).zone.poll_output() {
                self.on_world(zone, output);
            } else if let Some(output) = self.host(zone).handoff.poll_output() {
                self.on_handoff(zone, output);
            } else {
                return;
            }
        }
    }

    fn on_world(&mut self, zone: ZoneId, output: world::Output) {
        use handoff::Input as H;
        use world::Output as O;
        match output {
            O::Tell { connection, message } => self.on_told(zone, connection, message),
            O::Close { connection, .. } => {
                self.host(zone).connections.retain(|_, open| *open != connection);
            }
            O::Move { txid, item_move } => {
                let is_committed = !self.chance(10) && self.ledger.move_item(zone, item_move);
                self.moves += u64::from(is_committed);
                self.post(zone, 4, Mail::World(world::Input::Settled { txid, is_committed }));
            }
            O::Near { character, account, client_public, to } => {
                self.tell_handoff(zone, H::Near { character, account, client_public, to });
            }
            O::Away { character, to } => self.tell_handoff(zone, H::Away { character, to }),
            O::Cross { to, image } => self.tell_handoff(zone, H::Cross { to, image }),
            O::AheadConnected { character } => {
                self.tell_handoff(zone, H::AheadConnected { character });
            }
            O::AheadLost { character } => self.tell_handoff(zone, H::AheadLost { character }),
            O::Ghosts { to, tick, entities } => {
                self.post(to, 1, Mail::World(world::Input::Ghosts { zone, tick, entities }));
            }
            O::Attack { to, attack } => self.post(to, 2, Mail::World(world::Input::Attack(attack))),
            O::HitDone { to, hit } => self.post(to, 2, Mail::World(world::Input::HitDone(hit))),
            O::Consumed(consumed) => {
                consumed.into_iter().for_each(|one| self.on_consumed(zone, one));
            }
            O::Arrived(_) => self.crossings += 1,
            O::Release { character, .. } => panic!("{character} did not leave"),
            O::Claim { .. } | O::Checkpoint { .. } | O::Left { .. } | O::Happened(_) => {}
        }
    }

    fn on_handoff(&mut self, zone: ZoneId, output: handoff::Output) {
        use handoff::Output as O;
        use world::Input as W;
        match output {
            O::Send { to, message } => {
                if !self.chance(8) {
                    let input = handoff::Input::Message { from: zone, message };
                    self.post(to, 2, Mail::Handoff(input));
                }
            }
            O::Started { .. } => {}
            O::Transfer { character, from, to, .. } => {
                let owner = self.ledger.transfer(character, from, to);
                let input = handoff::Input::Transferred { character, owner };
                self.post(zone, 12, Mail::Handoff(input));
            }
            O::Bump { character, owner } => {
                let owner = self.ledger.transfer(character, owner, owner.zone);
                self.post(zone, 4, Mail::Handoff(handoff::Input::Bumped { character, owner }));
            }
            O::Inquire { character } => {
                let owner = self.ledger.rows.get(&character).copied();
                self.post(zone, 4, Mail::Handoff(handoff::Input::Inquired { character, owner }));
            }
            O::Offer { character, access } => {
                self.post(ZoneId(access.zone_id), 6, Mail::Client(character));
            }
            O::Ready { character, to } => self.tell(zone, W::Ready { character, to }),
            O::NotReady { character, to } => self.tell(zone, W::NotReady { character, to }),
            O::Committed { character, to, epoch } => {
                self.tell(zone, W::Committed { character, to, epoch });
            }
            O::Resume { character, epoch } => self.tell(zone, W::Resume { character, epoch }),
            O::Lost { character } => panic!("{character} was lost"),
            O::Activate { epoch, image } => self.tell(zone, W::Activate { epoch, image }),
            O::Forget { character } => self.tell(zone, W::Forget { character }),
        }
    }

    /// The next tick of the character's line, by the zone that the register names, at its epoch.
    fn on_consumed(&mut self, zone: ZoneId, one: Consumption) {
        let row = Owner { zone, incarnation: LIFE, epoch: one.epoch };
        assert_eq!(self.ledger.rows.get(&one.character), Some(&row), "{one:?}");
        if let Some(last) = self.lines.insert(one.character, one) {
            assert_eq!(one.tick, last.tick.next(), "a gap or a repeat: {last:?}, {one:?}");
            assert!(one.epoch >= last.epoch);
        }
    }

    fn on_told(&mut self, zone: ZoneId, connection: ConnectionHandle, message: Bytes) {
        let mut open = self.hosts[zone.0 as usize].connections.iter();
        let Some((&id, _)) = open.find(|(_, open)| **open == connection) else { return };
        let player = self.players.get_mut(&id).unwrap();
        match ToClient::decode(message).unwrap().body.unwrap() {
            to_client::Body::ItemMoved(moved) if moved.to_character == id.0 => {
                player.items.insert(ItemId(moved.item));
            }
            to_client::Body::ItemMoved(moved) => {
                player.items.remove(&ItemId(moved.item));
            }
            to_client::Body::TradeProposed(proposed) => {
                player.trade = Some(TradeId(proposed.trade));
            }
            _ => {}
        }
    }

    fn step(&mut self) {
        self.tick = self.tick.next();
        let ids: Vec<_> = self.players.keys().copied().collect();
        ids.into_iter().for_each(|id| self.play(id));
        while let Some((&key, _)) = self.mail.first_key_value()
            && key.0 <= self.tick
        {
            let (to, mail) = self.mail.remove(&key).unwrap();
            match mail {
                Mail::World(input) => self.tell(to, input),
                Mail::Handoff(input) => self.tell_handoff(to, input),
                Mail::Client(character) => self.connect(to, character, Purpose::Ahead),
            }
        }
        let now = self.now();
        for zone in (0..2).map(ZoneId) {
            let host = self.host(zone);
            host.zone.step(&mut Nowhere);
            host.handoff.handle_timeout(now);
            self.pump(zone);
        }
    }

    /// What a player does: inputs to every zone that it is connected to, some of which are lost.
    fn play(&mut self, id: CharacterId) {
        let (turn, shoots) = (self.chance(25), self.chance(30));
        let attack = shoots.then(|| Angle(self.entropy.next_u32() as u16));
        let turned = if self.entropy.below(2) == 0 { 0 } else { 128 };
        let walk = !self.is_calm;
        let target = self.tick + 2;
        let player = self.players.get_mut(&id).unwrap();
        player.walk = if turn { turned } else { player.walk };
        let walk = walk.then_some(player.walk);
        player.inputs.insert(target, reference_game::Input { walk, dash: false, attack });
        while player.inputs.len() > 8 {
            player.inputs.pop_first();
        }
        let mut payload = Vec::new();
        encode_inputs(&self.game, target, player.inputs.values(), &mut payload);
        let payload = Bytes::from(payload);
        let wish = if self.chance(10) { self.wish(id) } else { None };
        for zone in (0..2).map(ZoneId) {
            let Some(&connection) = self.host(zone).connections.get(&id) else { continue };
            if !self.chance(8) {
                let (channel, payload) = (CHANNEL_INPUT, payload.clone());
                self.tell(zone, world::Input::Message { connection, channel, payload });
            }
            if let Some(body) = wish
                && self.host(zone).connections.get(&id) == Some(&connection)
            {
                let (channel, payload) = (CHANNEL_CONTROL, ToZone { body: Some(body) });
                let payload = Bytes::from(payload.encode_to_vec());
                self.tell(zone, world::Input::Message { connection, channel, payload });
            }
        }
    }

    fn wish(&mut self, id: CharacterId) -> Option<to_zone::Body> {
        let kind = self.entropy.below(4);
        let (item, other) = (1 + self.entropy.next_u64() % ITEMS, self.entropy.next_u64());
        let player = self.players.get_mut(&id).unwrap();
        let held = player.items.first().map(|item| item.0);
        Some(match kind {
            0 | 1 => to_zone::Body::PickUp(PickUp { item }),
            2 if player.trade.is_some() => {
                to_zone::Body::AcceptTrade(AcceptTrade { trade: player.trade.take()?.0 })
            }
            2 => to_zone::Body::ProposeTrade(ProposeTrade {
                with_character: 1 + other % PLAYERS,
                give_item: held?,
                want_item: 0,
            }),
            _ => to_zone::Body::Drop(Drop { item: held? }),
        })
    }

    /// What must hold when everybody stands still.
    fn check_calm(&self) {
        for host in &self.hosts {
            let zone = host.zone.id();
            assert_eq!(host.handoff.under_way(), 0);
            let on_ground = self.ledger.holders.values().filter(|holder| **holder == Err(zone));
            assert_eq!(host.zone.counts().items, on_ground.count(), "items in {zone}");
            assert_eq!(host.zone.counts().violations, 0);
            for (id, epoch) in host.zone.owned() {
                assert_eq!(self.ledger.rows[&id], Owner { zone, incarnation: LIFE, epoch });
            }
        }
        for (id, player) in &self.players {
            assert_eq!(self.lines[id].tick, self.tick, "{id} stands still in time, too");
            let holders = self.ledger.holders.iter();
            let held = holders.filter(|(_, holder)| **holder == Ok(*id)).map(|(item, _)| *item);
            assert_eq!(player.items, held.collect(), "what {id} was told of its items");
        }
    }
}

fn run(seed: u64) -> (u64, u64) {
    let mut cluster = Cluster::new(seed);
    for _ in 0..PLAY_TICKS {
        cluster.step();
    }
    cluster.is_calm = true;
    for _ in 0..CALM_TICKS {
        cluster.step();
    }
    cluster.check_calm();
    (cluster.crossings, cluster.moves)
}

#[test]
fn whoever_walks_between_zones_is_simulated_once_in_every_tick() {
    if let Ok(seed) = std::env::var("SIM_SEED") {
        run(seed.parse().expect("SIM_SEED is a number"));
        return;
    }
    let (mut crossings, mut moves) = (0, 0);
    for seed in 0..SEEDS {
        println!("SIM_SEED={seed}");
        let (more_crossings, more_moves) = run(seed);
        crossings += more_crossings;
        moves += more_moves;
    }
    assert!(crossings > SEEDS * 4 && moves > SEEDS, "{crossings} crossings, {moves} moves");
}
