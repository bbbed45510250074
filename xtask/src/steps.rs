//! The steps of `cargo xtask test`: the cheap ones first, so that one hears of trifles early.
//!
//! All compile the same profile with the same features, so that dependencies are built once for
//! the lints, documents and feature checks, and once for the tests.

use std::path::Path;

use anyhow::{Result, bail};

use crate::command::Line;
use crate::{browser, licences, tools};

/// One thing that a step does.
pub(crate) enum Action {
    /// Runs a command.
    Run(Line),
    /// Does something in this process: the words are for people.
    Check(&'static str, fn(&Path) -> Result<()>),
}

/// A step.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    actions: fn() -> Vec<Action>,
}

impl Step {
    pub(crate) fn actions(&self) -> Vec<Action> {
        (self.actions)()
    }
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        about: "the source is as rustfmt writes it",
        actions: || run(&["cargo fmt --all --check"]),
    },
    Step {
        name: "licences",
        about: "dependencies: licences, bans and sources, as deny.toml says",
        actions: || vec![Action::Check("compare `cargo metadata` with deny.toml", licences::check)],
    },
    Step {
        name: "clippy",
        about: "no lint in any target of any package",
        actions: || run(&["cargo clippy --locked --workspace --all-targets -- -D warnings"]),
    },
    Step {
        name: "features",
        about: "libraries build with no, each and all features; the core has no I/O",
        actions: || {
            let mut actions = run(&[
                "cargo check --locked -p netcode --no-default-features",
                "cargo check --locked -p netcode --no-default-features --features sim",
                "cargo check --locked -p netcode --no-default-features --features tokio",
                "cargo check --locked -p netcode --all-features",
                "cargo check --locked -p client-sdk --no-default-features",
                "cargo check --locked -p client-sdk --all-features",
            ]);
            actions.push(Action::Check("look for I/O below netcode", licences::check_core));
            actions
        },
    },
    Step {
        name: "docs",
        about: "the documentation builds without a warning",
        actions: || {
            let line = Line::new("cargo doc --locked --workspace --no-deps");
            vec![Action::Run(line.env("RUSTDOCFLAGS", "-D warnings"))]
        },
    },
    Step {
        name: "test",
        about: "all tests, examples in documents and replays of corpora",
        actions: || {
            let browser = Action::Check("find a browser", |_| browser::ensure_chromium());
            let mut actions = vec![browser];
            actions.extend(run(&["cargo test --locked --workspace"]));
            actions
        },
    },
    Step {
        name: "book",
        about: "the book builds",
        actions: || vec![Action::Check("mdbook build book --dest-dir target/book", tools::book)],
    },
];

fn run(lines: &[&str]) -> Vec<Action> {
    lines.iter().map(|line| Action::Run(Line::new(line))).collect()
}

/// The steps of these names, in the order of the list; all of them if there are no names.
pub(crate) fn choose(names: &[String]) -> Result<Vec<&'static Step>> {
    for name in names {
        if !STEPS.iter().any(|step| step.name == name) {
            let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            bail!("there is no step `{name}`; the steps are {}", known.join(", "));
        }
    }
    let is_chosen = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(is_chosen).collect())
}

/// Prints the steps and their commands.
pub(crate) fn list() {
    for step in STEPS {
        println!("{:<10} {}", step.name, step.about);
        for action in step.actions() {
            match action {
                Action::Run(line) => println!("{:<10} $ {line}", ""),
                Action::Check(what, _) => println!("{:<10} - {what}", ""),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{STEPS, choose};

    #[test]
    fn steps_are_chosen_by_name_and_keep_their_order() {
        let names = |names: &[&str]| -> Vec<_> {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            choose(&names).unwrap().iter().map(|step| step.name).collect()
        };
        assert_eq!(names(&["test", "clippy"]), ["clippy", "test"]);
        assert_eq!(names(&[]).len(), STEPS.len());
    }

    #[test]
    fn an_unknown_step_is_an_error_that_lists_the_known_ones() {
        let Err(error) = choose(&["tests".to_owned()]) else { panic!("`tests` is no step") };
        assert!(error.to_string().contains("format, licences, clippy"), "{error}");
    }
}
