//! The server's half: what one client knows, and the next message for it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::snapshot::baseline::{AGE_MAX, Known, LATE_TICKS_MAX, Ring, SNAPSHOTS_KEPT};
use crate::snapshot::bits::{BitWriter, number_bits};
use crate::snapshot::budget::{Item, Reason, Tally, choose, count_bits, gap, index_gap_bits};
use crate::snapshot::delta::{Codings, changed_bits, whole_bits, write_changed, write_whole};
use crate::snapshot::schema::{EntityId, EntityState, Schema};
use crate::tick::Tick;

/// Most entities that one client knows at a time.
pub const ENTITIES_MAX: usize = 4096;
/// Order of the number that says how old the baseline is.
pub(super) const AGE_ORDER: u32 = 2;

/// Bounds of a priority: whoever has the least still gets through in the end.
const PRIORITIES: (f32, f32) = (1.0 / 64.0, 1024.0);

/// An entity that a client should know.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its name.
    pub id: EntityId,
    /// Its state at the tick of the snapshot. It must fit the schema.
    pub state: &'a EntityState,
    /// How much it gains on others in every tick that it waits, from 1/64 to 1024.
    pub priority: f32,
}

/// What became of the candidates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Encoded {
    /// Entities in the message.
    pub written: usize,
    /// Entities that should have been in the message, and removals, for which the budget was too
    /// small. They wait with more priority.
    pub postponed: usize,
    /// Entities that the message removes.
    pub removed: usize,
    /// Length of the message.
    pub bytes: usize,
}

/// Writes the snapshots of one client.
///
/// The picture and the contract are in [`the module`](crate::snapshot).
#[derive(Debug)]
pub struct SnapshotEncoder {
    codings: Codings,
    /// Sent, and possibly known to the client.
    ring: Ring,
    /// Ticks of the last [`SNAPSHOTS_KEPT`] messages, oldest first.
    sent: VecDeque<Tick>,
    baseline: Option<Tick>,
    /// The newest baseline that there ever was.
    baseline_newest: Tick,
    waiting: Vec<Waiting>,
    plan: Plan,
}

/// An entity that the baseline does not settle, by identifier.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: EntityId,
    priority: f32,
    mentioned: Option<Tick>,
}

/// What the next message could say.
#[derive(Debug, Default)]
struct Plan {
    /// Indices in the baseline, and who that is.
    removed: Vec<(u32, EntityId)>,
    items: Vec<Item>,
    order: Vec<u32>,
    /// How many of `removed` are there to be added again, as another kind.
    replaced_count: usize,
    /// How many of `removed` fit.
    removed_count: usize,
    is_complete: bool,
}

