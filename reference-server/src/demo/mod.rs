//! A living world in one process: servers, bots, and what people see of them.
//!
//! ```text
//!   App (gateway, matchmaking, zones, ledger, admin)
//!     ▲  real UDP and QUIC on the loopback, through a link conditioner if asked for
//!   Bot x N: a client-sdk AsyncClient and a Wanderer for a brain
//! ```
//!
//! [`run`] starts both, shows them, stops the bots first and the server after them, and says what
//! was measured: by the clients, by the auditors, by the ledger.

mod bot;
mod bots;
pub mod options;
pub mod report;
pub mod view;

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use reference_game::ReferenceGame;
use tokio::sync::watch;

use crate::app::audit::Findings;
use crate::app::match_audit::MatchFindings;
use crate::app::{App, Remains, TickFigures, ZONE_EDGE};
use crate::demo::bots::{BotFigures, Bots};
use crate::demo::options::DemoOptions;
use crate::demo::report::{
    HandoffReport, MatchmakingReport, NetworkReport, PersistenceReport, PredictionReport, Report,
    TickReport,
};
use crate::demo::view::{View, ViewInfo, ViewMode};
use crate::matchmaking::queue::QueueConfig;
use crate::settings::Settings;
use crate::settings::sources::Sources;
use crate::telemetry::{LogFormat, LogRing, LogSink, Status, Totals, init};

/// Lines of the log that the view can show.
const LOG_LINES: usize = 200;
/// Log lines worth a place on a screen that people watch.
const LOG_FILTER: &str = "warn";

/// Runs the demo to its end and returns what was measured.
///
/// # Errors
///
/// If a part cannot start. What goes wrong later is in the report.
pub async fn run(options: &DemoOptions) -> anyhow::Result<Report> {
    run_with(options, |_| {}).await
}

/// Like [`run`], and shows the server to `on_start` before the bots come.
///
/// # Errors
///
/// See [`run`].
pub async fn run_with(
    options: &DemoOptions,
    on_start: impl FnOnce(&App),
) -> anyhow::Result<Report> {
    let mode = if options.headless { ViewMode::Headless } else { ViewMode::detect() };
    let logs = LogRing::new(LOG_LINES);
    let sink = match mode {
        ViewMode::Terminal => LogSink::Ring(Arc::clone(&logs)),
        _ => LogSink::Stderr,
    };
    // A test may have set its own.
    let _ = init(LogFormat::Text, LOG_FILTER, sink);

    let data = tempfile::Builder::new().prefix("shardline-demo-").tempdir();
    let data = data.context("the demo needs a temporary directory for its database")?;
    let settings = settings(options, data.path())?;
    let (rows, cols) = options.zones;
    let status = Status::new(rows, cols, ZONE_EDGE);
    let game = ReferenceGame::new(cols as f32 * ZONE_EDGE, rows as f32 * ZONE_EDGE)?;
    let app = App::start(game.clone(), &settings, queue(), Arc::clone(&status)).await?;

    on_start(&app);
    if mode != ViewMode::Terminal {
        // The terminal view has a place for it.
        eprintln!("world map: http://{}", app.admin_address());
    }

    let view = View::start(
        Arc::clone(&status),
        ViewInfo {
            mode,
            bots: options.bots,
            run_for: options.seconds.map(Duration::from_secs),
            page: Some(app.admin_address()),
            logs: Some(logs),
        },
    )?;
    let (stop, stopped) = watch::channel(false);
    let bots = Bots::start(options, &game, &app, &stopped)?;
    let started_at = app.clock().now();

    wait(options, &view).await;
    let seconds = (app.clock().now() - started_at).as_secs_f64();
    let (findings, ticks, world_age) = (app.findings(), app.tick_figures(), app.world_age());
    stop.send_replace(true);
    let figures = bots.stop().await;
    let (matches, zones) = (app.match_findings(), app.layout().zones().count());
    view.stop().await?;
    let totals = status.counters();
    let remains = app.shut_down().await.context("the ledger cannot be read at the end")?;
    let measured = Measured {
        options,
        seconds,
        tick_hz: ticks.ticks as f64 / zones as f64 / world_age.as_secs_f64(),
        findings,
        matches,
        ticks,
        figures,
        totals: totals.totals(),
        remains,
    };
    Ok(measured.report())
}

