//! Each output to each input: one function an arrow.
//!
//! ```text
//!   gateway ──accounts──────────▶ ledger ──▶ gateway
//!   gateway ──wishes────────────▶ matchmaking ──answers, pushes──▶ gateway
//!   gateway ──EnterWorld────────▶ directory ──ZoneAccess─────────▶ gateway
//!   world   ──hits──────────────▶ matchmaking                        scores of matches
//!   gateway, matchmaking, world ──events──▶ bus ──▶ ledger           what happened
//!   matchmaking ──ratings───────▶ ledger
//! ```
//!
//! Zones and handoffs are wired to each other in `zone_host`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use netcode::driver::Clock;
use shardline_protocol::control;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::game::Game;
use tokio::sync::mpsc;

use crate::app::directory::{Directory, guest};
use crate::app::match_audit::MatchAuditor;
use crate::app::zone_host::Happening;
use crate::bus::{self, Bus, Event, Subject, Subscription};
use crate::gateway::{
    self, CreateAccountError, FoundAccount, MatchCommand, SessionId, Unavailable,
};
use crate::ids::CharacterId;
use crate::matchmaking::{self, Refusal, Reply};
use crate::persistence::{CreateError, EventRecord, Ledger, MatchRecord};
use crate::telemetry::Status;
use crate::world::Happened;

/// Events that are stored in one call of the ledger.
const EVENTS_A_BATCH: usize = 256;

/// The way to the matchmaker. Whoever takes what the matchmaker says must not hold one: it ends
/// when nobody does.
pub(crate) type ToMatchmaking = mpsc::Sender<matchmaking::Input>;

/// What the arrows need. Cloned freely.
#[derive(Clone)]
pub(crate) struct Wires<G> {
    pub(crate) directory: Directory<G>,
    pub(crate) ledger: Ledger,
    pub(crate) bus: Bus,
    pub(crate) clock: Clock,
    pub(crate) status: Arc<Status>,
    pub(crate) gateway: mpsc::Sender<gateway::Input>,
    /// Who waits for which answer of the matchmaker.
    pub(crate) waiting: Arc<Mutex<Waiting>>,
    pub(crate) match_audit: Arc<Mutex<MatchAuditor>>,
}

/// Requests that the matchmaker has not answered.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    next: u64,
    open: BTreeMap<u64, (SessionId, u64)>,
}

impl Waiting {
    fn add(&mut self, session: SessionId, request: u64) -> u64 {
        self.next += 1;
        self.open.insert(self.next, (session, request));
        self.next
    }
}

impl<G: Game> Wires<G> {
    /// Carries out what the gateway asks for, until it is gone.
    pub(crate) async fn run_gateway(
        self,
        mut outputs: mpsc::Receiver<gateway::Output>,
        matchmaking: ToMatchmaking,
    ) {
        while let Some(output) = outputs.recv().await {
            self.on_gateway(output, &matchmaking).await;
        }
    }

    async fn on_gateway(&self, output: gateway::Output, matchmaking: &ToMatchmaking) {
        use gateway::Output as O;
        match output {
            O::FindAccount { session, request, name } => {
                let wires = self.clone();
                tokio::spawn(async move { wires.find_account(session, request, &name).await });
            }
            O::CreateAccount { session, request, name, password_hash } => {
                let wires = self.clone();
                tokio::spawn(async move {
                    wires.create_account(session, request, &name, &password_hash).await;
                });
            }
            O::LoggedIn { account, character, rating, .. } => {
                self.status.counters().logins.increment();
                let _ = matchmaking.send(matchmaking::Input::Arrived { character, rating }).await;
                let event = bus::LoggedIn { account: account.0, character: character.0 };
                self.publish(character.0, &Event::LoggedIn(event)).await;
            }
            O::LoggedOut { character, .. } => {
                let _ = matchmaking.send(matchmaking::Input::Left { character }).await;
            }
            O::Matchmaking { session, request, character, command } => {
                let input = self.wish(session, request, character, command);
                let _ = matchmaking.send(input).await;
            }
            O::EnterWorld { session, request, account, character, client_public, .. } => {
                let wires = self.clone();
                tokio::spawn(async move {
                    let guest = guest(account, character, client_public);
                    let body = match wires.directory.enter(&guest).await {
                        Ok(Some(access)) => Body::ZoneAccess(access),
                        Ok(None) => error(control::ErrorCode::NotFound, "no such character"),
                        Err(_) => error(control::ErrorCode::Unavailable, "the ledger is closed"),
                    };
                    wires.reply(session, request, body).await;
                });
            }
            O::Chat { from, channel, text } => {
                self.status.counters().chats.increment();
                let channel = channel.label().to_owned();
                let chat = bus::Chat { character: from.0, channel, text };
                self.publish(from.0, &Event::Chat(chat)).await;
            }
        }
    }

