//! From the door to the world, and out again.

use std::time::Duration;

use client_sdk::error::{DisconnectReason, PlayError, RequestError};
use client_sdk::event::ZoneId;
use client_sdk::{ClientEvent, SessionState};
use netcode::connection::ConnectionError;
use netcode::sim::LinkConfig;
use netcode::wire::CloseCode;
use shardline_protocol::game::Game;
use shardline_protocol::zone::{Hit, ItemMoved, PickUp, to_client, to_zone};

use crate::support::game::{LineGame, STEPS, Walk};
use crate::support::{CHARACTER, World, ZONES, reference_network};

#[test]
fn a_player_logs_in_is_matched_joins_plays_and_leaves() {
    let mut world = World::new(reference_network(), 1);
    assert_eq!(world.client.state(), SessionState::Idle);
    world.client.login(world.now, "me", "correct horse");
    assert_eq!(world.client.state(), SessionState::Authenticating);
    world.expect(|event| matches!(event, ClientEvent::LoggedIn { .. }));
    assert_eq!(world.client.state(), SessionState::Ready);
    world.client.enqueue(world.now, "duel");
    world.expect(|event| matches!(event, ClientEvent::TicketQueued { ticket_id: 9, .. }));
    world.expect(|event| matches!(event, ClientEvent::MatchFound(_)));

    world.spawn(50 * STEPS);
    let request = world.client.enter_world(world.now);
    assert_eq!(world.client.state(), SessionState::Joining);
    let joined = world.expect(|event| matches!(event, ClientEvent::Joined { .. }));
    let zone = ZoneId(0);
    assert_eq!(joined, ClientEvent::Joined { request, zone, character_id: CHARACTER });
    assert_eq!(world.client.state(), SessionState::Playing);
    assert!(world.client.items().iter().eq(&[41, 42]));

    // To and fro, with a turn every second.
    world.script = Box::new(|tick, _| Walk(if tick.get() / 30 % 2 == 0 { 8 } else { -8 }));
    world.run(Duration::from_secs(20));
    let stats = world.stats();
    assert_eq!(stats.corrections, 0, "{stats:#?}");
    assert!(stats.reconciled > 500, "{stats:#?}");
    assert!(stats.zone_rtt > Duration::from_millis(80), "{stats:#?}");
    world.check_inputs();

    world.client.leave(world.now);
    assert_eq!(world.client.state(), SessionState::Leaving);
    world.expect(|event| matches!(event, ClientEvent::Left));
    assert_eq!(world.client.state(), SessionState::Ready);
    assert_eq!(world.client.character(), None);
    assert_eq!(world.client.push_input(world.now, Walk(1)), Err(PlayError::NotInWorld));
}

#[test]
fn inputs_show_at_once_whatever_the_distance() {
    let link = LinkConfig { delay: Duration::from_millis(150), ..LinkConfig::CALM };
    let mut world = World::new(link, 2);
    world.play(50 * STEPS);
    world.script = Box::new(|_, _| Walk(1));
    while world.meant.is_empty() {
        world.advance();
    }
    for _ in 0..50 {
        let mut expected = *world.client.character().unwrap();
        let newest = *world.meant.last_key_value().unwrap().0;
        world.advance();
        for (tick, input) in world.meant.range(newest.next()..) {
            LineGame.step(&mut expected, input, *tick);
        }
        assert_eq!(*world.client.character().unwrap(), expected);
    }
    assert!(world.stats().lead_ms > 150.0, "{:#?}", world.stats());
}

#[test]
fn a_hit_takes_health_and_is_no_correction() {
    let mut world = World::new(LinkConfig::CALM, 3);
    world.play(50 * STEPS);
    world.script = Box::new(|_, _| Walk(3));
    world.run(Duration::from_secs(1));
    let zone = world.owner();
    let owned = zone.owned.get_mut(&CHARACTER).unwrap();
    LineGame.take_hit(&mut owned.character, &(), Default::default());
    zone.send(CHARACTER, to_client::Body::Hit(Hit { target: CHARACTER, ..Hit::default() }));
    world.expect(|event| matches!(event, ClientEvent::Hit(_)));
    world.run(Duration::from_secs(1));
    assert_eq!(world.client.character().unwrap().health, 99);
    assert_eq!(world.stats().corrections, 0);
}

#[test]
fn what_the_server_decides_otherwise_is_corrected_and_counted() {
    let mut world = World::new(LinkConfig::CALM, 4);
    world.play(50 * STEPS);
    world.script = Box::new(|_, _| Walk(3));
    world.run(Duration::from_secs(1));
    world.owner().owned.get_mut(&CHARACTER).unwrap().character.x += STEPS / 2;
    world.run(Duration::from_secs(1));
    let stats = world.stats();
    assert_eq!((stats.corrections, stats.correction_max), (1, 0.5), "{stats:#?}");
    assert_eq!(stats.overrides, 0);
}

#[test]
fn a_declared_discontinuity_is_no_correction() {
    let mut world = World::new(LinkConfig::CALM, 5);
    world.play(50 * STEPS);
    world.script = Box::new(|tick, _| Walk((tick.get() * 5 % 7) as i8));
    world.run(Duration::from_secs(1));
    let owned = world.owner().owned.get_mut(&CHARACTER).unwrap();
    owned.character.x = 10 * STEPS;
    owned.override_epoch += 1;
    world.expect(|event| matches!(event, ClientEvent::Overridden { override_epoch: 1 }));
    world.run(Duration::from_secs(1));
    let stats = world.stats();
    assert_eq!((stats.corrections, stats.overrides), (0, 1), "{stats:#?}");
    assert!(world.client.character().unwrap().x < 20 * STEPS);
}

