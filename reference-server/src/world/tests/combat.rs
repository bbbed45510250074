//! Who attacks whom, across the border too.

use netcode::snapshot::EntityId;
use reference_game::angle::Angle;
use shardline_protocol::game::Game;
use shardline_protocol::zone::to_client;

use crate::ids::{Epoch, ZoneId};
use crate::world::tests::{ANN, BOB, Bench, EAST, EDGE, GameInput, WALK_EAST, WEST};
use crate::world::{Input, Output, RemoteAttack};

const SHOOT_EAST: GameInput = GameInput { walk: None, dash: false, attack: Some(Angle(0)) };

fn attacks(bench: &mut Bench) -> Vec<(ZoneId, RemoteAttack)> {
    let outputs = bench.outputs();
    let attacks = outputs.into_iter().filter_map(|it| match it {
        Output::Attack { to, attack } => Some((to, attack)),
        _ => None,
    });
    attacks.collect()
}

fn hits(bench: &Bench) -> usize {
    let told = &bench.client(ANN).told;
    told.iter().filter(|body| matches!(body, to_client::Body::Hit(_))).count()
}

#[test]
fn an_attack_hits_and_both_are_told() {
    let mut bench = Bench::new();
    bench.enter(ANN, [60.0, 60.0], &[]);
    bench.enter(BOB, [70.0, 60.0], &[]);
    bench.step();
    bench.plays(ANN, SHOOT_EAST);
    for who in [ANN, BOB] {
        let Some(to_client::Body::Hit(hit)) = bench.told_last(who) else { panic!("{who}") };
        assert_eq!((hit.attacker, hit.target, hit.damage), (ANN.0, BOB.0, 20));
    }
    bench.step();
    assert_eq!(bench.client(BOB).own.as_ref().unwrap().character.health(), 80);
}

#[test]
fn a_defeat_is_a_declared_discontinuity() {
    let mut bench = Bench::new();
    bench.enter(ANN, [60.0, 60.0], &[]);
    bench.enter(BOB, [70.0, 60.0], &[]);
    for _ in 0..5 {
        bench.plays(ANN, SHOOT_EAST);
        bench.steps(20);
    }
    assert_eq!(bench.client(BOB).own.as_ref().unwrap().override_epoch, 1);
}

/// West, with Bob as a ghost of the east within range.
fn with_ghost() -> Bench {
    let mut bench = Bench::new();
    bench.enter(ANN, [EDGE - 5.0, 60.0], &[]);
    let state = bench.game.observe_character(&bench.game.spawn([EDGE + 5.0, 60.0]));
    let entities = vec![(EntityId(BOB.0), state)];
    bench.told(Input::Ghosts { zone: EAST, tick: bench.zone.tick(), entities });
    bench.step();
    bench.outputs();
    bench
}

#[test]
fn an_attack_on_a_ghost_goes_to_its_zone() {
    let mut bench = with_ghost();
    bench.plays(ANN, SHOOT_EAST);
    let sent = attacks(&mut bench);
    let (to, attack) = &sent[0];
    assert_eq!((*to, attack.from, attack.target, attack.hops), (EAST, WEST, BOB, 0));
    assert_eq!(hits(&bench), 0, "decided over there");

    let mut east = Bench::of(EAST, |_| {});
    east.enter(BOB, [EDGE + 5.0, 60.0], &[]);
    east.outputs();
    east.told(Input::Attack(attack.clone()));
    let outputs = east.outputs();
    let done = outputs.iter().find_map(|it| match it {
        Output::HitDone { to: WEST, hit } => Some(*hit),
        _ => None,
    });
    bench.told(Input::HitDone(done.unwrap()));
    assert_eq!(hits(&bench), 1);
}

/// East, which Bob has left for the west.
fn moved_on() -> (Bench, RemoteAttack) {
    let mut west = with_ghost();
    west.plays(ANN, SHOOT_EAST);
    let (_, attack) = attacks(&mut west).remove(0);
    let mut bench = Bench::of(EAST, |_| {});
    bench.enter(BOB, [EDGE - 3.0, 60.0], &[]);
    bench.step();
    bench.told(Input::Ready { character: BOB, to: WEST });
    bench.steps(40);
    let outputs = bench.outputs();
    assert!(outputs.iter().any(|it| matches!(it, Output::Cross { .. })));
    (bench, attack)
}

#[test]
fn an_attack_on_one_between_two_zones_waits_for_where_it_lands() {
    let (mut bench, attack) = moved_on();
    bench.told(Input::Attack(attack.clone()));
    bench.step();
    assert!(attacks(&mut bench).is_empty());
    bench.told(Input::Committed { character: BOB, to: WEST, epoch: Epoch(2) });
    bench.step();
    let sent = attacks(&mut bench);
    assert_eq!((sent.len(), sent[0].0, sent[0].1.hops), (1, WEST, 1));

    let (mut bench, _) = moved_on();
    bench.told(Input::Attack(attack));
    bench.told(Input::Resume { character: BOB, epoch: Epoch(2) });
    bench.step();
    assert!(bench.outputs().iter().any(|it| matches!(it, Output::HitDone { .. })));
}

#[test]
fn an_attack_is_passed_on_only_so_often() {
    let (mut bench, mut attack) = moved_on();
    bench.told(Input::Committed { character: BOB, to: WEST, epoch: Epoch(2) });
    for hops in [0, 3, 4, u8::MAX] {
        attack.hops = hops;
        bench.told(Input::Attack(attack.clone()));
        let sent = attacks(&mut bench);
        assert_eq!(sent.len(), usize::from(hops < 4), "{hops}");
        assert!(sent.iter().all(|(_, sent)| sent.hops == hops + 1));
    }
    // And no longer than attacks can be late.
    attack.hops = 0;
    bench.steps(301);
    bench.told(Input::Attack(attack));
    assert!(attacks(&mut bench).is_empty());
}

#[test]
fn bytes_that_are_no_attack_hurt_nobody() {
    let (_, mut attack) = moved_on();
    let mut bench = Bench::new();
    bench.enter(BOB, [60.0, 60.0], &[]);
    bench.outputs();
    attack.attack = vec![0xff; 3];
    bench.told(Input::Attack(attack));
    assert!(bench.outputs().is_empty());
}

#[test]
fn what_was_shot_in_a_tick_that_is_caught_up_with_hits_too() {
    let mut bench = Bench::new();
    bench.enter(ANN, [EDGE + 3.0, 60.0], &[]);
    bench.enter(BOB, [EDGE + 12.0, 60.0], &[]);
    bench.step();
    bench.told(Input::Ready { character: ANN, to: EAST });
    (0..40).for_each(|_| bench.plays(ANN, GameInput::default()));
    let outputs = bench.outputs();
    assert!(outputs.iter().any(|it| matches!(it, Output::Cross { .. })));
    bench.plays(ANN, SHOOT_EAST);
    bench.plays(ANN, WALK_EAST);
    assert_eq!(hits(&bench), 0);
    bench.told(Input::Resume { character: ANN, epoch: Epoch(2) });
    bench.step();
    assert_eq!(hits(&bench), 1);
}
