//! The promises of the module, held over any sequence of inputs by a checker that reads outputs.

mod checker;

use core::time::Duration;

use netcode::entropy::Entropy;
use netcode::time::Instant;
use proptest::prelude::*;

use crate::ids::{CharacterId, PartyId, TicketId};
use crate::matchmaking::matchmaker::Matchmaker;
use crate::matchmaking::queue::QueueConfig;
use crate::matchmaking::{CloseReason, Input, Output, Refusal, Reply};
use crate::rating::Rating;
use checker::Checker;

/// Few, so that their ways cross.
const CHARACTERS: u64 = 12;

fn queue() -> QueueConfig {
    QueueConfig {
        teams: 2,
        team_size: 3,
        party_max: 3,
        window_max: 500.0,
        duration_s: 30,
        ..QueueConfig::default()
    }
}

/// A matchmaker under virtual time, every output of which is checked.
struct Run {
    matchmaker: Matchmaker,
    checker: Checker,
    now: Instant,
    replies: u64,
    log: Vec<Output>,
}

impl Run {
    fn new(config: QueueConfig, seed: u64) -> Self {
        let entropy = Entropy::from_simulation_seed(seed);
        let checker = Checker::new(config.clone());
        let matchmaker = Matchmaker::new(config, entropy).expect("a good queue");
        Self { matchmaker, checker, now: Instant::EPOCH, replies: 0, log: Vec::new() }
    }

    /// Gives one input; what it caused.
    fn give(&mut self, input: Input) -> Vec<Output> {
        self.checker.on_input(&input);
        self.matchmaker.handle(self.now, input);
        self.drain()
    }

    /// Gives a request; its answer.
    fn ask(&mut self, request: impl FnOnce(u64) -> Input) -> Result<Reply, Refusal> {
        self.replies += 1;
        let expected = self.replies;
        let outputs = self.give(request(expected));
        let mut answers = outputs.into_iter().filter_map(|output| match output {
            Output::Replied { reply, result } => Some((reply, result)),
            _ => None,
        });
        let (reply, result) = answers.next().expect("an answer");
        assert_eq!((reply, answers.next()), (expected, None), "exactly one answer");
        result
    }

    fn advance(&mut self, duration: Duration) -> Vec<Output> {
        let end = self.now + duration;
        let mut outputs = Vec::new();
        while let Some(due) = self.matchmaker.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.matchmaker.handle_timeout(self.now);
            outputs.extend(self.drain());
        }
        self.now = end;
        outputs
    }

    fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.matchmaker.poll_output() {
            self.checker.on_output(self.now, &output);
            outputs.push(output);
        }
        self.log.extend(outputs.iter().cloned());
        outputs
    }

    fn arrive(&mut self, number: u64, value: f64) -> CharacterId {
        let character = CharacterId(number);
        let rating = Rating { value, ..Rating::default() };
        self.give(Input::Arrived { character, rating });
        character
    }

    fn enqueue(&mut self, character: CharacterId) -> Result<TicketId, Refusal> {
        let queue = self.checker.queue().to_owned();
        match self.ask(|reply| Input::Enqueue { reply, character, queue })? {
            Reply::Queued { ticket } => Ok(ticket),
            other => panic!("queued, not {other:?}"),
        }
    }

    fn create_party(&mut self, character: CharacterId) -> PartyId {
        match self.ask(|reply| Input::CreateParty { reply, character }) {
            Ok(Reply::Party { party, .. }) => party,
            other => panic!("a party, not {other:?}"),
        }
    }

    fn join(&mut self, character: CharacterId, party: PartyId) -> Result<Reply, Refusal> {
        self.ask(|reply| Input::JoinParty { reply, character, party })
    }
}

/// What players do, with small numbers for names.
#[derive(Clone, Debug)]
enum Act {
    Arrive(u64, f64),
    Leave(u64),
    CreateParty(u64),
    /// The party that the other is in.
    JoinPartyOf(u64, u64),
    LeaveParty(u64),
    Enqueue(u64),
    /// The ticket that the other is on.
    CancelTicketOf(u64, u64),
    Hit(u64, u64),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let one = 0..CHARACTERS;
    let two = (0..CHARACTERS, 0..CHARACTERS);
    prop_oneof![
        4 => (one.clone(), 1000.0..2000.0).prop_map(|(one, value)| Act::Arrive(one, value)),
        1 => one.clone().prop_map(Act::Leave),
        1 => one.clone().prop_map(Act::CreateParty),
        3 => two.clone().prop_map(|(one, other)| Act::JoinPartyOf(one, other)),
        1 => one.clone().prop_map(Act::LeaveParty),
        8 => one.clone().prop_map(Act::Enqueue),
        1 => two.clone().prop_map(|(one, other)| Act::CancelTicketOf(one, other)),
        3 => two.prop_map(|(one, other)| Act::Hit(one, other)),
        3 => (0..20_000_u64).prop_map(Act::Wait),
    ]
}

