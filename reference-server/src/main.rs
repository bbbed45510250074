//! The `reference-server` binary: parse, start, run.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Args as _, Command, FromArgMatches as _, value_parser};
use reference_game::ReferenceGame;
use reference_server::app::{App, ZONE_EDGE, told_to_stop};
use reference_server::demo::options::{DemoOptions, EXAMPLES};
use reference_server::matchmaking::queue::QueueConfig;
use reference_server::settings::Settings;
use reference_server::settings::sources::Sources;
use reference_server::settings::table;
use reference_server::telemetry::{LogFormat, LogSink, Status, init};
use reference_server::{demo, demo::report::Report};

const SERVE_EXAMPLES: &str = "Examples:
  reference-server serve
      all roles in one process, with the defaults
  reference-server serve --settings server.toml --world-rows 3
      settings of a file; a flag beats it
  SHARDLINE_LOG_FORMAT=json reference-server serve
      settings of the environment

Ctrl-C or SIGTERM drains: nobody new is let in, characters are stored, then it ends.";

fn command() -> Command {
    // The words for people come last: the derive brings its own, from the type's documentation.
    let demo = DemoOptions::augment_args(Command::new("demo"))
        .about("A living world in one process: servers, bots, a live view")
        .after_help(EXAMPLES);
    let settings = Arg::new("settings")
        .long("settings")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("A settings file (TOML)");
    let serve = Command::new("serve")
        .about("All roles in one process, for real clients")
        .arg(settings)
        .args(table::arguments())
        .after_help(SERVE_EXAMPLES);
    Command::new("reference-server")
        .about("Matchmaking and zone servers for a large online world")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(demo)
        .subcommand(serve)
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = match matches.subcommand() {
        Some(("demo", matches)) => runtime.block_on(run_demo(matches)),
        Some(("serve", matches)) => runtime.block_on(run_serve(matches)),
        _ => unreachable!("clap demands a subcommand"),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run_demo(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let options = DemoOptions::from_arg_matches(matches)?;
    let report = demo::run(&options).await?;
    if let Some(path) = &options.report {
        report.write(path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(conclude(&report))
}

fn conclude(report: &Report) -> ExitCode {
    println!("{report}");
    let violations = report.violations();
    for violation in &violations {
        eprintln!("error: {violation}");
    }
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run_serve(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let file = matches.get_one::<PathBuf>("settings").cloned();
    let settings = Settings::load(&Sources::of_process(file, table::flags(matches)))?;
    let format = settings.log_format.parse().unwrap_or(LogFormat::Text);
    init(format, &settings.log_filter, LogSink::Stderr)?;
    let (rows, cols) = (settings.world_rows, settings.world_cols);
    let game = ReferenceGame::new(cols as f32 * ZONE_EDGE, rows as f32 * ZONE_EDGE)?;
    let status = Status::new(rows, cols, ZONE_EDGE);
    let app = App::start(game, &settings, QueueConfig::default(), status).await?;
    let certificate = settings.data_directory.join("gateway.der");
    std::fs::write(&certificate, app.certificate_der())
        .with_context(|| format!("cannot write {}", certificate.display()))?;
    eprintln!("gateway      {}", app.gateway_address());
    eprintln!("certificate  {}  (clients pin it)", certificate.display());
    eprintln!("admin pages  http://{}", app.admin_address());
    told_to_stop().await;
    app.shut_down().await?;
    Ok(ExitCode::SUCCESS)
}
