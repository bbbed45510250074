//! The async facade (feature `tokio`): a [`Client`] with a clock and a socket of its own.
//!
//! ```text
//!             ┌───────────────────── AsyncClient ──────────────────────┐
//!   network ──▶ [Conditioner] ──▶ UdpSocket ──▶ Client ── next_event ───▶ bot, tool, test
//!   network ◀── [Conditioner] ◀── UdpSocket ◀── Client ◀─ requests      │
//!             │                                   ◀─ inputs: a Brain    │
//!             └────────────────────────────────────────────────────────┘
//! ```
//!
//! [`AsyncClient::next_event`] drives everything and returns plain futures that may be dropped at
//! any await. Nothing happens while it is not awaited, and nothing is polled for: it wakes for a
//! datagram, a timer, or the next input.
//!
//! Deliberately absent: tasks and threads.

#[cfg(feature = "sim")]
mod conditioner;
mod wire;

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;

use netcode::driver::{Clock, system_entropy};
use netcode::entropy::Entropy;
use netcode::tick::Tick;
use netcode::time::Instant;
use shardline_protocol::control::Session;
use shardline_protocol::game::Game;
use thiserror::Error;

use crate::client::Client;
use crate::config::ClientConfig;
use crate::error::{ConfigError, RequestError};
use crate::event::{ClientEvent, RequestId, ZoneId};
use crate::runtime::wire::Wire;
use crate::session::SessionState;
use crate::stats::ClientStats;

/// How long [`AsyncClient::shut_down`] waits for what is under way.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Why an [`AsyncClient`] could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Settings that cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no socket to be had.
    #[error("cannot open a socket: {0}")]
    Socket(#[from] io::Error),
}

/// Why a request that was awaited failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// It was not carried out.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The socket does not work any more.
    #[error("socket: {0}")]
    Socket(#[from] io::Error),
    /// The client was closed.
    #[error("client is closed")]
    Closed,
}

/// Who plays: asked for an input once a tick.
///
/// Any closure from client and tick to input is one.
pub trait Brain<G: Game>: Send {
    /// The input for `tick`, which is wanted now.
    fn input(&mut self, client: &mut Client<G>, tick: Tick) -> G::Input;
}

impl<G: Game, F: FnMut(&mut Client<G>, Tick) -> G::Input + Send> Brain<G> for F {
    fn input(&mut self, client: &mut Client<G>, tick: Tick) -> G::Input {
        self(client, tick)
    }
}

/// A client that drives itself.
///
/// It dereferences to its [`Client`] for all that needs no waiting. Requests that are sent through
/// the client itself are answered by events; those of this type are awaited.
pub struct AsyncClient<G: Game> {
    client: Client<G>,
    clock: Clock,
    wire: Wire,
    brain: Option<Box<dyn Brain<G>>>,
    /// Events that came while an answer was awaited.
    kept: VecDeque<ClientEvent>,
    buffer: Vec<u8>,
}

