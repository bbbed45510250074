//! The client's half: messages to the newest view of the world.

use core::mem;
use std::sync::Arc;

use crate::snapshot::baseline::{Known, LATE_TICKS_MAX, Ring};
use crate::snapshot::bits::BitReader;
use crate::snapshot::delta::{Codings, read_changed, read_whole};
use crate::snapshot::encoder::{AGE_ORDER, ENTITIES_MAX};
use crate::snapshot::error::SnapshotError;
use crate::snapshot::schema::{EntityId, EntityState, KindId, Schema};
use crate::tick::Tick;

/// What a message was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Freshness {
    /// The newest so far: the view is of its tick now.
    Newest,
    /// Overtaken by a later one, or a copy: the view keeps its tick.
    Older,
    /// Empty: the server had no room for any news.
    Nothing,
}

/// What a message said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decoded {
    /// Whether it is the newest.
    pub freshness: Freshness,
    /// Entities that were new against its baseline.
    pub added: usize,
    /// Entities that changed, or were confirmed, against its baseline.
    pub changed: usize,
    /// Entities of its baseline that are gone.
    pub removed: usize,
}

/// An entity as a client sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Its name.
    pub id: EntityId,
    /// The newest tick for which the state is known to be true. Older than the tick of the view
    /// only while the server has no room for all that changes.
    pub tick: Tick,
    /// Its state at that tick.
    pub state: EntityState,
}

/// Reads the snapshots of one server.
///
/// The picture and the contract are in [`the module`](crate::snapshot).
#[derive(Debug)]
pub struct SnapshotDecoder {
    codings: Codings,
    ring: Ring,
    /// The newest tick that a message named as its baseline.
    named: Tick,
    tick: Option<Tick>,
    view: Vec<Seen>,
    /// Memory of the view before.
    view_spare: Vec<Seen>,
    message: Message,
}

/// The sections of a message.
#[derive(Debug, Default)]
struct Message {
    is_complete: bool,
    /// Indices in the baseline.
    removed: Vec<u32>,
    /// Indices in the baseline, and kinds, for which all values follow.
    changed: Vec<(u32, KindId)>,
    changed_values: Vec<i32>,
    added: Vec<(EntityId, KindId)>,
    added_values: Vec<i32>,
}

