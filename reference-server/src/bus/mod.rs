//! Messages between parts that do not know each other.
//!
//! ```text
//!   world, handoff, gateway, matchmaking ──publish(subject, key)──▶ [`Bus`]
//!                                                                     │ one copy a group
//!                          ┌──────────────────────────────────────────┤
//!                          ▼                                          ▼
//!               group "store": members share            subscription of its own
//!               and acknowledge                         (a zone, a dashboard)
//! ```
//!
//! # Contract
//!
//! The same for every engine that will stand behind [`Bus`]; `conformance` says it as tests.
//!
//! - *At least once*: what a group was given and did not acknowledge is given again when its
//!   consumer returns it or goes. Consumers tell repeats by the id.
//! - *In order for each key*: a group gets the messages of one subject and key in the order of
//!   their publishing, one consumer at a time; giving one again gives all later ones again.
//!   Between keys there is no order.
//! - *Bounded*: when a group is full, publishers wait, or are told.
//! - What is published before a group exists does not reach it.
//!
//! # What this engine does not do
//!
//! [`Bus::local`] lives in one process and in its memory: a crash loses what was not acknowledged.
//! What must survive is written to the ledger first, and published after. Payloads are bytes and
//! subjects have a text, so that a broker can take its place.
//!
//! Deliberately absent: what payloads mean (but for [`Event`], which is only data), and storage.

#[cfg(test)]
mod conformance;
mod event;
mod local;
mod queue;
mod subject;
#[cfg(test)]
mod tests;

pub use event::{
    Chat, Defeated, Event, EventError, HandoffCommitted, ItemMoved, LoggedIn, MatchEnded,
    MatchFound, MatchPlayer, PlayerRating, TradeCommitted,
};
pub use local::{
    Bus, Delivery, GROUP_BYTES_MAX, GROUP_MESSAGES_MAX, PAYLOAD_BYTES_MAX, PublishError,
    SubscribeError, Subscription,
};
pub use subject::{Filter, Subject, SubjectError};
