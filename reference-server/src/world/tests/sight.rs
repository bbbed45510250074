//! What clients see: who is near, and what neighbours tell.

use netcode::snapshot::{EntityId, EntityState};
use proptest::prelude::*;
use shardline_protocol::game::{Game, Point};
use shardline_protocol::play::ITEM_ENTITY_BIT;

use crate::ids::{CharacterId, ItemId};
use crate::world::tests::{ANN, BOB, Bench, EAST, EDGE, WALK_EAST};
use crate::world::{Input, Output};

fn seen(bench: &Bench, who: CharacterId) -> Vec<u64> {
    bench.client(who).decoder.entities().map(|(id, _)| id.0).collect()
}

fn ghosts(bench: &mut Bench, entities: Vec<(EntityId, EntityState)>) {
    bench.told(Input::Ghosts { zone: EAST, tick: bench.zone.tick(), entities });
}

fn told_of(bench: &mut Bench) -> Option<Vec<u64>> {
    let outputs = bench.outputs();
    let told = outputs.into_iter().filter_map(|it| match it {
        Output::Ghosts { to: EAST, entities, .. } => Some(entities),
        _ => None,
    });
    told.last().map(|entities| entities.iter().map(|(id, _)| id.0).collect())
}

#[test]
fn what_a_neighbour_tells_is_seen_until_it_tells_otherwise() {
    let mut bench = Bench::new();
    bench.enter(ANN, [EDGE - 5.0, 60.0], &[]);
    let ghost = bench.game.observe_character(&bench.game.spawn([EDGE + 5.0, 60.0]));
    let item = bench.game.observe_item([EDGE + 6.0, 60.0]);
    let item_id = EntityId(4 | ITEM_ENTITY_BIT);
    ghosts(&mut bench, vec![(EntityId(BOB.0), ghost), (item_id, item)]);
    bench.step();
    assert_eq!(seen(&bench, ANN), [BOB.0, item_id.0]);
    assert_eq!((bench.zone.counts().ghosts, bench.zone.counts().characters), (1, 1));
    // What it was told, it does not tell as its own.
    assert_eq!(told_of(&mut bench), Some(vec![ANN.0]));
    ghosts(&mut bench, vec![]);
    bench.step();
    assert_eq!(seen(&bench, ANN), [] as [u64; 0]);
    // A ghost never consumes an input.
    assert!(bench.line(BOB).is_empty());
}

#[test]
fn a_neighbour_that_falls_silent_is_not_believed_for_ever() {
    let mut bench = Bench::new();
    bench.enter(ANN, [EDGE - 5.0, 60.0], &[]);
    let ghost = bench.game.observe_character(&bench.game.spawn([EDGE + 5.0, 60.0]));
    ghosts(&mut bench, vec![(EntityId(BOB.0), ghost)]);
    bench.steps(10);
    assert_eq!(seen(&bench, ANN), [BOB.0]);
    bench.steps(60);
    assert_eq!(seen(&bench, ANN), [] as [u64; 0]);
}

#[test]
fn a_neighbour_hears_of_what_it_can_see_and_once_more_when_nothing_is_left() {
    let mut bench = Bench::new();
    bench.enter(ANN, [EDGE - 47.5, 60.0], &[]);
    bench.enter(BOB, [EDGE - 49.0, 60.0], &[]);
    bench.told(Input::Ground { items: vec![(ItemId(3), [EDGE - 1.0, 60.0])] });
    bench.step();
    assert_eq!(told_of(&mut bench), Some(vec![ANN.0, 3 | ITEM_ENTITY_BIT]));
    let mut bench = Bench::new();
    bench.enter(ANN, [EDGE - 47.5, 60.0], &[]);
    bench.step();
    assert_eq!(told_of(&mut bench), Some(vec![ANN.0]));
    bench.disconnect(ANN);
    bench.steps(301);
    bench.outputs();
    bench.enter(BOB, [10.0, 60.0], &[]);
    bench.step();
    assert_eq!(told_of(&mut bench), None);
}

#[test]
fn nobody_sees_a_ghost_of_one_that_is_here() {
    let mut bench = Bench::new();
    bench.enter(ANN, [EDGE - 5.0, 60.0], &[]);
    bench.enter(BOB, [EDGE - 6.0, 60.0], &[]);
    let ghost = bench.game.observe_character(&bench.game.spawn([EDGE + 30.0, 60.0]));
    ghosts(&mut bench, vec![(EntityId(BOB.0), ghost)]);
    bench.step();
    let state = bench.client(ANN).decoder.entities().next().unwrap().1;
    assert!(bench.game.observed_position(state)[0] < EDGE);
    assert_eq!(bench.zone.counts().ghosts, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_client_sees_exactly_who_is_near_within_its_budget(
        others in prop::collection::vec([0.0_f32..250.0, 0.0_f32..192.0], 0..40),
        items in prop::collection::vec([0.0_f32..192.0, 0.0_f32..192.0], 0..40),
        at in [0.0_f32..191.0, 0.0_f32..191.0],
        budget in 160_usize..1_100,
    ) {
        let mut bench = Bench::new();
        bench.wire.budget = budget;
        bench.enter(ANN, at, &[]);
        let ids = (100..).map(EntityId);
        let ghosts_told = ids.zip(&others).map(|(id, &at)| {
            (id, bench.game.observe_character(&bench.game.spawn(at)))
        });
        let entities: Vec<_> = ghosts_told.collect();
        let ground: Vec<_> = (1..).map(ItemId).zip(items.iter().copied()).collect();
        bench.told(Input::Ground { items: ground });
        // The budget is small, so that it takes several snapshots until everything is told.
        for _ in 0..30 {
            ghosts(&mut bench, entities.clone());
            bench.plays(ANN, WALK_EAST);
        }
        for _ in 0..40 {
            ghosts(&mut bench, entities.clone());
            bench.plays(ANN, super::STAND);
        }
        let own = bench.at(ANN);
        let is_near = |at: Point| (at[0] - own[0]).hypot(at[1] - own[1]) <= 48.0;
        let characters = entities.iter().filter(|(_, state)| {
            is_near(bench.game.observed_position(state))
        });
        let on_ground = (1_u64..).zip(&items).filter(|(_, at)| is_near(**at));
        let mut expected: Vec<u64> = characters.map(|(id, _)| id.0).collect();
        expected.extend(on_ground.map(|(id, _)| id | ITEM_ENTITY_BIT));
        prop_assert_eq!(seen(&bench, ANN), expected);
    }
}