fn perform(run: &mut Run, act: &Act) {
    match *act {
        Act::Arrive(one, value) => drop(run.arrive(one, value)),
        Act::Leave(one) => drop(run.give(Input::Left { character: CharacterId(one) })),
        Act::CreateParty(one) => {
            let _ = run.ask(|reply| Input::CreateParty { reply, character: CharacterId(one) });
        }
        Act::JoinPartyOf(one, other) => {
            let party = run.checker.party_of(CharacterId(other)).unwrap_or_default();
            let _ = run.join(CharacterId(one), party);
        }
        Act::LeaveParty(one) => {
            let _ = run.ask(|reply| Input::LeaveParty { reply, character: CharacterId(one) });
        }
        Act::Enqueue(one) => drop(run.enqueue(CharacterId(one))),
        Act::CancelTicketOf(one, other) => {
            let ticket = run.checker.ticket_of(CharacterId(other)).unwrap_or_default();
            let character = CharacterId(one);
            let _ = run.ask(|reply| Input::Cancel { reply, character, ticket });
        }
        Act::Hit(one, other) => {
            let (attacker, target) = (CharacterId(one), CharacterId(other));
            run.give(Input::Scored { attacker, target });
        }
        Act::Wait(millis) => drop(run.advance(Duration::from_millis(millis))),
    }
}

