//! One bot: a player who registers, logs in, is matched, plays, trades and talks.

use core::time::Duration;

use client_sdk::client::command::ChatTarget;
use client_sdk::config::ClientConfig;
use client_sdk::event::ClientEvent;
use client_sdk::runtime::{AsyncClient, CallError};
use client_sdk::{Client, SessionState};
use netcode::driver::Clock;
use netcode::entropy::Entropy;
use netcode::sim::LinkConfig;
use netcode::snapshot::EntityId;
use netcode::tick::Tick;
use netcode::time::Instant;
use reference_game::bot::{Wanderer, Wish};
use reference_game::{Input, ReferenceGame};
use shardline_protocol::play::ITEM_ENTITY_BIT;
use tokio::sync::{oneshot, watch};

use crate::demo::bots::BotFigures;

/// The queue that bots enter.
const QUEUE: &str = "arena";
/// A bot that is not matched for this long enters the world anyway, and plays while it waits.
const MATCH_WITHIN: Duration = Duration::from_secs(4);
/// A leader waits this long for its party.
const PARTY_WITHIN: Duration = Duration::from_secs(5);
/// How often a bot looks at its round-trip time.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What a bot is in its party.
pub(super) enum Role {
    Alone,
    /// Makes the party, and tells its id.
    Leader(oneshot::Sender<u64>),
    Member(oneshot::Receiver<u64>),
}

/// A bot that has not started.
pub(super) struct Bot {
    pub(super) name: String,
    pub(super) game: ReferenceGame,
    pub(super) config: ClientConfig,
    pub(super) clock: Clock,
    pub(super) weather: Option<LinkConfig>,
    pub(super) entropy: Entropy,
    pub(super) role: Role,
    pub(super) starts_after: Duration,
    pub(super) stopped: watch::Receiver<bool>,
}

/// A bot that plays.
struct Player {
    client: AsyncClient<ReferenceGame>,
    name: String,
    entropy: Entropy,
    figures: BotFigures,
    /// It enters the queue: alone, or for its party.
    queues: bool,
    is_matched: bool,
    enqueue_at: Option<Instant>,
    chat_at: Instant,
    sample_at: Instant,
    /// When it entered the world, and the bytes up to then.
    entered: Option<(Instant, u64, u64)>,
}

impl Bot {
    /// Plays until it is told to stop; then leaves in an orderly way.
    pub(super) async fn run(self) -> BotFigures {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            () = tokio::time::sleep(self.starts_after) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return BotFigures::default(),
        }
        let name = self.name.clone();
        match self.start().await {
            Ok(mut player) => {
                tokio::select! {
                    ended = player.play() => player.note(&ended),
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
                player.leave().await
            }
            Err(error) => {
                if !*stopped.borrow() {
                    tracing::error!(bot = name, %error, "did not get in");
                }
                let errors = u64::from(!*stopped.borrow());
                BotFigures { errors, ..BotFigures::default() }
            }
        }
    }

    /// Registers, logs in, and finds its party.
    async fn start(mut self) -> anyhow::Result<Player> {
        let client_entropy = Entropy::from_seed(netcode::driver::system_entropy().bytes());
        let mut client =
            AsyncClient::with_clock(self.game, &self.config, self.clock, client_entropy)?;
        if let Some(weather) = self.weather {
            client = client.with_link_conditions(weather, weather, self.entropy.next_u64());
        }
        let password = format!("{:032x}", self.entropy.next_u64());
        client.register(&self.name, &password).await?;
        client.login(&self.name, &password).await?;
        let queues = match self.role {
            Role::Alone => true,
            Role::Leader(tells) => {
                lead(&mut client, tells).await?;
                true
            }
            Role::Member(told) => {
                // Its leader may have been stopped before it had a party.
                if let Ok(party) = told.await {
                    let now = client.now();
                    let request = client.core_mut().join_party(now, party);
                    client.answer(request).await?;
                }
                false
            }
        };
        Ok(Player::new(client, self.name, self.entropy, queues))
    }
}

/// Makes a party, tells its id, and waits until somebody has joined, or for a while.
async fn lead(
    client: &mut AsyncClient<ReferenceGame>,
    tells: oneshot::Sender<u64>,
) -> Result<(), anyhow::Error> {
    let now = client.now();
    let request = client.core_mut().create_party(now);
    if let ClientEvent::Party { party, .. } = client.answer(request).await? {
        // The member may have been stopped.
        let _ = tells.send(party.party_id);
    }
    let deadline = client.now() + PARTY_WITHIN;
    while let Some(event) = client.next_event_until(deadline).await? {
        if matches!(event, ClientEvent::Party { party, .. } if party.members.len() > 1) {
            break;
        }
    }
    Ok(())
}

impl Player {
    fn new(
        client: AsyncClient<ReferenceGame>,
        name: String,
        entropy: Entropy,
        queues: bool,
    ) -> Self {
        let now = client.now();
        Self {
            client,
            name,
            entropy,
            figures: BotFigures::default(),
            queues,
            is_matched: false,
            enqueue_at: queues.then_some(now),
            chat_at: now + Duration::from_secs(2),
            sample_at: now,
            entered: None,
        }
    }

