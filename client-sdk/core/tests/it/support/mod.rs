//! A gateway, three zones in a row, a network and one client, in virtual time.

pub(crate) mod game;
pub(crate) mod gateway;
pub(crate) mod loopback;
pub(crate) mod zone;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use client_sdk::{Client, ClientConfig, ClientEvent, ClientStats};
use netcode::crypto::PublicKey;
use netcode::entropy::Entropy;
use netcode::predict::InputQueue;
use netcode::sim::{LinkConfig, Network};
use netcode::tick::Tick;
use netcode::time::Instant;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::game::Game;
use shardline_protocol::zone::{Crossed, Offer, OfferWithdrawn, to_client};

use game::{LineGame, STEPS, Walk};
use gateway::{Gateway, Wish};
use zone::{Owned, Zone};

/// Whom the client plays.
pub(crate) const CHARACTER: u64 = 77;
/// Every zone is so wide.
pub(crate) const ZONE_WIDTH: i32 = 100 * STEPS;
/// From so near a border the zone behind it is offered.
const OFFER_WITHIN: i32 = 20 * STEPS;
/// An offer is withdrawn this far from the border.
const WITHDRAW_BEYOND: i32 = 30 * STEPS;

const CLIENT: SocketAddr = address(1, 40_000);
const GATEWAY: SocketAddr = address(2, 7000);

const fn address(host: u8, port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, host)), port)
}

pub(crate) const ZONES: [SocketAddr; 3] = [address(3, 7100), address(4, 7100), address(5, 7100)];

/// The reference network: 100 ms round trip, 10 ms jitter, 5 % loss.
pub(crate) fn reference_network() -> LinkConfig {
    LinkConfig {
        delay: Duration::from_millis(50),
        jitter: Duration::from_millis(10),
        loss: 0.05,
        ..LinkConfig::CALM
    }
}

/// What the client does in a tick.
pub(crate) type Script = Box<dyn FnMut(Tick, &Client<LineGame>) -> Walk>;

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) network: Network,
    pub(crate) gateway: Gateway,
    pub(crate) zones: Vec<Zone>,
    pub(crate) client: Client<LineGame>,
    /// Events that no test has looked at.
    pub(crate) events: VecDeque<ClientEvent>,
    /// What the client meant to do, by tick.
    pub(crate) meant: BTreeMap<Tick, Walk>,
    /// What the world has it do, by tick, and whether the input was missing.
    pub(crate) done: BTreeMap<Tick, (Walk, bool)>,
    pub(crate) script: Script,
    /// The share of datagrams in which a bit flips on the way.
    pub(crate) damage: f64,
    luck: Entropy,
    next_tick: Tick,
    epoch: u32,
    offered: Option<usize>,
}

impl World {
    pub(crate) fn new(link: LinkConfig, seed: u64) -> Self {
        Self::with_config(link, seed, |builder| builder)
    }

    pub(crate) fn with_config(
        link: LinkConfig,
        seed: u64,
        set: impl FnOnce(
            client_sdk::config::ClientConfigBuilder,
        ) -> client_sdk::config::ClientConfigBuilder,
    ) -> Self {
        let now = Instant::from_millis(1_234);
        let gateway = Gateway::new(GATEWAY);
        let builder = ClientConfig::builder(GATEWAY, gateway.certificate.clone());
        let config = set(builder).build().unwrap();
        let entropy = Entropy::from_simulation_seed(seed);
        let zones = ZONES.iter().enumerate();
        Self {
            now,
            network: Network::new(link, seed),
            client: Client::new(LineGame, &config, now, entropy).unwrap(),
            gateway,
            zones: zones.map(|(id, at)| Zone::new(id as u32, *at, seed + id as u64)).collect(),
            events: VecDeque::new(),
            meant: BTreeMap::new(),
            done: BTreeMap::new(),
            script: Box::new(|_, _| Walk(0)),
            damage: 0.0,
            luck: Entropy::from_simulation_seed(!seed),
            next_tick: LineGame.tick_rate().tick_at(now, Instant::EPOCH).next(),
            epoch: 0,
            offered: None,
        }
    }

    pub(crate) fn stats(&self) -> ClientStats {
        self.client.stats(self.now)
    }

    /// Logs in and enters the world; the character appears at `x`.
    pub(crate) fn play(&mut self, x: i32) {
        self.client.login(self.now, "me", "correct horse");
        self.expect(|event| matches!(event, ClientEvent::LoggedIn { .. }));
        self.enter(x);
    }

    pub(crate) fn enter(&mut self, x: i32) {
        self.spawn(x);
        self.client.enter_world(self.now);
        self.expect(|event| matches!(event, ClientEvent::Joined { .. }));
    }

