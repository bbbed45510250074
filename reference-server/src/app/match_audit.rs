//! The matchmaker's auditor: reads what it says and believes nothing else.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use hdrhistogram::Histogram;

use crate::ids::{CharacterId, MatchId, PartyId, TicketId};
use crate::matchmaking::{MatchedPlayer, Output};

/// Tickets that are remembered after they were matched, to know them if they come again.
const MATCHED_MAX: usize = 65_536;

/// What the auditor found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MatchFindings {
    /// Tickets opened.
    pub tickets: u64,
    /// Matches found.
    pub matches: u64,
    /// Tickets whose members were not all in one team of one match.
    pub split_parties: u64,
    /// Tickets that came into a match twice, and characters that were in two matches at once.
    pub duplicate_tickets: u64,
    /// Half of the matched tickets waited at most this long, in milliseconds.
    pub wait_ms_p50: f64,
    /// Ninety-nine of a hundred waited at most this long, in milliseconds.
    pub wait_ms_p99: f64,
}

/// See the module.
#[derive(Debug)]
pub struct MatchAuditor {
    /// Members of each ticket that is not matched or closed otherwise.
    open: BTreeMap<TicketId, BTreeSet<CharacterId>>,
    matched: BTreeSet<TicketId>,
    playing: BTreeMap<CharacterId, MatchId>,
    wait_us: Histogram<u64>,
    findings: MatchFindings,
}

impl Default for MatchAuditor {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            matched: BTreeSet::new(),
            playing: BTreeMap::new(),
            wait_us: Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("constant bounds"),
            findings: MatchFindings::default(),
        }
    }
}

impl MatchAuditor {
    /// Takes what the matchmaker said.
    pub fn observe(&mut self, output: &Output) {
        match output {
            Output::TicketOpened { ticket, members, .. } => {
                self.findings.tickets += 1;
                self.open.insert(*ticket, members.iter().copied().collect());
            }
            Output::TicketClosed { ticket, reason, .. } => {
                // A matched one is needed until its match is told, right after.
                if *reason != crate::matchmaking::CloseReason::Matched {
                    self.open.remove(ticket);
                }
            }
            Output::MatchFound { match_id, players, .. } => self.on_match(*match_id, players),
            Output::MatchEnded { match_id, .. } => {
                self.playing.retain(|_, playing| playing != match_id);
            }
            Output::Replied { .. } | Output::PartyChanged { .. } => {}
        }
    }

    /// What was found up to now.
    pub fn findings(&self) -> MatchFindings {
        let ms = |quantile: f64| self.wait_us.value_at_quantile(quantile) as f64 / 1_000.0;
        let (wait_ms_p50, wait_ms_p99) = match self.wait_us.len() {
            0 => (0.0, 0.0),
            _ => (ms(0.5), ms(0.99)),
        };
        MatchFindings { wait_ms_p50, wait_ms_p99, ..self.findings }
    }

    fn on_match(&mut self, match_id: MatchId, players: &[MatchedPlayer]) {
        self.findings.matches += 1;
        let mut tickets: BTreeMap<TicketId, Vec<&MatchedPlayer>> = BTreeMap::new();
        let mut parties: BTreeMap<PartyId, BTreeSet<u32>> = BTreeMap::new();
        for player in players {
            tickets.entry(player.ticket).or_default().push(player);
            if let Some(party) = player.party {
                parties.entry(party).or_default().insert(player.team);
            }
            if self.playing.insert(player.character, match_id).is_some() {
                self.findings.duplicate_tickets += 1;
            }
        }
        for (ticket, together) in tickets {
            let came: BTreeSet<_> = together.iter().map(|player| player.character).collect();
            let teams: BTreeSet<_> = together.iter().map(|player| player.team).collect();
            let is_whole = self.open.remove(&ticket).is_some_and(|members| members == came);
            if !self.matched.insert(ticket) {
                self.findings.duplicate_tickets += 1;
            } else if !is_whole || teams.len() != 1 {
                self.findings.split_parties += 1;
            }
            self.wait_us.saturating_record(micros(together[0].waited).max(1));
        }
        self.findings.split_parties +=
            parties.values().filter(|teams| teams.len() > 1).count() as u64;
        while self.matched.len() > MATCHED_MAX {
            self.matched.pop_first();
        }
    }
}

fn micros(waited: Duration) -> u64 {
    u64::try_from(waited.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{CharacterId, MatchAuditor, MatchId, MatchedPlayer, Output, PartyId, TicketId};
    use crate::matchmaking::CloseReason;

    fn opened(ticket: u64, members: &[u64]) -> Output {
        Output::TicketOpened {
            ticket: TicketId(ticket),
            party: Some(PartyId(ticket)),
            members: members.iter().map(|&member| CharacterId(member)).collect(),
        }
    }

    fn matched(ticket: u64) -> Output {
        let reason = CloseReason::Matched;
        Output::TicketClosed { ticket: TicketId(ticket), members: Vec::new(), reason }
    }

    fn found(match_id: u64, players: &[(u64, u64, u32)]) -> Output {
        let player = |&(ticket, character, team): &(u64, u64, u32)| MatchedPlayer {
            character: CharacterId(character),
            team,
            party: Some(PartyId(ticket)),
            ticket: TicketId(ticket),
            waited: Duration::from_millis(40),
        };
        let players = players.iter().map(player).collect();
        Output::MatchFound { match_id: MatchId(match_id), duration_s: 20, players }
    }

    fn run(outputs: &[Output]) -> (u64, u64) {
        let mut auditor = MatchAuditor::default();
        outputs.iter().for_each(|output| auditor.observe(output));
        (auditor.findings().split_parties, auditor.findings().duplicate_tickets)
    }

    #[test]
    fn a_whole_party_in_one_team_is_fine() {
        let all = [
            opened(1, &[1, 2]),
            opened(2, &[3, 4]),
            matched(1),
            matched(2),
            found(1, &[(1, 1, 0), (1, 2, 0), (2, 3, 1), (2, 4, 1)]),
        ];
        assert_eq!(run(&all), (0, 0));
    }

    #[test]
    fn splits_and_doubles_are_found() {
        let teams = [opened(1, &[1, 2]), matched(1), found(1, &[(1, 1, 0), (1, 2, 1)])];
        assert_eq!(run(&teams), (2, 0), "as a ticket and as a party");
        let missing = [opened(1, &[1, 2]), matched(1), found(1, &[(1, 1, 0)])];
        assert_eq!(run(&missing), (1, 0));
        let twice = [opened(1, &[1]), found(1, &[(1, 1, 0)]), found(2, &[(1, 1, 0)])];
        assert_eq!(run(&twice), (0, 2), "the ticket and the character");
    }
}