    async fn find_account(&self, session: SessionId, request: u64, name: &str) {
        let found = match self.ledger.account_by_name(name).await {
            Ok(row) => Ok(row.map(|row| FoundAccount {
                account: row.account,
                character: row.character,
                name: row.name,
                password_hash: row.password_hash,
                rating: row.rating,
            })),
            Err(_) => Err(Unavailable),
        };
        let found = gateway::Input::AccountFound { session, request, found };
        let _ = self.gateway.send(found).await;
    }

    async fn create_account(&self, session: SessionId, request: u64, name: &str, hash: &str) {
        let result = match self.ledger.create_account(name, hash).await {
            Ok(created) => Ok(created.account),
            Err(CreateError::NameTaken) => Err(CreateAccountError::NameTaken),
            Err(_) => Err(CreateAccountError::Unavailable),
        };
        let created = gateway::Input::AccountCreated { session, request, result };
        let _ = self.gateway.send(created).await;
    }

    fn wish(
        &self,
        session: SessionId,
        request: u64,
        character: CharacterId,
        command: MatchCommand,
    ) -> matchmaking::Input {
        use matchmaking::Input as I;
        let reply = self.waiting().add(session, request);
        match command {
            MatchCommand::Cancel(ticket) => I::Cancel { reply, character, ticket },
            MatchCommand::CreateParty => I::CreateParty { reply, character },
            MatchCommand::Enqueue(queue) => I::Enqueue { reply, character, queue },
            MatchCommand::JoinParty(party) => I::JoinParty { reply, character, party },
            MatchCommand::LeaveParty => I::LeaveParty { reply, character },
        }
    }

    /// Tells players what the matchmaker says, and stores what matches came to.
    pub(crate) async fn run_matchmaking(
        self,
        mut outputs: mpsc::UnboundedReceiver<matchmaking::Output>,
    ) {
        while let Some(output) = outputs.recv().await {
            self.match_audit.lock().unwrap_or_else(PoisonError::into_inner).observe(&output);
            self.on_matchmaking(output).await;
        }
    }

    async fn on_matchmaking(&self, output: matchmaking::Output) {
        use matchmaking::Output as O;
        match output {
            O::Replied { reply, result } => {
                let waiting = self.waiting().open.remove(&reply);
                if let Some((session, request)) = waiting {
                    self.reply(session, request, match_answer(result)).await;
                }
            }
            O::PartyChanged { party, members } => {
                let body = party_body(party, &members);
                self.push(&members, &body).await;
            }
            O::TicketOpened { ticket, members, .. } => {
                self.status.counters().tickets.increment();
                let queued = control::TicketQueued { ticket_id: ticket.0 };
                // The one who asked has its answer.
                self.push(members.get(1..).unwrap_or_default(), &Body::TicketQueued(queued)).await;
            }
            O::TicketClosed { ticket, members, reason } => {
                let reason = reason.label().to_owned();
                let closed = control::TicketClosed { ticket_id: ticket.0, reason };
                self.push(&members, &Body::TicketClosed(closed)).await;
            }
            O::MatchFound { match_id, duration_s, players } => {
                self.on_match_found(match_id, duration_s, &players).await;
            }
            O::MatchEnded { match_id, scores, ratings, .. } => {
                self.on_match_ended(match_id, scores, ratings).await;
            }
        }
    }

