//! The side that a character leaves.
//!
//! ```text
//!   approach   Asked ──granted──▶ Offered ──connected──▶ Ready      one a character and border
//!                ▲─────────────────── gone ◀───────────────┘
//!   crossing   Preparing ──prepared──▶ Transferring ──ok──▶ (committed)      one a character
//!                 └─ no answer ─▶ Bumping ◀── refused ─┘
//!                                   └─ ok ─▶ (resumed)   └─ refused ─▶ (lost)
//! ```

use std::collections::{BTreeMap, VecDeque};

use netcode::crypto::PublicKey;
use netcode::time::Instant;
use shardline_protocol::control::ZoneAccess;

use crate::handoff::{ASK_AGAIN, Message, Output, PREPARE_AGAIN, PREPARE_MAX};
use crate::ids::{AccountId, CharacterId, Epoch, Incarnation, Owner, ZoneId};
use crate::image::EntityImage;

#[derive(Debug)]
pub(super) struct Source {
    zone: ZoneId,
    incarnation: Incarnation,
    approaches: BTreeMap<(CharacterId, ZoneId), Approach>,
    crossings: BTreeMap<CharacterId, Crossing>,
}

/// A character that may cross soon.
#[derive(Debug)]
struct Approach {
    account: AccountId,
    client_public: PublicKey,
    /// The life of the target at which the client is connected.
    ready_at: Option<Incarnation>,
    ask_again_at: Instant,
}

/// A character that has crossed the line.
#[derive(Debug)]
struct Crossing {
    to: ZoneId,
    target_incarnation: Incarnation,
    /// The row as it is before the commit.
    owner: Owner,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Preparing { image: Box<EntityImage>, since: Instant, again_at: Instant },
    Transferring,
    Bumping,
}

/// Where a character went.
pub(super) struct CommittedTo {
    pub(super) to: ZoneId,
    pub(super) epoch: Epoch,
}

impl Source {
    pub(super) fn new(zone: ZoneId, incarnation: Incarnation) -> Self {
        Self { zone, incarnation, approaches: BTreeMap::new(), crossings: BTreeMap::new() }
    }

    pub(super) fn under_way(&self) -> usize {
        self.crossings.len()
    }

    pub(super) fn on_near(
        &mut self,
        now: Instant,
        character: CharacterId,
        account: AccountId,
        client_public: PublicKey,
        to: ZoneId,
        outputs: &mut VecDeque<Output>,
    ) {
        let ask_again_at = now + ASK_AGAIN;
        let approach = Approach { account, client_public, ready_at: None, ask_again_at };
        self.approaches.insert((character, to), approach);
        let message = Message::AccessRequest { character, account, client_public };
        outputs.push_back(Output::Send { to, message });
    }

    pub(super) fn on_away(
        &mut self,
        character: CharacterId,
        to: ZoneId,
        outputs: &mut VecDeque<Output>,
    ) {
        if self.approaches.remove(&(character, to)).is_some() {
            let message = Message::Forget { character };
            outputs.push_back(Output::Send { to, message });
        }
    }

    pub(super) fn on_granted(
        &mut self,
        character: CharacterId,
        from: ZoneId,
        access: ZoneAccess,
        outputs: &mut VecDeque<Output>,
    ) {
        if self.approaches.contains_key(&(character, from)) {
            outputs.push_back(Output::Offer { character, access });
        }
    }

    pub(super) fn on_connected(
        &mut self,
        character: CharacterId,
        from: ZoneId,
        incarnation: Incarnation,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(approach) = self.approaches.get_mut(&(character, from)) else { return };
        if approach.ready_at != Some(incarnation) {
            approach.ready_at = Some(incarnation);
            outputs.push_back(Output::Ready { character, to: from });
        }
    }

    pub(super) fn on_gone(
        &mut self,
        character: CharacterId,
        from: ZoneId,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(approach) = self.approaches.get_mut(&(character, from)) else { return };
        if approach.ready_at.take().is_some() {
            outputs.push_back(Output::NotReady { character, to: from });
        }
    }

