//! What the player sees of others: the newest snapshot of the zone that owns the character.
//!
//! Every zone that is connected has a decoder of its own, because each sends deltas from baselines
//! of its own. The view is the owner's. After a crossing what the zone before had shown stays in
//! view for a moment longer, until the new one has had the time to show it too: its first
//! snapshots are as large as the path allows, not as large as the world.
//!
//! Deliberately absent: which zone is the owner, and the player's own character.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use netcode::snapshot::{EntityId, EntityState, Schema, SnapshotDecoder};
use netcode::tick::Tick;
use netcode::time::Instant;

use crate::event::ZoneId;

/// How long entities of the zone before stay in view.
const FADE: Duration = Duration::from_millis(500);

/// Decoders by zone, and the view.
#[derive(Debug)]
pub(crate) struct Replica {
    schema: Arc<Schema>,
    decoders: BTreeMap<ZoneId, SnapshotDecoder>,
    owner: Option<ZoneId>,
    fading: BTreeMap<EntityId, EntityState>,
    faded_at: Instant,
}

impl Replica {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            decoders: BTreeMap::new(),
            owner: None,
            fading: BTreeMap::new(),
            faded_at: Instant::EPOCH,
        }
    }

    /// A new connection starts from nothing.
    pub(crate) fn on_connected(&mut self, zone: ZoneId) {
        self.decoders.insert(zone, SnapshotDecoder::new(Arc::clone(&self.schema)));
    }

    pub(crate) fn on_closed(&mut self, now: Instant, zone: ZoneId) {
        if self.owner == Some(zone) {
            self.fade(now, zone);
        }
        self.decoders.remove(&zone);
    }

    /// Takes in the entities of a snapshot; `false` if that is not possible.
    pub(crate) fn on_snapshot(
        &mut self,
        now: Instant,
        zone: ZoneId,
        tick: Tick,
        bytes: &[u8],
    ) -> bool {
        if now >= self.faded_at {
            self.fading.clear();
        }
        let Some(decoder) = self.decoders.get_mut(&zone) else { return false };
        decoder.decode(tick, bytes).is_ok()
    }

    /// From here on the view is that of `zone`.
    pub(crate) fn follow(&mut self, now: Instant, zone: ZoneId) {
        if let Some(older) = self.owner.replace(zone).filter(|older| *older != zone) {
            self.fade(now, older);
        }
    }

    /// What is in view, each entity once.
    pub(crate) fn entities(&self) -> impl Iterator<Item = (EntityId, &EntityState)> {
        let shown = self.shown();
        let is_shown = move |id: EntityId| shown.is_some_and(|shown| shown.get(id).is_some());
        let fading = self.fading.iter().filter(move |(id, _)| !is_shown(**id));
        let fading = fading.map(|(id, state)| (*id, state));
        shown.into_iter().flat_map(SnapshotDecoder::entities).chain(fading)
    }

    /// One entity, if it is in view.
    pub(crate) fn entity(&self, id: EntityId) -> Option<&EntityState> {
        let shown = self.shown().and_then(|shown| shown.get(id)).map(|seen| &seen.state);
        shown.or_else(|| self.fading.get(&id))
    }

    /// The tick that the view shows.
    pub(crate) fn tick(&self) -> Option<Tick> {
        self.shown().and_then(SnapshotDecoder::tick)
    }

    fn shown(&self) -> Option<&SnapshotDecoder> {
        self.owner.and_then(|owner| self.decoders.get(&owner))
    }

    fn fade(&mut self, now: Instant, zone: ZoneId) {
        if let Some(decoder) = self.decoders.get(&zone) {
            self.fading = decoder.entities().map(|(id, state)| (id, *state)).collect();
            self.faded_at = now + FADE;
        }
    }
}
