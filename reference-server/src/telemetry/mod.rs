//! What the process tells about itself: log lines, and a [`Status`] that anyone may look at.
//!
//! ```text
//!   zone, gateway, ... ──publish──▶ Status ──clone──▶ admin page, metrics, terminal view
//!            │
//!            └──────── tracing ──▶ stderr | LogRing ──▶ last lines of the terminal view
//! ```
//!
//! # Contract
//!
//! Slices write, operators read. A writer pays for one short lock of its own slot; a reader gets a
//! copy. No lock is held while anybody waits. Rates are the reader's business: what is published
//! are totals, from which any number of readers can take differences ([`RateMeter`]).
//!
//! Deliberately absent: what the figures look like. See `admin` and `demo`.

pub mod logs;
pub mod rates;
pub mod status;

pub use logs::{InitError, LogFormat, LogRing, LogSink, init};
pub use rates::{RateMeter, Rates};
pub use status::{
    Counter, Counters, Distribution, Dot, DotKind, Status, Totals, WorldStatus, ZoneStatus,
};
