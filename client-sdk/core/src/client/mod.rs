//! The client: one player, from the door to the world, without I/O.
//!
//! ```text
//!   handle_datagram ──┐                                     ┌── poll_transmit ──▶ socket
//!   handle_timeout  ──┼──▶  Client                        ──┼── poll_event    ──▶ game
//!   requests, inputs ─┘    lobby · control · world          └── poll_timeout  ──▶ timer
//! ```

pub mod command;
mod view;

use core::net::SocketAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use netcode::config::EndpointConfig;
use netcode::entropy::Entropy;
use netcode::time::Instant;
use shardline_protocol::game::Game;
use shardline_protocol::play::channels;
use shardline_protocol::zone::to_client;

use crate::config::ClientConfig;
use crate::control::{Control, ControlEvent};
use crate::error::{ConfigError, RequestError};
use crate::event::ClientEvent;
use crate::lobby::{Lobby, Told};
use crate::session::{Session, SessionState};
use crate::world::{Timing, World, WorldEvent};

/// Events that wait for the game; of more, the oldest are dropped and counted.
const EVENTS_MAX: usize = 4096;
/// Connections of one client at a time, those that are just being closed included.
const ZONE_CONNECTIONS_MAX: usize = 32;
/// Silence after which a zone is pinged.
const ZONE_KEEP_ALIVE: core::time::Duration = core::time::Duration::from_secs(1);

/// A player's client, poll-driven.
///
/// # Contract: drain after every input
///
/// One UDP socket carries everything. After any call that takes `now`, drain in this order:
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) until they answer
/// `None`, then read [`poll_timeout`](Self::poll_timeout) once. Time never decreases.
///
/// In the world, ask [`next_input_tick`](Self::next_input_tick) once a frame, and answer each
/// tick with [`push_input`](Self::push_input).
#[derive(Debug)]
pub struct Client<G: Game> {
    game: G,
    gateway: SocketAddr,
    entropy: Entropy,
    session: Session,
    lobby: Lobby,
    control: Control,
    world: World<G>,
    events: VecDeque<ClientEvent>,
    traffic: Traffic,
}

/// What went through the socket.
#[derive(Clone, Copy, Debug, Default)]
struct Traffic {
    bytes_in: u64,
    bytes_out: u64,
    datagrams_in: u64,
    datagrams_out: u64,
    dropped: u64,
    events_dropped: u64,
}

impl<G: Game> Client<G> {
    /// A client that has done nothing yet. Its keys are drawn from `entropy`; only the TLS of the
    /// control connection asks the operating system itself.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], if the settings cannot work with each other or with the game.
    pub fn new(
        game: G,
        config: &ClientConfig,
        now: Instant,
        mut entropy: Entropy,
    ) -> Result<Self, ConfigError> {
        let schema = Arc::new(game.schema());
        let transport = EndpointConfig::builder(channels())
            .connections_max(ZONE_CONNECTIONS_MAX)
            .handshake_timeout(config.zone_handshake_timeout())
            .idle_timeout(config.zone_timeout())
            .keep_alive_after(ZONE_KEEP_ALIVE.min(config.zone_timeout() / 2))
            .schema_hash(schema.hash())
            .build()?;
        let timing = Timing {
            join: config.join_timeout(),
            crossing: config.crossing_timeout(),
            leave: config.leave_timeout(),
            input_margin: config.input_margin(),
        };
        Ok(Self {
            gateway: config.gateway(),
            session: Session::new(),
            lobby: Lobby::new(config.request_timeout()),
            control: Control::new(config, now, &mut entropy)?,
            world: World::new(game.clone(), schema, transport, timing, entropy.fork()),
            events: VecDeque::new(),
            traffic: Traffic::default(),
            game,
            entropy,
        })
    }

