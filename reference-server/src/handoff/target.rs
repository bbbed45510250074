//! The side that a character comes to.
//!
//! ```text
//!   place    (none) ──request──▶ Expected ──client──▶ Connected        lapses unless asked again
//!   staged   (none) ──prepare──▶ Staged ──committed, or the register──▶ (activated)
//!                                  └── aborted, or another epoch ──▶ (dropped)
//! ```

use std::collections::{BTreeMap, VecDeque};

use netcode::entropy::Entropy;
use netcode::time::Instant;

use crate::access::{Door, Guest, Purpose};
use crate::handoff::{INQUIRE_AFTER, Message, Output, PLACE_LASTS, TOKEN_AGAIN};
use crate::ids::{CharacterId, Epoch, Incarnation, Owner, ZoneId};
use crate::image::EntityImage;

/// Characters whose epoch is remembered; of others the register knows.
const EPOCHS_MAX: usize = 65_536;

#[derive(Debug)]
pub(super) struct Target {
    door: Door,
    incarnation: Incarnation,
    entropy: Entropy,
    places: BTreeMap<CharacterId, Place>,
    staged: BTreeMap<CharacterId, Staged>,
    /// The highest epoch seen of each character.
    epochs: BTreeMap<CharacterId, Epoch>,
}

/// Room for the client of a character that is near.
#[derive(Debug)]
struct Place {
    /// Who asked for it.
    for_zone: ZoneId,
    is_connected: bool,
    /// When a token was given, unless the client was here already.
    token_at: Option<Instant>,
    lapses_at: Instant,
}

#[derive(Debug)]
struct Staged {
    image: Box<EntityImage>,
    inquire_at: Instant,
}

impl Target {
    pub(super) fn new(door: Door, incarnation: Incarnation, entropy: Entropy) -> Self {
        Self {
            door,
            incarnation,
            entropy,
            places: BTreeMap::new(),
            staged: BTreeMap::new(),
            epochs: BTreeMap::new(),
        }
    }

    pub(super) fn under_way(&self) -> usize {
        self.staged.len()
    }

    pub(super) fn on_request(
        &mut self,
        now: Instant,
        unix_s: u64,
        from: ZoneId,
        guest: &Guest,
        outputs: &mut VecDeque<Output>,
    ) {
        let character = guest.character;
        let lapses_at = now + PLACE_LASTS;
        let place = self.places.entry(character).or_insert(Place {
            for_zone: from,
            is_connected: false,
            token_at: None,
            lapses_at,
        });
        place.for_zone = from;
        place.lapses_at = lapses_at;
        let message = if place.is_connected {
            Message::Connected { character, incarnation: self.incarnation }
        } else if place.token_at.is_none_or(|at| now >= at + TOKEN_AGAIN) {
            place.token_at = Some(now);
            let access = self.door.admit(guest, Purpose::Ahead, unix_s, &mut self.entropy);
            Message::AccessGranted { character, access }
        } else {
            return;
        };
        outputs.push_back(Output::Send { to: from, message });
    }

    /// A client is here, ahead of its character.
    pub(super) fn on_connected(&mut self, character: CharacterId, outputs: &mut VecDeque<Output>) {
        let Some(place) = self.places.get_mut(&character) else {
            // Its place has lapsed while it was on its way.
            outputs.push_back(Output::Forget { character });
            return;
        };
        place.is_connected = true;
        let message = Message::Connected { character, incarnation: self.incarnation };
        outputs.push_back(Output::Send { to: place.for_zone, message });
    }

    pub(super) fn on_lost(&mut self, character: CharacterId, outputs: &mut VecDeque<Output>) {
        if let Some(place) = self.places.get_mut(&character) {
            place.is_connected = false;
            place.token_at = None;
            let message = Message::Gone { character };
            outputs.push_back(Output::Send { to: place.for_zone, message });
        }
    }

    pub(super) fn on_forget(
        &mut self,
        character: CharacterId,
        from: ZoneId,
        outputs: &mut VecDeque<Output>,
    ) {
        // Another zone may have asked since.
        if self.places.get(&character).is_some_and(|place| place.for_zone == from) {
            self.places.remove(&character);
            outputs.push_back(Output::Forget { character });
        }
    }

