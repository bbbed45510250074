//! Runs steps, and says how far it is.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::steps::{Action, Step};

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OnFailure {
    /// Run the others, then fail.
    GoOn,
    /// Fail at once.
    Stop,
}

/// Runs `steps` in order and prints a summary.
pub(crate) fn all(root: &Path, steps: &[&Step], on_failure: OnFailure) -> Result<()> {
    let start = now();
    let mut summary = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!("\n== [{}/{}] {}: {}", index + 1, steps.len(), step.name, step.about);
        let step_start = now();
        let outcome = run(root, step);
        let took = step_start.elapsed();
        summary.push((step.name, took, outcome.is_ok()));
        match outcome {
            Ok(()) => println!("== {} passed in {}", step.name, words(took)),
            Err(error) => {
                println!("\n== {} FAILED after {}: {error:#}", step.name, words(took));
                print_repeat(step);
                if on_failure == OnFailure::Stop {
                    break;
                }
            }
        }
    }
    println!("\n== summary");
    for (name, took, is_good) in &summary {
        println!("{name:<10} {:<8} {}", if *is_good { "passed" } else { "FAILED" }, words(*took));
    }
    for step in &steps[summary.len()..] {
        println!("{:<10} not run", step.name);
    }
    println!("{:<10} {:<8} {}", "all", "", words(start.elapsed()));
    let failed: Vec<_> =
        summary.iter().filter(|(.., is_good)| !is_good).map(|(name, ..)| *name).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn run(root: &Path, step: &Step) -> Result<()> {
    for action in step.actions() {
        match action {
            Action::Run(line) => {
                println!("$ {line}");
                line.run(root)?;
            }
            Action::Check(what, check) => {
                println!("- {what}");
                check(root)?;
            }
        }
    }
    Ok(())
}

fn print_repeat(step: &Step) {
    println!("   repeat: cargo xtask test --only {}", step.name);
    for action in step.actions() {
        if let Action::Run(line) = action {
            println!("       or: {line}");
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "how long a step takes, for people")]
fn now() -> Instant {
    Instant::now()
}

fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f32()),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::words;

    #[test]
    fn durations_are_readable() {
        assert_eq!(words(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(words(Duration::from_secs(754)), "12 min 34 s");
    }
}
