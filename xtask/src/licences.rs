//! Dependencies: what they may be licensed under, which are banned, where they may come from.
//!
//! The rules stand in deny.toml, in the form of `cargo deny`, which can check them too. This is
//! the part of it that needs no tool to be built first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::command::Line;
use crate::spdx;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// What would mean that the core of netcode does I/O.
const IO_CRATES: [&str; 5] = ["async-std", "mio", "quinn-udp", "socket2", "tokio"];

#[derive(Debug, Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Holds the lock file to deny.toml.
pub(crate) fn check(root: &Path) -> Result<()> {
    let rules = fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let rules: Rules = toml::from_str(&rules).context("deny.toml")?;
    let line = Line::new("cargo metadata --locked --all-features --format-version 1");
    let metadata: Metadata = serde_json::from_str(&line.output(root)?).context("cargo metadata")?;
    let complaints = complaints(&rules, &metadata.packages);
    if !complaints.is_empty() {
        bail!("{} dependencies break deny.toml:\n  {}", complaints.len(), complaints.join("\n  "));
    }
    println!("{} packages are in order", metadata.packages.len());
    Ok(())
}

fn complaints(rules: &Rules, packages: &[Package]) -> Vec<String> {
    let exceptions: BTreeMap<_, _> = rules
        .licenses
        .exceptions
        .iter()
        .map(|exception| (exception.name.as_str(), &exception.allow))
        .collect();
    let mut complaints = Vec::new();
    for package in packages {
        let Package { name, version, license, source } = package;
        let mut complain = |what: String| complaints.push(format!("{name} {version}: {what}"));
        if let Some(ban) = rules.bans.deny.iter().find(|ban| ban.name == *name) {
            complain(format!("banned: {}", ban.reason));
        }
        if source.as_ref().is_some_and(|source| source != CRATES_IO) {
            complain(format!("comes from {source:?}, not from crates.io"));
        }
        let is_allowed = |licence: &str| {
            let is_exception = exceptions.get(name.as_str()).is_some_and(|it| it.contains(licence));
            is_exception || rules.licenses.allow.contains(licence)
        };
        match license.as_ref().map(|license| (license, spdx::is_met(license, &is_allowed))) {
            Some((_, Some(true))) => {}
            Some((license, Some(false))) => complain(format!("licence {license} is not allowed")),
            Some((license, None)) => complain(format!("licence {license:?} cannot be read")),
            None => complain("names no licence".to_owned()),
        }
    }
    complaints
}

/// The core of netcode must not even depend on what does I/O.
pub(crate) fn check_core(root: &Path) -> Result<()> {
    let line = Line::new(
        "cargo tree --locked -p netcode --no-default-features -e normal --prefix none --format {p}",
    );
    let tree = line.output(root)?;
    let found: BTreeSet<_> = tree
        .lines()
        .filter_map(|line| IO_CRATES.iter().find(|name| is_crate(line, name)))
        .collect();
    if !found.is_empty() {
        bail!("netcode without features depends on {found:?}");
    }
    Ok(())
}

fn is_crate(line: &str, name: &str) -> bool {
    line.split(' ').next() == Some(name)
}

#[cfg(test)]
mod tests {
    use super::{CRATES_IO, Package, Rules, complaints};

    const RULES: &str = r#"
        [licenses]
        allow = ["MIT"]
        exceptions = [{ crate = "special", allow = ["WTFPL"] }]
        [bans]
        deny = [{ crate = "openssl", reason = "we use rustls" }]
    "#;

    fn check(name: &str, license: Option<&str>, source: Option<&str>, expected: &[&str]) {
        let rules: Rules = toml::from_str(RULES).unwrap();
        let package = Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
            source: source.map(str::to_owned),
        };
        let found = complaints(&rules, &[package]);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found}");
        }
    }

    #[test]
    fn each_rule_has_its_complaint() {
        check("fine", Some("MIT OR GPL-3.0"), Some(CRATES_IO), &[]);
        check("ours", Some("MIT"), None, &[]);
        check("special", Some("WTFPL"), Some(CRATES_IO), &[]);
        check("other", Some("WTFPL"), Some(CRATES_IO), &["WTFPL is not allowed"]);
        check("silent", None, Some(CRATES_IO), &["names no licence"]);
        check("odd", Some("see file"), Some(CRATES_IO), &["cannot be read"]);
        check("openssl", Some("MIT"), Some(CRATES_IO), &["we use rustls"]);
        check("stray", Some("MIT"), Some("git+https://example.org/stray"), &["not from crates.io"]);
    }
}
