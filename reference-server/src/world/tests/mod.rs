//! A zone with a stand-in for its socket: what it is told, what it does, what clients see.

mod border;
mod clients;
mod combat;
mod items;
mod sight;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use netcode::channel::SendError;
use netcode::config::EndpointConfig;
use netcode::connection::ConnectAccess;
use netcode::crypto::{PublicKey, SecretKey};
use netcode::endpoint::{ConnectionHandle, Endpoint};
use netcode::entropy::Entropy;
use netcode::snapshot::SnapshotDecoder;
use netcode::tick::Tick;
use netcode::time::Instant;
use netcode::wire::{CloseCode, MessageId};
use prost::Message;
use reference_game::{Character, ReferenceGame};
use shardline_protocol::game::{Game, Point};
use shardline_protocol::play::{
    CHANNEL_CONTROL, CHANNEL_INPUT, CHANNEL_SNAPSHOT, Own, SnapshotHeader, channels, encode_inputs,
};
use shardline_protocol::zone::{ToClient, ToZone, to_client, to_zone};

use crate::access::Purpose;
use crate::ids::{AccountId, CharacterId, Epoch, Incarnation, ItemId, Owner, ZoneId};
use crate::world::{Claim, Consumption, Input, Layout, Output, Transport, Zone, ZoneConfig};

const EDGE: f32 = 192.0;
const WEST: ZoneId = ZoneId(0);
const EAST: ZoneId = ZoneId(1);
const LIFE: Incarnation = Incarnation(5);
const ANN: CharacterId = CharacterId(1);
const BOB: CharacterId = CharacterId(2);
const START: Tick = Tick::new(1_000);
/// Walks 8 metres a second.
const WALK_EAST: reference_game::Input =
    reference_game::Input { walk: Some(0), dash: false, attack: None };
const WALK_WEST: reference_game::Input =
    reference_game::Input { walk: Some(128), dash: false, attack: None };
const STAND: reference_game::Input =
    reference_game::Input { walk: None, dash: false, attack: None };

type TestGame = ReferenceGame;
type GameInput = reference_game::Input;

/// Takes what a zone sends.
#[derive(Debug)]
struct Wire {
    budget: usize,
    sent: Vec<(ConnectionHandle, MessageId, Bytes)>,
    next: u64,
}

impl Transport for Wire {
    fn budget(&self, _: ConnectionHandle) -> usize {
        self.budget
    }

    fn send(
        &mut self,
        connection: ConnectionHandle,
        channel: u8,
        payload: Bytes,
    ) -> Result<MessageId, SendError> {
        assert_eq!(channel, CHANNEL_SNAPSHOT);
        assert!(payload.len() <= self.budget, "{} bytes", payload.len());
        self.next += 1;
        self.sent.push((connection, MessageId(self.next), payload));
        Ok(MessageId(self.next))
    }
}

/// A client as far as a zone can tell.
#[derive(Debug)]
struct Client {
    connection: ConnectionHandle,
    decoder: SnapshotDecoder,
    own: Option<Own<Character>>,
    told: Vec<to_client::Body>,
    closed: Option<CloseCode>,
}

struct Bench {
    game: TestGame,
    zone: Zone<TestGame>,
    wire: Wire,
    handles: Vec<ConnectionHandle>,
    clients: BTreeMap<CharacterId, Client>,
    /// Of those whose connection was replaced.
    former: Vec<Client>,
    outputs: Vec<Output>,
    consumed: Vec<Consumption>,
}

/// Names of connections, as only an endpoint makes them.
static HANDLES: LazyLock<Vec<ConnectionHandle>> = LazyLock::new(|| handles(8));

fn handles(count: u16) -> Vec<ConnectionHandle> {
    let mut entropy = Entropy::from_simulation_seed(3);
    let server_public = SecretKey::generate(&mut entropy).public();
    let config = EndpointConfig::builder(channels()).build().expect("the defaults");
    let mut endpoint = Endpoint::client(config, entropy.fork());
    let mut connect = |port| {
        let token = Bytes::from_static(&[0; 64]);
        let client_secret = SecretKey::generate(&mut entropy);
        let access = ConnectAccess { token, client_secret, server_public };
        let remote = ([127, 0, 0, 1], port).into();
        endpoint.connect(Instant::EPOCH, remote, &access).expect("room for it")
    };
    (1..=count).map(&mut connect).collect()
}

impl Bench {
    fn new() -> Self {
        Self::of(WEST, |_| {})
    }

    /// The zone `id` of a world of two, side by side.
    fn of(id: ZoneId, change: impl FnOnce(&mut ZoneConfig)) -> Self {
        let layout = Layout::new(1, 2, EDGE).unwrap();
        let [width, height] = layout.size();
        let game = ReferenceGame::new(width, height).unwrap();
        let mut config = ZoneConfig::new(id, LIFE, layout, Instant::EPOCH);
        change(&mut config);
        let entropy = Entropy::from_simulation_seed(4);
        Self {
            zone: Zone::new(game.clone(), config, START, entropy),
            game,
            wire: Wire { budget: 1_100, sent: Vec::new(), next: 0 },
            handles: HANDLES.clone(),
            clients: BTreeMap::new(),
            former: Vec::new(),
            outputs: Vec::new(),
            consumed: Vec::new(),
        }
    }

