//! What each kind of channel promises, under weather nobody chose by hand.
//!
//! Each run draws its weather and its traffic from one seed and has two phases:
//!
//! - **storm** (safety): loss, jitter, duplicates and partitions. At every step, what arrived on
//!   a channel is what the channel allows ([`Lane::on_delivered`]), and no message is reported as
//!   acknowledged that was not delivered;
//! - **calm** (liveness): the network heals; everything reliable arrives, its sender knows it, and
//!   the fate of every message with a receipt is told, within a bounded time and number of steps.
//!
//! `SIM_SEED=n` replays a seed; one that failed goes to `REGRESSIONS`.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use netcode::channel::{ReceiptOutcome, SendError};
use netcode::connection::Event;
use netcode::endpoint::ConnectionHandle;
use netcode::entropy::Entropy;
use netcode::sim::LinkConfig;
use netcode::time::Instant;
use netcode::wire::ChannelId;

use crate::support::{
    ORDERED, SEQUENCED, SERVER, Setup, UNORDERED, UNRELIABLE, World, client, config, for_each_seed,
};

/// Seeds that once failed.
const REGRESSIONS: &[u64] = &[];
const SEEDS: u64 = 200;
const CLIENTS: usize = 2;
const STORM: Duration = Duration::from_secs(3);
const CALM_MAX: Duration = Duration::from_secs(8);
/// A partition lasts at most this long: well below the idle timeout.
const PARTITION_MAX_MS: u32 = 1_500;

#[test]
fn every_channel_keeps_its_promise_in_any_weather() {
    for_each_seed(REGRESSIONS, SEEDS, |seed| Storm::new(seed).run());
}

/// One direction of one channel of one connection: what was sent, against what arrived.
#[derive(Default)]
struct Lane {
    sent: Vec<Bytes>,
    /// Ordered: how many arrived. Sequenced: one past the newest that arrived.
    next: usize,
    /// Others: how many of each are still to come.
    open: BTreeMap<Bytes, u32>,
    arrived: usize,
    /// By message: whether its receipt said acknowledged.
    fates: BTreeMap<u64, bool>,
}

impl Lane {
    fn on_sent(&mut self, payload: Bytes) {
        *self.open.entry(payload.clone()).or_default() += 1;
        self.sent.push(payload);
    }

    /// The safety half: says whether the channel allows this message to arrive now.
    fn on_delivered(&mut self, channel: ChannelId, payload: &Bytes) -> bool {
        self.arrived += 1;
        let rest = &self.sent[self.next..];
        let found = match channel {
            ORDERED => rest.first().is_some_and(|next| next == payload).then_some(0),
            SEQUENCED => rest.iter().position(|later| later == payload),
            _ => Some(0),
        };
        let Some(found) = found else { return false };
        if matches!(channel, ORDERED | SEQUENCED) {
            self.next += found + 1;
        }
        let Some(open) = self.open.get_mut(payload) else { return false };
        let is_allowed = *open > 0;
        *open = open.saturating_sub(1);
        is_allowed
    }

    /// Whether a message that is reported as acknowledged did arrive. Only long enough messages
    /// are one of a kind.
    fn may_be_acked(&self, message: u64) -> bool {
        let payload = &self.sent[message as usize];
        payload.len() < UNIQUE_BYTES || self.open[payload] == 0
    }
}

/// Messages of at least this many bytes start with their number.
const UNIQUE_BYTES: usize = 4;

