//! One zone on its own thread: the zone, its part in handoffs, its socket, and its ledger calls.
//!
//! ```text
//!   mailbox ─▶ ┌──────────┐ outputs ┌─────────┐ outputs
//!   socket  ─▶ │   Zone   │◀───────▶│ Handoff │────────▶ other zones, ledger
//!   tick    ─▶ └──────────┘         └─────────┘
//! ```
//!
//! A thread for each zone, so that no other work of the process delays a tick for longer than the
//! operating system lets it. Nothing here waits for the disk: ledger calls run beside the loop and
//! answer into the mailbox.

use core::future::Future;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use hdrhistogram::Histogram;
use netcode::channel::ReceiptOutcome;
use netcode::connection::Event;
use netcode::driver::{Clock, Driver};
use netcode::endpoint::ConnectionHandle;
use netcode::tick::{Tick, TickRate};
use netcode::time::Instant;
use netcode::wire::{ChannelId, CloseCode};
use shardline_protocol::game::Game;
use shardline_protocol::play::CHANNEL_CONTROL;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::access::Purpose;
use crate::app::audit::Report;
use crate::app::links::{Mail, Mailbox, Post};
use crate::handoff::{self, Handoff};
use crate::ids::{AccountId, CharacterId, Epoch, Incarnation, ZoneId};
use crate::persistence::{Ledger, TradeSide};
use crate::telemetry::{Distribution, Dot, DotKind, Status, ZoneStatus};
use crate::world::{self, Claim, ItemMove, Zone};

/// How often the zone says how it fares.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// What a zone needs of the process.
pub(crate) struct ZoneHost<G: Game> {
    pub(crate) zone: Zone<G>,
    pub(crate) handoff: Handoff,
    pub(crate) driver: Driver,
    pub(crate) clock: Clock,
    /// When tick zero started.
    pub(crate) epoch: Instant,
    pub(crate) rate: TickRate,
    pub(crate) mailbox: Mailbox,
    pub(crate) post: Post,
    pub(crate) ledger: Ledger,
    pub(crate) incarnation: Incarnation,
    pub(crate) status: Arc<Status>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) happenings: mpsc::Sender<Happening>,
}

/// Something in a zone that the rest of the process may want to know.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// A character changed zones.
    Crossed { character: CharacterId, source: ZoneId, target: ZoneId, epoch: Epoch, tick: Tick },
    /// See there.
    World(ZoneId, world::Happened),
}

/// What a host keeps while it runs.
struct Running<G: Game> {
    host: ZoneHost<G>,
    /// Calls of the ledger that have not answered.
    calls: JoinSet<()>,
    connections: BTreeMap<ConnectionHandle, CharacterId>,
    tick_us: Histogram<u64>,
    overruns: u64,
    publish_at: Instant,
    is_draining: bool,
}

impl<G: Game> ZoneHost<G> {
    /// Runs until the zone is drained.
    pub(crate) async fn run(self) {
        let publish_at = self.clock.now();
        let tick_us = Histogram::new_with_bounds(1, 10_000_000, 3).expect("constant bounds");
        let mut running = Running {
            host: self,
            calls: JoinSet::new(),
            connections: BTreeMap::new(),
            tick_us,
            overruns: 0,
            publish_at,
            is_draining: false,
        };
        while !running.is_done() {
            running.turn().await;
        }
        running.publish();
        running.host.driver.shut_down(CloseCode::Shutdown).await;
    }
}

impl<G: Game> Running<G> {
    fn is_done(&self) -> bool {
        self.is_draining
            && self.host.zone.is_drained()
            && self.host.handoff.under_way() == 0
            && self.calls.is_empty()
    }