    fn now(&self) -> Instant {
        self.game.tick_rate().starts_at(self.zone.tick().next(), Instant::EPOCH)
    }

    fn told(&mut self, input: Input) {
        let now = self.now();
        self.zone.handle(now, input);
        self.take_outputs();
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.zone.poll_output() {
            match output {
                Output::Tell { connection, message } => {
                    let body = ToClient::decode(message).unwrap().body.unwrap();
                    if let Some(client) = self.client_at(connection) {
                        client.told.push(body);
                    }
                }
                Output::Close { connection, code } => {
                    if let Some(client) = self.client_at(connection) {
                        assert_eq!(client.closed.replace(code), None);
                    }
                }
                Output::Consumed(consumed) => self.consumed.extend(consumed),
                other => self.outputs.push(other),
            }
        }
    }

    fn client_at(&mut self, connection: ConnectionHandle) -> Option<&mut Client> {
        let all = self.clients.values_mut().chain(&mut self.former);
        all.into_iter().find(|client| client.connection == connection)
    }

    /// One tick; clients take what they were sent, and say so.
    fn step(&mut self) {
        self.zone.step(&mut self.wire);
        let tick = self.zone.tick();
        let sent = core::mem::take(&mut self.wire.sent);
        for (connection, _, payload) in &sent {
            let game = self.game.clone();
            let client = self.client_at(*connection).expect("only clients are sent to");
            assert_eq!(client.closed, None, "nothing is sent to whom was closed before");
            let mut bytes = &payload[..];
            let header = SnapshotHeader::decode(&game, &mut bytes).unwrap();
            assert_eq!(header.tick, tick);
            client.own = header.own;
            client.decoder.decode(tick, bytes).unwrap();
        }
        self.take_outputs();
        for (connection, message, _) in sent {
            self.told(Input::Receipt { connection, message, is_acked: true });
        }
    }

    fn steps(&mut self, count: u64) {
        (0..count).for_each(|_| self.step());
    }

    fn connect(&mut self, character: CharacterId, purpose: Purpose) {
        let connection = self.handles.pop().expect("enough of them");
        let client = Client {
            connection,
            decoder: SnapshotDecoder::new(Arc::new(self.game.schema())),
            own: None,
            told: Vec::new(),
            closed: None,
        };
        self.former.extend(self.clients.insert(character, client));
        let (account, client_public) = (AccountId(character.0), PublicKey([7; 32]));
        self.told(Input::Connected { connection, account, character, client_public, purpose });
    }

    fn disconnect(&mut self, character: CharacterId) {
        let connection = self.clients[&character].connection;
        self.told(Input::Disconnected { connection });
    }

    fn claimed(&mut self, character: CharacterId, epoch: u32, at: Point, items: &[u64]) {
        let mut state = Vec::new();
        self.game.encode_character(&self.game.spawn(at), &mut state);
        let claim = Claim {
            epoch: Epoch(epoch),
            name: format!("c{character}"),
            state: Some(state),
            items: items.iter().map(|&item| ItemId(item)).collect(),
        };
        self.told(Input::Claimed { character, claim: Some(claim) });
    }

    /// A player at `at` who holds `items`, at epoch 1.
    fn enter(&mut self, character: CharacterId, at: Point, items: &[u64]) {
        self.connect(character, Purpose::Enter);
        self.claimed(character, 1, at, items);
    }

    /// Inputs for consecutive ticks, the last of which is `newest`.
    fn inputs(&mut self, character: CharacterId, newest: Tick, inputs: &[GameInput]) {
        let mut payload = Vec::new();
        encode_inputs(&self.game, newest, inputs.iter(), &mut payload);
        self.says(character, CHANNEL_INPUT, payload);
    }

    /// One tick, for which the player does this.
    fn plays(&mut self, character: CharacterId, input: GameInput) {
        let tick = self.zone.tick().next();
        self.inputs(character, tick, &[input]);
        self.step();
    }

    fn asks(&mut self, character: CharacterId, body: to_zone::Body) {
        let payload = ToZone { body: Some(body) }.encode_to_vec();
        self.says(character, CHANNEL_CONTROL, payload);
    }

    fn says(&mut self, character: CharacterId, channel: u8, payload: impl Into<Bytes>) {
        let connection = self.clients[&character].connection;
        self.told(Input::Message { connection, channel, payload: payload.into() });
    }

    fn outputs(&mut self) -> Vec<Output> {
        core::mem::take(&mut self.outputs)
    }

    fn client(&self, character: CharacterId) -> &Client {
        &self.clients[&character]
    }

    fn told_last(&self, character: CharacterId) -> Option<&to_client::Body> {
        self.client(character).told.last()
    }

    fn at(&self, character: CharacterId) -> Point {
        self.client(character).own.as_ref().expect("a snapshot").character.position()
    }

    fn owner(&self, epoch: u32) -> Owner {
        Owner { zone: self.zone.id(), incarnation: LIFE, epoch: Epoch(epoch) }
    }

    fn owns(&self, character: CharacterId) -> bool {
        self.zone.owned().any(|(owned, _)| owned == character)
    }

    /// The ticks that a character consumed, each in its turn.
    fn line(&self, character: CharacterId) -> Vec<u64> {
        let own = self.consumed.iter().filter(|one| one.character == character);
        own.map(|one| one.tick.get()).collect()
    }
}
