//! A world of endpoints and the network between them.
//!
//! The world owns the drain contract: whatever goes into an endpoint goes in through it, and it
//! drains the endpoint right after. Tests that held endpoints themselves would break the contract
//! sooner or later, and blame the transport.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use netcode::channel::{ChannelConfig, ChannelTable, Delivery, SendError};
use netcode::config::{EndpointConfig, EndpointConfigBuilder, RetryPolicy};
use netcode::connection::{ConnectAccess, ConnectionError, DropReason, Event};
use netcode::crypto::{Claims, SecretKey, TokenKey};
use netcode::endpoint::{ConnectionHandle, Endpoint, ServerKeys};
use netcode::entropy::Entropy;
use netcode::sim::{LinkConfig, Network};
use netcode::time::Instant;
use netcode::wire::{ChannelId, MessageId};

/// Channels of every world.
pub(crate) const ORDERED: ChannelId = ChannelId(0);
pub(crate) const UNORDERED: ChannelId = ChannelId(1);
pub(crate) const UNRELIABLE: ChannelId = ChannelId(2);
pub(crate) const SEQUENCED: ChannelId = ChannelId(3);

pub(crate) const SERVER_ID: u32 = 7;
/// Unix time at the start of every world.
pub(crate) const UNIX_S: u64 = 1_700_000_000;
/// Steps of a run; ten times what the longest takes.
const STEPS_MAX: u32 = 1_000_000;
/// Steps without time passing. A timer that fires without effect would spin forever.
const STEPS_AT_ONCE_MAX: u32 = 1_000;

/// Names a host of a world.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct HostId(usize);

pub(crate) const SERVER: HostId = HostId(0);

/// The `index`th client.
pub(crate) const fn client(index: usize) -> HostId {
    HostId(index + 1)
}

pub(crate) struct Host {
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    /// The client's key; the server's own for the server.
    pub(crate) secret: SecretKey,
    pub(crate) events: VecDeque<(ConnectionHandle, Event)>,
    /// Datagrams that the endpoint ignored, by the label of the reason.
    pub(crate) drops: BTreeMap<&'static str, u32>,
}

/// A datagram as it was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Captured {
    pub(crate) at: Instant,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// How a world begins.
pub(crate) struct Setup {
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) link: LinkConfig,
    pub(crate) server_config: EndpointConfig,
    pub(crate) client_config: EndpointConfig,
}

impl Setup {
    pub(crate) fn new(seed: u64) -> Self {
        let config = config().build().unwrap();
        let (server_config, client_config) = (config.clone(), config);
        Self { seed, clients: 1, link: LinkConfig::CALM, server_config, client_config }
    }

    pub(crate) fn clients(self, clients: usize) -> Self {
        Self { clients, ..self }
    }

    pub(crate) fn link(self, link: LinkConfig) -> Self {
        Self { link, ..self }
    }

    pub(crate) fn server(self, config: EndpointConfigBuilder) -> Self {
        Self { server_config: config.build().unwrap(), ..self }
    }

    pub(crate) fn client(self, config: EndpointConfigBuilder) -> Self {
        Self { client_config: config.build().unwrap(), ..self }
    }

    pub(crate) fn both(self, config: EndpointConfigBuilder) -> Self {
        self.server(config.clone()).client(config)
    }

    pub(crate) fn start(self) -> World {
        World::new(self)
    }
}

pub(crate) fn table() -> ChannelTable {
    ChannelTable::new(vec![
        ChannelConfig::new(Delivery::ReliableOrdered).priority(1),
        ChannelConfig::new(Delivery::ReliableUnordered).priority(1).with_receipts(),
        ChannelConfig::new(Delivery::Unreliable).with_receipts(),
        ChannelConfig::new(Delivery::UnreliableSequenced).priority(2),
    ])
    .unwrap()
}

/// The configuration that worlds start from.
pub(crate) fn config() -> EndpointConfigBuilder {
    EndpointConfig::builder(table()).unix_ms_at_epoch(UNIX_S * 1000).retry(RetryPolicy::Never)
}

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) now: Instant,
    pub(crate) network: Network,
    pub(crate) hosts: Vec<Host>,
    /// Everything that hosts sent, if [`capture`](Self::capture) was called.
    pub(crate) captured: Vec<Captured>,
    is_capturing: bool,
    /// Bytes that arrived where no host is.
    pub(crate) strays: BTreeMap<SocketAddr, usize>,
    pub(crate) token_key: TokenKey,
    entropy: Entropy,
    steps: u32,
    steps_at_once: u32,
}

