//! The waiting tickets, and the search for a match among them.
//!
//! ```text
//!   oldest ticket ──▶ nearest in rating, of each party size ──▶ a set that fills the match
//!        │                     (a few, by index)                     │ every pair in both windows
//!        ▼                                                           ▼
//!   next oldest, if nothing fits                              best split into teams
//! ```
//!
//! The oldest ticket chooses first, so that nobody is passed over for ever. Any two tickets of a
//! match are in each other's windows, so that it suits everyone in it, and windows only grow. Work
//! is bounded for each ticket, whatever the number that waits.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use netcode::time::Instant;

use crate::ids::{CharacterId, PartyId, TicketId};
use crate::matchmaking::queue::{QueueConfig, to_milli};
use crate::matchmaking::split::{Unit, split};

/// Candidate sets that are tried for one ticket before it must wait for the next search.
const STEPS_MAX: u32 = 4_096;
/// Candidates of one party size beyond what one match could hold.
const SPARE_CANDIDATES: usize = 4;

/// A wish to play, of one player or of a whole party.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ticket {
    /// Who plays. Never split.
    pub members: Vec<CharacterId>,
    /// The party, unless a player came alone.
    pub party: Option<PartyId>,
    /// The mean rating of the members, in thousandths of a point.
    pub rating_milli: i64,
    /// Since when it waits.
    pub opened_at: Instant,
}

/// The tickets of one queue.
#[derive(Debug, Default)]
pub struct Pool {
    /// Ids rise with time: the first is the oldest.
    tickets: BTreeMap<TicketId, Ticket>,
    /// By party size, then by rating.
    by_rating: BTreeMap<usize, BTreeSet<(i64, TicketId)>>,
    players: usize,
}

/// A match that the search found: the tickets of each team, already taken out of the pool.
pub type Teams = Vec<Vec<(TicketId, Ticket)>>;

impl Pool {
    /// Adds a ticket. Its id must be above every id before it.
    pub fn insert(&mut self, id: TicketId, ticket: Ticket) {
        let index = self.by_rating.entry(ticket.members.len()).or_default();
        index.insert((ticket.rating_milli, id));
        self.players += ticket.members.len();
        self.tickets.insert(id, ticket);
    }

    /// Takes a ticket out.
    pub fn remove(&mut self, id: TicketId) -> Option<Ticket> {
        let ticket = self.tickets.remove(&id)?;
        self.players -= ticket.members.len();
        if let Some(index) = self.by_rating.get_mut(&ticket.members.len()) {
            index.remove(&(ticket.rating_milli, id));
        }
        Some(ticket)
    }

    /// Takes the oldest ticket out.
    pub fn pop_oldest(&mut self) -> Option<(TicketId, Ticket)> {
        let id = *self.tickets.keys().next()?;
        self.remove(id).map(|ticket| (id, ticket))
    }

    /// Makes every match that can be made, oldest tickets first.
    pub fn search(&mut self, now: Instant, config: &QueueConfig) -> Vec<Teams> {
        let mut found = Vec::new();
        let oldest_first: Vec<TicketId> = self.tickets.keys().copied().collect();
        for anchor in oldest_first {
            if !self.has_enough(config) {
                break;
            }
            // It may be in a match with an older one by now.
            if self.tickets.contains_key(&anchor)
                && let Some(teams) = self.match_around(anchor, now, config)
            {
                found.push(teams);
            }
        }
        found
    }

    /// Enough players wait for a match, if only their ratings and parties fit.
    pub fn has_enough(&self, config: &QueueConfig) -> bool {
        self.players >= config.players() as usize
    }

    /// Some window is not at its widest yet.
    pub fn is_widening(&self, now: Instant, config: &QueueConfig) -> bool {
        let newest = self.tickets.values().next_back();
        newest.is_some_and(|ticket| {
            config.window_milli(waited(ticket, now)) < to_milli(config.window_max)
        })
    }

    /// Tickets that wait.
    pub fn count(&self) -> usize {
        self.tickets.len()
    }

    /// A match with the ticket `anchor` in it.
    fn match_around(
        &mut self,
        anchor: TicketId,
        now: Instant,
        config: &QueueConfig,
    ) -> Option<Teams> {
        let first = self.candidate(anchor, now, config)?;
        let candidates = self.candidates_near(&first, now, config);
        let mut choice = Choice { config, candidates: &candidates, steps: 0 };
        let teams = choice.complete(&mut vec![first], 0)?;
        let taken = teams.into_iter().map(|team| {
            let tickets = team.into_iter().filter_map(|id| Some((id, self.remove(id)?)));
            tickets.collect()
        });
        Some(taken.collect())
    }

    fn candidate(&self, id: TicketId, now: Instant, config: &QueueConfig) -> Option<Candidate> {
        let ticket = self.tickets.get(&id)?;
        Some(Candidate {
            unit: Unit { id, size: ticket.members.len(), rating_milli: ticket.rating_milli },
            window_milli: config.window_milli(waited(ticket, now)),
        })
    }

