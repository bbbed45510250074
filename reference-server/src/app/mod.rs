//! The composition root: all slices in one process, each output wired to each input.
//!
//! ```text
//!   ┌ main runtime ───────────────────────────────────┐   ┌ a thread each ───────────┐
//!   │ gateway ⇄ wiring ⇄ matchmaking                  │   │ zone 0: world, handoff,  │
//!   │    directory, ledger writer, bus ─▶ event store │◀─▶│         UDP socket       │
//!   │ admin pages, auditors                           │   │ zone 1 …                 │
//!   └─────────────────────────────────────────────────┘   └──────────────────────────┘
//! ```
//!
//! [`App::start`] starts everything and returns when players may come; [`App::shut_down`] stops in
//! the order in which nothing is lost: nobody new is let in, zones release their characters to the
//! ledger, the event store empties the bus, the ledger closes.

pub mod audit;
mod directory;
pub(crate) mod links;
pub mod match_audit;
mod start;
pub(crate) mod wiring;
pub(crate) mod zone_host;

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use netcode::driver::Clock;
use netcode::time::Instant;
use tokio::task::JoinHandle;

use crate::admin::Admin;
use crate::app::audit::{Auditor, Findings, Report};
use crate::app::links::{Mail, Post};
use crate::app::match_audit::{MatchAuditor, MatchFindings};
use crate::bus::Bus;
use crate::gateway::service::GatewayHandle;
use crate::matchmaking;
use crate::persistence::{Counts, Ledger, LedgerError};
use crate::telemetry::{Distribution, Status};
use crate::world::{self, Layout};

pub use start::{StartError, ZONE_EDGE};

/// How long zones may take to release their characters.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// The whole server, running.
pub struct App {
    status: Arc<Status>,
    clock: Clock,
    layout: Layout,
    /// When tick zero started.
    epoch: Instant,
    gateway: GatewayHandle,
    admin: Admin,
    ledger: Ledger,
    bus: Bus,
    post: Post,
    matchmaking: tokio::sync::mpsc::Sender<matchmaking::Input>,
    zone_addresses: Vec<SocketAddr>,
    zones: Vec<std::thread::JoinHandle<()>>,
    tasks: Tasks,
    audit: Arc<Mutex<Audit>>,
    match_audit: Arc<Mutex<MatchAuditor>>,
}

/// Tasks of the main runtime, by when they end.
pub(crate) struct Tasks {
    /// When nobody can ask it for anything any more.
    matchmaker: JoinHandle<()>,
    /// When whoever feeds them has ended.
    arrows: Vec<JoinHandle<()>>,
    /// When the bus is closed and empty.
    store: JoinHandle<()>,
}

/// What the zones' reports come to.
pub(crate) struct Audit {
    auditor: Auditor,
    tick_us: Histogram<u64>,
    overruns: u64,
    ticks: u64,
}

/// Ticks of all zones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TickFigures {
    /// How long a tick took, in microseconds.
    pub tick_us: Distribution,
    /// Ticks that ended after the next should have begun.
    pub overruns: u64,
    /// Ticks of all zones.
    pub ticks: u64,
}

/// What is left after a shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Remains {
    /// What the ledger holds.
    pub counts: Counts,
    /// Characters that the register still gives to a zone.
    pub owned: usize,
    /// Characters of which no zone said that they left.
    pub in_world: usize,
}

impl App {
    /// Where clients log in.
    pub fn gateway_address(&self) -> SocketAddr {
        self.gateway.address
    }

    /// The gateway's certificate, DER: clients pin it.
    pub fn certificate_der(&self) -> &[u8] {
        &self.gateway.certificate_der
    }

    /// Where the zones are, by id.
    pub fn zone_addresses(&self) -> &[SocketAddr] {
        &self.zone_addresses
    }

    /// Where the admin pages are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// The clock of the process.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How the world is cut.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How long the world has run.
    pub fn world_age(&self) -> Duration {
        self.clock.now() - self.epoch
    }

