//! The project's automation.
//!
//! `cargo xtask test` is all of CI, on any machine with Rust, git and a C compiler. It is a list
//! of steps; each says what it runs, how long it took, and, when it fails, how to repeat it alone.

mod browser;
mod command;
mod licences;
mod run;
mod spdx;
mod steps;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Automation of the Shardline workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs every check that CI runs.
    #[command(after_help = EXAMPLES)]
    Test {
        /// Run this step only; may be given several times.
        #[arg(long, value_name = "STEP")]
        only: Vec<String>,
        /// Go on after a step that fails, and fail at the end.
        #[arg(long)]
        keep_going: bool,
    },
    /// Lists the steps of `test` with what each runs.
    List,
}

const EXAMPLES: &str = "Examples:
  cargo xtask test                        everything, as CI does
  cargo xtask test --keep-going           everything, even after a failure
  cargo xtask test --only clippy          one step
  cargo xtask test --only test --only book
  cargo xtask list                        the steps, and the commands behind them";

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.task {
        Task::Test { only, keep_going } => test(only, *keep_going),
        Task::List => {
            steps::list();
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn test(only: &[String], keep_going: bool) -> Result<()> {
    let root = root()?;
    let chosen = steps::choose(only)?;
    tools::check()?;
    let on_failure = if keep_going { run::OnFailure::GoOn } else { run::OnFailure::Stop };
    run::all(&root, &chosen, on_failure)
}

/// The folder of the workspace.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.map(Path::to_path_buf).context("xtask does not stand in a workspace")
}