    async fn turn(&mut self) {
        let next_tick = self.host.zone.tick().next();
        let at = self.host.clock.std_instant(self.host.rate.starts_at(next_tick, self.host.epoch));
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(at.into()) => {}
            Some(mail) = self.host.mailbox.recv() => self.on_mail(mail),
            Some(_) = self.calls.join_next() => {}
            turned = self.host.driver.turn() => {
                if let Err(error) = turned {
                    let zone = self.host.zone.id();
                    tracing::error!(%zone, %error, "the zone's socket failed");
                    self.host.status.counters().errors.increment();
                }
            }
        }
        while let Ok(mail) = self.host.mailbox.try_recv() {
            self.on_mail(mail);
        }
        self.take_events();
        self.pump();
        self.tick_when_due();
        self.host.driver.flush();
    }

    /// Runs every tick that is due: none is ever left out, because each consumes an input.
    fn tick_when_due(&mut self) {
        loop {
            let tick = self.host.zone.tick().next();
            let started_at = self.host.clock.now();
            if started_at < self.host.rate.starts_at(tick, self.host.epoch) {
                return;
            }
            self.host.zone.step(self.host.driver.endpoint_mut());
            self.host.handoff.handle_timeout(started_at);
            self.pump();
            self.host.driver.flush();
            let ended_at = self.host.clock.now();
            let micros = (ended_at - started_at).as_micros() as u64;
            let is_overrun = ended_at >= self.host.rate.starts_at(tick.next(), self.host.epoch);
            self.overruns += u64::from(is_overrun);
            self.tick_us.saturating_record(micros.max(1));
            let zone = self.host.zone.id();
            self.report(Report::Tick { zone, tick, micros, is_overrun });
            if ended_at >= self.publish_at {
                self.publish_at = ended_at + PUBLISH_EVERY;
                self.publish();
            }
        }
    }

    fn on_mail(&mut self, mail: Mail) {
        let now = self.host.clock.now();
        match mail {
            Mail::World(input) => {
                self.is_draining |= matches!(input, world::Input::Drain);
                if let world::Input::Claimed { character, claim: Some(claim) } = &input {
                    let (character, epoch) = (*character, claim.epoch);
                    self.tell_handoff(handoff::Input::Claimed { character, epoch });
                }
                self.host.zone.handle(now, input);
            }
            Mail::Handoff(input) => {
                let unix_s = self.unix_s(now);
                self.host.handoff.handle(now, unix_s, input);
            }
        }
    }

    /// Socket to zone.
    fn take_events(&mut self) {
        while let Some((connection, event)) = self.host.driver.poll_event() {
            let input = match event {
                Event::Connected => self.on_connected(connection),
                Event::Closed(reason) => {
                    tracing::debug!(?connection, %reason, "closed");
                    self.connections.remove(&connection);
                    Some(world::Input::Disconnected { connection })
                }
                Event::Message { channel, payload } => {
                    Some(world::Input::Message { connection, channel: channel.0, payload })
                }
                Event::Receipt { message, outcome, .. } => {
                    let is_acked = outcome == ReceiptOutcome::Acked;
                    Some(world::Input::Receipt { connection, message, is_acked })
                }
                _ => None,
            };
            if let Some(input) = input {
                self.host.zone.handle(self.host.clock.now(), input);
            }
        }
    }

    fn on_connected(&mut self, connection: ConnectionHandle) -> Option<world::Input> {
        let claims = self.host.driver.endpoint().claims(connection)?.clone();
        let Some(purpose) = Purpose::from_extension(&claims.extension) else {
            self.close(connection, CloseCode::Token);
            return None;
        };
        let character = CharacterId(claims.character_id);
        self.connections.insert(connection, character);
        Some(world::Input::Connected {
            connection,
            account: AccountId(claims.account_id),
            character,
            client_public: claims.client_public,
            purpose,
        })
    }

    /// Carries out what the zone and its handoffs ask for, until both are silent.
    fn pump(&mut self) {
        loop {
            if let Some(output) = self.host.zone.poll_output() {
                self.on_zone(output);
            } else if let Some(output) = self.host.handoff.poll_output() {
                self.on_handoff(output);
            } else {
                return;
            }
        }
    }

    fn on_zone(&mut self, output: world::Output) {
        use handoff::Input as H;
        use world::Output as O;
        match output {
            O::Tell { connection, message } => {
                let channel = ChannelId(CHANNEL_CONTROL);
                let sent = self.host.driver.endpoint_mut().send(connection, channel, message);
                if sent.is_err() && self.connections.contains_key(&connection) {
                    // It does not read: what is reliable cannot be held for it without bound.
                    self.close(connection, CloseCode::Kicked);
                }
            }
            O::Close { connection, code } => self.close(connection, code),
            O::Claim { character } => self.claim(character),
            O::Release { character, owner, state } => {
                let ledger = self.host.ledger.clone();
                self.call("release", async move { ledger.release(character, owner, state).await });
            }
            O::Checkpoint { incarnation, rows } => {
                let (ledger, zone) = (self.host.ledger.clone(), self.host.zone.id());
                self.call(
                    "checkpoint",
                    async move { ledger.checkpoint(zone, incarnation, rows).await },
                );
            }
            O::Move { txid, item_move } => self.move_item(txid, item_move),
            O::Near { character, account, client_public, to } => {
                self.tell_handoff(H::Near { character, account, client_public, to });
            }
            O::Away { character, to } => self.tell_handoff(H::Away { character, to }),
            O::Cross { to, image } => self.tell_handoff(H::Cross { to, image }),
            O::AheadConnected { character } => self.tell_handoff(H::AheadConnected { character }),
            O::AheadLost { character } => self.tell_handoff(H::AheadLost { character }),
            O::Ghosts { to, tick, entities } => {
                let zone = self.host.zone.id();
                self.post(to, Mail::World(world::Input::Ghosts { zone, tick, entities }));
            }
            O::Attack { to, attack } => self.post(to, Mail::World(world::Input::Attack(attack))),
            O::HitDone { to, hit } => self.post(to, Mail::World(world::Input::HitDone(hit))),
            O::Consumed(consumed) => self.report(Report::Consumed(consumed)),
            O::Arrived(arrival) => self.report(Report::Arrived(arrival)),
            O::Left { character } => self.report(Report::Left(character)),
            O::Happened(happened) => {
                self.happen(Happening::World(self.host.zone.id(), happened));
            }
        }
    }

    fn on_handoff(&mut self, output: handoff::Output) {
        use handoff::Output as O;
        use world::Input as W;
        let counters = Arc::clone(&self.host.status);
        let counters = counters.counters();
        match output {
            O::Send { to, message } => {
                let from = self.host.zone.id();
                self.post(to, Mail::Handoff(handoff::Input::Message { from, message }));
            }
            O::Started { .. } => counters.handoffs_started.increment(),
            O::Transfer { character, from, to, incarnation } => {
                let ledger = self.host.ledger.clone();
                self.ask(async move {
                    let owner = ledger.transfer(character, from, to, incarnation).await.ok();
                    Mail::Handoff(handoff::Input::Transferred { character, owner })
                });
            }
            O::Bump { character, owner } => {
                let ledger = self.host.ledger.clone();
                self.ask(async move {
                    let owner = ledger.bump(character, owner).await.ok();
                    Mail::Handoff(handoff::Input::Bumped { character, owner })
                });
            }
            O::Inquire { character } => {
                let ledger = self.host.ledger.clone();
                self.ask(async move {
                    // An error says nothing of the row: it is asked for again.
                    let row = ledger.character(character).await.ok()?;
                    let owner = row.and_then(|row| row.owner);
                    Some(Mail::Handoff(handoff::Input::Inquired { character, owner }))
                });
            }
            O::Offer { character, access } => self.tell_zone(W::Offer { character, access }),
            O::Ready { character, to } => self.tell_zone(W::Ready { character, to }),
            O::NotReady { character, to } => self.tell_zone(W::NotReady { character, to }),
            O::Committed { character, to, epoch } => {
                counters.handoffs_committed.increment();
                let (source, tick) = (self.host.zone.id(), self.host.zone.tick());
                self.happen(Happening::Crossed { character, source, target: to, epoch, tick });
                self.tell_zone(W::Committed { character, to, epoch });
            }
            O::Resume { character, epoch } => {
                counters.handoffs_aborted.increment();
                self.tell_zone(W::Resume { character, epoch });
            }
            O::Lost { character } => {
                counters.errors.increment();
                tracing::error!(%character, "a handoff found the character owned by nobody here");
                self.tell_zone(W::Lost { character });
            }
            O::Activate { epoch, image } => self.tell_zone(W::Activate { epoch, image }),
            O::Forget { character } => self.tell_zone(W::Forget { character }),
        }
    }

    fn claim(&mut self, character: CharacterId) {
        let (ledger, zone) = (self.host.ledger.clone(), self.host.zone.id());
        let incarnation = self.host.incarnation;
        self.ask(async move {
            let claim = match ledger.claim(character, zone, incarnation).await {
                Ok(claimed) => Some(Claim {
                    epoch: claimed.owner.epoch,
                    name: claimed.name,
                    state: claimed.state,
                    items: claimed.items,
                }),
                Err(error) => {
                    tracing::debug!(%character, %error, "not claimed");
                    None
                }
            };
            Mail::World(world::Input::Claimed { character, claim })
        });
    }

    fn move_item(&mut self, txid: u128, item_move: ItemMove) {
        let (ledger, zone) = (self.host.ledger.clone(), self.host.zone.id());
        let status = Arc::clone(&self.host.status);
        self.ask(async move {
            let moved = match item_move {
                ItemMove::PickUp { character, owner, item } => {
                    ledger.pick_up(txid, character, owner, item, zone).await
                }
                ItemMove::Drop { character, owner, item, at } => {
                    ledger.drop_item(txid, character, owner, item, zone, at).await
                }
                ItemMove::Trade { sides, .. } => {
                    let [left, right] = sides.map(|(character, owner, gives)| TradeSide {
                        character,
                        owner,
                        gives,
                    });
                    let traded = ledger.trade(txid, left, right).await;
                    if traded.is_ok() {
                        status.counters().trades.increment();
                    }
                    traded
                }
            };
            let is_committed = moved.is_ok();
            Mail::World(world::Input::Settled { txid, is_committed })
        });
    }

    fn tell_zone(&mut self, input: world::Input) {
        self.host.zone.handle(self.host.clock.now(), input);
    }

    fn tell_handoff(&mut self, input: handoff::Input) {
        let now = self.host.clock.now();
        let unix_s = self.unix_s(now);
        self.host.handoff.handle(now, unix_s, input);
    }

    /// Calls the ledger beside the loop; its answer, if it has one, comes by mail.
    fn ask<A: Into<Option<Mail>> + Send + 'static>(
        &mut self,
        call: impl Future<Output = A> + Send + 'static,
    ) {
        let own = self.host.post.to(self.host.zone.id());
        self.calls.spawn(async move {
            if let (Some(mail), Some(own)) = (call.await.into(), own) {
                own.deliver(mail).await;
            }
        });
    }

    /// Calls the ledger beside the loop; only a failure matters.
    fn call<T, E>(
        &mut self,
        what: &'static str,
        call: impl Future<Output = Result<T, E>> + Send + 'static,
    ) where
        T: Send + 'static,
        E: core::fmt::Display + Send + 'static,
    {
        let status = Arc::clone(&self.host.status);
        self.calls.spawn(async move {
            if let Err(error) = call.await {
                tracing::error!(%error, what, "the ledger refused");
                status.counters().errors.increment();
            }
        });
    }

    fn post(&self, to: ZoneId, mail: Mail) {
        let is_delivered = self.host.post.to(to).is_some_and(|post| post.try_deliver(mail));
        if !is_delivered && !self.is_draining {
            // What matters is said again; see `handoff`.
            tracing::warn!(from = %self.host.zone.id(), %to, "a zone's mailbox is full");
        }
    }

    fn close(&mut self, connection: ConnectionHandle, code: CloseCode) {
        let now = self.host.clock.now();
        self.connections.remove(&connection);
        self.host.driver.endpoint_mut().close(now, connection, code);
    }

    fn happen(&self, happening: Happening) {
        if self.host.happenings.try_send(happening).is_err() {
            self.host.status.counters().errors.increment();
        }
    }

    fn report(&self, report: Report) {
        if self.host.reports.try_send(report).is_err() {
            self.host.status.counters().errors.increment();
        }
    }

    fn unix_s(&self, now: Instant) -> u64 {
        (self.host.clock.unix_ms_at_epoch() + now.as_nanos() / 1_000_000) / 1_000
    }

    fn publish(&self) {
        let counts = self.host.zone.counts();
        let stats = self.host.driver.stats();
        let (characters, items) = self.host.zone.places();
        let dot = |kind: DotKind| move |at: [f32; 2]| Dot { x: at[0], y: at[1], kind };
        let players = characters.into_iter().map(dot(DotKind::Player));
        self.host.status.publish_zone(ZoneStatus {
            zone: self.host.zone.id(),
            tick: self.host.zone.tick().get(),
            players: counts.characters as u32,
            ghosts: counts.ghosts as u32,
            items: counts.items as u32,
            connections: counts.clients as u32,
            tick_us: Distribution::of(&self.tick_us),
            tick_period_us: self.host.rate.period().as_micros() as u64,
            overruns: self.overruns,
            bytes_in: stats.bytes_received,
            bytes_out: stats.bytes_sent,
            drops: stats.dropped,
            dots: players.chain(items.into_iter().map(dot(DotKind::Item))).collect(),
        });
    }
}