impl SnapshotEncoder {
    /// An encoder for a client that knows nothing.
    #[expect(clippy::needless_pass_by_value, reason = "callers share one schema")]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            codings: Codings::new(&schema),
            ring: Ring::default(),
            sent: VecDeque::with_capacity(SNAPSHOTS_KEPT),
            baseline: None,
            baseline_newest: Tick::ZERO,
            waiting: Vec::new(),
            plan: Plan::default(),
        }
    }

    /// Appends the snapshot of `tick` to `out`: at most `budget_bytes`.
    ///
    /// `candidates`, by identifier, is everything that the client should know now; what else it
    /// knows is removed. What does not fit keeps the state of the baseline until a later message. A
    /// budget too small for any message appends nothing, and there is nothing to send.
    ///
    /// # Panics
    ///
    /// If `tick` is not later than that of the message before, or a candidate's state does not fit
    /// the schema.
    pub fn encode(
        &mut self,
        tick: Tick,
        candidates: &[Candidate<'_>],
        budget_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Encoded {
        assert!(self.sent.back().is_none_or(|last| *last < tick), "{tick:?} is not a later tick");
        debug_assert!(candidates.is_sorted_by(|one, other| one.id < other.id));
        let nothing = Known::default();
        self.give_up_baseline(tick);
        let mut known = self.ring.take_spare();
        known.restart(tick, self.baseline);
        let baseline = self.baseline.and_then(|baseline| self.ring.get(baseline));
        let age = baseline.map_or(0, |known| tick.saturating_since(known.tick) as u32);
        let baseline = baseline.unwrap_or(&nothing);

        self.plan.compare(&self.codings, baseline, candidates, &self.waiting);
        let bits_max = budget_bytes.saturating_mul(8);
        let header_bits = number_bits(age, AGE_ORDER) + 1;
        if header_bits + 3 * count_bits(0) > bits_max {
            let postponed = self.plan.items.len() + self.plan.removed.len();
            self.ring.give_back(known);
            return Encoded { postponed, ..Encoded::default() };
        }
        self.plan.choose(bits_max - header_bits, baseline.entries().len());
        let length_before = out.len();
        let mut writer = BitWriter::new(out, bits_max);
        writer.number(age, AGE_ORDER);
        writer.bits(u32::from(self.plan.is_complete), 1);
        self.plan.write(&self.codings, baseline, candidates, &mut writer);
        writer.finish();
        self.plan.apply(baseline, candidates, &mut known);
        self.ring.insert(known);
        self.remember_sent(tick);
        let bytes = out.len() - length_before;
        self.settle(tick, candidates, bytes)
    }

    /// The client has received the snapshot of `tick`.
    pub fn on_acked(&mut self, tick: Tick) {
        if self.baseline.is_some_and(|baseline| tick <= baseline) {
            return;
        }
        let Some(known) = self.ring.get(tick) else { return };
        // The client may have forgotten what this snapshot started from before it arrived: count as
        // received only what it must have been able to decode.
        if let Some(from) = known.baseline {
            let is_late = from + LATE_TICKS_MAX < self.baseline_newest;
            if is_late || self.sent.front().is_none_or(|oldest| from < *oldest) {
                return;
            }
        }
        self.baseline = Some(tick);
        self.baseline_newest = tick;
        self.ring.forget_before(tick);
    }

    /// The snapshot of `tick` is lost. Should it arrive all the same, that does no harm.
    pub fn on_lost(&mut self, tick: Tick) {
        if self.baseline != Some(tick) {
            self.ring.forget(tick);
        }
    }

    /// The tick of the snapshot that the next message starts from.
    pub fn baseline(&self) -> Option<Tick> {
        self.baseline
    }

    /// The client knows nothing any more: the next message starts from nothing.
    pub fn restart(&mut self) {
        self.ring = Ring::default();
        self.baseline = None;
        self.waiting.clear();
    }

    #[cfg(test)]
    pub(super) fn known(&self, tick: Tick) -> Option<&Known> {
        self.ring.get(tick)
    }

    /// Forgets a baseline that the client may have forgotten.
    fn give_up_baseline(&mut self, tick: Tick) {
        let Some(baseline) = self.baseline else { return };
        let is_full = self.sent.len() >= SNAPSHOTS_KEPT;
        let is_oldest = self.sent.front().is_none_or(|oldest| baseline <= *oldest);
        if tick.saturating_since(baseline) > AGE_MAX || (is_full && is_oldest) {
            self.baseline = None;
        }
    }

    fn remember_sent(&mut self, tick: Tick) {
        if self.sent.len() >= SNAPSHOTS_KEPT {
            self.sent.pop_front();
        }
        self.sent.push_back(tick);
    }

    /// Remembers who waits.
    fn settle(&mut self, tick: Tick, candidates: &[Candidate<'_>], bytes: usize) -> Encoded {
        let removed = self.plan.removed_count;
        let mut encoded = Encoded { removed, bytes, ..Encoded::default() };
        encoded.postponed = self.plan.removed.len() - removed + self.plan.replaced_count;
        self.waiting.clear();
        for item in &self.plan.items {
            let id = candidates[item.candidate as usize].id;
            if item.is_chosen {
                encoded.written += 1;
                self.waiting.push(Waiting { id, priority: 0.0, mentioned: Some(tick) });
                continue;
            }
            let (mut priority, mentioned) = (item.priority, item.mentioned);
            if self.plan.is_complete {
                priority = 0.0;
            } else {
                encoded.postponed += 1;
            }
            self.waiting.push(Waiting { id, priority, mentioned });
        }
        // Whoever is gone may come back before the client has heard of either.
        if !self.plan.removed.is_empty() {
            let gone =
                |&(_, id): &(u32, EntityId)| Waiting { id, priority: 0.0, mentioned: Some(tick) };
            self.waiting.extend(self.plan.removed.iter().map(gone));
            self.waiting.sort_unstable_by_key(|waiting| waiting.id);
        }
        encoded
    }
}

impl Plan {
    /// What a message would have to say for the client to know exactly the candidates.
    fn compare(
        &mut self,
        codings: &Codings,
        baseline: &Known,
        candidates: &[Candidate<'_>],
        waiting: &[Waiting],
    ) {
        self.removed.clear();
        self.replaced_count = 0;
        self.items.clear();
        let mut known = baseline.entries().iter().enumerate().peekable();
        let mut waiting = waiting.iter().peekable();
        for (place, candidate) in candidates.iter().enumerate() {
            let id = candidate.id;
            while let Some((index, entry)) = known.next_if(|(_, entry)| entry.id < id) {
                self.removed.push((index as u32, entry.id));
            }
            while waiting.next_if(|waiting| waiting.id < id).is_some() {}
            let waited = waiting.next_if(|waiting| waiting.id == id);
            let mentioned = waited.and_then(|waiting| waiting.mentioned);
            let (key, reason, bits) = match known.next_if(|(_, entry)| entry.id == id) {
                // Not seen in practice, as a name is never used again. It vanishes first.
                Some((index, entry)) if entry.kind != candidate.state.kind() => {
                    self.removed.push((index as u32, id));
                    self.replaced_count += 1;
                    continue;
                }
                Some((index, entry)) => {
                    let (from, to) = (baseline.values(entry), candidate.state.values());
                    if from == to && mentioned.is_none_or(|mentioned| mentioned <= entry.seen) {
                        continue;
                    }
                    let bits = changed_bits(codings.for_state(candidate.state), from, to);
                    let reason = if from == to { Reason::Confirmed } else { Reason::Changed };
                    (index as u64, reason, bits)
                }
                None => {
                    let bits = whole_bits(codings.for_state(candidate.state));
                    let again = mentioned.is_some();
                    let reason = if again { Reason::AddedAgain } else { Reason::Added };
                    (id.0, reason, bits + codings.kind_bits() as usize)
                }
            };
            let gain = candidate.priority.max(PRIORITIES.0).min(PRIORITIES.1);
            self.items.push(Item {
                reason,
                candidate: place as u32,
                key,
                bits: bits as u32,
                priority: waited.map_or(0.0, |waiting| waiting.priority) + gain,
                mentioned,
                is_chosen: false,
            });
        }
        self.removed.extend(known.map(|(index, entry)| (index as u32, entry.id)));
    }

    /// Removals first, then as many entities as fit.
    fn choose(&mut self, bits_max: usize, known_count: usize) {
        let mut tally = Tally::default();
        let mut removed_bits = tally.total_bits();
        self.removed_count = 0;
        for &(index, _) in &self.removed {
            tally.add(index.into(), 0, index_gap_bits);
            if tally.total_bits() + 2 * count_bits(0) > bits_max {
                break;
            }
            removed_bits = tally.total_bits();
            self.removed_count += 1;
        }
        let added_max = ENTITIES_MAX.saturating_sub(known_count - self.removed_count);
        choose(&mut self.items, bits_max - removed_bits, added_max, &mut self.order);
        let all_chosen = |item: &Item| item.is_chosen || item.reason == Reason::Confirmed;
        self.is_complete =
            self.removed_count == self.removed.len() && self.items.iter().all(all_chosen);
    }

    fn write(
        &self,
        codings: &Codings,
        baseline: &Known,
        candidates: &[Candidate<'_>],
        writer: &mut BitWriter<'_>,
    ) {
        let mut before = None;
        writer.number(self.removed_count as u32, 0);
        for &(index, _) in &self.removed[..self.removed_count] {
            writer.number(gap(before, index.into()) as u32, 0);
            before = Some(index.into());
        }

        before = None;
        let chosen = || self.items.iter().filter(|item| item.is_chosen);
        writer.number(chosen().filter(|item| !item.is_added()).count() as u32, 0);
        for item in chosen().filter(|item| !item.is_added()) {
            writer.number(gap(before, item.key) as u32, 0);
            before = Some(item.key);
            let state = candidates[item.candidate as usize].state;
            let from = baseline.values(&baseline.entries()[item.key as usize]);
            let codings = codings.of(state.kind()).expect("compared before");
            write_changed(codings, from, state.values(), writer);
        }

        before = None;
        writer.number(chosen().filter(|item| item.is_added()).count() as u32, 0);
        for item in chosen().filter(|item| item.is_added()) {
            writer.wide(gap(before, item.key));
            before = Some(item.key);
            let state = candidates[item.candidate as usize].state;
            writer.bits(state.kind().0.into(), codings.kind_bits());
            write_whole(codings.of(state.kind()).expect("compared before"), state.values(), writer);
        }
    }

    /// What the client knows after this message.
    fn apply(&self, baseline: &Known, candidates: &[Candidate<'_>], known: &mut Known) {
        let tick = known.tick;
        let mut removed = self.removed[..self.removed_count].iter().peekable();
        let mut chosen = self.items.iter().filter(|item| item.is_chosen).peekable();
        let push = |item: &Item, known: &mut Known| {
            let Candidate { id, state, .. } = &candidates[item.candidate as usize];
            known.push(*id, tick, state.kind(), state.values());
        };
        let id = |item: &Item| candidates[item.candidate as usize].id;
        for (index, entry) in baseline.entries().iter().enumerate() {
            while let Some(item) = chosen.next_if(|item| id(item) < entry.id) {
                push(item, known);
            }
            if removed.next_if(|(removed, _)| *removed as usize == index).is_some() {
                continue;
            }
            match chosen.next_if(|item| id(item) == entry.id) {
                Some(item) => push(item, known),
                None => {
                    let seen = if self.is_complete { tick } else { entry.seen };
                    known.push(entry.id, seen, entry.kind, baseline.values(entry));
                }
            }
        }
        chosen.for_each(|item| push(item, known));
    }
}