struct Storm {
    world: World,
    entropy: Entropy,
    traffic: Traffic,
    /// By client: the handles at the client and at the server.
    handles: Vec<(ConnectionHandle, ConnectionHandle)>,
    /// By receiving host, connection at it, and channel.
    lanes: BTreeMap<(usize, ConnectionHandle, u8), Lane>,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let mut entropy = Entropy::from_simulation_seed(!seed);
        let config = config().handshake_timeout(Duration::from_secs(60));
        let setup = Setup::new(seed).clients(CLIENTS).link(weather(&mut entropy)).both(config);
        let mut world = setup.start();
        let handles = (0..CLIENTS).map(|index| world.join(client(index))).collect();
        let traffic = Traffic::draw(&mut entropy);
        Self { world, entropy, traffic, handles, lanes: BTreeMap::new() }
    }

    fn run(mut self) {
        let storm_ends = self.world.now + STORM;
        let mut offer_at = self.world.now;
        let mut changes_at = self.world.now;
        while self.world.now < storm_ends {
            if self.world.now >= changes_at {
                changes_at = self.change_weather();
            }
            if self.world.now >= offer_at {
                let wait = self.entropy.below(1 + self.traffic.spacing_ms);
                offer_at += Duration::from_millis(wait.into());
                self.offer();
            }
            self.advance(offer_at.min(changes_at));
        }

        self.world.network.heal();
        self.world.network.set_config(LinkConfig::CALM);
        let calm_ends = self.world.now + CALM_MAX;
        while self.pending() + self.fates_open() > 0 && self.world.now < calm_ends {
            let next = self.world.next_at().expect("there is always a keep-alive");
            self.advance(next);
        }
        let seed = self.world.seed;
        assert_eq!(self.pending(), 0, "seed {seed}: not live after the storm");
        assert_eq!(self.fates_open(), 0, "seed {seed}: fates untold after the storm");
        for ((host, _, channel), lane) in &self.lanes {
            let is_reliable = matches!(ChannelId(*channel), ORDERED | UNORDERED);
            if is_reliable {
                let (arrived, sent) = (lane.arrived, lane.sent.len());
                assert_eq!(arrived, sent, "seed {seed}: host {host}, channel {channel}");
            }
        }
    }

    /// Lets things happen until `until`, but at least until the next that does.
    fn advance(&mut self, until: Instant) {
        let world = &mut self.world;
        match world.next_at() {
            Some(at) if at <= until => world.step(),
            _ => world.run_until(until),
        }
        self.check();
    }

    /// Draws a partition, both ways or one way, or new weather.
    fn change_weather(&mut self) -> Instant {
        let network = &mut self.world.network;
        network.heal();
        let index = self.entropy.below(CLIENTS as u32) as usize;
        let (here, there) = (self.world.hosts[0].address, self.world.hosts[index + 1].address);
        match self.entropy.below(5) {
            0 => network.block(here, there),
            1 => network.block_one_way(here, there),
            2 => network.block_one_way(there, here),
            _ => network.set_config(weather(&mut self.entropy)),
        }
        self.world.now + Duration::from_millis(self.entropy.below(PARTITION_MAX_MS).into())
    }

    /// Sends a message on some channel of some connection, in some direction.
    fn offer(&mut self) {
        let index = self.entropy.below(CLIENTS as u32) as usize;
        let (ours, theirs) = self.handles[index];
        let channel = self.traffic.channel(&mut self.entropy);
        let (from, to, by, at) = match self.entropy.below(2) {
            0 => (client(index), 0, ours, theirs),
            _ => (SERVER, index + 1, theirs, ours),
        };
        let lane = self.lanes.entry((to, at, channel.0)).or_default();
        let payload = self.traffic.payload(&mut self.entropy, lane.sent.len() as u32);
        match self.world.send(from, by, channel, payload.clone()) {
            Ok(message) => {
                assert_eq!(message.0, lane.sent.len() as u64);
                lane.on_sent(payload);
            }
            Err(SendError::QueueFull { .. }) => {}
            Err(error) => panic!("seed {}: {error}", self.world.seed),
        }
    }

    fn check(&mut self) {
        let seed = self.world.seed;
        for host in 0..=CLIENTS {
            while let Some((at, event)) = self.world.hosts[host].events.pop_front() {
                match event {
                    Event::Message { channel, payload } => {
                        let lane = self.lanes.get_mut(&(host, at, channel.0)).expect("unsent");
                        let is_allowed = lane.on_delivered(channel, &payload);
                        assert!(is_allowed, "seed {seed}: host {host}, channel {channel}");
                    }
                    Event::Receipt { channel, message, outcome } => {
                        let lane = self.lanes.get_mut(&self.opposite(host, at, channel)).unwrap();
                        let is_acked = outcome == ReceiptOutcome::Acked;
                        let told = lane.fates.insert(message.0, is_acked);
                        assert_eq!(told, None, "seed {seed}: fate of {message:?} told twice");
                        assert!(
                            !is_acked || lane.may_be_acked(message.0),
                            "seed {seed}: {message:?} of channel {channel} to {at:?} is \
                             acknowledged but was not delivered",
                        );
                    }
                    event => panic!("seed {seed}: host {host}: {event:?}"),
                }
            }
        }
    }

    /// Where messages go that `host` sends on its connection `at`.
    fn opposite(
        &self,
        host: usize,
        at: ConnectionHandle,
        channel: ChannelId,
    ) -> (usize, ConnectionHandle, u8) {
        if host > 0 {
            return (0, self.handles[host - 1].1, channel.0);
        }
        let index = self.handles.iter().position(|(_, theirs)| *theirs == at).expect("known");
        (index + 1, self.handles[index].0, channel.0)
    }

    /// Messages that wait or are not acknowledged, on all channels of all connections.
    fn pending(&self) -> usize {
        let endpoints = [ORDERED, UNORDERED, UNRELIABLE, SEQUENCED].map(|channel| {
            let pending = self.handles.iter().enumerate().map(|(index, (ours, theirs))| {
                self.world.hosts[index + 1].endpoint.pending(*ours, channel)
                    + self.world.hosts[0].endpoint.pending(*theirs, channel)
            });
            pending.sum::<usize>()
        });
        endpoints.iter().sum()
    }

    /// Messages with a receipt whose fate has not been told.
    fn fates_open(&self) -> usize {
        let with_receipts = |channel| matches!(ChannelId(channel), UNORDERED | UNRELIABLE);
        let lanes = self.lanes.iter().filter(|((_, _, channel), _)| with_receipts(*channel));
        lanes.map(|(_, lane)| lane.sent.len() - lane.fates.len()).sum()
    }
}