    async fn on_match_found(
        &self,
        match_id: crate::ids::MatchId,
        duration_s: u32,
        players: &[matchmaking::MatchedPlayer],
    ) {
        self.status.counters().matches.increment();
        let members = players.iter().map(|player| player.character).collect();
        let _ = self.gateway.send(gateway::Input::MatchStarted { match_id, members }).await;
        let told = players.iter().map(|player| control::MatchPlayer {
            character_id: player.character.0,
            team: player.team,
            party_id: player.party.map_or(0, |party| party.0),
        });
        let told: Vec<_> = told.collect();
        for player in players {
            let found = control::MatchFound {
                match_id: match_id.0,
                ticket_id: player.ticket.0,
                team: player.team,
                players: told.clone(),
                duration_s,
            };
            self.push(&[player.character], &Body::MatchFound(found)).await;
        }
        let players = players
            .iter()
            .map(|player| bus::MatchPlayer { character: player.character.0, team: player.team })
            .collect();
        let event = bus::MatchFound { match_id: match_id.0, players };
        self.publish(match_id.0, &Event::MatchFound(event)).await;
    }

    async fn on_match_ended(
        &self,
        match_id: crate::ids::MatchId,
        scores: Vec<u32>,
        ratings: Vec<(CharacterId, crate::rating::Rating)>,
    ) {
        let _ = self.gateway.send(gateway::Input::MatchEnded { match_id }).await;
        for (character, rating) in &ratings {
            let ended = control::MatchEnded {
                match_id: match_id.0,
                score_by_team: scores.clone(),
                rating: rating.value,
                rating_deviation: rating.deviation,
            };
            self.push(&[*character], &Body::MatchEnded(ended)).await;
        }
        let event = bus::MatchEnded {
            match_id: match_id.0,
            score_by_team: scores,
            ratings: ratings
                .iter()
                .map(|(character, rating)| bus::PlayerRating {
                    character: character.0,
                    value: rating.value,
                    deviation: rating.deviation,
                    volatility: rating.volatility,
                })
                .collect(),
        };
        self.publish(match_id.0, &Event::MatchEnded(event)).await;
        let record = MatchRecord { id: match_id, at_ms: self.unix_ms(), players: ratings };
        if let Err(error) = self.ledger.record_match(record).await {
            tracing::error!(%error, %match_id, "a match was not recorded");
            self.status.counters().errors.increment();
        }
    }

    /// Tells the matchmaker of hits, and the bus of what is to be remembered.
    pub(crate) async fn run_world(
        self,
        mut happenings: mpsc::Receiver<Happening>,
        matchmaking: ToMatchmaking,
    ) {
        while let Some(happening) = happenings.recv().await {
            self.on_happening(happening, &matchmaking).await;
        }
    }

