//! Matches that run: who plays, who scored, when each is over.
//!
//! ```text
//!              found
//!                │                    a team is all away
//!                ▼                 ┌───────────────────────┐
//!             running ─────────────┘   one of them is back │
//!                │  ▲──────────────────────────────────────┘
//!                │
//!                ├── time is up ─────────────▶ over: most hits win, equal hits draw
//!                └── a team away too long ───▶ over: the team that is there wins
//! ```
//!
//! No match waits for anybody: each has an instant at which it is over, whoever stays or leaves.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use netcode::time::Instant;

use crate::ids::{CharacterId, MatchId};
use crate::matchmaking::glicko::Outcome;

/// A match that runs.
#[derive(Clone, Debug)]
pub struct Match {
    /// The players of each team.
    pub teams: Vec<Vec<CharacterId>>,
    /// The hits of each team.
    pub scores: Vec<u32>,
    ends_at: Instant,
    away: BTreeSet<CharacterId>,
    /// Since when a team has nobody left.
    deserted_at: Option<Instant>,
}

/// All matches that run. Nobody is in two.
#[derive(Debug)]
pub struct Matches {
    running: BTreeMap<MatchId, Match>,
    /// When each is over: one entry a match.
    due: BTreeSet<(Instant, MatchId)>,
    forfeit_after: Duration,
}

impl Matches {
    /// No matches. A whole team that is away for `forfeit_after` loses.
    pub fn new(forfeit_after: Duration) -> Self {
        Self { running: BTreeMap::new(), due: BTreeSet::new(), forfeit_after }
    }

    /// Starts a match.
    pub fn start(&mut self, id: MatchId, teams: Vec<Vec<CharacterId>>, ends_at: Instant) {
        let scores = vec![0; teams.len()];
        let away = BTreeSet::new();
        self.running.insert(id, Match { teams, scores, ends_at, away, deserted_at: None });
        self.due.insert((ends_at, id));
    }

    /// A match by its id, while it runs.
    pub fn get(&self, id: MatchId) -> Option<&Match> {
        self.running.get(&id)
    }

    /// Matches that run.
    pub fn count(&self) -> usize {
        self.running.len()
    }

    /// When the next match is over.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A hit. Counts only between opponents.
    pub fn on_hit(&mut self, id: MatchId, attacker: CharacterId, target: CharacterId) {
        let Some(it) = self.running.get_mut(&id) else { return };
        if let (Some(own), Some(other)) = (it.team_of(attacker), it.team_of(target))
            && own != other
        {
            it.scores[own] = it.scores[own].saturating_add(1);
        }
    }

    /// A player of the match is gone.
    pub fn on_left(&mut self, id: MatchId, character: CharacterId, now: Instant) {
        self.update(id, |it| {
            it.away.insert(character);
            if it.is_deserted() {
                it.deserted_at.get_or_insert(now);
            }
        });
    }

    /// A player of the match is back.
    pub fn on_back(&mut self, id: MatchId, character: CharacterId) {
        self.update(id, |it| {
            it.away.remove(&character);
            if !it.is_deserted() {
                it.deserted_at = None;
            }
        });
    }

    /// A match that is over at `now`, taken out, with its outcome.
    pub fn pop_over(&mut self, now: Instant) -> Option<(MatchId, Match, Outcome)> {
        let (at, id) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.due.pop_first();
        let it = self.running.remove(&id)?;
        let outcome = it.outcome(self.forfeit_after);
        Some((id, it, outcome))
    }

    /// Changes a match, and keeps its entry in `due` true.
    fn update(&mut self, id: MatchId, change: impl FnOnce(&mut Match)) {
        let Some(it) = self.running.get_mut(&id) else { return };
        self.due.remove(&(it.over_at(self.forfeit_after), id));
        change(it);
        self.due.insert((it.over_at(self.forfeit_after), id));
    }
}

impl Match {
    /// Everybody who plays.
    pub fn players(&self) -> impl Iterator<Item = CharacterId> {
        self.teams.iter().flatten().copied()
    }

    fn team_of(&self, character: CharacterId) -> Option<usize> {
        self.teams.iter().position(|team| team.contains(&character))
    }

    fn is_away(&self, team: &[CharacterId]) -> bool {
        team.iter().all(|member| self.away.contains(member))
    }

    fn is_deserted(&self) -> bool {
        self.teams.iter().any(|team| self.is_away(team))
    }

