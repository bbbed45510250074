//! The async shell of the gateway: sockets, tasks and hash functions around [`Sessions`].
//!
//! ```text
//!   accept ──spawns──▶ connection (reader, writer) x N ──Message──▶ core ──Output──▶ app
//!                            ▲                                      │ ▲ ◀──Input─── app
//!                            └────────────── outbox ────────────────┘ │
//!                                             blocking hash x parallel┘
//! ```
//!
//! The core waits for nobody: an outbox that is full closes its client, and outputs that the app
//! does not take are kept while clients, and clients alone, wait. So app and gateway may wait for
//! each other's queues without a deadlock.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use netcode::driver::Clock;
use quinn::{Endpoint, VarInt};
use shardline_protocol::control::ServerFrame;
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

use crate::gateway::config::GatewayConfig;
use crate::gateway::connection::{Link, Message, OutboxFull, Shared, serve};
use crate::gateway::password::{Hasher, PasswordConfigError};
use crate::gateway::sessions::{Action, CloseReason, Event, Sessions};
use crate::gateway::stats::{GatewayStats, add, lower, set};
use crate::gateway::tls::{self_signed, server_config};
use crate::gateway::{Input, Output, SessionId};

/// Messages of connections that wait for the core.
const MESSAGES_MAX: usize = 1_024;
/// Inputs that wait for the core.
const INPUTS_MAX: usize = 1_024;
/// Outputs that wait for the app before clients have to.
const OUTPUTS_WAITING_MAX: usize = 1_024;
/// How long a shutdown waits for clients to hear of it.
const SHUT_DOWN_WITHIN: Duration = Duration::from_secs(3);