    async fn on_happening(&self, happening: Happening, matchmaking: &ToMatchmaking) {
        match happening {
            Happening::Crossed { character, source, target, epoch, tick } => {
                let event = bus::HandoffCommitted {
                    character: character.0,
                    source: source.0,
                    target: target.0,
                    epoch: epoch.0,
                    tick: tick.get(),
                };
                self.publish(character.0, &Event::HandoffCommitted(event)).await;
            }
            Happening::World(zone, Happened::Hit(hit)) => {
                let scored =
                    matchmaking::Input::Scored { attacker: hit.attacker, target: hit.target };
                let _ = matchmaking.send(scored).await;
                if hit.defeated {
                    let event = bus::Defeated {
                        character: hit.target.0,
                        by: hit.attacker.0,
                        zone: zone.0,
                        tick: hit.tick.get(),
                    };
                    self.publish(hit.target.0, &Event::Defeated(event)).await;
                }
            }
            Happening::World(zone, Happened::ItemMoved { item, from, to }) => {
                let raw = |who: Option<CharacterId>| who.map_or(0, |who| who.0);
                let event =
                    bus::ItemMoved { item: item.0, from: raw(from), to: raw(to), zone: zone.0 };
                self.publish(item.0, &Event::ItemMoved(event)).await;
            }
            Happening::World(_, Happened::Traded { trade, sides: [left, right] }) => {
                let event = bus::TradeCommitted {
                    trade: trade.0,
                    left: left.0.0,
                    left_gave: left.1.map_or(0, |item| item.0),
                    right: right.0.0,
                    right_gave: right.1.map_or(0, |item| item.0),
                };
                self.publish(trade.0, &Event::TradeCommitted(event)).await;
            }
        }
    }

    /// Stores events until the bus is closed: at least once, and the ledger drops repeats.
    pub(crate) async fn run_store(self, mut events: Subscription) {
        while let Some(first) = events.next().await {
            let mut batch = vec![first];
            while batch.len() < EVENTS_A_BATCH {
                match events.try_next() {
                    Some(next) => batch.push(next),
                    None => break,
                }
            }
            let at_ms = self.unix_ms();
            let records = batch.iter().map(|delivery| EventRecord {
                id: delivery.id,
                subject: delivery.subject.to_string(),
                key: delivery.key,
                at_ms,
                payload: delivery.payload.to_vec(),
            });
            match self.ledger.append_events(records.collect()).await {
                Ok(_) => batch.into_iter().for_each(bus::Delivery::ack),
                Err(error) => {
                    tracing::error!(%error, "events were not stored");
                    self.status.counters().errors.increment();
                    return;
                }
            }
        }
    }

    async fn publish(&self, key: u64, event: &Event) {
        match self.bus.publish(Subject::Events, key, event.to_bytes()).await {
            Ok(_) => self.status.counters().events.increment(),
            Err(error) => {
                tracing::error!(%error, "an event was not published");
                self.status.counters().errors.increment();
            }
        }
    }

    async fn reply(&self, session: SessionId, request: u64, body: Body) {
        let _ = self.gateway.send(gateway::Input::Reply { session, request, body }).await;
    }

    async fn push(&self, characters: &[CharacterId], body: &Body) {
        for &character in characters {
            let push = gateway::Input::Push { character, body: body.clone() };
            let _ = self.gateway.send(push).await;
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unix_ms(&self) -> u64 {
        self.clock.unix_ms_at_epoch() + self.clock.now().as_nanos() / 1_000_000
    }
}

fn party_body(party: crate::ids::PartyId, members: &[CharacterId]) -> Body {
    Body::Party(control::Party {
        party_id: party.0,
        leader: members.first().map_or(0, |leader| leader.0),
        members: members.iter().map(|member| member.0).collect(),
    })
}

fn match_answer(result: Result<Reply, Refusal>) -> Body {
    match result {
        Ok(Reply::Cancelled | Reply::LeftParty) => Body::Done(control::Done {}),
        Ok(Reply::Party { party, members }) => party_body(party, &members),
        Ok(Reply::Queued { ticket }) => {
            Body::TicketQueued(control::TicketQueued { ticket_id: ticket.0 })
        }
        Err(refusal) => {
            let code = match refusal {
                Refusal::Draining => control::ErrorCode::Unavailable,
                Refusal::NoSuchParty | Refusal::NoSuchQueue | Refusal::NoSuchTicket => {
                    control::ErrorCode::NotFound
                }
                _ => control::ErrorCode::Conflict,
            };
            error(code, &refusal.to_string())
        }
    }
}

fn error(code: control::ErrorCode, message: &str) -> Body {
    let (code, message) = (code.into(), message.to_owned());
    Body::Error(control::Error { code, message, retry_after_ms: 0 })
}