impl World {
    fn new(setup: Setup) -> Self {
        let seed = setup.seed;
        let mut entropy = Entropy::from_simulation_seed(seed);
        let token_key = TokenKey::generate(1, &mut entropy);
        let secret = SecretKey::generate(&mut entropy);
        let keys = ServerKeys {
            secret: secret.clone(),
            token_keys: vec![token_key.clone()],
            server_id: SERVER_ID,
        };
        let endpoint = Endpoint::server(setup.server_config, keys, entropy.fork());
        let mut hosts = vec![Host::new(endpoint, address(0), secret)];
        for index in 0..setup.clients {
            let secret = SecretKey::generate(&mut entropy);
            let endpoint = Endpoint::client(setup.client_config.clone(), entropy.fork());
            hosts.push(Host::new(endpoint, address(index + 1), secret));
        }
        Self {
            seed,
            now: Instant::EPOCH,
            network: Network::new(setup.link, entropy.next_u64()),
            hosts,
            captured: Vec::new(),
            is_capturing: false,
            strays: BTreeMap::new(),
            token_key,
            entropy,
            steps: 0,
            steps_at_once: 0,
        }
    }

    pub(crate) fn host(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.0]
    }

    pub(crate) fn address(&self, id: HostId) -> SocketAddr {
        self.hosts[id.0].address
    }

    /// Keeps everything that hosts send from now on.
    pub(crate) fn capture(&mut self) {
        self.is_capturing = true;
    }

    /// What lets `id` in, with claims that `change` may spoil.
    pub(crate) fn access(&mut self, id: HostId, change: impl FnOnce(&mut Claims)) -> ConnectAccess {
        let secret = self.hosts[id.0].secret.clone();
        let unix_s = UNIX_S + self.now.as_micros() / 1_000_000;
        let mut claims = Claims {
            server_id: SERVER_ID,
            not_before_s: unix_s,
            not_after_s: unix_s + 45,
            session_id: [id.0 as u8; 16],
            account_id: id.0 as u64,
            character_id: 100 + id.0 as u64,
            client_public: secret.public(),
            extension: Bytes::from_static(&[0]),
        };
        change(&mut claims);
        ConnectAccess {
            token: self.token_key.seal(&claims, &mut self.entropy),
            client_secret: secret,
            server_public: self.hosts[SERVER.0].secret.public(),
        }
    }

    /// Starts a handshake with the server.
    pub(crate) fn connect(&mut self, id: HostId, access: &ConnectAccess) -> ConnectionHandle {
        let server = self.address(SERVER);
        self.with(id, |endpoint, now| endpoint.connect(now, server, access)).unwrap()
    }

    /// Connects `id`, and returns the handles of the client and of the server.
    pub(crate) fn join(&mut self, id: HostId) -> (ConnectionHandle, ConnectionHandle) {
        let access = self.access(id, |_| {});
        let ours = self.connect(id, &access);
        let deadline = self.now + Duration::from_secs(30);
        self.run_until_event(id, deadline, |event| *event == Event::Connected);
        let theirs = self.run_until_event(SERVER, deadline, |event| *event == Event::Connected);
        (ours, theirs)
    }

    pub(crate) fn send(
        &mut self,
        id: HostId,
        handle: ConnectionHandle,
        channel: ChannelId,
        payload: impl Into<Bytes>,
    ) -> Result<MessageId, SendError> {
        let payload = payload.into();
        self.with(id, |endpoint, _| endpoint.send(handle, channel, payload))
    }

    /// Puts a datagram into an endpoint without a network, as an attacker on the path could.
    pub(crate) fn inject(
        &mut self,
        to: HostId,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), DropReason> {
        let mut datagram = datagram.to_vec();
        self.with(to, |endpoint, now| endpoint.handle_datagram(now, from, &mut datagram))
    }

    /// Every input to an endpoint: the call, then the drain that the contract asks for.
    pub(crate) fn with<T>(
        &mut self,
        id: HostId,
        call: impl FnOnce(&mut Endpoint, Instant) -> T,
    ) -> T {
        let result = call(&mut self.hosts[id.0].endpoint, self.now);
        self.drain(id);
        result
    }

    fn drain(&mut self, id: HostId) {
        let Host { endpoint, address, events, .. } = &mut self.hosts[id.0];
        let mut buffer = Vec::new();
        while let Some(transmit) = endpoint.poll_transmit(self.now, &mut buffer) {
            if self.is_capturing {
                let (at, from, to) = (self.now, *address, transmit.to);
                self.captured.push(Captured { at, from, to, bytes: buffer.clone() });
            }
            self.network.send(self.now, *address, transmit.to, buffer.clone());
        }
        while let Some(event) = endpoint.poll_event() {
            events.push_back(event);
        }
    }

    /// When anything happens next.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let timers = self.hosts.iter().map(|host| host.endpoint.poll_timeout());
        timers.chain([self.network.poll_timeout()]).flatten().min().map(|at| at.max(self.now))
    }

    /// Jumps to the next moment at which anything can happen, and lets it.
    pub(crate) fn step(&mut self) {
        let next = self.next_at().unwrap_or(self.now);
        self.steps += 1;
        self.steps_at_once = if next > self.now { 0 } else { self.steps_at_once + 1 };
        assert!(self.steps < STEPS_MAX, "seed {}: it does not end", self.seed);
        assert!(self.steps_at_once < STEPS_AT_ONCE_MAX, "seed {}: time stands still", self.seed);
        self.now = next;
        while let Some((from, to, mut datagram)) = self.network.poll_arrival(self.now) {
            let Some(index) = self.hosts.iter().position(|host| host.address == to) else {
                *self.strays.entry(to).or_default() += datagram.len();
                continue;
            };
            let outcome = self.with(HostId(index), |endpoint, now| {
                endpoint.handle_datagram(now, from, &mut datagram)
            });
            if let Err(reason) = outcome {
                *self.hosts[index].drops.entry(reason.label()).or_default() += 1;
            }
        }
        for index in 0..self.hosts.len() {
            self.with(HostId(index), |endpoint, now| endpoint.handle_timeout(now));
        }
    }

    /// Lets everything happen that is due until `deadline`, and time pass until then.
    pub(crate) fn run_until(&mut self, deadline: Instant) {
        while self.next_at().is_some_and(|at| at <= deadline) {
            self.step();
        }
        self.now = self.now.max(deadline);
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Runs until `id` has such an event, drops the events before it, and returns its handle.
    #[track_caller]
    pub(crate) fn run_until_event(
        &mut self,
        id: HostId,
        deadline: Instant,
        is_wanted: impl Fn(&Event) -> bool,
    ) -> ConnectionHandle {
        let mut seen = Vec::new();
        loop {
            while let Some((handle, event)) = self.host(id).events.pop_front() {
                if is_wanted(&event) {
                    return handle;
                }
                seen.push(event);
            }
            let in_time = self.next_at().is_some_and(|at| at <= deadline);
            assert!(in_time, "seed {}: {id:?} waits in vain; it saw {seen:?}", self.seed);
            self.step();
        }
    }

    /// Runs until the connection of `id` is over, and returns why.
    #[track_caller]
    pub(crate) fn run_until_closed(&mut self, id: HostId, within: Duration) -> ConnectionError {
        let deadline = self.now + within;
        loop {
            while let Some((_, event)) = self.host(id).events.pop_front() {
                if let Event::Closed(error) = event {
                    return error;
                }
            }
            let in_time = self.next_at().is_some_and(|at| at <= deadline);
            assert!(in_time, "seed {}: {id:?} is still open", self.seed);
            self.step();
        }
    }

    /// The messages that `id` has received on `channel` so far; its other events are dropped.
    pub(crate) fn take_messages(&mut self, id: HostId, of: ChannelId) -> Vec<Bytes> {
        let events = self.host(id).events.drain(..);
        events
            .filter_map(|(_, event)| match event {
                Event::Message { channel, payload } if channel == of => Some(payload),
                _ => None,
            })
            .collect()
    }
}

impl Host {
    fn new(endpoint: Endpoint, address: SocketAddr, secret: SecretKey) -> Self {
        let (events, drops) = (VecDeque::new(), BTreeMap::new());
        Self { endpoint, address, secret, events, drops }
    }
}

/// The address of the `index`th host; those beyond the hosts of a world belong to strangers.
pub(crate) fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (index >> 8) as u8, index as u8], 4433))
}

/// Runs `run` for every seed of `regressions` and of `0..seeds`, or for `SIM_SEED` alone.
pub(crate) fn for_each_seed(regressions: &[u64], seeds: u64, run: impl Fn(u64)) {
    match std::env::var("SIM_SEED") {
        Ok(seed) => run(seed.parse().expect("SIM_SEED is a number")),
        Err(_) => regressions.iter().copied().chain(0..seeds).for_each(run),
    }
}
