//! What is told the time reads no clock, opens no socket, starts no thread, draws no luck.

use std::process::Command;

use crate::{assert_none, code, root, sources};

/// Where time and bytes are arguments, but for the places named: a driver, an async facade.
const PURE: &[(&str, &[&str])] = &[
    ("netcode/src", &["netcode/src/driver/", "netcode/src/lib.rs"]),
    (
        "client-sdk/core/src",
        &[
            "client-sdk/core/src/runtime/",
            // Reads one opaque instant, because `quinn-proto` takes no other kind.
            "client-sdk/core/src/control/anchor.rs",
            "client-sdk/core/src/lib.rs",
        ],
    ),
    ("reference-server/game/src", &[]),
    ("reference-server/protocol/src", &[]),
];

/// What a pure file does not say. `core::time` and `core::net` are values, and fine.
const IMPURE: &[&str] = &[
    "Instant::now",
    "OsRng",
    "SysRng",
    "SystemRandom",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "getrandom",
    "println!",
    "rand::rng",
    "ring::rand",
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
    "std::time",
    "thread_rng",
    "tokio",
];

/// Packages that a build of netcode without features does not have.
const ABSENT: &[&str] = &["mio", "quinn-udp", "socket2", "tokio"];

#[test]
fn pure_sources_name_no_clock_socket_thread_or_luck() {
    let mut complaints = Vec::new();
    for (folder, but) in PURE {
        let pure = sources(folder);
        let pure = pure.iter().filter(|file| !but.iter().any(|but| file.path.starts_with(but)));
        for source in pure {
            for (number, line) in source.lines() {
                let impure = IMPURE.iter().filter(|word| code(line).contains(**word));
                complaints.extend(impure.map(|word| format!("{}:{number}: `{word}`", source.path)));
            }
        }
    }
    assert_none(&complaints);
}

/// The core depends on nothing that could do I/O.
///
/// One package that reads the operating system's randomness does come in: `getrandom`, which
/// `ring` has for key generation of its own. Nothing here calls it: `ring::rand` is on the list
/// above. So the exact claim is: only `ring` brings it.
#[test]
fn the_core_depends_on_no_io() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", "netcode", "--no-default-features", "--edges", "normal"])
        .args(["--prefix", "depth", "--format", " {p}", "--no-dedupe", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "cargo tree: {errors}");
    let tree = String::from_utf8(tree.stdout).expect("names are ASCII");
    assert!(tree.lines().count() > 10, "{tree}");
    assert_none(&complaints_about(&tree));
}

/// Checks lines of "depth name version".
fn complaints_about(tree: &str) -> Vec<String> {
    let mut path: Vec<&str> = Vec::new();
    let mut complaints = Vec::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(depth), Some(name)) = (words.next(), words.next()) else { continue };
        path.truncate(depth.parse().expect("lines begin with their depth"));
        let parent = path.last().copied().unwrap_or_default();
        if ABSENT.contains(&name) || (name == "getrandom" && parent != "ring") {
            complaints.push(format!("{} > {name}", path.join(" > ")));
        }
        path.push(name);
    }
    complaints
}

#[test]
fn a_planted_dependency_is_found() {
    let tree = "0 netcode v1\n1 ring v1\n2 getrandom v1\n1 rand v1\n2 getrandom v1\n1 tokio v1";
    let expected = ["netcode > rand > getrandom", "netcode > tokio"];
    assert_eq!(complaints_about(tree), expected);
}
