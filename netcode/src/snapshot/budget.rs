//! Which entities fit into a message: those that have waited for the most priority.
//!
//! What an entity costs depends on its neighbours in the message, because identifiers and indices
//! are written as gaps. The costs here are exact, so that a budget is used and never exceeded.

use std::collections::BTreeSet;

use crate::snapshot::bits::{number_bits, wide_bits};
use crate::tick::Tick;

/// Why an entity wants to be in a message, the most urgent first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Reason {
    /// The baseline does not have it, but an earlier message that may have arrived had: without
    /// this one it would vanish again.
    AddedAgain,
    /// The baseline does not have it.
    Added,
    /// It differs from the baseline.
    Changed,
    /// It equals the baseline, but an earlier message that may have arrived said otherwise.
    Confirmed,
}

/// An entity that wants to be in a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) reason: Reason,
    /// Its place among the candidates.
    pub(super) candidate: u32,
    /// Its index in the baseline, or its identifier if it is added.
    pub(super) key: u64,
    /// Bits of its body: everything but the gap.
    pub(super) bits: u32,
    /// Accumulated since it was last sent.
    pub(super) priority: f32,
    /// The snapshot that mentioned it last.
    pub(super) mentioned: Option<Tick>,
    pub(super) is_chosen: bool,
}

impl Item {
    pub(super) fn is_added(&self) -> bool {
        matches!(self.reason, Reason::Added | Reason::AddedAgain)
    }
}

/// Chooses among `items`, which are in the order of the message, with `bits_max` bits for both
/// sections and room for `added_max` more entities.
pub(super) fn choose(items: &mut [Item], bits_max: usize, added_max: usize, order: &mut Vec<u32>) {
    if fits_whole(items, bits_max, added_max) {
        for item in items {
            item.is_chosen = item.reason != Reason::Confirmed;
        }
        return;
    }
    order.clear();
    order.extend(0..items.len() as u32);
    order.sort_unstable_by(|&one, &other| {
        let (one, other) = (&items[one as usize], &items[other as usize]);
        let again = |item: &Item| item.reason == Reason::AddedAgain;
        (again(other).cmp(&again(one)))
            .then(other.priority.total_cmp(&one.priority))
            .then(one.candidate.cmp(&other.candidate))
    });
    let least = items.iter().map(|item| item.bits as usize).min().unwrap_or(0);
    let mut changed = Section::new(index_gap_bits);
    let mut added = Section::new(wide_bits);
    for &index in &*order {
        if changed.bits + added.bits + least >= bits_max {
            break;
        }
        let item = &mut items[index as usize];
        let is_full = item.is_added() && added.keys.len() >= added_max;
        let other_bits = if item.is_added() { changed.bits } else { added.bits };
        let section = if item.is_added() { &mut added } else { &mut changed };
        let bits = section.bits_with(item.key, item.bits as usize);
        if !is_full && bits + other_bits <= bits_max {
            section.keys.insert(item.key);
            section.bits = bits;
            item.is_chosen = true;
        }
    }
}

/// Whether everything but confirmations fits, in which case these are not needed.
fn fits_whole(items: &[Item], bits_max: usize, added_max: usize) -> bool {
    let (mut changed, mut added) = (Tally::default(), Tally::default());
    for item in items.iter().filter(|item| item.reason != Reason::Confirmed) {
        if item.is_added() {
            added.add(item.key, item.bits, wide_bits);
        } else {
            changed.add(item.key, item.bits, index_gap_bits);
        }
    }
    added.count <= added_max && changed.total_bits() + added.total_bits() <= bits_max
}

/// Bits of a section whose items come in order.
#[derive(Default)]
pub(super) struct Tally {
    count: usize,
    bits: usize,
    last: Option<u64>,
}

impl Tally {
    /// Takes the next item.
    pub(super) fn add(&mut self, key: u64, bits: u32, gap_bits: fn(u64) -> usize) {
        self.bits += gap_bits(gap(self.last, key)) + bits as usize;
        self.count += 1;
        self.last = Some(key);
    }

    /// Bits of the section so far, with its count.
    pub(super) fn total_bits(&self) -> usize {
        count_bits(self.count) + self.bits
    }
}

/// Bits of a section whose items come in any order.
struct Section {
    keys: BTreeSet<u64>,
    bits: usize,
    gap_bits: fn(u64) -> usize,
}

impl Section {
    fn new(gap_bits: fn(u64) -> usize) -> Self {
        Self { keys: BTreeSet::new(), bits: count_bits(0), gap_bits }
    }

    /// Its bits with one more item: a gap is cut in two, and the count rises.
    fn bits_with(&self, key: u64, body_bits: usize) -> usize {
        let before = self.keys.range(..key).next_back().copied();
        let after = self.keys.range(key..).next().copied();
        let mut bits = self.bits + body_bits + (self.gap_bits)(gap(before, key));
        if let Some(after) = after {
            bits += (self.gap_bits)(gap(Some(key), after));
            bits -= (self.gap_bits)(gap(before, after));
        }
        bits + count_bits(self.keys.len() + 1) - count_bits(self.keys.len())
    }
}

/// How a key is written after the one before it.
pub(super) fn gap(before: Option<u64>, key: u64) -> u64 {
    before.map_or(key, |before| key - before - 1)
}

/// Bits of a gap between indices.
pub(super) fn index_gap_bits(gap: u64) -> usize {
    number_bits(gap as u32, 0)
}

/// Bits of the count of a section.
pub(super) fn count_bits(count: usize) -> usize {
    number_bits(count as u32, 0)
}