    pub(super) fn on_cross(
        &mut self,
        now: Instant,
        to: ZoneId,
        image: EntityImage,
        outputs: &mut VecDeque<Output>,
    ) {
        let (character, epoch) = (image.character(), image.epoch());
        let ready_at = self.approaches.get(&(character, to)).and_then(|approach| approach.ready_at);
        let Some(target_incarnation) = ready_at else {
            // The client went away in the same tick. Nothing was asked of the register: the epoch
            // stands.
            outputs.push_back(Output::Resume { character, epoch });
            return;
        };
        let owner = Owner { zone: self.zone, incarnation: self.incarnation, epoch };
        let image = Box::new(image);
        let message = Message::Prepare { target_incarnation, image: image.clone() };
        let stage = Stage::Preparing { image, since: now, again_at: now + PREPARE_AGAIN };
        self.crossings.insert(character, Crossing { to, target_incarnation, owner, stage });
        outputs.push_back(Output::Started { character });
        outputs.push_back(Output::Send { to, message });
    }

    pub(super) fn on_prepared(
        &mut self,
        character: CharacterId,
        from: ZoneId,
        epoch: Epoch,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(crossing) = self.crossings.get_mut(&character) else { return };
        let is_awaited = matches!(crossing.stage, Stage::Preparing { .. });
        if !is_awaited || crossing.to != from || crossing.owner.epoch != epoch {
            return;
        }
        crossing.stage = Stage::Transferring;
        outputs.push_back(Output::Transfer {
            character,
            from: crossing.owner,
            to: crossing.to,
            incarnation: crossing.target_incarnation,
        });
    }

    /// The compare-and-set was answered. Says where the character went, if it did.
    pub(super) fn on_transferred(
        &mut self,
        character: CharacterId,
        owner: Option<Owner>,
        outputs: &mut VecDeque<Output>,
    ) -> Option<CommittedTo> {
        let crossing = self.crossings.get_mut(&character)?;
        if !matches!(crossing.stage, Stage::Transferring) {
            return None;
        }
        let Some(Owner { epoch, .. }) = owner else {
            Self::abort(character, crossing, outputs);
            return None;
        };
        let to = crossing.to;
        self.crossings.remove(&character);
        // The new owner asks the other neighbours anew, and keeps the places that it needs.
        self.approaches.retain(|(other, _), _| *other != character);
        outputs.push_back(Output::Send { to, message: Message::Committed { character, epoch } });
        outputs.push_back(Output::Committed { character, to, epoch });
        Some(CommittedTo { to, epoch })
    }

    pub(super) fn on_bumped(
        &mut self,
        character: CharacterId,
        owner: Option<Owner>,
        outputs: &mut VecDeque<Output>,
    ) {
        let is_bumping = |crossing: &Crossing| matches!(crossing.stage, Stage::Bumping);
        if !self.crossings.get(&character).is_some_and(is_bumping) {
            return;
        }
        let Some(crossing) = self.crossings.remove(&character) else { return };
        let Some(owner) = owner else {
            // The target may hold what was committed after all: it asks the register.
            self.approaches.retain(|(other, _), _| *other != character);
            outputs.push_back(Output::Lost { character });
            return;
        };
        let aborted = Message::Aborted { character, epoch: crossing.owner.epoch };
        outputs.push_back(Output::Send { to: crossing.to, message: aborted });
        outputs.push_back(Output::Resume { character, epoch: owner.epoch });
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        for (&(character, to), approach) in &mut self.approaches {
            if now >= approach.ask_again_at {
                approach.ask_again_at = now + ASK_AGAIN;
                let (account, client_public) = (approach.account, approach.client_public);
                let message = Message::AccessRequest { character, account, client_public };
                outputs.push_back(Output::Send { to, message });
            }
        }
        for (&character, crossing) in &mut self.crossings {
            let Stage::Preparing { image, since, again_at } = &mut crossing.stage else { continue };
            if now >= *since + PREPARE_MAX {
                Self::abort(character, crossing, outputs);
            } else if now >= *again_at {
                *again_at = now + PREPARE_AGAIN;
                let target_incarnation = crossing.target_incarnation;
                let message = Message::Prepare { target_incarnation, image: image.clone() };
                outputs.push_back(Output::Send { to: crossing.to, message });
            }
        }
    }

    /// Raises the epoch, so that no commit that is under way can still happen.
    fn abort(character: CharacterId, crossing: &mut Crossing, outputs: &mut VecDeque<Output>) {
        crossing.stage = Stage::Bumping;
        outputs.push_back(Output::Bump { character, owner: crossing.owner });
    }
}
