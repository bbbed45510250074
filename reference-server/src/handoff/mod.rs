//! Moving a character between zones, once and only once.
//!
//! ```text
//!   source zone                     register              target zone            client
//!     near the border ─AccessRequest──────────────────────▶ admits
//!     offers          ◀─────────────AccessGranted─────────┘
//!       └────────────────────────────────────────────────────────── Offer ──────▶ connects ahead
//!     ready           ◀─────────────Connected────────────── sees the client
//!     crosses, freezes at the end of tick k
//!                     ──Prepare{image, e}─────────────────▶ stages
//!                     ◀─────────────Prepared{e+1}─────────┘
//!                     ──compare-and-set──▶ (T, inc, e+1)                    the commit point
//!     a ghost         ──Committed{e+1}────────────────────▶ activates: tick k+1 on
//! ```
//!
//! [`Handoff`] is one zone's part in all of it, as source (`source.rs`) and as target
//! (`target.rs`).
//! It is pure: [`Handoff::handle`], [`Handoff::handle_timeout`], [`Handoff::poll_output`].
//!
//! # Invariants
//!
//! - Only the zone that the register names, with its incarnation and epoch, simulates a character.
//! - A compare-and-set that was sent is never taken for failed: to abort is to raise the epoch in
//!   the register, which kills a commit that is still under way. If that fails, it had committed.
//! - A target ignores what was prepared for another life of it, or at an epoch that it has passed.
//! - The commit message is a hint: a target that misses it asks the register.
//!
//! Source: `design/world.md` 4.3 (rules R1 to R10), checked there with a model.
//!
//! Deliberately absent: what a character is, how messages travel, SQL.

mod source;
mod target;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::VecDeque;

use netcode::crypto::PublicKey;
use netcode::entropy::Entropy;
use netcode::time::Instant;
use shardline_protocol::control::ZoneAccess;

use crate::access::Door;
use crate::handoff::source::Source;
use crate::handoff::target::Target;
use crate::ids::{AccountId, CharacterId, Epoch, Incarnation, Owner, ZoneId};
use crate::image::EntityImage;

/// A request for access is said again this often, which also keeps the place at the target.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// A place at the target lasts this long after it was last asked for.
const PLACE_LASTS: Duration = Duration::from_secs(4);
/// A token that a client has not used is replaced after this long.
const TOKEN_AGAIN: Duration = Duration::from_secs(10);
/// What was prepared is said again this often.
const PREPARE_AGAIN: Duration = Duration::from_millis(100);
/// A target that does not answer for this long is given up.
const PREPARE_MAX: Duration = Duration::from_millis(500);
/// A target that hears nothing of a commit for this long asks the register.
const INQUIRE_AFTER: Duration = Duration::from_millis(250);

/// What zones say to each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A character is near your border: let its client in, or keep its place.
    AccessRequest {
        /// Who.
        character: CharacterId,
        /// Its player.
        account: AccountId,
        /// Its client's key.
        client_public: PublicKey,
    },
    /// What the client needs.
    AccessGranted {
        /// Whose.
        character: CharacterId,
        /// For the client.
        access: ZoneAccess,
    },
    /// Its client is here.
    Connected {
        /// Whose.
        character: CharacterId,
        /// The life of the zone that says so.
        incarnation: Incarnation,
    },
    /// Its client is no longer here.
    Gone {
        /// Whose.
        character: CharacterId,
    },
    /// It went away from your border.
    Forget {
        /// Who.
        character: CharacterId,
    },
    /// It crosses: hold it ready.
    Prepare {
        /// The life that this is meant for.
        target_incarnation: Incarnation,
        /// The character, at the source's epoch.
        image: Box<EntityImage>,
    },
    /// It is held ready.
    Prepared {
        /// Who.
        character: CharacterId,
        /// The source's epoch, as in the image.
        epoch: Epoch,
    },
    /// The register names you.
    Committed {
        /// Who.
        character: CharacterId,
        /// The new epoch.
        epoch: Epoch,
    },
    /// It stays.
    Aborted {
        /// Who.
        character: CharacterId,
        /// The source's epoch, as in the image.
        epoch: Epoch,
    },
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A character of ours came near a border.
    Near {
        /// Who.
        character: CharacterId,
        /// Its player.
        account: AccountId,
        /// Its client's key.
        client_public: PublicKey,
        /// Whose border.
        to: ZoneId,
    },
    /// It went away again.
    Away {
        /// Who.
        character: CharacterId,
        /// From whose border.
        to: ZoneId,
    },
    /// It crossed, and is frozen.
    Cross {
        /// Where to.
        to: ZoneId,
        /// The character.
        image: Box<EntityImage>,
    },
    /// A client connected ahead of a crossing.
    AheadConnected {
        /// Whose.
        character: CharacterId,
    },
    /// A client that was not of a character of ours is gone.
    AheadLost {
        /// Whose.
        character: CharacterId,
    },
    /// The zone has claimed a character of the register: it needs no image any more.
    Claimed {
        /// Who.
        character: CharacterId,
        /// The new epoch.
        epoch: Epoch,
    },
    /// Another zone says something.
    Message {
        /// Who.
        from: ZoneId,
        /// What.
        message: Message,
    },
    /// The register's answer to [`Output::Transfer`].
    Transferred {
        /// Who.
        character: CharacterId,
        /// The new row, or `None` if the row was not as expected.
        owner: Option<Owner>,
    },
    /// The register's answer to [`Output::Bump`].
    Bumped {
        /// Who.
        character: CharacterId,
        /// The new row, or `None` if the row was not as expected.
        owner: Option<Owner>,
    },
    /// The register's answer to [`Output::Inquire`].
    Inquired {
        /// Who.
        character: CharacterId,
        /// The row.
        owner: Option<Owner>,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Say something to another zone.
    Send {
        /// To whom.
        to: ZoneId,
        /// What.
        message: Message,
    },
    /// The client needs this to connect ahead.
    Offer {
        /// Whose.
        character: CharacterId,
        /// For the client.
        access: ZoneAccess,
    },
    /// The character may cross.
    Ready {
        /// Who.
        character: CharacterId,
        /// Where to.
        to: ZoneId,
    },
    /// The character may not cross for now.
    NotReady {
        /// Who.
        character: CharacterId,
        /// Where to.
        to: ZoneId,
    },
    /// A crossing has begun: for the statistics.
    Started {
        /// Who.
        character: CharacterId,
    },
    /// Compare and set: `from` becomes the target, one epoch higher.
    Transfer {
        /// Who.
        character: CharacterId,
        /// The row as it must be.
        from: Owner,
        /// The new owner.
        to: ZoneId,
        /// Its life.
        incarnation: Incarnation,
    },
    /// Compare and set: the same owner, one epoch higher.
    Bump {
        /// Who.
        character: CharacterId,
        /// The row as it must be.
        owner: Owner,
    },
    /// Read the register.
    Inquire {
        /// Who.
        character: CharacterId,
    },
    /// The character is the target's.
    Committed {
        /// Who.
        character: CharacterId,
        /// Where it is.
        to: ZoneId,
        /// The new epoch.
        epoch: Epoch,
    },
    /// The character stays: go on.
    Resume {
        /// Who.
        character: CharacterId,
        /// The epoch to go on at.
        epoch: Epoch,
    },
    /// The register names neither side as expected: the character is not ours.
    Lost {
        /// Who.
        character: CharacterId,
    },
    /// The character is ours: go on from the image.
    Activate {
        /// The new epoch.
        epoch: Epoch,
        /// The character.
        image: Box<EntityImage>,
    },
    /// The client's connection ahead is of no more use.
    Forget {
        /// Whose.
        character: CharacterId,
    },
}