    /// Those that could be with `first`, nearest first, older first among equals. Of each party
    /// size a few more than a match could hold are enough.
    fn candidates_near(
        &self,
        first: &Candidate,
        now: Instant,
        config: &QueueConfig,
    ) -> Vec<Candidate> {
        let centre = first.unit.rating_milli;
        let room = config.players() as usize - first.unit.size;
        let mut near = Vec::new();
        for (size, index) in self.by_rating.range(1..=room) {
            let fit = |(_, id): &(i64, TicketId)| {
                let candidate = self.candidate(*id, now, config)?;
                (*id != first.unit.id && first.suits(&candidate)).then_some(candidate)
            };
            let within =
                |(rating, _): &&(i64, TicketId)| (rating - centre).abs() <= first.window_milli;
            let limit = room / size + SPARE_CANDIDATES;
            let above = index.range((centre, TicketId(0))..).take_while(within);
            let below = index.range(..(centre, TicketId(0))).rev().take_while(within);
            near.extend(above.filter_map(fit).take(limit));
            near.extend(below.filter_map(fit).take(limit));
        }
        near.sort_by_key(|one| ((one.unit.rating_milli - centre).abs(), one.unit.id));
        near
    }
}

/// A ticket as the search sees it.
#[derive(Clone, Debug)]
struct Candidate {
    unit: Unit,
    window_milli: i64,
}

impl Candidate {
    /// Each is in the other's window.
    fn suits(&self, other: &Self) -> bool {
        let apart = (self.unit.rating_milli - other.unit.rating_milli).abs();
        apart <= self.window_milli.min(other.window_milli)
    }
}

/// The choice of tickets that fill a match, depth first over candidates that are nearest first.
struct Choice<'a> {
    config: &'a QueueConfig,
    candidates: &'a [Candidate],
    steps: u32,
}

impl Choice<'_> {
    /// Completes `chosen` with candidates from number `from` on, if it can be done.
    fn complete(&mut self, chosen: &mut Vec<Candidate>, from: usize) -> Option<Vec<Vec<TicketId>>> {
        let seats = self.config.players() as usize;
        let taken: usize = chosen.iter().map(|one| one.unit.size).sum();
        if taken == seats {
            let units: Vec<Unit> = chosen.iter().map(|one| one.unit.clone()).collect();
            return split(&units, self.config.teams as usize, self.config.team_size as usize);
        }
        for number in from..self.candidates.len() {
            if self.steps == STEPS_MAX {
                return None;
            }
            self.steps += 1;
            let next = &self.candidates[number];
            if taken + next.unit.size > seats || !chosen.iter().all(|one| one.suits(next)) {
                continue;
            }
            chosen.push(next.clone());
            let teams = self.complete(chosen, number + 1);
            chosen.pop();
            if teams.is_some() {
                return teams;
            }
        }
        None
    }
}

/// How long a ticket has waited.
pub fn waited(ticket: &Ticket, now: Instant) -> Duration {
    now.saturating_since(ticket.opened_at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CharacterId, Duration, Instant, Pool, QueueConfig, Ticket, TicketId};

    const START: Instant = Instant::from_millis(0);

    /// A pool of tickets, each given by the ratings of its members.
    fn pool(tickets: &[(i64, usize)]) -> Pool {
        let mut pool = Pool::default();
        for (id, (rating, size)) in (1_u64..).zip(tickets) {
            let members = (0..*size as u64).map(|member| CharacterId(id * 100 + member)).collect();
            let rating_milli = rating * 1000;
            let ticket = Ticket { members, party: None, rating_milli, opened_at: START };
            pool.insert(TicketId(id), ticket);
        }
        pool
    }

    #[track_caller]
    fn check(tickets: &[(i64, usize)], after: Duration, expected: &[&[&[u64]]]) {
        let found = pool(tickets).search(START + after, &QueueConfig::default());
        let ids: Vec<Vec<Vec<u64>>> = found
            .iter()
            .map(|teams| {
                teams.iter().map(|team| team.iter().map(|(id, _)| id.0).collect()).collect()
            })
            .collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn the_oldest_ticket_chooses_the_nearest() {
        let ratings = [(1500, 1), (1590, 1), (1510, 1), (1520, 1), (1530, 1)];
        check(&ratings, Duration::ZERO, &[&[&[5, 1], &[4, 3]]]);
    }

    #[test]
    fn a_ticket_waits_until_its_window_is_wide_enough() {
        let ratings = [(1500, 1), (1500, 1), (1500, 1), (1650, 1)];
        check(&ratings, Duration::from_millis(1_999), &[]);
        check(&ratings, Duration::from_secs(2), &[&[&[4, 1], &[2, 3]]]);
    }

    #[test]
    fn windows_hold_between_all_and_not_only_with_the_oldest() {
        // Both ends are within 100 of the oldest, and 180 apart.
        check(&[(1500, 1), (1590, 1), (1410, 1), (1500, 1)], Duration::ZERO, &[]);
    }

    #[test]
    fn parties_stay_together() {
        check(&[(1500, 2), (1500, 1), (1510, 1)], Duration::ZERO, &[&[&[1], &[3, 2]]]);
        check(&[(1500, 1), (1500, 2), (1500, 2)], Duration::ZERO, &[&[&[2], &[3]]]);
    }

    proptest! {
        /// With everybody in everybody's window, no match is left unmade.
        #[test]
        fn what_can_be_made_is_made(
            tickets in prop::collection::vec((1000..2000_i64, 1..3_usize), 0..30),
        ) {
            let mut pool = pool(&tickets);
            let found = pool.search(START + Duration::from_secs(600), &QueueConfig::default());
            for teams in &found {
                prop_assert_eq!(teams.len(), 2);
                for team in teams {
                    prop_assert_eq!(team.iter().map(|(_, it)| it.members.len()).sum::<usize>(), 2);
                }
            }
            let left = |size| pool.tickets.values().filter(|it| it.members.len() == size).count();
            let (alone, pairs) = (left(1), left(2));
            prop_assert!(alone + 2 * pairs < 4, "{alone} alone and {pairs} pairs are left");
        }
    }
}
