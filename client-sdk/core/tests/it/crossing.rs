//! From zone to zone, without a seam.

use std::time::Duration;

use client_sdk::event::ZoneId;
use client_sdk::{ClientEvent, SessionState};
use netcode::sim::LinkConfig;
use netcode::snapshot::{EntityId, EntityState, KindId};
use netcode::wire::CloseCode;

use shardline_protocol::play::{CHANNEL_SNAPSHOT, Own, SnapshotHeader};

use crate::support::game::{LineGame, STEPS, Walk, Walker};
use crate::support::{CHARACTER, Script, World, reference_network};

/// From one end of the world to the other, at 30 steps a tick: 14 units a second.
fn walk_right() -> Script {
    Box::new(|_, _| Walk(30))
}

#[track_caller]
fn expect_crossing(world: &mut World, from: u32, to: u32) {
    let event = world.expect(|event| matches!(event, ClientEvent::Crossed { .. }));
    let epoch = world.stats().epoch;
    let crossed = ClientEvent::Crossed { from: ZoneId(from), to: ZoneId(to), epoch };
    assert_eq!(event, crossed);
    assert_eq!(world.client.zone(), Some(ZoneId(to)));
    assert_eq!(world.client.state(), SessionState::Playing);
}

#[test]
fn nobody_notices_a_crossing() {
    for seed in 1..=5 {
        let mut world = World::new(reference_network(), seed);
        world.play(60 * STEPS);
        world.script = walk_right();
        expect_crossing(&mut world, 0, 1);
        expect_crossing(&mut world, 1, 2);
        world.run(Duration::from_secs(2));
        let stats = world.stats();
        assert_eq!(stats.corrections, 0, "seed {seed}: {stats:#?}");
        assert_eq!(stats.resyncs, 0, "seed {seed}: {stats:#?}");
        assert_eq!((stats.crossings, stats.epoch), (2, 3), "seed {seed}");
        world.check_inputs();
        let ticks: Vec<_> = world.meant.keys().copied().collect();
        assert!(ticks.windows(2).all(|pair| pair[1] == pair[0].next()), "ticks are consecutive");
    }
}

#[test]
fn a_player_may_dance_on_a_border() {
    let mut world = World::new(reference_network(), 11);
    world.play(95 * STEPS);
    // Six seconds there, six seconds back, for four minutes.
    world.script = Box::new(|tick, _| Walk(if tick.get() / 180 % 2 == 0 { 10 } else { -10 }));
    world.run(Duration::from_secs(240));
    let stats = world.stats();
    assert!(stats.crossings >= 10, "{stats:#?}");
    assert_eq!(stats.corrections, 0, "{stats:#?}");
    assert_eq!(world.client.state(), SessionState::Playing);
    assert_eq!(stats.resyncs, 0, "{stats:#?}");
    world.check_inputs();
}

#[test]
fn the_old_owner_may_say_goodbye_at_once() {
    let mut world = World::new(LinkConfig::CALM, 12);
    world.play(90 * STEPS);
    world.script = walk_right();
    // The word that the character crossed is not said, either, and the target takes its time.
    world.zones[1].is_shy = true;
    while world.zones[1].owned.is_empty() {
        world.zones[0].is_mute = world.client.connected_zones().count() == 2;
        world.advance();
    }
    let now = world.now;
    world.zones[0].close(now, CHARACTER, CloseCode::Moved);
    world.run(Duration::from_secs(1));
    assert_eq!(world.client.state(), SessionState::Crossing);
    world.zones[1].is_shy = false;
    expect_crossing(&mut world, 0, 1);
    world.run(Duration::from_secs(3));
    assert_eq!(world.stats().corrections, 0);
    assert!(world.events.iter().all(|event| !matches!(event, ClientEvent::Disconnected(_))));
}

#[test]
fn an_offer_that_is_withdrawn_is_forgotten() {
    let mut world = World::new(LinkConfig::CALM, 13);
    world.play(75 * STEPS);
    world.script = Box::new(|_, client| {
        let x = client.character().unwrap().x;
        Walk(if x < 90 * STEPS { 30 } else { 0 })
    });
    world.run(Duration::from_secs(5));
    assert!(world.client.connected_zones().eq([ZoneId(0), ZoneId(1)]), "connected ahead");
    world.script = Box::new(|_, _| Walk(-30));
    world.run(Duration::from_secs(3));
    assert!(world.client.connected_zones().eq([ZoneId(0)]));
    // And the same once more: the address is free again.
    world.script = walk_right();
    expect_crossing(&mut world, 0, 1);
    assert_eq!(world.stats().corrections, 0);
}

#[test]
fn the_highest_epoch_wins_over_whatever_an_old_owner_says() {
    let mut world = World::new(LinkConfig::CALM, 14);
    world.play(90 * STEPS);
    world.script = walk_right();
    expect_crossing(&mut world, 0, 1);
    // A zombie: the old owner believes that the character is still its own, far away.
    let character = Walker { x: STEPS, health: 1 };
    for _ in 0..30 {
        let own = Own {
            epoch: 1,
            override_epoch: 9,
            consumed: world.tick(),
            starved: 0,
            margin_us: -90_000,
            character,
        };
        let mut message = Vec::new();
        SnapshotHeader { tick: world.tick(), own: Some(own) }.encode(&LineGame, &mut message);
        world.zones[0].send_raw(CHARACTER, CHANNEL_SNAPSHOT, message);
        world.run(Duration::from_millis(50));
    }
    let stats = world.stats();
    assert_eq!((stats.corrections, stats.overrides), (0, 0), "{stats:#?}");
    assert_eq!(world.client.zone(), Some(ZoneId(1)));
    assert!(world.client.character().unwrap().x > 100 * STEPS);
}

#[test]
fn the_view_does_not_go_dark_while_the_new_zone_introduces_itself() {
    let mut world = World::new(LinkConfig::CALM, 15);
    let at = |x: i32| EntityState::new(KindId(0), &[x * STEPS]);
    world.zones[0].scenery.insert(EntityId(1), at(95));
    world.zones[1].scenery.insert(EntityId(2), at(105));
    for zone in &mut world.zones {
        zone.scenery.insert(EntityId(3), at(100));
    }
    world.play(90 * STEPS);
    world.script = walk_right();
    expect_crossing(&mut world, 0, 1);
    let ids = |world: &World| {
        let mut ids: Vec<_> = world.client.entities().map(|(id, _)| id.0).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&world), [1, 2, 3, CHARACTER]);
    world.run(Duration::from_millis(300));
    assert_eq!(ids(&world), [1, 2, 3, CHARACTER]);
    world.run(Duration::from_secs(1));
    assert_eq!(ids(&world), [2, 3, CHARACTER]);
    assert_eq!(world.client.entity(EntityId(1)), None);
}

#[test]
fn a_crossing_that_nobody_completes_ends_the_stay() {
    let mut world = World::new(LinkConfig::CALM, 16);
    world.play(90 * STEPS);
    world.script = walk_right();
    // The target takes the character and shows it to nobody.
    world.zones[1].is_shy = true;
    while world.zones[1].owned.is_empty() {
        world.advance();
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.client.state(), SessionState::Crossing);
    assert!(world.client.character().is_some(), "play goes on");
    world.expect(|event| matches!(event, ClientEvent::Disconnected(_)));
    assert_eq!(world.client.state(), SessionState::Ready);
}