/// One zone's part in handoffs.
#[derive(Debug)]
pub struct Handoff {
    source: Source,
    target: Target,
    outputs: VecDeque<Output>,
}

impl Handoff {
    /// The part of the zone behind `door`, in its life `incarnation`.
    pub fn new(door: Door, incarnation: Incarnation, entropy: Entropy) -> Self {
        Self {
            source: Source::new(door.zone, incarnation),
            target: Target::new(door, incarnation, entropy),
            outputs: VecDeque::new(),
        }
    }

    /// Takes what happened at `now`, which is `unix_s` for connect tokens. Drain
    /// [`poll_output`](Self::poll_output) afterwards.
    pub fn handle(&mut self, now: Instant, unix_s: u64, input: Input) {
        let outputs = &mut self.outputs;
        match input {
            Input::Near { character, account, client_public, to } => {
                self.source.on_near(now, character, account, client_public, to, outputs);
            }
            Input::Away { character, to } => self.source.on_away(character, to, outputs),
            Input::Cross { to, image } => {
                self.target.on_crossing(image.character());
                self.source.on_cross(now, to, *image, outputs);
            }
            Input::AheadConnected { character } => {
                self.target.on_connected(character, outputs);
            }
            Input::AheadLost { character } => self.target.on_lost(character, outputs),
            Input::Claimed { character, epoch } => self.target.on_claimed(character, epoch),
            Input::Message { from, message } => self.on_message(now, unix_s, from, message),
            Input::Transferred { character, owner } => {
                if let Some(committed) = self.source.on_transferred(character, owner, outputs) {
                    self.target.on_departed(now, character, committed.to, committed.epoch);
                }
            }
            Input::Bumped { character, owner } => {
                self.source.on_bumped(character, owner, outputs);
            }
            Input::Inquired { character, owner } => {
                self.target.on_inquired(now, character, owner, outputs);
            }
        }
    }

    fn on_message(&mut self, now: Instant, unix_s: u64, from: ZoneId, message: Message) {
        let outputs = &mut self.outputs;
        match message {
            Message::AccessRequest { character, account, client_public } => {
                let guest = crate::access::Guest { account, character, client_public };
                self.target.on_request(now, unix_s, from, &guest, outputs);
            }
            Message::AccessGranted { character, access } => {
                self.source.on_granted(character, from, access, outputs);
            }
            Message::Connected { character, incarnation } => {
                self.source.on_connected(character, from, incarnation, outputs);
            }
            Message::Gone { character } => self.source.on_gone(character, from, outputs),
            Message::Forget { character } => self.target.on_forget(character, from, outputs),
            Message::Prepare { target_incarnation, image } => {
                self.target.on_prepare(now, from, target_incarnation, *image, outputs);
            }
            Message::Prepared { character, epoch } => {
                self.source.on_prepared(character, from, epoch, outputs);
            }
            Message::Committed { character, epoch } => {
                self.target.on_committed(character, epoch, outputs);
            }
            Message::Aborted { character, epoch } => self.target.on_aborted(character, epoch),
        }
    }

    /// Tells the machine that `now` has come: says again what was not answered, gives up what
    /// never will be. Call it every tick.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.source.handle_timeout(now, &mut self.outputs);
        self.target.handle_timeout(now, &mut self.outputs);
    }

    /// The next thing to be done, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Crossings under way, as source and as target.
    pub fn under_way(&self) -> usize {
        self.source.under_way() + self.target.under_way()
    }
}
