//! Who comes, who goes, and what they say.

use netcode::tick::Tick;
use netcode::wire::CloseCode;
use proptest::prelude::*;
use shardline_protocol::play::{CHANNEL_CONTROL, CHANNEL_INPUT, CHANNEL_SNAPSHOT};
use shardline_protocol::zone::{Leave, to_client, to_zone};

use crate::access::Purpose;
use crate::ids::CharacterId;
use crate::world::tests::{ANN, BOB, Bench, STAND, START, WALK_EAST, WALK_WEST};
use crate::world::{Input, Output};

const HOME: [f32; 2] = [60.0, 60.0];

fn released(outputs: &[Output], who: CharacterId) -> bool {
    outputs.iter().any(|it| matches!(it, Output::Release { character, .. } if *character == who))
}

#[test]
fn a_player_is_claimed_welcomed_and_simulated() {
    let mut bench = Bench::new();
    bench.connect(ANN, Purpose::Enter);
    assert!(matches!(bench.outputs()[..], [Output::Claim { character: ANN }]));
    bench.steps(3);
    assert!(bench.line(ANN).is_empty());
    bench.claimed(ANN, 9, HOME, &[4]);
    let Some(to_client::Body::Welcome(welcome)) = bench.told_last(ANN) else { panic!() };
    assert!(welcome.owner && welcome.epoch == 9 && welcome.items == [4]);
    bench.step();
    let own = bench.client(ANN).own.as_ref().unwrap();
    assert_eq!((own.epoch, own.consumed), (9, bench.zone.tick()));
    assert_eq!(bench.at(ANN), HOME);
}

#[test]
fn a_new_character_starts_away_from_the_border() {
    let mut bench = Bench::new();
    bench.connect(ANN, Purpose::Enter);
    let (epoch, name, items) = (crate::ids::Epoch(1), String::new(), Vec::new());
    let claim = crate::world::Claim { epoch, name, state: None, items };
    bench.told(Input::Claimed { character: ANN, claim: Some(claim) });
    bench.step();
    assert!(bench.at(ANN).iter().all(|at| (30.0..160.0).contains(at)));
}

#[test]
fn one_that_another_zone_has_is_sent_away() {
    let mut bench = Bench::new();
    bench.connect(ANN, Purpose::Enter);
    bench.outputs();
    bench.told(Input::Claimed { character: ANN, claim: None });
    assert_eq!(bench.client(ANN).closed, Some(CloseCode::Moved));
    // Whoever held a place for this client must know that it is gone.
    assert!(matches!(bench.outputs()[..], [Output::AheadLost { character: ANN }]));
}

#[test]
fn every_tick_consumes_one_input_and_holds_the_last_when_it_is_missing() {
    let mut bench = Bench::new();
    bench.enter(ANN, HOME, &[]);
    let first = START.next();
    // The second is missing; the third comes twice, and again too late.
    bench.inputs(ANN, first, &[WALK_EAST]);
    bench.inputs(ANN, first + 2, &[WALK_WEST]);
    bench.inputs(ANN, first + 2, &[STAND]);
    bench.steps(2);
    let east = bench.at(ANN)[0] - HOME[0];
    assert!(east > 0.5, "walks on for want of another input: {east}");
    bench.steps(1);
    bench.inputs(ANN, first + 2, &[WALK_EAST]);
    bench.inputs(ANN, first + 3, &[STAND]);
    bench.steps(1);
    assert!((bench.at(ANN)[0] - HOME[0] - east / 2.0).abs() < 0.01);
    let starved: Vec<_> = bench.consumed.iter().map(|one| one.is_starved).collect();
    assert_eq!(starved, [false, true, false, false]);
    assert_eq!(bench.line(ANN), (first.get()..first.get() + 4).collect::<Vec<_>>());
    assert_eq!(bench.client(ANN).own.as_ref().unwrap().starved, 1);
}

#[test]
fn inputs_from_the_end_of_time_change_nothing() {
    let mut bench = Bench::new();
    bench.enter(ANN, HOME, &[]);
    bench.connect(BOB, Purpose::Ahead);
    for who in [ANN, BOB] {
        bench.inputs(who, Tick::new(u64::MAX), &[WALK_EAST; 32]);
        bench.inputs(who, Tick::new(40), &[WALK_EAST; 32]);
    }
    bench.steps(3);
    assert_eq!(bench.at(ANN), HOME);
    assert_eq!((bench.client(ANN).closed, bench.client(BOB).closed), (None, None));
}