    fn forfeit_at(&self, after: Duration) -> Option<Instant> {
        self.deserted_at.map(|since| since + after)
    }

    fn over_at(&self, forfeit_after: Duration) -> Instant {
        self.forfeit_at(forfeit_after).map_or(self.ends_at, |at| at.min(self.ends_at))
    }

    fn outcome(&self, forfeit_after: Duration) -> Outcome {
        let is_forfeit = self.forfeit_at(forfeit_after).is_some_and(|at| at < self.ends_at);
        let counted = (0_u32..).zip(self.teams.iter().zip(&self.scores));
        let contenders: Vec<(u32, u32)> = counted
            .filter(|(_, (team, _))| !is_forfeit || !self.is_away(team))
            .map(|(number, (_, score))| (number, *score))
            .collect();
        let best = contenders.iter().map(|(_, score)| *score).max();
        let mut winners = contenders.iter().filter(|(_, score)| Some(*score) == best);
        match (winners.next(), winners.next()) {
            (Some((winner, _)), None) => Outcome::Won(*winner),
            _ => Outcome::Draw,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CharacterId, Duration, Instant, MatchId, Matches, Outcome};

    const ID: MatchId = MatchId(1);
    const END: Instant = Instant::from_millis(20_000);
    const FORFEIT_AFTER: Duration = Duration::from_secs(5);

    fn one(number: u64) -> CharacterId {
        CharacterId(number)
    }

    /// Teams 1 and 2 against 3 and 4.
    fn running() -> Matches {
        let mut matches = Matches::new(FORFEIT_AFTER);
        matches.start(ID, vec![vec![one(1), one(2)], vec![one(3), one(4)]], END);
        matches
    }

    #[track_caller]
    fn check_over(matches: &mut Matches, at: Instant, expected: Outcome) {
        assert_eq!(matches.next_due(), Some(at));
        assert!(matches.pop_over(at - Duration::from_nanos(1)).is_none());
        let (id, _, outcome) = matches.pop_over(at).expect("over");
        assert_eq!((id, outcome), (ID, expected));
        assert_eq!((matches.count(), matches.next_due()), (0, None));
    }

    #[test]
    fn most_hits_win() {
        let mut matches = running();
        matches.on_hit(ID, one(3), one(1));
        check_over(&mut matches, END, Outcome::Won(1));
    }

    #[test]
    fn only_hits_between_opponents_count() {
        let mut matches = running();
        for (attacker, target) in [(1, 2), (1, 1), (9, 3), (3, 9)] {
            matches.on_hit(ID, one(attacker), one(target));
        }
        matches.on_hit(MatchId(2), one(1), one(3));
        assert_eq!(matches.get(ID).expect("runs").scores, [0, 0]);
        check_over(&mut matches, END, Outcome::Draw);
    }

    #[test]
    fn a_team_that_is_away_loses_whatever_its_score() {
        let mut matches = running();
        matches.on_hit(ID, one(1), one(3));
        matches.on_left(ID, one(1), Instant::from_millis(1_000));
        assert_eq!(matches.next_due(), Some(END));
        matches.on_left(ID, one(2), Instant::from_millis(2_000));
        check_over(&mut matches, Instant::from_millis(7_000), Outcome::Won(1));
    }

    #[test]
    fn one_who_comes_back_saves_the_match() {
        let mut matches = running();
        matches.on_hit(ID, one(1), one(3));
        matches.on_left(ID, one(1), Instant::EPOCH);
        matches.on_left(ID, one(2), Instant::EPOCH);
        matches.on_back(ID, one(2));
        check_over(&mut matches, END, Outcome::Won(0));
    }

    #[test]
    fn nobody_wins_when_nobody_is_there() {
        let mut matches = running();
        matches.on_hit(ID, one(1), one(3));
        for player in 1..=4 {
            matches.on_left(ID, one(player), Instant::EPOCH);
        }
        check_over(&mut matches, Instant::EPOCH + FORFEIT_AFTER, Outcome::Draw);
    }

    #[test]
    fn leaving_at_the_end_is_no_forfeit() {
        let mut matches = running();
        matches.on_hit(ID, one(1), one(3));
        for player in [1, 2] {
            matches.on_left(ID, one(player), END - Duration::from_secs(1));
        }
        check_over(&mut matches, END, Outcome::Won(0));
    }
}