    /// Takes a datagram off the socket; its bytes are spoiled. Bytes of strangers are ignored.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        self.traffic.bytes_in += datagram.len() as u64;
        self.traffic.datagrams_in += 1;
        if from == self.gateway {
            self.control.handle_datagram(now, datagram);
            self.drain_control(now);
        } else {
            if !self.world.handle_datagram(now, from, datagram) {
                self.traffic.dropped += 1;
            }
            self.drain_world();
        }
    }

    /// Tells the client that `now` has come. Harmless if nothing is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.control.handle_timeout(now);
        self.drain_control(now);
        self.world.handle_timeout(now);
        self.drain_world();
        while let Some(told) = self.lobby.take_overdue(now, &mut self.session) {
            self.on_told(now, told);
        }
    }

    /// Writes the next datagram to `buffer`, which is cleared first, and says where to send it.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<SocketAddr> {
        let control = self.control.poll_transmit(now, buffer);
        let to = match control {
            Some(to) => to,
            None => self.world.poll_transmit(now, buffer)?,
        };
        self.traffic.bytes_out += buffer.len() as u64;
        self.traffic.datagrams_out += 1;
        Some(to)
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and poll again. When the next input
    /// is wanted says [`next_input_at`](Self::next_input_at).
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let control = self.control.poll_timeout();
        let others = [self.world.poll_timeout(), self.lobby.poll_timeout()];
        others.into_iter().flatten().chain(control).min()
    }

    /// Whether every connection has ended and been forgotten: after [`close`](Self::close), when
    /// the socket is of no more use.
    pub fn is_drained(&self) -> bool {
        self.control.is_drained() && self.world.is_drained()
    }

    /// Whether [`poll_event`](Self::poll_event) has one.
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    fn drain_control(&mut self, now: Instant) {
        while let Some(event) = self.control.poll_event(now) {
            match event {
                ControlEvent::Connected => self.tell(ClientEvent::GatewayConnected),
                ControlEvent::Frame(frame) => {
                    let told = self.lobby.on_frame(frame, &mut self.session);
                    self.on_told(now, told);
                }
                ControlEvent::Lost(error) => {
                    if self.session.state() == SessionState::Closed {
                        continue;
                    }
                    self.tell(ClientEvent::GatewayLost(error));
                    self.session.on_gateway_lost();
                    while let Some(told) = self.lobby.take_lost(&mut self.session) {
                        self.on_told(now, told);
                    }
                }
            }
        }
    }

    fn on_told(&mut self, now: Instant, told: Told) {
        match told {
            Told::Event(event) => self.tell(event),
            Told::Access { request, access } => {
                self.world.on_access(now, request, &access);
                self.drain_world();
            }
            Told::NoAccess { request, error } => {
                if self.world.on_no_access(request) {
                    self.session.on_out_of_world();
                }
                self.tell(ClientEvent::RequestFailed { request, error });
            }
            Told::Nothing => {}
        }
    }

    fn drain_world(&mut self) {
        while let Some(event) = self.world.poll_event() {
            match event {
                WorldEvent::Joined { request, zone, character_id } => {
                    self.session.on_character_shown();
                    self.tell(ClientEvent::Joined { request, zone, character_id });
                }
                WorldEvent::NotLetIn { request, reason } => {
                    self.session.on_out_of_world();
                    let error = RequestError::NotLetIn(reason);
                    self.tell(ClientEvent::RequestFailed { request, error });
                }
                WorldEvent::Crossing => self.session.on_crossing(),
                WorldEvent::Stayed => self.session.on_character_shown(),
                WorldEvent::Crossed { from, to, epoch } => {
                    self.session.on_character_shown();
                    self.tell(ClientEvent::Crossed { from, to, epoch });
                }
                WorldEvent::Overridden { override_epoch } => {
                    self.tell(ClientEvent::Overridden { override_epoch });
                }
                WorldEvent::Message(body) => self.on_message(body),
                WorldEvent::Left => {
                    self.session.on_out_of_world();
                    self.tell(ClientEvent::Left);
                }
                WorldEvent::Lost(reason) => {
                    self.session.on_out_of_world();
                    self.tell(ClientEvent::Disconnected(reason));
                }
            }
        }
    }

    fn on_message(&mut self, body: to_client::Body) {
        let event = match body {
            to_client::Body::Hit(hit) => ClientEvent::Hit(hit),
            to_client::Body::ItemMoved(moved) => ClientEvent::ItemMoved(moved),
            to_client::Body::TradeProposed(proposed) => ClientEvent::TradeProposed(proposed),
            to_client::Body::TradeClosed(closed) => ClientEvent::TradeClosed(closed),
            to_client::Body::Refused(refused) => ClientEvent::Refused(refused),
            // The world has dealt with the others.
            _ => return,
        };
        self.tell(event);
    }

    fn tell(&mut self, event: ClientEvent) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
            self.traffic.events_dropped += 1;
        }
        self.events.push_back(event);
    }
}
