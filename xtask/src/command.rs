//! A program with its arguments, to run and to show.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// One command, run at the root of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    env: Vec<(&'static str, &'static str)>,
    words: Vec<String>,
}

impl Line {
    /// The words of a command; none holds a space.
    pub(crate) fn new(words: &str) -> Self {
        Self { env: Vec::new(), words: words.split_whitespace().map(str::to_owned).collect() }
    }

    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    /// Runs it; what it prints goes where we print.
    pub(crate) fn run(&self, root: &Path) -> Result<()> {
        let status = self.command(root).status();
        let status = status.with_context(|| format!("`{self}` cannot be started"))?;
        ensure!(status.success(), "`{self}` failed: {status}");
        Ok(())
    }

    /// Runs it and returns what it prints.
    pub(crate) fn output(&self, root: &Path) -> Result<String> {
        let output = self.command(root).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("`{self}` cannot be started"))?;
        ensure!(output.status.success(), "`{self}` failed: {}", output.status);
        String::from_utf8(output.stdout).with_context(|| format!("`{self}` prints no UTF-8"))
    }

    fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).current_dir(root).stdin(Stdio::null());
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command
    }
}

impl fmt::Display for Line {
    /// As a shell takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}='{value}' ")?;
        }
        f.write_str(&self.words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Line;

    #[test]
    fn a_line_shows_what_a_shell_takes() {
        let line = Line::new("cargo doc  --no-deps").env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }

    #[test]
    fn failures_name_the_command() {
        let run = |words| Line::new(words).run(Path::new(".")).unwrap_err().to_string();
        assert!(run("cargo no-such-command").contains("`cargo no-such-command` failed"));
        assert!(run("no-such-program --flag").contains("cannot be started"));
    }
}