    /// A character of ours begins to cross: it holds no place here meanwhile.
    pub(super) fn on_crossing(&mut self, character: CharacterId) {
        self.places.remove(&character);
    }

    /// A character of ours went to another zone. Its client is still here, and may come back.
    pub(super) fn on_departed(
        &mut self,
        now: Instant,
        character: CharacterId,
        to: ZoneId,
        epoch: Epoch,
    ) {
        self.remember(character, epoch);
        let lapses_at = now + PLACE_LASTS;
        let place = Place { for_zone: to, is_connected: true, token_at: None, lapses_at };
        self.places.insert(character, place);
    }

    pub(super) fn on_prepare(
        &mut self,
        now: Instant,
        from: ZoneId,
        target_incarnation: Incarnation,
        image: EntityImage,
        outputs: &mut VecDeque<Output>,
    ) {
        let (character, epoch) = (image.character(), image.epoch());
        let next = Epoch(epoch.0.saturating_add(1));
        let is_passed = self.epochs.get(&character).is_some_and(|&seen| next <= seen);
        let is_older = |staged: &Staged| epoch < staged.image.epoch();
        if target_incarnation != self.incarnation
            || is_passed
            || self.staged.get(&character).is_some_and(is_older)
        {
            return;
        }
        let inquire_at = now + INQUIRE_AFTER;
        self.staged.insert(character, Staged { image: Box::new(image), inquire_at });
        let message = Message::Prepared { character, epoch };
        outputs.push_back(Output::Send { to: from, message });
    }

    pub(super) fn on_committed(
        &mut self,
        character: CharacterId,
        epoch: Epoch,
        outputs: &mut VecDeque<Output>,
    ) {
        let is_staged = |staged: &Staged| staged.image.epoch_raw.checked_add(1) == Some(epoch.0);
        if self.staged.get(&character).is_some_and(is_staged)
            && let Some(staged) = self.staged.remove(&character)
        {
            self.places.remove(&character);
            self.remember(character, epoch);
            outputs.push_back(Output::Activate { epoch, image: staged.image });
        }
    }

    pub(super) fn on_aborted(&mut self, character: CharacterId, epoch: Epoch) {
        if self.staged.get(&character).is_some_and(|staged| staged.image.epoch() == epoch) {
            self.staged.remove(&character);
        }
    }

    /// The character came by a claim, which can raise the epoch to the very one that the commit of
    /// a staged image would have had.
    pub(super) fn on_claimed(&mut self, character: CharacterId, epoch: Epoch) {
        self.staged.remove(&character);
        self.remember(character, epoch);
    }

    /// What the register says of a character that is staged here.
    pub(super) fn on_inquired(
        &mut self,
        now: Instant,
        character: CharacterId,
        owner: Option<Owner>,
        outputs: &mut VecDeque<Output>,
    ) {
        let Some(staged) = self.staged.get_mut(&character) else { return };
        staged.inquire_at = now + INQUIRE_AFTER;
        let prepared_at = staged.image.epoch();
        let Some(owner) = owner else {
            self.staged.remove(&character);
            return;
        };
        let is_ours = owner.zone == self.door.zone && owner.incarnation == self.incarnation;
        if is_ours {
            self.on_committed(character, owner.epoch, outputs);
        }
        // What was not activated by that is history.
        if owner.epoch > prepared_at {
            self.staged.remove(&character);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, outputs: &mut VecDeque<Output>) {
        for (&character, staged) in &mut self.staged {
            if now >= staged.inquire_at {
                staged.inquire_at = now + INQUIRE_AFTER;
                outputs.push_back(Output::Inquire { character });
            }
        }
        let staged = &self.staged;
        self.places.retain(|&character, place| {
            let stays = now < place.lapses_at || staged.contains_key(&character);
            if !stays {
                outputs.push_back(Output::Forget { character });
            }
            stays
        });
    }

    fn remember(&mut self, character: CharacterId, epoch: Epoch) {
        if self.epochs.len() >= EPOCHS_MAX {
            self.epochs.pop_first();
        }
        self.epochs.insert(character, epoch);
    }
}