    /// What every slice publishes.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// What the auditor of zones has found up to now.
    pub fn findings(&self) -> Findings {
        self.audit.lock().unwrap_or_else(PoisonError::into_inner).auditor.findings()
    }

    /// What the auditor of the matchmaker has found up to now.
    pub fn match_findings(&self) -> MatchFindings {
        self.match_audit.lock().unwrap_or_else(PoisonError::into_inner).findings()
    }

    /// How the ticks of all zones went up to now.
    pub fn tick_figures(&self) -> TickFigures {
        let audit = self.audit.lock().unwrap_or_else(PoisonError::into_inner);
        let tick_us = Distribution::of(&audit.tick_us);
        TickFigures { tick_us, overruns: audit.overruns, ticks: audit.ticks }
    }

    /// Waits until everything that the zones have reported is taken, then stops all parts in
    /// order.
    ///
    /// # Errors
    ///
    /// If the ledger cannot say what it holds.
    pub async fn shut_down(self) -> Result<Remains, LedgerError> {
        self.status.set_draining(true);
        let _ = self.gateway.inputs.send(crate::gateway::Input::Drain).await;
        let _ = self.matchmaking.send(matchmaking::Input::Drain).await;
        for zone in self.post.all() {
            zone.deliver(Mail::World(world::Input::Drain)).await;
        }
        let zones = self.zones;
        let join = tokio::task::spawn_blocking(move || {
            zones.into_iter().map(std::thread::JoinHandle::join).all(|ended| ended.is_ok())
        });
        match tokio::time::timeout(DRAIN_WITHIN, join).await {
            Ok(Ok(true)) => {}
            Ok(_) => {
                tracing::error!("a zone's thread ended badly");
                self.status.counters().errors.increment();
            }
            Err(_) => {
                tracing::error!("zones did not release their characters in time");
                self.status.counters().errors.increment();
            }
        }
        self.gateway.shut_down().await;
        drop(self.matchmaking);
        // Zones and gateway are gone, so nobody feeds the arrows: they end when they have carried
        // out what was under way. Only then is the last event published.
        for task in self.tasks.arrows.into_iter().chain([self.tasks.matchmaker]) {
            end(task, &self.status).await;
        }
        let undelivered = self.bus.close().await;
        if undelivered > 0 {
            tracing::error!(undelivered, "events that nobody stored");
            self.status.counters().errors.increment();
        }
        end(self.tasks.store, &self.status).await;
        let (counts, owned) = (self.ledger.counts().await?, self.ledger.owners().await?.len());
        let in_world = self.audit.lock().unwrap_or_else(PoisonError::into_inner).auditor.in_world();
        self.ledger.close().await;
        self.admin.shut_down().await;
        Ok(Remains { counts, owned, in_world })
    }
}

async fn end(task: JoinHandle<()>, status: &Status) {
    if !matches!(tokio::time::timeout(DRAIN_WITHIN, task).await, Ok(Ok(()))) {
        tracing::error!("a part of the server did not end in time");
        status.counters().errors.increment();
    }
}

/// Waits for Ctrl-C, or for whoever runs the process to end it (SIGTERM).
pub async fn told_to_stop() {
    let interrupted = async {
        // Without a handler there is nothing to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            core::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => core::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = core::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}

impl Audit {
    fn new() -> Self {
        let tick_us = Histogram::new_with_bounds(1, 60_000_000, 3).expect("constant bounds");
        Self { auditor: Auditor::default(), tick_us, overruns: 0, ticks: 0 }
    }

    fn observe(&mut self, report: &Report) {
        if let Report::Tick { micros, is_overrun, .. } = report {
            self.tick_us.saturating_record((*micros).max(1));
            self.overruns += u64::from(*is_overrun);
            self.ticks += 1;
        }
        self.auditor.observe(report);
    }
}