impl SnapshotDecoder {
    /// A decoder that knows nothing.
    #[expect(clippy::needless_pass_by_value, reason = "callers share one schema")]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            codings: Codings::new(&schema),
            ring: Ring::default(),
            named: Tick::ZERO,
            tick: None,
            view: Vec::new(),
            view_spare: Vec::new(),
            message: Message::default(),
        }
    }

    /// Takes the message of `tick`, which may come late, twice or never.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] if this is no such message; nothing has changed then.
    pub fn decode(&mut self, tick: Tick, bytes: &[u8]) -> Result<Decoded, SnapshotError> {
        let mut decoded =
            Decoded { freshness: Freshness::Nothing, added: 0, changed: 0, removed: 0 };
        if bytes.is_empty() {
            return Ok(decoded);
        }
        if self.ring.get(tick).is_some() {
            decoded.freshness = Freshness::Older;
            return Ok(decoded);
        }
        let mut reader = BitReader::new(bytes);
        let nothing = Known::default();
        let baseline = match u64::from(reader.number(AGE_ORDER)?) {
            0 => None,
            age => Some(tick.get().checked_sub(age).ok_or(SnapshotError::Malformed)?),
        };
        let baseline = baseline.map(Tick::new);
        let mut known = self.ring.take_spare();
        known.restart(tick, baseline);
        let from = match baseline {
            None => &nothing,
            Some(baseline) => {
                self.ring.get(baseline).ok_or(SnapshotError::UnknownBaseline { baseline })?
            }
        };
        self.message.read(&self.codings, from, reader)?;
        self.message.apply(&self.codings, from, &mut known);

        decoded.added = self.message.added.len();
        decoded.changed = self.message.changed.len();
        decoded.removed = self.message.removed.len();
        decoded.freshness = self.look(&known);
        self.ring.insert(known);
        self.named = self.named.max(baseline.unwrap_or_default());
        self.ring.forget_before(self.named.saturating_back(LATE_TICKS_MAX));
        Ok(decoded)
    }

    /// The tick of the newest snapshot.
    pub fn tick(&self) -> Option<Tick> {
        self.tick
    }

    /// The entities of the newest snapshot, by identifier, each as it was last seen.
    pub fn entities(&self) -> impl ExactSizeIterator<Item = (EntityId, &EntityState)> {
        self.view.iter().map(|seen| (seen.id, &seen.state))
    }

    /// The same with the ticks at which they were seen.
    pub fn seen(&self) -> &[Seen] {
        &self.view
    }

    /// One entity of the newest snapshot.
    pub fn get(&self, id: EntityId) -> Option<&Seen> {
        let index = self.view.binary_search_by_key(&id, |seen| seen.id).ok()?;
        self.view.get(index)
    }

    #[cfg(test)]
    pub(super) fn known(&self, tick: Tick) -> Option<&Known> {
        self.ring.get(tick)
    }

    /// Takes what `known` has of news into the view.
    fn look(&mut self, known: &Known) -> Freshness {
        if self.tick.is_some_and(|newest| known.tick < newest) {
            let mut entries = known.entries().iter().peekable();
            for seen in &mut self.view {
                while entries.next_if(|entry| entry.id < seen.id).is_some() {}
                let entry = entries.next_if(|entry| entry.id == seen.id);
                if let Some(entry) = entry.filter(|entry| entry.seen > seen.tick) {
                    seen.tick = entry.seen;
                    seen.state = known.state(entry);
                }
            }
            return Freshness::Older;
        }
        self.tick = Some(known.tick);
        mem::swap(&mut self.view, &mut self.view_spare);
        self.view.clear();
        let mut before = self.view_spare.iter().peekable();
        for entry in known.entries() {
            while before.next_if(|seen| seen.id < entry.id).is_some() {}
            let newer = before.next_if(|seen| seen.id == entry.id && seen.tick > entry.seen);
            self.view.push(newer.copied().unwrap_or_else(|| Seen {
                id: entry.id,
                tick: entry.seen,
                state: known.state(entry),
            }));
        }
        Freshness::Newest
    }
}

impl Message {
    fn read(
        &mut self,
        codings: &Codings,
        baseline: &Known,
        mut reader: BitReader<'_>,
    ) -> Result<(), SnapshotError> {
        self.is_complete = reader.bits(1)? == 1;
        self.read_removed(baseline, &mut reader)?;
        self.read_changed(codings, baseline, &mut reader)?;
        self.read_added(codings, &mut reader)?;
        reader.finish()?;
        let kept = baseline.entries().len() - self.removed.len();
        if kept + self.added.len() > ENTITIES_MAX {
            return Err(SnapshotError::TooManyEntities);
        }
        self.check_against(baseline)
    }

    fn read_removed(
        &mut self,
        baseline: &Known,
        reader: &mut BitReader<'_>,
    ) -> Result<(), SnapshotError> {
        self.removed.clear();
        let count = read_count(reader)?;
        let mut next = 0;
        for _ in 0..count {
            let index = read_index(reader, next, baseline)?;
            self.removed.push(index);
            next = index + 1;
        }
        Ok(())
    }

    fn read_changed(
        &mut self,
        codings: &Codings,
        baseline: &Known,
        reader: &mut BitReader<'_>,
    ) -> Result<(), SnapshotError> {
        self.changed.clear();
        self.changed_values.clear();
        let count = read_count(reader)?;
        let mut next = 0;
        for _ in 0..count {
            let index = read_index(reader, next, baseline)?;
            next = index + 1;
            let entry = &baseline.entries()[index as usize];
            let codings = codings.of(entry.kind).ok_or(SnapshotError::OutOfBounds)?;
            read_changed(codings, baseline.values(entry), reader, &mut self.changed_values)?;
            self.changed.push((index, entry.kind));
        }
        Ok(())
    }