    pub(crate) fn spawn(&mut self, x: i32) {
        self.epoch += 1;
        let owned = Owned {
            epoch: self.epoch,
            override_epoch: 0,
            character: game::Walker { x, health: 100 },
            queue: InputQueue::new(self.next_tick),
        };
        self.zones.iter_mut().for_each(|zone| {
            zone.owned.clear();
        });
        self.offered = None;
        self.zones[(x / ZONE_WIDTH) as usize].owned.insert(CHARACTER, owned);
    }

    /// The zone that owns the character.
    pub(crate) fn owner(&mut self) -> &mut Zone {
        self.zones.iter_mut().find(|zone| zone.owned.contains_key(&CHARACTER)).unwrap()
    }

    /// Runs until an event that `wanted` likes, and returns it; 30 s are enough for any.
    #[track_caller]
    pub(crate) fn expect(&mut self, wanted: impl Fn(&ClientEvent) -> bool) -> ClientEvent {
        let limit = self.now + Duration::from_secs(30);
        loop {
            while let Some(event) = self.events.pop_front() {
                if wanted(&event) {
                    return event;
                }
            }
            assert!(self.now < limit, "no such event; stats: {:#?}", self.stats());
            self.advance();
        }
    }

    /// Runs for a while; the events stay.
    pub(crate) fn run(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.now < until {
            self.advance();
        }
    }

    /// The world goes on while the client's machine sleeps; its socket keeps nothing.
    pub(crate) fn sleep_until(&mut self, until: Instant) {
        while self.now < until {
            self.now = LineGame.tick_rate().starts_at(self.next_tick, Instant::EPOCH);
            while let Some((from, to, mut datagram)) = self.network.poll_arrival(self.now) {
                if to != CLIENT {
                    self.deliver(from, to, &mut datagram);
                }
            }
            self.gateway.handle_timeout(self.now);
            self.zones.iter_mut().for_each(|zone| zone.endpoint.handle_timeout(self.now));
            self.zones.iter_mut().for_each(|zone| zone.drain(self.now));
            self.step();
            let mut buffer = Vec::new();
            for zone in &mut self.zones {
                while let Some(transmit) = zone.endpoint.poll_transmit(self.now, &mut buffer) {
                    self.network.send(self.now, zone.address, transmit.to, buffer.clone());
                }
            }
        }
    }

    /// The newest tick that was simulated.
    pub(crate) fn tick(&self) -> Tick {
        self.next_tick.saturating_back(1)
    }

    /// To the next point in time at which anything happens.
    pub(crate) fn advance(&mut self) {
        let tick_at = LineGame.tick_rate().starts_at(self.next_tick, Instant::EPOCH);
        let zones = self.zones.iter().filter_map(|zone| zone.endpoint.poll_timeout());
        let next = [
            self.network.poll_timeout(),
            self.client.poll_timeout(),
            self.client.next_input_at(self.now),
            self.gateway.poll_timeout(),
            Some(tick_at),
        ];
        let next = next.into_iter().flatten().chain(zones).min().unwrap();
        // A timer that is due and stays due would stop the world.
        self.now = next.max(self.now + Duration::from_micros(1));

        while let Some((from, to, mut datagram)) = self.network.poll_arrival(self.now) {
            if self.luck.unit() < self.damage {
                let bit = self.luck.below(8 * datagram.len() as u32) as usize;
                datagram[bit / 8] ^= 1 << (bit % 8);
            }
            self.deliver(from, to, &mut datagram);
        }
        self.client.handle_timeout(self.now);
        self.gateway.handle_timeout(self.now);
        self.zones.iter_mut().for_each(|zone| zone.endpoint.handle_timeout(self.now));
        self.zones.iter_mut().for_each(|zone| zone.drain(self.now));
        if self.now >= tick_at {
            self.step();
        }
        while let Some(tick) = self.client.next_input_tick(self.now) {
            let input = (self.script)(tick, &self.client);
            self.client.push_input(self.now, input).unwrap();
            assert!(self.meant.insert(tick, input).is_none(), "tick {tick} came twice");
        }
        self.open_doors();
        self.flush();
        while let Some(event) = self.client.poll_event() {
            self.events.push_back(event);
        }
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) {
        match to {
            CLIENT => self.client.handle_datagram(self.now, from, datagram),
            GATEWAY => self.gateway.handle_datagram(self.now, from, datagram),
            to => {
                if let Some(zone) = self.zones.iter_mut().find(|zone| zone.address == to) {
                    let _ = zone.endpoint.handle_datagram(self.now, from, datagram);
                }
            }
        }
    }

