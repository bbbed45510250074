//! The best split of a match's tickets into teams: sizes exact, ratings as even as can be.

use crate::ids::TicketId;

/// Placements that are tried before the best split so far is taken. Two teams of five solo players
/// need about 700, two of eight about 35,000.
const STEPS_MAX: u32 = 50_000;

/// What may not be split: the members of one ticket.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The ticket.
    pub id: TicketId,
    /// Its members.
    pub size: usize,
    /// Their mean rating.
    pub rating_milli: i64,
}

/// The tickets of each team, or `None` if the parties cannot fill the teams.
pub fn split(units: &[Unit], teams: usize, team_size: usize) -> Option<Vec<Vec<TicketId>>> {
    // Large parties first: what cannot fit shows early.
    let mut order: Vec<&Unit> = units.iter().collect();
    order.sort_by_key(|unit| (core::cmp::Reverse((unit.size, unit.rating_milli)), unit.id));
    let mut search = Search { order: &order, team_size, best: None, steps: 0 };
    search.place(&mut vec![Team::default(); teams], 0);
    search.best.map(|(_, teams)| teams)
}

#[derive(Clone, Debug, Default)]
struct Team {
    tickets: Vec<TicketId>,
    size: usize,
    /// Of all members: teams are of one size, so sums compare as means do.
    rating_milli: i64,
}

struct Search<'a> {
    order: &'a [&'a Unit],
    team_size: usize,
    best: Option<(i64, Vec<Vec<TicketId>>)>,
    steps: u32,
}

impl Search<'_> {
    fn place(&mut self, teams: &mut Vec<Team>, number: usize) {
        if self.steps == STEPS_MAX {
            return;
        }
        self.steps += 1;
        let Some(unit) = self.order.get(number).copied() else {
            self.compare(teams);
            return;
        };
        for team in 0..teams.len() {
            if teams[team].size + unit.size > self.team_size {
                continue;
            }
            let was_empty = teams[team].size == 0;
            teams[team].put(unit);
            self.place(teams, number + 1);
            teams[team].take_back(unit);
            // Teams have no names yet: one empty team is as good as the next.
            if was_empty {
                break;
            }
        }
    }

    fn compare(&mut self, teams: &[Team]) {
        if teams.iter().any(|team| team.size != self.team_size) {
            return;
        }
        let sums = || teams.iter().map(|team| team.rating_milli);
        let spread = sums().max().unwrap_or(0) - sums().min().unwrap_or(0);
        if self.best.as_ref().is_none_or(|(least, _)| spread < *least) {
            let tickets = teams.iter().map(|team| team.tickets.clone()).collect();
            self.best = Some((spread, tickets));
        }
    }
}

impl Team {
    fn put(&mut self, unit: &Unit) {
        self.tickets.push(unit.id);
        self.size += unit.size;
        self.rating_milli += unit.rating_milli * unit.size as i64;
    }

    fn take_back(&mut self, unit: &Unit) {
        self.tickets.pop();
        self.size -= unit.size;
        self.rating_milli -= unit.rating_milli * unit.size as i64;
    }
}

#[cfg(test)]
mod tests {
    use super::{TicketId, Unit, split};

    #[track_caller]
    fn check(units: &[(usize, i64)], teams: usize, size: usize, expected: Option<&[&[u64]]>) {
        let units: Vec<Unit> = (1..)
            .zip(units)
            .map(|(id, (size, rating_milli))| Unit {
                id: TicketId(id),
                size: *size,
                rating_milli: *rating_milli,
            })
            .collect();
        let found = split(&units, teams, size);
        let expected = expected.map(|teams| {
            teams.iter().map(|team| team.iter().copied().map(TicketId).collect()).collect()
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn strong_and_weak_are_mixed() {
        check(&[(1, 10), (1, 20), (1, 30), (1, 40)], 2, 2, Some(&[&[4, 1], &[3, 2]]));
        check(&[(1, 90), (2, 20), (1, 30)], 2, 2, Some(&[&[2], &[1, 3]]));
        check(&[(1, 1), (1, 2), (1, 3)], 3, 1, Some(&[&[3], &[2], &[1]]));
    }

    #[test]
    fn parties_that_do_not_fit_are_no_match() {
        check(&[(2, 0), (2, 0), (2, 0)], 2, 3, None);
        check(&[(3, 0), (3, 0)], 2, 3, Some(&[&[1], &[2]]));
    }
}