/// Until the time is over, the view is closed, or the process is told to stop.
async fn wait(options: &DemoOptions, view: &View) {
    let time_is_over = async {
        match options.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => core::future::pending().await,
        }
    };
    tokio::select! {
        () = time_is_over => {}
        () = view.closed() => {}
        () = crate::app::told_to_stop() => {}
    }
}

/// Everything on free ports of the loopback, in a directory of its own.
fn settings(options: &DemoOptions, data: &Path) -> anyhow::Result<Settings> {
    let any = "127.0.0.1:0".parse()?;
    Ok(Settings {
        admin_address: any,
        data_directory: data.to_owned(),
        gateway_address: any,
        zones_address: any,
        world_rows: options.zones.0,
        world_cols: options.zones.1,
        // Hundreds of bots log in from one address within seconds, with passwords that protect
        // nothing.
        login_attempts_per_address_min: 1_000_000,
        login_argon2_memory_kib: 4_096,
        login_argon2_iterations: 1,
        ..Settings::load(&Sources::default())?
    })
}

fn queue() -> QueueConfig {
    QueueConfig { duration_s: 15, ..QueueConfig::default() }
}

/// All that was measured, before it is told.
struct Measured<'a> {
    options: &'a DemoOptions,
    seconds: f64,
    tick_hz: f64,
    findings: Findings,
    matches: MatchFindings,
    ticks: TickFigures,
    figures: BotFigures,
    totals: Totals,
    remains: Remains,
}

impl Measured<'_> {
    fn report(&self) -> Report {
        let (findings, figures) = (&self.findings, &self.figures);
        // Whoever is in no zone's hands at the end, or still in the register's, was lost on the
        // way.
        let left_behind = self.remains.owned.max(self.remains.in_world) as u64;
        Report {
            seconds: self.seconds,
            bots: self.options.bots.into(),
            errors: self.totals.errors + figures.errors,
            matchmaking: MatchmakingReport {
                tickets: self.matches.tickets,
                matches: self.matches.matches,
                wait_ms_p50: self.matches.wait_ms_p50,
                wait_ms_p99: self.matches.wait_ms_p99,
                split_parties: self.matches.split_parties,
                duplicate_tickets: self.matches.duplicate_tickets,
            },
            handoff: HandoffReport {
                started: self.totals.handoffs_started,
                committed: self.totals.handoffs_committed,
                aborted: self.totals.handoffs_aborted,
                gap_ticks_max: findings.gap_ticks_max,
                inputs_lost: findings.inputs_lost,
                inputs_duplicated: findings.inputs_duplicated,
                entities_lost: findings.entities_lost + left_behind,
                entities_duplicated: findings.entities_duplicated,
            },
            tick: TickReport {
                hz: self.tick_hz,
                p50_us: self.ticks.tick_us.p50,
                p99_us: self.ticks.tick_us.p99,
                overruns: self.ticks.overruns,
            },
            network: NetworkReport {
                down_bytes_per_client_s: figures.down_bytes_per_client_s(),
                up_bytes_per_client_s: figures.up_bytes_per_client_s(),
                rtt_ms_p50: figures.rtt_ms(0.5),
                rtt_ms_p99: figures.rtt_ms(0.99),
            },
            prediction: PredictionReport {
                corrections_per_min: figures.corrections_per_min(),
                correction_max_m: figures.correction_max.into(),
            },
            persistence: PersistenceReport {
                events: self.remains.counts.events,
                trades_committed: self.remains.counts.trades_committed,
                items_created: self.remains.counts.items_created,
                items_present: self.remains.counts.items_present,
            },
        }
    }
}