proptest! {
    /// Safety at every step, then liveness: with nobody interfering, matches end, and what can
    /// still be matched is matched.
    #[test]
    fn every_promise_holds_whatever_players_do(
        acts in prop::collection::vec(act(), 0..120), seed: u64, is_drained: bool,
    ) {
        let mut run = Run::new(QueueConfig { window_max: 4000.0, ..queue() }, seed);
        acts.iter().for_each(|act| perform(&mut run, act));
        if is_drained {
            run.give(Input::Drain);
            prop_assert_eq!(run.checker.open_tickets().count(), 0);
        }
        run.advance(Duration::from_secs(3_600));
        prop_assert_eq!(run.checker.running(), 0);
        prop_assert_eq!((run.matchmaker.running(), run.matchmaker.poll_timeout()), (0, None));

        let sizes: Vec<usize> = run.checker.open_tickets().map(<[_]>::len).collect();
        prop_assert_eq!(run.matchmaker.waiting(), sizes.len());
        prop_assert!(!can_fill_two_teams_of_three(&sizes), "left waiting: {:?}", sizes);
    }

    #[test]
    fn the_window_holds_even_when_it_is_narrow(
        acts in prop::collection::vec(act(), 0..120), seed: u64,
    ) {
        let mut run = Run::new(queue(), seed);
        acts.iter().for_each(|act| perform(&mut run, act));
        run.advance(Duration::from_secs(3_600));
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_outputs(
        acts in prop::collection::vec(act(), 0..80), seed: u64,
    ) {
        let [one, other] = [(); 2].map(|()| {
            let mut run = Run::new(queue(), seed);
            acts.iter().for_each(|act| perform(&mut run, act));
            run.log
        });
        prop_assert_eq!(one, other);
    }
}

/// By counting, independent of the search under test.
fn can_fill_two_teams_of_three(sizes: &[usize]) -> bool {
    let count = |size| sizes.iter().filter(|one| **one == size).count();
    let (alone, pairs, threes) = (count(1), count(2), count(3));
    // A team is a three, or a pair and one, or three alone.
    let with_pairs = pairs.min(alone);
    (0..=with_pairs).any(|used| threes + used + (alone - used) / 3 >= 2)
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let mut run = Run::new(queue(), 1);
    let stranger = CharacterId(99);
    assert_eq!(run.enqueue(stranger), Err(Refusal::NotHere));

    let [leader, member, third, fourth] = [1, 2, 3, 4].map(|number| run.arrive(number, 1500.0));
    let party = run.create_party(leader);
    assert_eq!(run.join(member, PartyId(party.0 ^ 1)), Err(Refusal::NoSuchParty));
    assert!(run.join(member, party).is_ok() && run.join(third, party).is_ok());
    assert_eq!(run.join(fourth, party), Err(Refusal::PartyFull));
    assert_eq!(run.join(member, party), Err(Refusal::AlreadyInParty));
    assert_eq!(run.enqueue(member), Err(Refusal::NotLeader));

    let unknown = "unknown".to_owned();
    let asked = run.ask(|reply| Input::Enqueue { reply, character: leader, queue: unknown });
    assert_eq!(asked, Err(Refusal::NoSuchQueue));

    let ticket = run.enqueue(leader).expect("queued");
    assert_eq!(run.enqueue(leader), Err(Refusal::AlreadyQueued));
    let asked = run.ask(|reply| Input::Cancel { reply, character: fourth, ticket });
    assert_eq!(asked, Err(Refusal::NoSuchTicket));
    let asked = run.ask(|reply| Input::LeaveParty { reply, character: fourth });
    assert_eq!(asked, Err(Refusal::NotInParty));

    run.give(Input::Drain);
    assert_eq!(run.enqueue(fourth), Err(Refusal::Draining));
}

#[test]
fn a_change_of_the_party_closes_its_ticket() {
    let mut run = Run::new(queue(), 2);
    let [leader, member, third] = [1, 2, 3].map(|number| run.arrive(number, 1500.0));
    let party = run.create_party(leader);
    run.join(member, party).expect("joined");

    let reason_of = |run: &Run, ticket| {
        run.log.iter().find_map(|output| match output {
            Output::TicketClosed { ticket: closed, reason, .. } if *closed == ticket => {
                Some(*reason)
            }
            _ => None,
        })
    };
    let before_join = run.enqueue(leader).expect("queued");
    run.join(third, party).expect("joined");
    assert_eq!(reason_of(&run, before_join), Some(CloseReason::PartyChanged));

    let before_leave = run.enqueue(leader).expect("queued");
    run.give(Input::Left { character: member });
    assert_eq!(reason_of(&run, before_leave), Some(CloseReason::PartyChanged));

    let cancelled = run.enqueue(leader).expect("queued");
    let asked = run.ask(|reply| Input::Cancel { reply, character: third, ticket: cancelled });
    assert_eq!(asked, Ok(Reply::Cancelled));
    assert_eq!(reason_of(&run, cancelled), Some(CloseReason::Cancelled));

    let drained = run.enqueue(leader).expect("queued");
    run.give(Input::Drain);
    assert_eq!(reason_of(&run, drained), Some(CloseReason::Shutdown));
}

#[test]
fn a_match_is_found_runs_and_changes_ratings() {
    let mut run = Run::new(QueueConfig { team_size: 1, party_max: 1, ..queue() }, 3);
    let [one, other] = [(1, 1500.0), (2, 1580.0)].map(|(id, value)| run.arrive(id, value));
    run.enqueue(one).expect("queued");
    run.advance(Duration::from_secs(1));
    run.enqueue(other).expect("queued");

    let found = run.advance(Duration::ZERO);
    let waited: Vec<Duration> = found
        .iter()
        .filter_map(|output| match output {
            Output::MatchFound { players, .. } => Some(players),
            _ => None,
        })
        .flat_map(|players| players.iter().map(|player| player.waited))
        .collect();
    assert_eq!(waited.iter().sum::<Duration>(), Duration::from_secs(1), "{found:?}");
    assert_eq!(run.enqueue(one), Err(Refusal::InMatch));

    run.give(Input::Scored { attacker: one, target: other });
    let ended = run.advance(Duration::from_secs(30));
    let [Output::MatchEnded { scores, ratings, .. }] = ended.as_slice() else {
        panic!("ended, not {ended:?}");
    };
    assert_eq!(scores.iter().sum::<u32>(), 1);
    assert!(ratings.iter().any(|(who, rating)| *who == one && rating.value > 1500.0));
    assert!(ratings.iter().any(|(who, rating)| *who == other && rating.value < 1580.0));
    run.enqueue(one).expect("free again");
}

#[test]
fn a_disconnect_wedges_neither_match_nor_player() {
    let mut run = Run::new(QueueConfig { team_size: 1, party_max: 1, ..queue() }, 4);
    let [one, other] = [1, 2].map(|number| run.arrive(number, 1500.0));
    for character in [one, other] {
        run.enqueue(character).expect("queued");
    }
    run.advance(Duration::ZERO);
    run.give(Input::Left { character: one });
    run.arrive(1, 9999.0);
    assert_eq!(run.enqueue(one), Err(Refusal::InMatch), "still plays, with the rating it had");

    run.give(Input::Left { character: one });
    let ended = run.advance(queue().forfeit_after);
    assert!(matches!(ended.as_slice(), [Output::MatchEnded { .. }]), "{ended:?}");
    assert_eq!(run.enqueue(one), Err(Refusal::NotHere));
    run.enqueue(other).expect("free again");
}
