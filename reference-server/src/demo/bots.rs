//! All bots: who starts when, who is in a party with whom, and what they saw in sum.

use core::time::Duration;

use client_sdk::config::ClientConfig;
use hdrhistogram::Histogram;
use netcode::entropy::Entropy;
use netcode::sim::LinkConfig;
use reference_game::ReferenceGame;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::app::App;
use crate::demo::bot::{Bot, Role};
use crate::demo::options::DemoOptions;

/// Bots that log in each second.
const STARTS_PER_S: u32 = 25;

/// What the bots saw.
#[derive(Clone, Debug)]
pub(super) struct BotFigures {
    pub(super) errors: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// Time that bots were in the world, in all.
    pub(super) played: Duration,
    pub(super) corrections: u64,
    pub(super) correction_max: f32,
    pub(super) rtt_us: Histogram<u64>,
}

impl Default for BotFigures {
    fn default() -> Self {
        Self {
            errors: 0,
            bytes_in: 0,
            bytes_out: 0,
            played: Duration::ZERO,
            corrections: 0,
            correction_max: 0.0,
            rtt_us: Histogram::new_with_bounds(1, 60_000_000, 3).expect("constant bounds"),
        }
    }
}

impl BotFigures {
    pub(super) fn on_rtt(&mut self, rtt: Duration) {
        self.rtt_us.saturating_record((rtt.as_micros() as u64).max(1));
    }

    pub(super) fn down_bytes_per_client_s(&self) -> f64 {
        per(self.bytes_in as f64, self.played.as_secs_f64())
    }

    pub(super) fn up_bytes_per_client_s(&self) -> f64 {
        per(self.bytes_out as f64, self.played.as_secs_f64())
    }

    pub(super) fn corrections_per_min(&self) -> f64 {
        per(self.corrections as f64, self.played.as_secs_f64() / 60.0)
    }

    pub(super) fn rtt_ms(&self, quantile: f64) -> f64 {
        if self.rtt_us.is_empty() {
            return 0.0;
        }
        self.rtt_us.value_at_quantile(quantile) as f64 / 1_000.0
    }

    fn add(&mut self, other: &Self) {
        self.errors += other.errors;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.played += other.played;
        self.corrections += other.corrections;
        self.correction_max = self.correction_max.max(other.correction_max);
        self.rtt_us.add(&other.rtt_us).expect("the bounds are the same");
    }
}

fn per(amount: f64, time: f64) -> f64 {
    if time > 0.0 { amount / time } else { 0.0 }
}

/// Bots that run.
pub(super) struct Bots {
    running: JoinSet<BotFigures>,
}

impl Bots {
    /// Starts all bots, a few every second. They play until `stopped` is true.
    pub(super) fn start(
        options: &DemoOptions,
        game: &ReferenceGame,
        app: &App,
        stopped: &watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let certificate = app.certificate_der().to_vec();
        let config = ClientConfig::builder(app.gateway_address(), certificate).build()?;
        let mut entropy = Entropy::from_simulation_seed(options.seed);
        let weather = weather(options);
        let mut running = JoinSet::new();
        let mut leader: Option<oneshot::Receiver<u64>> = None;
        for index in 0..options.bots {
            let role = match (index % 4, leader.take()) {
                // Of four bots, two are a party.
                (0, _) if index + 1 < options.bots => {
                    let (told, tells) = oneshot::channel();
                    leader = Some(tells);
                    Role::Leader(told)
                }
                (1, Some(tells)) => Role::Member(tells),
                _ => Role::Alone,
            };
            let bot = Bot {
                name: format!("bot-{index}"),
                game: game.clone(),
                config: config.clone(),
                clock: *app.clock(),
                weather,
                entropy: entropy.fork(),
                role,
                starts_after: Duration::from_secs(1) * index / STARTS_PER_S,
                stopped: stopped.clone(),
            };
            running.spawn(bot.run());
        }
        Ok(Self { running })
    }

    /// Waits until all bots have left, and adds up what they saw.
    pub(super) async fn stop(mut self) -> BotFigures {
        let mut sum = BotFigures::default();
        while let Some(done) = self.running.join_next().await {
            match done {
                Ok(figures) => sum.add(&figures),
                Err(error) => {
                    tracing::error!(%error, "a bot broke down");
                    sum.errors += 1;
                }
            }
        }
        sum
    }
}

/// One way of what the options ask for; `None` for a clear sky.
fn weather(options: &DemoOptions) -> Option<LinkConfig> {
    if options.rtt == 0.0 && options.jitter == 0.0 && options.loss == 0.0 {
        return None;
    }
    Some(LinkConfig {
        delay: Duration::from_secs_f64(options.rtt / 2_000.0),
        jitter: Duration::from_secs_f64(options.jitter / 1_000.0),
        loss: options.loss / 100.0,
        ..LinkConfig::CALM
    })
}
