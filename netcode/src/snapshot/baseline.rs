//! What a client knows after a snapshot, and the few of these that can still matter.

use std::collections::VecDeque;

use crate::snapshot::schema::{EntityId, EntityState, KindId};
use crate::tick::Tick;

/// Most snapshots that either side remembers.
pub const SNAPSHOTS_KEPT: usize = 64;
/// Snapshots that are this many ticks older than the newest baseline are forgotten by both sides.
pub(super) const LATE_TICKS_MAX: u64 = 32;
/// A baseline is at most this many ticks older than its snapshot.
pub(super) const AGE_MAX: u64 = 1 << 16;

/// Everything that a client knows after one snapshot. Both sides build the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Known {
    pub(super) tick: Tick,
    /// The tick of the snapshot that this one started from.
    pub(super) baseline: Option<Tick>,
    entries: Vec<Entry>,
    values: Vec<i32>,
}

/// One entity of a [`Known`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) id: EntityId,
    /// The newest tick for which the state is known to be true.
    pub(super) seen: Tick,
    pub(super) kind: KindId,
    count: u8,
    at: u32,
}

impl Known {
    /// Empties it, for `tick`, and keeps its memory.
    pub(super) fn restart(&mut self, tick: Tick, baseline: Option<Tick>) {
        self.tick = tick;
        self.baseline = baseline;
        self.entries.clear();
        self.values.clear();
    }

    /// Adds an entity, whose identifier is greater than that of any before.
    pub(super) fn push(&mut self, id: EntityId, seen: Tick, kind: KindId, values: &[i32]) {
        debug_assert!(self.entries.last().is_none_or(|last| last.id < id));
        let at = self.values.len() as u32;
        self.values.extend_from_slice(values);
        self.entries.push(Entry { id, seen, kind, count: values.len() as u8, at });
    }

    /// Its entities by identifier.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The values of one of its entities.
    pub(super) fn values(&self, entry: &Entry) -> &[i32] {
        let at = entry.at as usize;
        &self.values[at..at + usize::from(entry.count)]
    }

    /// The state of one of its entities.
    pub(super) fn state(&self, entry: &Entry) -> EntityState {
        EntityState::new(entry.kind, self.values(entry))
    }
}

/// Snapshots by tick, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ring {
    kept: VecDeque<Known>,
    /// Memory of one that was forgotten.
    spare: Option<Known>,
}

impl Ring {
    /// The snapshot of `tick`.
    pub(super) fn get(&self, tick: Tick) -> Option<&Known> {
        let index = self.kept.binary_search_by_key(&tick, |known| known.tick).ok()?;
        self.kept.get(index)
    }

    /// Keeps `known`; the oldest is forgotten for it. One that is older than all of a full ring is
    /// itself forgotten.
    pub(super) fn insert(&mut self, known: Known) {
        let Err(index) = self.kept.binary_search_by_key(&known.tick, |known| known.tick) else {
            return;
        };
        self.kept.insert(index, known);
        if self.kept.len() > SNAPSHOTS_KEPT {
            self.spare = self.kept.pop_front();
        }
    }

    /// Forgets the snapshot of `tick`.
    pub(super) fn forget(&mut self, tick: Tick) {
        if let Ok(index) = self.kept.binary_search_by_key(&tick, |known| known.tick) {
            self.spare = self.kept.remove(index);
        }
    }

    /// Forgets what is older than `tick`.
    pub(super) fn forget_before(&mut self, tick: Tick) {
        while self.kept.front().is_some_and(|known| known.tick < tick) {
            self.spare = self.kept.pop_front();
        }
    }

    /// An empty one to fill.
    pub(super) fn take_spare(&mut self) -> Known {
        self.spare.take().unwrap_or_default()
    }

    /// Gives back one that was not filled to the end.
    pub(super) fn give_back(&mut self, known: Known) {
        self.spare = Some(known);
    }
}