#[test]
fn whoever_breaks_the_form_is_closed_and_its_character_waits() {
    for (channel, payload) in [
        (CHANNEL_INPUT, &[0xff; 40][..]),
        (CHANNEL_CONTROL, &[0xff, 1]),
        (CHANNEL_CONTROL, &[]),
        (CHANNEL_SNAPSHOT, &[1]),
        (77, &[1]),
    ] {
        let mut bench = Bench::new();
        bench.enter(ANN, HOME, &[]);
        bench.says(ANN, channel, payload.to_vec());
        assert_eq!(bench.client(ANN).closed, Some(CloseCode::Kicked));
        assert_eq!(bench.zone.counts().violations, 1);
        bench.disconnect(ANN);
        bench.steps(299);
        assert!(bench.owns(ANN));
        bench.steps(2);
        assert!(!bench.owns(ANN));
    }
}

#[test]
fn a_reconnect_replaces_the_older_connection() {
    let mut bench = Bench::new();
    bench.enter(ANN, HOME, &[]);
    bench.steps(2);
    bench.outputs();
    bench.connect(ANN, Purpose::Enter);
    assert_eq!(bench.former[0].closed, Some(CloseCode::Replaced));
    assert_eq!(bench.outputs().len(), 0, "nothing is claimed again");
    // That the older one is over now means nothing.
    let connection = bench.former[0].connection;
    bench.told(Input::Disconnected { connection });
    bench.steps(400);
    assert!(bench.owns(ANN));
    assert_eq!(bench.client(ANN).own.as_ref().unwrap().consumed, bench.zone.tick());
}

#[test]
fn a_reconnect_before_the_claim_is_answered_claims_once() {
    let mut bench = Bench::new();
    bench.connect(ANN, Purpose::Enter);
    bench.disconnect(ANN);
    bench.connect(ANN, Purpose::Enter);
    let outputs = bench.outputs();
    let claims = outputs.iter().filter(|it| matches!(it, Output::Claim { .. })).count();
    assert_eq!(claims, 1, "a second claim raises the epoch behind the zone's back");
    bench.claimed(ANN, 4, HOME, &[]);
    bench.step();
    assert_eq!(bench.client(ANN).own.as_ref().unwrap().epoch, 4);
}

#[test]
fn a_character_without_a_client_leaves_after_a_while() {
    let mut bench = Bench::new();
    bench.enter(ANN, HOME, &[]);
    bench.step();
    bench.disconnect(ANN);
    bench.steps(299);
    assert!(bench.owns(ANN));
    bench.outputs();
    bench.steps(1);
    let outputs = bench.outputs();
    assert!(released(&outputs, ANN) && !bench.owns(ANN));
    assert!(outputs.iter().any(|it| matches!(it, Output::Left { character: ANN })));
}

#[test]
fn whoever_leaves_is_released_at_once_also_when_it_hangs_up() {
    for hangs_up in [false, true] {
        let mut bench = Bench::new();
        bench.enter(ANN, HOME, &[]);
        bench.step();
        bench.asks(ANN, to_zone::Body::Leave(Leave {}));
        if hangs_up {
            bench.disconnect(ANN);
        }
        bench.step();
        assert!(released(&bench.outputs(), ANN), "{hangs_up}");
        assert!(hangs_up || bench.client(ANN).closed == Some(CloseCode::NoError));
    }
}

#[test]
fn a_drained_zone_releases_everybody_and_lets_nobody_in() {
    let mut bench = Bench::new();
    bench.enter(ANN, HOME, &[]);
    bench.enter(BOB, [62.0, 60.0], &[]);
    bench.step();
    bench.told(Input::Drain);
    assert!(!bench.zone.is_drained());
    bench.step();
    let outputs = bench.outputs();
    assert!(released(&outputs, ANN) && released(&outputs, BOB));
    assert!(bench.zone.is_drained());
    assert_eq!(bench.client(ANN).closed, Some(CloseCode::Shutdown));
    bench.connect(CharacterId(3), Purpose::Enter);
    assert_eq!(bench.client(CharacterId(3)).closed, Some(CloseCode::Shutdown));
}

#[test]
fn checkpoints_hold_everybody() {
    let mut bench = Bench::new();
    bench.enter(ANN, HOME, &[]);
    bench.steps(300);
    let outputs = bench.outputs();
    let rows = |it: &Output| match it {
        Output::Checkpoint { rows, .. } => rows.len(),
        _ => 0,
    };
    assert_eq!(outputs.iter().map(rows).sum::<usize>(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_of_a_client_make_a_zone_fall(
        messages in prop::collection::vec(
            (0..4_u8, any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 1..30),
    ) {
        let mut bench = Bench::new();
        bench.enter(ANN, [190.0, 60.0], &[4]);
        bench.connect(BOB, Purpose::Ahead);
        for (channel, is_ann, payload) in messages {
            let who = if is_ann { ANN } else { BOB };
            if bench.client(who).closed.is_none() {
                bench.says(who, channel, payload);
            }
            bench.step();
        }
        prop_assert!(bench.owns(ANN) || bench.outputs().len() > 1);
        let line = bench.line(ANN);
        prop_assert!(line.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
}