    /// Waits for a match, then plays until something breaks.
    async fn play(&mut self) -> anyhow::Error {
        let enter_by = self.client.now() + MATCH_WITHIN;
        loop {
            let turned = match self.client.state() {
                state if state.is_in_world() => self.turn(None).await,
                SessionState::Ready | SessionState::Matching
                    if !self.is_matched && self.client.now() < enter_by =>
                {
                    self.turn(Some(enter_by)).await
                }
                SessionState::Ready | SessionState::Matching => self.enter().await,
                _ => self.turn(None).await,
            };
            if let Err(error) = turned {
                return error;
            }
        }
    }

    async fn enter(&mut self) -> anyhow::Result<()> {
        self.client.enter_world().await?;
        if let (Some(own), None) = (self.client.character_id(), self.entered) {
            let game = self.client.game().clone();
            let wanderer = Wanderer::new(&game, EntityId(own), self.entropy.fork());
            self.client.set_brain(brain(wanderer));
        }
        let stats = self.client.stats();
        self.entered = Some((self.client.now(), stats.bytes_in, stats.bytes_out));
        Ok(())
    }

    /// Until the next event, or the next thing to do of the bot's own accord.
    async fn turn(&mut self, until: Option<Instant>) -> anyhow::Result<()> {
        let own = [Some(self.chat_at), Some(self.sample_at), self.enqueue_at, until];
        let deadline = own.into_iter().flatten().min().unwrap_or(self.chat_at);
        if let Some(event) = self.client.next_event_until(deadline).await? {
            self.on_event(&event);
        }
        let now = self.client.now();
        if now >= self.sample_at {
            self.sample_at = now + SAMPLE_EVERY;
            let stats = self.client.stats();
            if !stats.zone_rtt.is_zero() {
                self.figures.on_rtt(stats.zone_rtt);
            }
        }
        if now >= self.chat_at {
            let pause_ms = 20_000 + self.entropy.below(20_000);
            self.chat_at = now + Duration::from_millis(pause_ms.into());
            let text = format!("{} says hello", self.name);
            self.client.send_chat(now, ChatTarget::World, &text);
        }
        if self.enqueue_at.is_some_and(|at| now >= at) {
            self.enqueue_at = None;
            self.client.core_mut().enqueue(now, QUEUE);
        }
        Ok(())
    }

    fn on_event(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::MatchFound(_) => self.is_matched = true,
            ClientEvent::MatchEnded(_) if self.queues => {
                let pause = Duration::from_millis(500 + u64::from(self.entropy.below(2_000)));
                self.enqueue_at = Some(self.client.now() + pause);
            }
            ClientEvent::TradeProposed(proposed) => {
                let answered = match self.entropy.below(10) {
                    0..7 => self.client.accept_trade(proposed.trade),
                    _ => self.client.decline_trade(proposed.trade),
                };
                if let Err(error) = answered {
                    tracing::debug!(bot = self.name, %error, "trade not answered");
                }
            }
            ClientEvent::RequestFailed { error, .. } => self.note(error),
            ClientEvent::GatewayLost(error) => self.note(error),
            ClientEvent::Disconnected(reason) => self.note(reason),
            _ => {}
        }
    }

    /// Something went wrong that should not have.
    fn note(&mut self, error: &dyn core::fmt::Display) {
        tracing::error!(bot = self.name, %error, "something went wrong");
        self.figures.errors += 1;
    }

    /// Leaves the world and the gateway, and says what it saw.
    async fn leave(mut self) -> BotFigures {
        let stats = self.client.stats();
        if let Some((at, bytes_in, bytes_out)) = self.entered {
            self.figures.played = self.client.now() - at;
            self.figures.bytes_in = stats.bytes_in - bytes_in;
            self.figures.bytes_out = stats.bytes_out - bytes_out;
        }
        self.figures.corrections = stats.corrections;
        self.figures.correction_max = stats.correction_max;
        if let Err(error) = self.client.leave().await {
            match error {
                CallError::Closed => {}
                error => self.note(&error),
            }
        }
        self.client.shut_down().await;
        self.figures
    }
}

/// Asks the wanderer for every input, and does what it wishes.
fn brain(
    mut wanderer: Wanderer,
) -> impl FnMut(&mut Client<ReferenceGame>, Tick) -> Input + Send + 'static {
    move |client, tick| {
        let Some(own) = client.character().cloned() else { return Input::default() };
        let visible: Vec<_> = client.entities().map(|(id, state)| (id, *state)).collect();
        let items: Vec<u64> = client.items().iter().copied().collect();
        let decision = wanderer.decide(tick, &own, &visible, &items);
        let wished = match decision.wish {
            None => Ok(()),
            Some(Wish::PickUp(item)) => client.pick_up(item.0 & !ITEM_ENTITY_BIT),
            Some(Wish::Drop(item)) => client.drop_item(item),
            Some(Wish::Trade { with, give }) => client.propose_trade(with.0, give, 0),
        };
        if let Err(error) = wished {
            tracing::debug!(%error, "a wish was not sent");
        }
        decision.input
    }
}
