//! A checker that knows the matchmaker by its inputs and outputs alone.

use std::collections::{BTreeMap, BTreeSet};

use netcode::time::Instant;

use crate::ids::{CharacterId, MatchId, PartyId, TicketId};
use crate::matchmaking::queue::QueueConfig;
use crate::matchmaking::{CloseReason, Input, MatchedPlayer, Output};
use crate::rating::Rating;

pub(super) struct Checker {
    config: QueueConfig,
    ratings: BTreeMap<CharacterId, Rating>,
    away: BTreeSet<CharacterId>,
    parties: BTreeMap<PartyId, Vec<CharacterId>>,
    open: BTreeMap<TicketId, OpenTicket>,
    /// Closed because a match was found, which has not been said yet.
    matched: BTreeMap<TicketId, OpenTicket>,
    playing: BTreeMap<CharacterId, MatchId>,
    matches: BTreeMap<MatchId, Instant>,
    last_ticket: TicketId,
}

struct OpenTicket {
    party: Option<PartyId>,
    members: Vec<CharacterId>,
    since: Instant,
    rating: f64,
}

impl Checker {
    pub(super) fn new(config: QueueConfig) -> Self {
        Self {
            config,
            ratings: BTreeMap::new(),
            away: BTreeSet::new(),
            parties: BTreeMap::new(),
            open: BTreeMap::new(),
            matched: BTreeMap::new(),
            playing: BTreeMap::new(),
            matches: BTreeMap::new(),
            last_ticket: TicketId(0),
        }
    }

    pub(super) fn queue(&self) -> &str {
        &self.config.name
    }

    pub(super) fn party_of(&self, character: CharacterId) -> Option<PartyId> {
        let mut parties = self.parties.iter();
        parties.find(|(_, members)| members.contains(&character)).map(|(id, _)| *id)
    }

    pub(super) fn ticket_of(&self, character: CharacterId) -> Option<TicketId> {
        let mut open = self.open.iter();
        open.find(|(_, ticket)| ticket.members.contains(&character)).map(|(id, _)| *id)
    }

    pub(super) fn open_tickets(&self) -> impl Iterator<Item = &[CharacterId]> {
        self.open.values().map(|ticket| ticket.members.as_slice())
    }

    pub(super) fn running(&self) -> usize {
        self.matches.len()
    }

    pub(super) fn on_input(&mut self, input: &Input) {
        match input {
            Input::Arrived { character, rating } => {
                self.away.remove(character);
                self.ratings.entry(*character).or_insert(*rating);
            }
            Input::Left { character } => {
                self.leave_parties(*character);
                if self.playing.contains_key(character) {
                    self.away.insert(*character);
                } else {
                    self.ratings.remove(character);
                }
            }
            Input::LeaveParty { character, .. } => self.leave_parties(*character),
            _ => {}
        }
    }

    pub(super) fn on_output(&mut self, now: Instant, output: &Output) {
        match output {
            Output::Replied { .. } => {}
            Output::PartyChanged { party, members } => {
                assert!(!members.is_empty() && members.len() <= self.config.party_max as usize);
                let mut open = self.open.values();
                assert!(open.all(|ticket| ticket.party != Some(*party)), "an outdated ticket");
                assert!(members.iter().all(|member| self.ticket_of(*member).is_none()));
                self.parties.insert(*party, members.clone());
                let mut all: Vec<CharacterId> = self.parties.values().flatten().copied().collect();
                all.sort_unstable();
                assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "in two parties");
            }
            Output::TicketOpened { ticket, party, members } => {
                self.on_opened(now, *ticket, *party, members);
            }
            Output::TicketClosed { ticket, members, reason } => {
                let closed = self.open.remove(ticket).expect("an open ticket");
                assert_eq!(&closed.members, members);
                if *reason == CloseReason::Matched {
                    self.matched.insert(*ticket, closed);
                }
            }
            Output::MatchFound { match_id, players, .. } => {
                self.on_found(now, *match_id, players);
            }
            Output::MatchEnded { match_id, ratings, .. } => {
                self.on_ended(now, *match_id, ratings);
            }
        }
    }

    fn leave_parties(&mut self, character: CharacterId) {
        for members in self.parties.values_mut() {
            members.retain(|member| *member != character);
        }
        self.parties.retain(|_, members| !members.is_empty());
    }

    fn on_opened(
        &mut self,
        now: Instant,
        ticket: TicketId,
        party: Option<PartyId>,
        members: &[CharacterId],
    ) {
        assert!(ticket > self.last_ticket, "ids rise");
        self.last_ticket = ticket;
        match party {
            Some(party) => assert_eq!(self.parties[&party], members, "a split party"),
            None => assert_eq!(members.len(), 1),
        }
        for member in members {
            assert_eq!(self.ticket_of(*member), None, "a duplicate ticket");
            assert!(!self.playing.contains_key(member), "queued while in a match");
        }
        let total: f64 = members.iter().map(|member| self.ratings[member].value).sum();
        let rating = total / members.len() as f64;
        let members = members.to_vec();
        self.open.insert(ticket, OpenTicket { party, members, since: now, rating });
    }

    fn on_found(&mut self, now: Instant, id: MatchId, players: &[MatchedPlayer]) {
        for team in 0..self.config.teams {
            let size = players.iter().filter(|player| player.team == team).count();
            assert_eq!(size, self.config.team_size as usize, "size of team {team}");
        }
        assert_eq!(players.len(), self.config.players() as usize);

        let tickets: BTreeSet<TicketId> = players.iter().map(|player| player.ticket).collect();
        let mut windows = Vec::new();
        for id in tickets {
            let ticket = self.matched.remove(&id).expect("closed as matched just before");
            let on_it: Vec<&MatchedPlayer> =
                players.iter().filter(|player| player.ticket == id).collect();
            let mut who: Vec<CharacterId> = on_it.iter().map(|player| player.character).collect();
            let mut expected = ticket.members.clone();
            who.sort_unstable();
            expected.sort_unstable();
            assert_eq!(who, expected, "a split party");
            assert!(on_it.iter().all(|player| player.team == on_it[0].team), "a split party");
            let waited = now.saturating_since(ticket.since);
            assert!(on_it.iter().all(|player| player.waited == waited));
            let grown = self.config.window_growth_per_s * waited.as_secs_f64();
            let window = (self.config.window_initial + grown).min(self.config.window_max);
            windows.push((ticket.rating, window));
        }
        for (one, window) in &windows {
            let apart = windows.iter().map(|(other, _)| (one - other).abs()).fold(0.0, f64::max);
            // The search counts in thousandths.
            assert!(apart <= window + 0.002, "{apart} apart in a window of {window}");
        }

        for player in players {
            let before = self.playing.insert(player.character, id);
            assert_eq!(before, None, "in two matches");
        }
        assert!(self.matched.is_empty(), "matched tickets without a match");
        assert!(self.matches.insert(id, now).is_none(), "a match id twice");
    }

    fn on_ended(&mut self, now: Instant, id: MatchId, ratings: &[(CharacterId, Rating)]) {
        let since = self.matches.remove(&id).expect("a running match");
        assert!(now.saturating_since(since).as_secs() <= self.config.duration_s.into());
        for (character, rating) in ratings {
            assert_eq!(self.playing.remove(character), Some(id));
            if self.away.remove(character) {
                self.ratings.remove(character);
            } else {
                self.ratings.insert(*character, *rating);
            }
        }
        assert!(self.playing.values().all(|playing| *playing != id), "a player without a rating");
    }
}