#[test]
fn items_are_asked_for_and_told() {
    let mut world = World::new(reference_network(), 6);
    world.play(50 * STEPS);
    world.client.pick_up(43).unwrap();
    world.run(Duration::from_secs(1));
    let asked = to_zone::Body::PickUp(PickUp { item: 43 });
    assert!(world.owner().asked.contains(&asked));
    for (item, from_character, to_character) in [(43, 0, CHARACTER), (41, CHARACTER, 5)] {
        let moved = ItemMoved { item, from_character, to_character };
        world.owner().send(CHARACTER, to_client::Body::ItemMoved(moved));
    }
    world.expect(|event| matches!(event, ClientEvent::ItemMoved(_)));
    world.expect(|event| matches!(event, ClientEvent::ItemMoved(_)));
    assert!(world.client.items().iter().eq(&[42, 43]));
}

#[test]
fn a_lost_zone_leads_to_the_lobby_and_the_world_may_be_entered_again() {
    let mut world = World::new(LinkConfig::CALM, 7);
    world.play(50 * STEPS);
    let now = world.now;
    world.owner().close(now, CHARACTER, CloseCode::Shutdown);
    let lost = world.expect(|event| matches!(event, ClientEvent::Disconnected(_)));
    let reason = DisconnectReason::ZoneLost(ConnectionError::ClosedByPeer(CloseCode::Shutdown));
    assert_eq!(lost, ClientEvent::Disconnected(reason));
    assert_eq!(world.client.state(), SessionState::Ready);
    // The older connection still drains at that address.
    world.enter(50 * STEPS);
    world.run(Duration::from_secs(1));
    assert_eq!(world.client.state(), SessionState::Playing);
}

#[test]
fn a_zone_that_throws_the_player_out_ends_the_stay_near_a_border_too() {
    let mut world = World::new(LinkConfig::CALM, 18);
    world.play(90 * STEPS);
    world.run(Duration::from_secs(1));
    assert_eq!(world.client.connected_zones().count(), 2);
    let now = world.now;
    world.owner().close(now, CHARACTER, CloseCode::Kicked);
    world.expect(|event| matches!(event, ClientEvent::Disconnected(_)));
    assert!(world.now - now < Duration::from_secs(1));
}

#[test]
fn a_silent_zone_is_lost_in_time() {
    let mut world = World::with_config(LinkConfig::CALM, 8, |config| {
        config.zone_timeout(Duration::from_secs(3))
    });
    world.play(50 * STEPS);
    world.network.block("10.0.0.1:40000".parse().unwrap(), ZONES[0]);
    let before = world.now;
    world.expect(|event| matches!(event, ClientEvent::Disconnected(_)));
    assert!(world.now - before < Duration::from_secs(4));
}

#[test]
fn a_door_that_stays_shut_is_a_failed_request() {
    let mut world = World::new(LinkConfig::CALM, 9);
    world.client.login(world.now, "me", "correct horse");
    world.expect(|event| matches!(event, ClientEvent::LoggedIn { .. }));
    world.network.block("10.0.0.1:40000".parse().unwrap(), ZONES[0]);
    world.spawn(50 * STEPS);
    let request = world.client.enter_world(world.now);
    let failed = world.expect(|event| event.request() == Some(request));
    let ClientEvent::RequestFailed { error: RequestError::NotLetIn(_), .. } = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(world.client.state(), SessionState::Ready);
}

#[test]
fn a_zone_that_does_not_say_welcome_is_not_entered() {
    let mut world = World::new(LinkConfig::CALM, 17);
    world.client.login(world.now, "me", "correct horse");
    world.expect(|event| matches!(event, ClientEvent::LoggedIn { .. }));
    world.spawn(50 * STEPS);
    world.owner().is_mute = true;
    let request = world.client.enter_world(world.now);
    let failed = world.expect(|event| event.request() == Some(request));
    let after = Duration::from_secs(10);
    let error = RequestError::NotLetIn(DisconnectReason::JoinTimedOut { after });
    assert_eq!(failed, ClientEvent::RequestFailed { request, error });
}

#[test]
fn who_stood_still_for_long_starts_anew() {
    let mut world = World::new(LinkConfig::CALM, 10);
    world.play(50 * STEPS);
    world.script = Box::new(|_, _| Walk(1));
    world.run(Duration::from_secs(2));
    // The game's machine sleeps: datagrams wait, nothing is asked, for five seconds.
    let asleep_until = world.now + Duration::from_secs(5);
    world.sleep_until(asleep_until);
    let last = *world.meant.last_key_value().unwrap().0;
    world.run(Duration::from_secs(5));
    let stats = world.stats();
    assert_eq!(world.client.state(), SessionState::Playing, "{stats:#?}");
    assert!(stats.resyncs >= 1, "{stats:#?}");
    let newest = *world.meant.last_key_value().unwrap().0;
    assert!(newest.saturating_since(last) > 250, "inputs flow again: {stats:#?}");
    let corrections = stats.corrections;
    world.run(Duration::from_secs(5));
    assert_eq!(world.stats().corrections, corrections, "and are in time");
    world.check_inputs();
}