    fn flush(&mut self) {
        let mut buffer = Vec::new();
        while let Some(to) = self.client.poll_transmit(self.now, &mut buffer) {
            self.network.send(self.now, CLIENT, to, buffer.clone());
        }
        while let Some((to, datagram)) = self.gateway.poll_transmit(self.now) {
            self.network.send(self.now, GATEWAY, to, datagram);
        }
        for zone in &mut self.zones {
            while let Some(transmit) = zone.endpoint.poll_transmit(self.now, &mut buffer) {
                self.network.send(self.now, zone.address, transmit.to, buffer.clone());
            }
        }
    }

    /// Who asked for a way into the world gets one, to where the character is.
    fn open_doors(&mut self) {
        for wish in std::mem::take(&mut self.gateway.wishes) {
            let Wish::Enter { player, request, public_key } = wish;
            let now = self.now;
            let access = self.owner().access(now, CHARACTER, PublicKey(public_key));
            self.gateway.say(player, request, Body::ZoneAccess(access));
        }
    }

    /// One tick of all zones.
    fn step(&mut self) {
        let tick = self.next_tick;
        self.next_tick = tick.next();
        for zone in &mut self.zones {
            for owned in zone.owned.values_mut() {
                let consumed = owned.queue.consume();
                assert_eq!(consumed.tick, tick, "exactly one input a tick");
                LineGame.step(&mut owned.character, &consumed.input, tick);
                let before = self.done.insert(tick, (consumed.input, consumed.is_starved));
                assert!(before.is_none(), "two owners in tick {tick}");
            }
        }
        self.cross(tick);
        self.zones.iter_mut().for_each(|zone| zone.publish(tick));
    }

    /// Offers, withdrawals and handoffs, at the end of `tick`.
    fn cross(&mut self, tick: Tick) {
        let Some(from) = self.zones.iter().position(|zone| zone.owned.contains_key(&CHARACTER))
        else {
            return;
        };
        let x = self.zones[from].owned[&CHARACTER].character.x;
        let (left, right) = (x - from as i32 * ZONE_WIDTH, (from as i32 + 1) * ZONE_WIDTH - x);
        let (near, to) =
            if left < right { (left, from.checked_sub(1)) } else { (right, Some(from + 1)) };
        let to = to.filter(|to| *to < self.zones.len());
        if let Some(offered) = self.offered.filter(|_| near > WITHDRAW_BEYOND) {
            let withdrawn = OfferWithdrawn { zone_id: offered as u32 };
            self.zones[from].send(CHARACTER, to_client::Body::OfferWithdrawn(withdrawn));
            self.offered = None;
        }
        let Some(to) = to else { return };
        let Some(client) = self.zones[from].guest(CHARACTER) else { return };
        if near < OFFER_WITHIN && self.offered != Some(to) {
            let access = self.zones[to].access(self.now, CHARACTER, client);
            self.zones[from]
                .send(CHARACTER, to_client::Body::Offer(Offer { access: Some(access) }));
            self.offered = Some(to);
        }
        let is_over = x / ZONE_WIDTH != from as i32;
        if is_over && self.zones[to].guest(CHARACTER).is_some() {
            self.hand_over(tick, from, x.div_euclid(ZONE_WIDTH) as usize);
            self.offered = None;
        }
    }

    fn hand_over(&mut self, tick: Tick, from: usize, to: usize) {
        self.epoch += 1;
        let mut owned = self.zones[from].owned.remove(&CHARACTER).unwrap();
        let (last, starved) = (*owned.queue.last(), owned.queue.starved());
        let mut queue = InputQueue::restore(tick.next(), last, starved);
        for (tick, input) in owned.queue.waiting() {
            queue.insert(tick, *input);
        }
        for (tick, input) in self.zones[to].ahead.remove(&CHARACTER).unwrap_or_default() {
            queue.insert(tick, input);
        }
        (owned.queue, owned.epoch) = (queue, self.epoch);
        self.zones[to].owned.insert(CHARACTER, owned);
        let crossed = Crossed { zone_id: to as u32, epoch: self.epoch, tick: tick.get() };
        self.zones[from].send(CHARACTER, to_client::Body::Crossed(crossed));
    }

    /// Every input that reached the world in time was the one that was meant.
    #[track_caller]
    pub(crate) fn check_inputs(&self) {
        for (tick, meant) in &self.meant {
            if let Some((done, is_starved)) = self.done.get(tick) {
                assert!(*is_starved || done == meant, "tick {tick}: {done:?}, meant {meant:?}");
            }
        }
    }
}