    fn read_added(
        &mut self,
        codings: &Codings,
        reader: &mut BitReader<'_>,
    ) -> Result<(), SnapshotError> {
        self.added.clear();
        self.added_values.clear();
        let count = read_count(reader)?;
        let mut next = Some(0_u64);
        for _ in 0..count {
            let gap = reader.wide()?;
            let id = next.and_then(|next| next.checked_add(gap)).ok_or(SnapshotError::Malformed)?;
            next = id.checked_add(1);
            let kind = KindId(reader.bits(codings.kind_bits())? as u8);
            let codings = codings.of(kind).ok_or(SnapshotError::OutOfBounds)?;
            read_whole(codings, reader, &mut self.added_values)?;
            self.added.push((EntityId(id), kind));
        }
        Ok(())
    }

    /// What is removed does not change, and what is added was not there.
    fn check_against(&self, baseline: &Known) -> Result<(), SnapshotError> {
        let mut removed = self.removed.iter().peekable();
        for (index, _) in &self.changed {
            while removed.next_if(|removed| *removed < index).is_some() {}
            if removed.peek() == Some(&index) {
                return Err(SnapshotError::Malformed);
            }
        }
        let mut entries = baseline.entries().iter().peekable();
        for (id, _) in &self.added {
            while entries.next_if(|entry| entry.id < *id).is_some() {}
            if entries.peek().is_some_and(|entry| entry.id == *id) {
                return Err(SnapshotError::Malformed);
            }
        }
        Ok(())
    }

    /// What is known after this message.
    fn apply(&self, codings: &Codings, baseline: &Known, known: &mut Known) {
        let tick = known.tick;
        let len = |kind: KindId| codings.of(kind).map_or(0, <[_]>::len);
        let mut removed = self.removed.iter().peekable();
        let (mut changed, mut changed_values) =
            (self.changed.iter().peekable(), &*self.changed_values);
        let (mut added, mut added_values) = (self.added.iter().peekable(), &*self.added_values);
        let mut add = |known: &mut Known, (id, kind): (EntityId, KindId)| {
            let (values, rest) = added_values.split_at(len(kind));
            added_values = rest;
            known.push(id, tick, kind, values);
        };
        for (index, entry) in baseline.entries().iter().enumerate() {
            while let Some(added) = added.next_if(|(id, _)| *id < entry.id) {
                add(known, *added);
            }
            let is_here = |other: u32| other as usize == index;
            if removed.next_if(|removed| is_here(**removed)).is_some() {
                continue;
            }
            if changed.next_if(|(changed, _)| is_here(*changed)).is_some() {
                let (values, rest) = changed_values.split_at(len(entry.kind));
                changed_values = rest;
                known.push(entry.id, tick, entry.kind, values);
            } else {
                let seen = if self.is_complete { tick } else { entry.seen };
                known.push(entry.id, seen, entry.kind, baseline.values(entry));
            }
        }
        added.for_each(|added| add(known, *added));
    }
}

fn read_count(reader: &mut BitReader<'_>) -> Result<u32, SnapshotError> {
    let count = reader.number(0)?;
    if count as usize > ENTITIES_MAX {
        return Err(SnapshotError::TooManyEntities);
    }
    Ok(count)
}

/// An index of the baseline, from `next` on.
fn read_index(
    reader: &mut BitReader<'_>,
    next: u32,
    baseline: &Known,
) -> Result<u32, SnapshotError> {
    let index = u64::from(next) + u64::from(reader.number(0)?);
    if index >= baseline.entries().len() as u64 {
        return Err(SnapshotError::Malformed);
    }
    Ok(index as u32)
}
