//! One function per parser or machine that takes bytes from outside.
//!
//! A target asserts more than "no panic": what decodes must encode to itself, a machine must keep
//! its promises whatever arrives. The same functions serve three masters:
//!
//! - `cargo test -p fuzz` replays the committed corpora on stable, as part of `cargo xtask test`;
//! - `cargo fuzz run -s none --features libfuzzer TARGET target/corpus/TARGET fuzz/corpus/TARGET`
//!   searches, guided by coverage, and keeps what it finds in the first of the two folders, which
//!   has to be there;
//! - `cargo run -p fuzz --example seed` writes the seeds of the corpora anew: valid encodings, and
//!   mutations of them, the same on every machine.
//!
//! A crash that a search finds is minimised (`cargo fuzz tmin`) and added to the corpus with its
//! fix, under a name that says what it was.

pub mod connection;
pub mod control;
pub mod datagram;
pub mod endpoint;
pub mod frames;
pub mod game;
mod house;
pub mod params;
pub mod play;
mod script;
pub mod seeds;
pub mod snapshot;
pub mod token;
pub mod zone;

/// One target: its name, which is that of its corpus, what it runs, and where its corpus starts.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of the binary and of the folder of the corpus.
    pub name: &'static str,
    /// Takes any bytes; panics if something promised is not so.
    pub run: fn(&[u8]),
    /// Valid inputs: their names and bytes.
    pub seeds: fn() -> seeds::Seeds,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "connection", run: connection::run, seeds: connection::seeds },
    Target { name: "control", run: control::run, seeds: control::seeds },
    Target { name: "datagram", run: datagram::run, seeds: datagram::seeds },
    Target { name: "endpoint", run: endpoint::run, seeds: endpoint::seeds },
    Target { name: "frames", run: frames::run, seeds: frames::seeds },
    Target { name: "game", run: game::run, seeds: game::seeds },
    Target { name: "params", run: params::run, seeds: params::seeds },
    Target { name: "play", run: play::run, seeds: play::seeds },
    Target { name: "snapshot", run: snapshot::run, seeds: snapshot::seeds },
    Target { name: "token", run: token::run, seeds: token::seeds },
    Target { name: "zone", run: zone::run, seeds: zone::seeds },
];
