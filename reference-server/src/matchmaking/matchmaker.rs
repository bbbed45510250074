//! The machine: requests in, parties, tickets and matches out.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use netcode::entropy::Entropy;
use netcode::time::Instant;

use crate::ids::{CharacterId, MatchId, PartyId, TicketId};
use crate::matchmaking::glicko::{Outcome, bounded, rate};
use crate::matchmaking::matches::Matches;
use crate::matchmaking::parties::{Parties, draw_id};
use crate::matchmaking::pool::{Pool, Teams, Ticket, waited};
use crate::matchmaking::queue::{QueueConfig, QueueConfigError, to_milli};
use crate::matchmaking::{CloseReason, Input, MatchedPlayer, Output, Refusal, Reply};
use crate::rating::Rating;

/// One queue and everybody who may enter it. See the [module](crate::matchmaking) for the
/// contract.
#[derive(Debug)]
pub struct Matchmaker {
    config: QueueConfig,
    entropy: Entropy,
    /// Who is here, and who is away but still plays.
    players: BTreeMap<CharacterId, Player>,
    parties: Parties,
    pool: Pool,
    matches: Matches,
    tickets_opened: u64,
    /// When the next search is due; none if it could find nothing that the last did not.
    search_at: Option<Instant>,
    searched_at: Option<Instant>,
    is_draining: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Player {
    rating: Rating,
    is_here: bool,
    party: Option<PartyId>,
    ticket: Option<TicketId>,
    playing: Option<MatchId>,
}

impl Matchmaker {
    /// An empty queue. Ids of parties and matches come from `entropy`: parties are joined by who
    /// knows the id, so on a real server it must come from the operating system.
    ///
    /// # Errors
    ///
    /// [`QueueConfigError`] for a queue in which nobody could play.
    pub fn new(config: QueueConfig, entropy: Entropy) -> Result<Self, QueueConfigError> {
        let config = config.checked()?;
        let matches = Matches::new(config.forfeit_after);
        Ok(Self {
            config,
            entropy,
            players: BTreeMap::new(),
            parties: Parties::default(),
            pool: Pool::default(),
            matches,
            tickets_opened: 0,
            search_at: None,
            searched_at: None,
            is_draining: false,
            outputs: VecDeque::new(),
        })
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Arrived { character, rating } => self.on_arrived(character, rating),
            Input::Left { character } => self.on_left(now, character),
            Input::CreateParty { reply, character } => {
                let result = self.create_party(character);
                self.answer_and_announce(reply, result);
            }
            Input::JoinParty { reply, character, party } => {
                let result = self.join_party(character, party);
                self.answer_and_announce(reply, result);
            }
            Input::LeaveParty { reply, character } => {
                let result = self.leave_party(character);
                self.answer(reply, result.map(|_| Reply::LeftParty));
                if let Ok(party) = result {
                    self.announce(party);
                }
            }
            Input::Enqueue { reply, character, queue } => {
                let result = self.enqueue(now, character, &queue);
                self.answer(reply, result);
            }
            Input::Cancel { reply, character, ticket } => {
                let result = self.cancel(character, ticket);
                self.answer(reply, result);
            }
            Input::Scored { attacker, target } => {
                if let Some(id) = self.players.get(&attacker).and_then(|player| player.playing) {
                    self.matches.on_hit(id, attacker, target);
                }
            }
            Input::Drain => self.on_drain(),
        }
    }