/// Why the gateway did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen: {0}")]
    Bind(#[from] io::Error),
    /// Certificate and key are not usable.
    #[error("certificate: {0}")]
    Certificate(String),
    /// The cost of a password hash is out of bounds.
    #[error(transparent)]
    Passwords(#[from] PasswordConfigError),
}

/// The gateway, to be started.
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Listens. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`], by what the configuration asks for.
    pub fn start(
        config: &GatewayConfig,
        outputs: mpsc::Sender<Output>,
    ) -> Result<GatewayHandle, StartError> {
        let hasher = Arc::new(Hasher::new(&config.passwords)?);
        let identity = match config.certificate.clone() {
            Some(identity) => identity,
            None => self_signed(config)?,
        };
        let certificate_der = identity.chain_der.first().cloned().unwrap_or_default();
        let endpoint = Endpoint::server(server_config(config, identity)?, config.address)?;
        let address = endpoint.local_addr()?;

        let stats = Arc::new(GatewayStats::default());
        let (messages, messages_in) = mpsc::channel(MESSAGES_MAX);
        let (inputs, inputs_in) = mpsc::channel(INPUTS_MAX);
        let (phase, _) = watch::channel(Phase::Open);
        let shared = Shared {
            messages: messages.clone(),
            outgoing_frames_max: config.outgoing_frames_max,
            stats: Arc::clone(&stats),
        };
        let phases = phase.subscribe();
        let accept = accept(endpoint.clone(), config.connections_max, shared, phases.clone());
        tokio::spawn(accept);
        let core = Core {
            clock: Clock::start(),
            sessions: Sessions::new(config.limits),
            links: BTreeMap::new(),
            hasher,
            hashes: Arc::new(Semaphore::new(config.passwords.parallel.max(1))),
            messages,
            outputs,
            outputs_waiting: VecDeque::new(),
            phase: phase.clone(),
            stats: Arc::clone(&stats),
        };
        let core = tokio::spawn(core.run(messages_in, inputs_in, phases));
        Ok(GatewayHandle { address, certificate_der, inputs, stats, endpoint, phase, core })
    }
}

/// A running gateway. It runs on without its handle; only [`shut_down`](Self::shut_down) ends it.
#[derive(Debug)]
pub struct GatewayHandle {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it shows, DER: for clients to pin if it is self-signed.
    pub certificate_der: Vec<u8>,
    /// For what the rest of the server has to say.
    pub inputs: mpsc::Sender<Input>,
    /// What it counts.
    pub stats: Arc<GatewayStats>,
    endpoint: Endpoint,
    phase: watch::Sender<Phase>,
    core: JoinHandle<()>,
}

impl GatewayHandle {
    /// Tells every client, closes every connection and the socket, within seconds. Outputs go on
    /// to be sent until it returns: every character that is logged in is logged out.
    pub async fn shut_down(self) {
        self.phase.send_replace(Phase::Closed);
        let mut core = self.core;
        let finished = async {
            let _ = (&mut core).await;
            self.endpoint.wait_idle().await;
        };
        if timeout(SHUT_DOWN_WITHIN, finished).await.is_err() {
            core.abort();
        }
        self.endpoint.close(VarInt::from_u32(CloseReason::ShuttingDown as u32), b"");
    }
}

/// Who is let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Open,
    /// Nobody new.
    Draining,
    /// Nobody at all.
    Closed,
}

/// Lets connections in, one task each.
async fn accept(
    endpoint: Endpoint,
    connections_max: usize,
    shared: Shared,
    mut phase: watch::Receiver<Phase>,
) {
    let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    let mut last = 0;
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            _ = phase.wait_for(|phase| *phase == Phase::Closed) => return,
        };
        let Some(incoming) = incoming else { return };
        let place = Arc::clone(&places).try_acquire_owned();
        let (Ok(place), Phase::Open) = (place, *phase.borrow()) else {
            add(&shared.stats.connections_refused_total, 1);
            incoming.refuse();
            continue;
        };
        // When it gets crowded, addresses have to be real before they get a place.
        let is_crowded = places.available_permits() < connections_max / 2;
        if is_crowded && !incoming.remote_address_validated() && incoming.may_retry() {
            let _ = incoming.retry();
            continue;
        }
        last += 1;
        let shared = shared.clone();
        add(&shared.stats.connections, 1);
        add(&shared.stats.connections_accepted_total, 1);
        tokio::spawn(async move {
            let stats = Arc::clone(&shared.stats);
            serve(incoming, SessionId(last), shared).await;
            lower(&stats.connections);
            drop(place);
        });
    }
}

/// Why the core wakes up.
enum Wake {
    Input(Input),
    Message(Message),
    /// The app takes an output.
    Room,
    Timer,
    Closed,
}

struct Core {
    clock: Clock,
    sessions: Sessions,
    links: BTreeMap<SessionId, Link>,
    hasher: Arc<Hasher>,
    hashes: Arc<Semaphore>,
    messages: mpsc::Sender<Message>,
    outputs: mpsc::Sender<Output>,
    outputs_waiting: VecDeque<Output>,
    phase: watch::Sender<Phase>,
    stats: Arc<GatewayStats>,
}

impl Core {
    async fn run(
        mut self,
        mut messages: mpsc::Receiver<Message>,
        mut inputs: mpsc::Receiver<Input>,
        mut phase: watch::Receiver<Phase>,
    ) {
        loop {
            let due = self.sessions.poll_timeout().map(|at| self.clock.std_instant(at).into());
            let has_outputs = !self.outputs_waiting.is_empty();
            let has_room = self.outputs_waiting.len() < OUTPUTS_WAITING_MAX;
            let wake = tokio::select! {
                permit = self.outputs.reserve(), if has_outputs => {
                    // Without an app nobody misses them.
                    if let (Ok(permit), Some(output)) = (permit, self.outputs_waiting.pop_front()) {
                        permit.send(output);
                    }
                    Wake::Room
                }
                Some(input) = inputs.recv() => Wake::Input(input),
                Some(message) = messages.recv(), if has_room => Wake::Message(message),
                () = async { sleep_until(due.expect("checked")).await }, if due.is_some() => {
                    Wake::Timer
                }
                _ = phase.wait_for(|phase| *phase == Phase::Closed) => Wake::Closed,
            };
            let now = self.clock.now();
            match wake {
                Wake::Input(input) => {
                    if input == Input::Drain {
                        self.phase.send_if_modified(drain);
                    }
                    self.sessions.handle_input(input);
                }
                Wake::Message(Message::Connected { session, address, link }) => {
                    self.links.insert(session, link);
                    let address = address.ip();
                    self.sessions.handle_event(now, Event::Connected { session, address });
                }
                Wake::Message(Message::Event(event)) => {
                    if let Event::Disconnected { session } = event {
                        self.links.remove(&session);
                    }
                    self.sessions.handle_event(now, event);
                }
                Wake::Timer => self.sessions.handle_timeout(now),
                Wake::Room => continue,
                Wake::Closed => break,
            }
            self.act();
        }
        self.sessions.close_all(CloseReason::ShuttingDown);
        self.act();
        for output in self.outputs_waiting {
            if self.outputs.send(output).await.is_err() {
                return;
            }
        }
    }

    /// Does what the machine wants done.
    fn act(&mut self) {
        while let Some(action) = self.sessions.poll_action() {
            match action {
                Action::Close { session, reason } => {
                    if let Some(link) = self.links.remove(&session) {
                        link.close(reason);
                    }
                }
                Action::Hash { session, password } => {
                    let hash = move |hasher: &Hasher| Event::Hashed {
                        session,
                        hash: hasher.hash(&password),
                    };
                    self.compute(hash);
                }
                Action::Send { session, frame } => self.send(session, frame),
                Action::Tell(output) => self.outputs_waiting.push_back(output),
                Action::Verify { session, password, hash } => {
                    let verify = move |hasher: &Hasher| Event::Verified {
                        session,
                        is_right: hasher.is_right(&password, hash.as_deref()),
                    };
                    self.compute(verify);
                }
            }
        }
        self.publish();
    }

    fn send(&mut self, session: SessionId, frame: ServerFrame) {
        let Some(link) = self.links.get(&session) else { return };
        if let Err(OutboxFull) = link.send(frame)
            && let Some(link) = self.links.remove(&session)
        {
            add(&self.stats.slow_readers_total, 1);
            link.close_now(CloseReason::SlowReader);
            self.sessions.handle_event(self.clock.now(), Event::Disconnected { session });
        }
    }

    /// Computes on a thread that may block, a bounded number at once, and says the result.
    fn compute(&self, work: impl FnOnce(&Hasher) -> Event + Send + 'static) {
        let (hasher, messages) = (Arc::clone(&self.hasher), self.messages.clone());
        let (hashes, stats) = (Arc::clone(&self.hashes), Arc::clone(&self.stats));
        tokio::spawn(async move {
            let Ok(permit) = hashes.acquire_owned().await else { return };
            let computed = tokio::task::spawn_blocking(move || work(&hasher)).await;
            drop(permit);
            add(&stats.hashes_total, 1);
            if let Ok(event) = computed {
                let _ = messages.send(Message::Event(event)).await;
            }
        });
    }

    fn publish(&self) {
        let refused = self.sessions.refused();
        set(&self.stats.sessions, self.sessions.logged_in() as u64);
        set(&self.stats.requests_refused_total, refused.total);
        set(&self.stats.rate_limited_total, refused.rate_limited);
    }
}

/// For `send_if_modified`: a gateway that is closed does not open again.
fn drain(phase: &mut Phase) -> bool {
    let is_open = *phase == Phase::Open;
    if is_open {
        *phase = Phase::Draining;
    }
    is_open
}
