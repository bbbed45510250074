//! A model of what the world does with a zone's characters and clients.

use std::collections::{BTreeMap, BTreeSet};

use netcode::entropy::Entropy;

use crate::handoff::tests::door;
use crate::handoff::{Handoff, Input};
use crate::ids::{CharacterId, Epoch, Incarnation, ZoneId};
use crate::image::EntityImage;

/// Ticks between two crossings, as in the world.
const DWELL_TICKS: u64 = 30;

/// A zone in one of its lives.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) zone: ZoneId,
    pub(super) incarnation: Incarnation,
    pub(super) handoff: Handoff,
    pub(super) bodies: BTreeMap<CharacterId, Body>,
    /// Whose client is connected here.
    pub(super) clients: BTreeSet<CharacterId>,
    /// Whom the register was asked for.
    pub(super) claiming: BTreeSet<CharacterId>,
}

/// A character in the hands of a zone.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) epoch: Epoch,
    /// Simulated up to this tick.
    pub(super) tick: u64,
    pub(super) is_frozen: bool,
    /// Borders that are near, and whether the other side is ready.
    pub(super) near: BTreeMap<ZoneId, bool>,
    pub(super) owned_since: u64,
}

impl Body {
    pub(super) fn new(epoch: Epoch, tick: u64, now: u64) -> Self {
        Self { epoch, tick, is_frozen: false, near: BTreeMap::new(), owned_since: now }
    }

    pub(super) fn image(&self, character: CharacterId) -> Box<EntityImage> {
        Box::new(EntityImage {
            character_raw: character.0,
            epoch_raw: self.epoch.0,
            tick: self.tick,
            ..EntityImage::default()
        })
    }

    /// A border that can be crossed now.
    pub(super) fn open_border(&self, tick: u64) -> Option<ZoneId> {
        let may = !self.is_frozen && tick >= self.owned_since + DWELL_TICKS;
        let ready = self.near.iter().find(|(_, is_ready)| **is_ready);
        ready.filter(|_| may).map(|(to, _)| *to)
    }
}

impl Node {
    pub(super) fn new(zone: ZoneId, incarnation: Incarnation, entropy: &mut Entropy) -> Self {
        let mut entropy = entropy.fork();
        let door = door(zone, &mut entropy);
        Self {
            zone,
            incarnation,
            handoff: Handoff::new(door, incarnation, entropy),
            bodies: BTreeMap::new(),
            clients: BTreeSet::new(),
            claiming: BTreeSet::new(),
        }
    }

    /// A client has found its way here, ahead of its character or after it.
    pub(super) fn connect(&mut self, character: CharacterId) -> Option<Input> {
        self.clients.insert(character);
        let is_ahead = !self.bodies.contains_key(&character);
        is_ahead.then_some(Input::AheadConnected { character })
    }

    pub(super) fn disconnect(&mut self, character: CharacterId) -> Option<Input> {
        let was_ahead = self.clients.remove(&character) && !self.bodies.contains_key(&character);
        was_ahead.then_some(Input::AheadLost { character })
    }

    /// The connection ahead is of no more use.
    pub(super) fn forget(&mut self, character: CharacterId) {
        if !self.bodies.contains_key(&character) {
            self.clients.remove(&character);
        }
    }

    pub(super) fn set_ready(&mut self, character: CharacterId, to: ZoneId, value: bool) {
        let body = self.bodies.get_mut(&character);
        if let Some(is_ready) = body.and_then(|body| body.near.get_mut(&to)) {
            *is_ready = value;
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.handoff.under_way() == 0 && self.bodies.values().all(|body| !body.is_frozen)
    }
}
