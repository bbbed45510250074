//! The auditor: watches from outside that nothing is lost or done twice.
//!
//! Zones report every input that they consume; the auditor checks that each character's ticks form
//! one unbroken line, whichever zones consume them. It believes no counter of the zones. Reports
//! come through one queue, so that what one zone did before it handed over stands before what the
//! next one did.

use std::collections::{BTreeMap, BTreeSet};

use netcode::tick::Tick;

use crate::ids::{CharacterId, Epoch, ZoneId};
use crate::world::{Arrival, Consumption};

/// A character that no zone has simulated for this many ticks is lost: five seconds at 30 Hz.
const LOST_AFTER_TICKS: u64 = 150;

/// What a zone reports.
#[derive(Clone, Debug)]
pub enum Report {
    /// Inputs were consumed.
    Consumed(Vec<Consumption>),
    /// A character came over the border.
    Arrived(Arrival),
    /// A character left the world.
    Left(CharacterId),
    /// How long a tick took, and whether it ended after the next should have begun.
    Tick {
        /// Which zone.
        zone: ZoneId,
        /// The tick.
        tick: Tick,
        /// All of its work, in microseconds.
        micros: u64,
        /// It ended late.
        is_overrun: bool,
    },
}

/// What the auditor found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    /// Characters whose line of ticks has ended though they did not leave.
    pub entities_lost: u64,
    /// Ticks that two owners simulated for one character.
    pub entities_duplicated: u64,
    /// Ticks that nobody consumed an input for; inputs that reached a source and that the target
    /// of the handoff did not use.
    pub inputs_lost: u64,
    /// Ticks consumed twice by one owner.
    pub inputs_duplicated: u64,
    /// The most ticks that a target had to catch up with after a handoff.
    pub gap_ticks_max: u64,
    /// Crossings seen.
    pub arrivals: u64,
    /// Inputs consumed.
    pub inputs_consumed: u64,
    /// Of these, the last one held because none had arrived in time.
    pub inputs_starved: u64,
}

#[derive(Debug)]
struct Line {
    epoch: Epoch,
    tick: Tick,
    /// Ticks whose inputs waited at the source of the last handoff.
    waiting: BTreeSet<Tick>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Auditor {
    lines: BTreeMap<CharacterId, Line>,
    arriving: BTreeMap<CharacterId, BTreeSet<Tick>>,
    newest: Tick,
    findings: Findings,
}

impl Auditor {
    /// Takes a report.
    pub fn observe(&mut self, report: &Report) {
        match report {
            Report::Consumed(consumed) => consumed.iter().for_each(|one| self.on_consumed(one)),
            Report::Arrived(arrival) => {
                self.findings.arrivals += 1;
                self.findings.gap_ticks_max = self.findings.gap_ticks_max.max(arrival.gap_ticks);
                let waiting = arrival.waiting.iter().copied().collect();
                self.arriving.insert(arrival.character, waiting);
            }
            Report::Left(character) => {
                self.lines.remove(character);
                self.arriving.remove(character);
            }
            Report::Tick { .. } => {}
        }
    }

    /// What was found up to now. Characters that stand still count as lost.
    pub fn findings(&self) -> Findings {
        let is_lost = |line: &&Line| self.newest.saturating_since(line.tick) > LOST_AFTER_TICKS;
        let lost = self.lines.values().filter(is_lost).count() as u64;
        Findings { entities_lost: self.findings.entities_lost + lost, ..self.findings }
    }

    /// Characters in the world, as far as the reports say.
    pub fn in_world(&self) -> usize {
        self.lines.len()
    }

    fn on_consumed(&mut self, consumed: &Consumption) {
        let Consumption { character, epoch, tick, is_starved } = *consumed;
        self.newest = self.newest.max(tick);
        self.findings.inputs_consumed += 1;
        self.findings.inputs_starved += u64::from(is_starved);
        let line = self.lines.entry(character).or_insert(Line {
            epoch,
            tick: tick.saturating_back(1),
            waiting: BTreeSet::new(),
        });
        if let Some(waiting) = self.arriving.remove(&character) {
            line.waiting = waiting;
        }
        let is_new_owner = epoch > line.epoch;
        if epoch < line.epoch || (tick <= line.tick && is_new_owner) {
            self.findings.entities_duplicated += 1;
        } else if tick <= line.tick {
            self.findings.inputs_duplicated += 1;
        } else {
            self.findings.inputs_lost += tick.saturating_since(line.tick.next());
            if line.waiting.remove(&tick) && is_starved {
                self.findings.inputs_lost += 1;
            }
        }
        line.epoch = line.epoch.max(epoch);
        line.tick = line.tick.max(tick);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Auditor, CharacterId, Consumption, Epoch, Findings, LOST_AFTER_TICKS, Report, Tick,
    };
    use crate::world::Arrival;

    fn consumed(character: u64, epoch: u32, tick: u64) -> Consumption {
        let (character, epoch, tick) = (CharacterId(character), Epoch(epoch), Tick::new(tick));
        Consumption { character, epoch, tick, is_starved: false }
    }

    fn findings(reports: impl IntoIterator<Item = (u32, u64)>) -> Findings {
        let mut auditor = Auditor::default();
        for (epoch, tick) in reports {
            auditor.observe(&Report::Consumed(vec![consumed(1, epoch, tick)]));
        }
        auditor.findings()
    }

    #[test]
    fn an_unbroken_line_over_two_owners_is_fine() {
        let found = findings([(1, 5), (1, 6), (2, 7), (2, 8)]);
        assert_eq!(found, Findings { inputs_consumed: 4, ..Findings::default() });
    }

    #[test]
    fn every_kind_of_break_is_found() {
        assert_eq!(findings([(1, 5), (2, 8)]).inputs_lost, 2);
        assert_eq!(findings([(1, 5), (1, 5)]).inputs_duplicated, 1);
        assert_eq!(findings([(1, 5), (2, 5)]).entities_duplicated, 1);
        assert_eq!(findings([(1, 5), (2, 6), (1, 6)]).entities_duplicated, 1);
    }

    #[test]
    fn who_stands_still_is_lost_and_who_left_is_not() {
        let mut auditor = Auditor::default();
        let both = vec![consumed(1, 1, 5), consumed(2, 1, 5), consumed(3, 1, 5)];
        auditor.observe(&Report::Consumed(both));
        auditor.observe(&Report::Left(CharacterId(2)));
        auditor.observe(&Report::Consumed(vec![consumed(3, 1, 6)]));
        assert_eq!(auditor.findings().entities_lost, 0);
        for tick in 7..7 + LOST_AFTER_TICKS {
            auditor.observe(&Report::Consumed(vec![consumed(3, 1, tick)]));
        }
        assert_eq!(auditor.findings().entities_lost, 1);
        assert_eq!(auditor.in_world(), 2);
    }

    #[test]
    fn an_input_that_waited_and_was_not_used_is_lost() {
        let mut auditor = Auditor::default();
        auditor.observe(&Report::Consumed(vec![consumed(1, 1, 5)]));
        auditor.observe(&Report::Arrived(Arrival {
            character: CharacterId(1),
            epoch: Epoch(2),
            source_tick: Tick::new(5),
            gap_ticks: 1,
            waiting: vec![Tick::new(6), Tick::new(7)],
        }));
        let starved = |tick| Consumption { is_starved: true, ..consumed(1, 2, tick) };
        auditor.observe(&Report::Consumed(vec![consumed(1, 2, 6), starved(7), starved(8)]));
        let found = auditor.findings();
        assert_eq!((found.inputs_lost, found.inputs_starved, found.gap_ticks_max), (1, 2, 1));
    }
}