fn weather(entropy: &mut Entropy) -> LinkConfig {
    LinkConfig {
        delay: Duration::from_millis(entropy.below(120).into()),
        jitter: Duration::from_millis(entropy.below(60).into()),
        loss: 0.4 * entropy.unit() * entropy.unit(),
        duplicate: 0.2 * entropy.unit(),
        ..LinkConfig::STORM
    }
}

/// What is sent, drawn once for a run.
struct Traffic {
    /// Messages are at most this many milliseconds apart.
    spacing_ms: u32,
    /// If it all goes on one channel.
    only: Option<ChannelId>,
    /// Of eight messages so many take several fragments.
    large: u32,
}

impl Traffic {
    fn draw(entropy: &mut Entropy) -> Self {
        Self {
            spacing_ms: [2, 8, 30][entropy.below(3) as usize],
            only: (entropy.below(3) == 0).then(|| ChannelId(entropy.below(4) as u8)),
            large: [0, 1, 6][entropy.below(3) as usize],
        }
    }

    fn channel(&self, entropy: &mut Entropy) -> ChannelId {
        self.only.unwrap_or_else(|| ChannelId(entropy.below(4) as u8))
    }

    /// Nothing, a few bytes, about a fragment, or several.
    fn payload(&self, entropy: &mut Entropy, number: u32) -> Bytes {
        let size = match entropy.below(8) {
            kind if kind < self.large => 1_101 + entropy.below(3_000),
            6 => 1_090 + entropy.below(20),
            7 => entropy.below(5),
            _ => entropy.below(200),
        };
        let mut payload = vec![number as u8; size as usize];
        if let Some(front) = payload.first_chunk_mut::<UNIQUE_BYTES>() {
            *front = number.to_le_bytes();
        }
        payload.into()
    }
}