impl<G: Game> AsyncClient<G> {
    /// A client with a socket on any free port, and a clock that starts now.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    pub fn new(game: G, config: &ClientConfig) -> Result<Self, StartError> {
        Self::with_clock(game, config, Clock::start(), system_entropy())
    }

    /// The same with a clock and randomness that are given, for many clients of one process.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time enabled.
    pub fn with_clock(
        game: G,
        config: &ClientConfig,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Self, StartError> {
        let any: IpAddr = match config.gateway().ip() {
            IpAddr::V4(gateway) if gateway.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(gateway) if gateway.is_loopback() => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let wire = Wire::bind(SocketAddr::new(any, 0))?;
        let client = Client::new(game, config, clock.now(), entropy)?;
        Ok(Self { client, clock, wire, brain: None, kept: VecDeque::new(), buffer: Vec::new() })
    }

    /// Puts weather between this client and everybody else: every datagram, of the control
    /// connection and of zones, goes through one of these links.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn with_link_conditions(
        mut self,
        up: netcode::sim::LinkConfig,
        down: netcode::sim::LinkConfig,
        seed: u64,
    ) -> Self {
        self.wire.set_conditions(up, down, seed);
        self
    }

    /// Lets `brain` play: it is asked for every input that is wanted while the client is driven.
    pub fn set_brain(&mut self, brain: impl Brain<G> + 'static) {
        self.brain = Some(Box::new(brain));
    }

    /// Lets nobody play any more; whoever drives the client pushes inputs.
    pub fn remove_brain(&mut self) {
        self.brain = None;
    }

    /// The client itself: for requests whose answers are to be events, where this type has an
    /// awaiting one of the same name.
    pub fn core_mut(&mut self) -> &mut Client<G> {
        &mut self.client
    }

    /// The time of this client, for commands that want it.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Counters and gauges, now.
    pub fn stats(&self) -> ClientStats {
        self.client.stats(self.clock.now())
    }

    /// Where the socket is bound.
    ///
    /// # Errors
    ///
    /// What the operating system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.wire.local_address()
    }

    /// Drives the client until there is an event, and returns it. May be dropped and called again
    /// at any time: nothing is lost.
    ///
    /// # Errors
    ///
    /// If the socket is of no more use.
    pub async fn next_event(&mut self) -> io::Result<ClientEvent> {
        loop {
            if let Some(event) = self.poll_kept() {
                return Ok(event);
            }
            self.turn(None).await?;
        }
    }

    /// Drives the client until there is an event, or until `deadline`.
    ///
    /// # Errors
    ///
    /// If the socket is of no more use.
    pub async fn next_event_until(&mut self, deadline: Instant) -> io::Result<Option<ClientEvent>> {
        loop {
            if let Some(event) = self.poll_kept() {
                return Ok(Some(event));
            }
            if self.clock.now() >= deadline {
                return Ok(None);
            }
            self.turn(Some(deadline)).await?;
        }
    }

    /// Sends what commands have left to be sent. Driving does the same.
    ///
    /// # Errors
    ///
    /// If the socket is of no more use.
    pub fn flush(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        self.wire.flush(now, &mut self.client, &mut self.buffer)
    }

    /// Makes an account; returns its id.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn register(&mut self, name: &str, password: &str) -> Result<u64, CallError> {
        let request = self.client.register(self.clock.now(), name, password);
        match self.answer(request).await? {
            ClientEvent::Registered { account_id, .. } => Ok(account_id),
            _ => Err(RequestError::BadAnswer.into()),
        }
    }

    /// Logs in.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn login(&mut self, name: &str, password: &str) -> Result<Session, CallError> {
        let request = self.client.login(self.clock.now(), name, password);
        match self.answer(request).await? {
            ClientEvent::LoggedIn { session, .. } => Ok(session),
            _ => Err(RequestError::BadAnswer.into()),
        }
    }

    /// Queues for a match; returns the ticket's id.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn enqueue(&mut self, queue: &str) -> Result<u64, CallError> {
        let request = self.client.enqueue(self.clock.now(), queue);
        match self.answer(request).await? {
            ClientEvent::TicketQueued { ticket_id, .. } => Ok(ticket_id),
            _ => Err(RequestError::BadAnswer.into()),
        }
    }

    /// Enters the world; returns the zone.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn enter_world(&mut self) -> Result<ZoneId, CallError> {
        let request = self.client.enter_world(self.clock.now());
        match self.answer(request).await? {
            ClientEvent::Joined { zone, .. } => Ok(zone),
            _ => Err(RequestError::BadAnswer.into()),
        }
    }

    /// Leaves the world, and waits until that is done.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn leave(&mut self) -> Result<(), CallError> {
        self.client.leave(self.clock.now());
        while self.client.state() == SessionState::Leaving {
            self.keep_events();
            self.turn(None).await?;
        }
        Ok(())
    }

    /// Drives the client until `request` is answered; other events are kept for
    /// [`next_event`](Self::next_event).
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn answer(&mut self, request: RequestId) -> Result<ClientEvent, CallError> {
        loop {
            while let Some(event) = self.client.poll_event() {
                match event {
                    ClientEvent::RequestFailed { request: failed, error } if failed == request => {
                        return Err(error.into());
                    }
                    event if event.request() == Some(request) => return Ok(event),
                    event => self.kept.push_back(event),
                }
            }
            if self.client.state() == SessionState::Closed {
                return Err(CallError::Closed);
            }
            self.turn(None).await?;
        }
    }

    /// Ends every connection, tells the peers, and gives them a moment to hear it.
    pub async fn shut_down(mut self) {
        let now = self.clock.now();
        self.client.close(now);
        let deadline = now + SHUT_DOWN_TIMEOUT;
        while !self.client.is_drained() && self.clock.now() < deadline {
            // Nobody will ask for them; a turn does not wait while there is one.
            while self.client.poll_event().is_some() {}
            if self.turn(Some(deadline)).await.is_err() {
                return;
            }
        }
    }

    /// Puts events aside for [`next_event`](Self::next_event): a turn does not wait while there is
    /// one.
    fn keep_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.kept.push_back(event);
        }
    }

    fn poll_kept(&mut self) -> Option<ClientEvent> {
        self.kept.pop_front().or_else(|| self.client.poll_event())
    }

    /// One round: sends what is due, waits for a datagram or a timer, takes what is there. Returns
    /// without waiting if that made an event.
    async fn turn(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        let now = self.clock.now();
        self.think(now);
        self.wire.flush(now, &mut self.client, &mut self.buffer)?;
        if self.client.has_event() {
            return Ok(());
        }
        let input_at = self.brain.as_ref().and_then(|_| self.client.next_input_at(now));
        let timers = [self.client.poll_timeout(), self.wire.poll_timeout(), input_at, deadline];
        let wake_at = timers.into_iter().flatten().min();
        let wake_at = wake_at.map(|at| self.clock.std_instant(at));
        self.wire.ready(wake_at).await?;

        let now = self.clock.now();
        self.wire.receive(now, &mut self.client)?;
        if self.client.poll_timeout().is_some_and(|at| at <= now) {
            self.client.handle_timeout(now);
        }
        self.think(now);
        self.wire.flush(now, &mut self.client, &mut self.buffer)
    }

    /// Asks the brain for the inputs that are wanted.
    fn think(&mut self, now: Instant) {
        let Some(brain) = &mut self.brain else { return };
        while let Some(tick) = self.client.next_input_tick(now) {
            let input = brain.input(&mut self.client, tick);
            if self.client.push_input(now, input).is_err() {
                // The brain has left the world.
                break;
            }
        }
    }
}

impl<G: Game> Deref for AsyncClient<G> {
    type Target = Client<G>;

    fn deref(&self) -> &Client<G> {
        &self.client
    }
}

impl<G: Game> DerefMut for AsyncClient<G> {
    fn deref_mut(&mut self) -> &mut Client<G> {
        &mut self.client
    }
}

impl<G: Game> fmt::Debug for AsyncClient<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncClient")
            .field("client", &self.client)
            .field("has_brain", &self.brain.is_some())
            .finish_non_exhaustive()
    }
}
