//! Programs that are not ours: found, or named with what installs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::command::Line;

/// Programs without which nothing works, and what to do about it.
const NEEDED: &[(&str, &str)] = &[
    ("git --version", "install git (Debian, Ubuntu: sudo apt-get install -y git)"),
    (
        "cc --version",
        "install a C compiler, for SQLite and the cryptography \
         (Debian, Ubuntu: sudo apt-get install -y build-essential)",
    ),
    ("cargo fmt --version", "rustup component add rustfmt"),
    ("cargo clippy --version", "rustup component add clippy"),
];

/// The version that the book is written for.
const MDBOOK: &str = "0.5.4";

/// Says all that is missing, at once.
pub(crate) fn check() -> Result<()> {
    let missing: Vec<_> =
        NEEDED.iter().filter(|(command, _)| !answers(command)).map(missing_words).collect();
    if !missing.is_empty() {
        bail!("something is missing on this machine:\n  {}", missing.join("\n  "));
    }
    Ok(())
}

fn missing_words((command, remedy): &(&str, &str)) -> String {
    format!("`{command}` does not work: {remedy}")
}

fn answers(command: &str) -> bool {
    let mut words = command.split(' ');
    let Some(program) = words.next() else { return false };
    let command =
        Command::new(program).args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
    command.is_ok_and(|status| status.success())
}

/// Builds the book into `target/book`.
pub(crate) fn book(root: &Path) -> Result<()> {
    let mdbook = mdbook(root)?;
    let book = root.join("target/book");
    Line::new(&format!("{} build book --dest-dir {}", mdbook.display(), book.display())).run(root)
}

/// An mdbook of a version that will do: the machine's, or one of our own, which is built on the
/// first run and kept in `target/tools`.
fn mdbook(root: &Path) -> Result<PathBuf> {
    let will_do = |program: &Path| {
        let version = Line::new(&format!("{} --version", program.display())).output(root);
        version.is_ok_and(|version| version.trim().starts_with("mdbook v0.5."))
    };
    let theirs = Path::new("mdbook");
    if answers("mdbook --version") && will_do(theirs) {
        return Ok(theirs.to_path_buf());
    }
    let tools = root.join("target/tools");
    let ours = tools.join("bin/mdbook");
    if ours.is_file() && will_do(&ours) {
        return Ok(ours);
    }
    let root_flag = format!("--root {}", tools.display());
    // Without the parts that serve and search, and without optimisation: the book is small.
    let install = Line::new(&format!(
        "cargo install --locked --debug --no-default-features --version {MDBOOK} {root_flag} mdbook"
    ));
    println!("- no mdbook 0.5 here, so it is built once:\n$ {install}");
    install.run(root)?;
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::{NEEDED, answers, missing_words};

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        assert!(answers("cargo --version"));
        assert!(!answers("no-such-program --version"));
        assert!(missing_words(&NEEDED[1]).contains("build-essential"));
    }
}