    /// Does what is due: ends matches, then makes new ones.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((id, ended, outcome)) = self.matches.pop_over(now) {
            self.end_match(id, &ended.teams, ended.scores, outcome);
        }
        if self.search_at.is_some_and(|at| at <= now) {
            for teams in self.pool.search(now, &self.config) {
                self.start_match(now, teams);
            }
            self.searched_at = Some(now);
            self.search_at = None;
            // At full width nothing more will fit until somebody new comes.
            if self.pool.is_widening(now, &self.config) {
                self.schedule_search(now);
            }
        }
    }

    /// The next thing to say.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.search_at, self.matches.next_due()].into_iter().flatten().min()
    }

    /// Tickets that wait.
    pub fn waiting(&self) -> usize {
        self.pool.count()
    }

    /// Matches that run.
    pub fn running(&self) -> usize {
        self.matches.count()
    }

    fn on_arrived(&mut self, character: CharacterId, rating: Rating) {
        let player = self.players.entry(character).or_insert_with(|| Player {
            rating: bounded(rating),
            is_here: true,
            party: None,
            ticket: None,
            playing: None,
        });
        player.is_here = true;
        if let Some(id) = player.playing {
            self.matches.on_back(id, character);
        }
    }

    fn on_left(&mut self, now: Instant, character: CharacterId) {
        if let Ok(party) = self.leave_party(character) {
            self.announce(party);
        }
        let Some(player) = self.players.get_mut(&character) else { return };
        player.is_here = false;
        let ticket = player.ticket;
        match player.playing {
            Some(id) => self.matches.on_left(id, character, now),
            None => drop(self.players.remove(&character)),
        }
        if let Some(ticket) = ticket {
            self.close_ticket(ticket, CloseReason::Left);
        }
    }

    fn on_drain(&mut self) {
        self.is_draining = true;
        self.search_at = None;
        while let Some((id, ticket)) = self.pool.pop_oldest() {
            self.on_closed(id, ticket.members, CloseReason::Shutdown);
        }
    }

    fn create_party(&mut self, character: CharacterId) -> Result<PartyId, Refusal> {
        let player = self.here(character)?;
        if player.party.is_some() {
            return Err(Refusal::AlreadyInParty);
        }
        self.close_ticket_of(character);
        let party = self.parties.create(character, &mut self.entropy);
        Ok(self.put_in_party(character, party))
    }

    fn join_party(&mut self, character: CharacterId, party: PartyId) -> Result<PartyId, Refusal> {
        let player = self.here(character)?;
        if player.party.is_some() {
            return Err(Refusal::AlreadyInParty);
        }
        let Some(leader) = self.parties.members(party).first().copied() else {
            return Err(Refusal::NoSuchParty);
        };
        if self.parties.members(party).len() >= self.config.party_max as usize {
            return Err(Refusal::PartyFull);
        }
        self.close_ticket_of(leader);
        self.close_ticket_of(character);
        self.parties.join(party, character);
        Ok(self.put_in_party(character, party))
    }

    fn put_in_party(&mut self, character: CharacterId, party: PartyId) -> PartyId {
        if let Some(player) = self.players.get_mut(&character) {
            player.party = Some(party);
        }
        party
    }

    /// Takes the character out of its party, whichever that was.
    fn leave_party(&mut self, character: CharacterId) -> Result<PartyId, Refusal> {
        let party = self.here(character)?.party.ok_or(Refusal::NotInParty)?;
        self.close_ticket_of(character);
        self.parties.leave(party, character);
        if let Some(player) = self.players.get_mut(&character) {
            player.party = None;
        }
        Ok(party)
    }

    fn enqueue(
        &mut self,
        now: Instant,
        character: CharacterId,
        queue: &str,
    ) -> Result<Reply, Refusal> {
        let party = self.here(character)?.party;
        if self.is_draining {
            return Err(Refusal::Draining);
        }
        if queue != self.config.name {
            return Err(Refusal::NoSuchQueue);
        }
        let members = match party {
            Some(party) => self.parties.members(party).to_vec(),
            None => vec![character],
        };
        if members.first() != Some(&character) {
            return Err(Refusal::NotLeader);
        }
        let players: Vec<&Player> =
            members.iter().filter_map(|member| self.players.get(member)).collect();
        if players.iter().any(|player| player.ticket.is_some()) {
            return Err(Refusal::AlreadyQueued);
        }
        if players.iter().any(|player| player.playing.is_some()) {
            return Err(Refusal::InMatch);
        }
        let rating = players.iter().map(|player| player.rating.value).sum::<f64>();
        let rating_milli = to_milli(rating / players.len() as f64);
        let ticket = self.open_ticket(Ticket { members, party, rating_milli, opened_at: now });
        self.schedule_search(now);
        Ok(Reply::Queued { ticket })
    }

    fn cancel(&mut self, character: CharacterId, ticket: TicketId) -> Result<Reply, Refusal> {
        if self.here(character)?.ticket != Some(ticket) {
            return Err(Refusal::NoSuchTicket);
        }
        self.close_ticket(ticket, CloseReason::Cancelled);
        Ok(Reply::Cancelled)
    }

    fn open_ticket(&mut self, ticket: Ticket) -> TicketId {
        self.tickets_opened += 1;
        let id = TicketId(self.tickets_opened);
        for member in &ticket.members {
            if let Some(player) = self.players.get_mut(member) {
                player.ticket = Some(id);
            }
        }
        let (party, members) = (ticket.party, ticket.members.clone());
        self.outputs.push_back(Output::TicketOpened { ticket: id, party, members });
        self.pool.insert(id, ticket);
        id
    }

    /// For a change of the character's party.
    fn close_ticket_of(&mut self, character: CharacterId) {
        if let Some(ticket) = self.players.get(&character).and_then(|player| player.ticket) {
            self.close_ticket(ticket, CloseReason::PartyChanged);
        }
    }

    fn close_ticket(&mut self, id: TicketId, reason: CloseReason) {
        if let Some(ticket) = self.pool.remove(id) {
            self.on_closed(id, ticket.members, reason);
        }
    }

    /// A ticket has been taken out of the pool.
    fn on_closed(&mut self, ticket: TicketId, members: Vec<CharacterId>, reason: CloseReason) {
        for member in &members {
            if let Some(player) = self.players.get_mut(member) {
                player.ticket = None;
            }
        }
        self.outputs.push_back(Output::TicketClosed { ticket, members, reason });
    }

    fn start_match(&mut self, now: Instant, teams: Teams) {
        let id = MatchId(draw_id(&mut self.entropy, |id| self.matches.get(MatchId(id)).is_some()));
        let mut players = Vec::new();
        let mut sides = Vec::new();
        for (team, tickets) in (0_u32..).zip(teams) {
            let mut side = Vec::new();
            for (ticket, it) in tickets {
                let (party, waited) = (it.party, waited(&it, now));
                for character in it.members.iter().copied() {
                    side.push(character);
                    players.push(MatchedPlayer { character, team, party, ticket, waited });
                    if let Some(player) = self.players.get_mut(&character) {
                        player.playing = Some(id);
                    }
                }
                self.on_closed(ticket, it.members, CloseReason::Matched);
            }
            sides.push(side);
        }
        let duration_s = self.config.duration_s;
        self.matches.start(id, sides, now + Duration::from_secs(duration_s.into()));
        self.outputs.push_back(Output::MatchFound { match_id: id, duration_s, players });
    }

    fn end_match(
        &mut self,
        match_id: MatchId,
        teams: &[Vec<CharacterId>],
        scores: Vec<u32>,
        outcome: Outcome,
    ) {
        let rating_of = |member: &CharacterId| {
            self.players.get(member).map_or_else(Rating::default, |player| player.rating)
        };
        let before: Vec<Vec<Rating>> =
            teams.iter().map(|team| team.iter().map(rating_of).collect()).collect();
        let after = rate(&before, outcome);
        let members = teams.iter().flatten().copied();
        let ratings: Vec<(CharacterId, Rating)> =
            members.zip(after.into_iter().flatten()).collect();
        for (character, rating) in &ratings {
            let Some(player) = self.players.get_mut(character) else { continue };
            player.playing = None;
            player.rating = *rating;
            if !player.is_here {
                self.players.remove(character);
            }
        }
        self.outputs.push_back(Output::MatchEnded { match_id, scores, outcome, ratings });
    }

    /// Sees to it that a search comes, not too soon after the last, if it could find something.
    fn schedule_search(&mut self, now: Instant) {
        if self.search_at.is_none() && self.pool.has_enough(&self.config) {
            let earliest = self.searched_at.map_or(now, |at| at + self.config.search_every);
            self.search_at = Some(earliest.max(now));
        }
    }

    fn here(&self, character: CharacterId) -> Result<&Player, Refusal> {
        self.players.get(&character).filter(|player| player.is_here).ok_or(Refusal::NotHere)
    }

    fn answer(&mut self, reply: u64, result: Result<Reply, Refusal>) {
        self.outputs.push_back(Output::Replied { reply, result });
    }

    fn answer_and_announce(&mut self, reply: u64, result: Result<PartyId, Refusal>) {
        let members = |party: PartyId| self.parties.members(party).to_vec();
        let answer = result.map(|party| Reply::Party { party, members: members(party) });
        self.answer(reply, answer);
        if let Ok(party) = result {
            self.announce(party);
        }
    }

    fn announce(&mut self, party: PartyId) {
        let members = self.parties.members(party).to_vec();
        if !members.is_empty() {
            self.outputs.push_back(Output::PartyChanged { party, members });
        }
    }
}
