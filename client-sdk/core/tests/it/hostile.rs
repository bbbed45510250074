//! Bytes of anyone: strangers, and a zone or a gateway that has lost its mind.

use std::time::Duration;

use client_sdk::error::GatewayError;
use client_sdk::{ClientEvent, SessionState};
use netcode::entropy::Entropy;
use netcode::sim::LinkConfig;

use crate::support::game::{STEPS, Walk};
use crate::support::{CHARACTER, World, ZONES, reference_network};

#[test]
fn garbage_from_every_address_changes_nothing() {
    let mut world = World::new(reference_network(), 31);
    world.play(50 * STEPS);
    world.script = Box::new(|tick, _| Walk(if tick.get() / 20 % 2 == 0 { 9 } else { -9 }));
    let mut entropy = Entropy::from_simulation_seed(5);
    let stranger = "10.9.9.9:9".parse().unwrap();
    let from = [world.gateway.address, ZONES[0], ZONES[1], stranger];
    for _ in 0..300 {
        for from in from {
            let len = entropy.below(1400) as usize;
            let mut datagram = vec![0; len];
            entropy.fill(&mut datagram);
            world.client.handle_datagram(world.now, from, &mut datagram);
        }
        world.advance();
    }
    world.run(Duration::from_secs(2));
    let stats = world.stats();
    assert_eq!(world.client.state(), SessionState::Playing);
    assert!(world.client.is_logged_in());
    assert_eq!((stats.corrections, stats.malformed), (0, 0), "{stats:#?}");
    assert!(stats.datagrams_dropped >= 600, "{stats:#?}");
}

#[test]
fn damaged_and_repeated_datagrams_change_nothing() {
    let mut world = World::new(LinkConfig { duplicate: 0.3, ..reference_network() }, 32);
    world.damage = 0.2;
    world.play(50 * STEPS);
    world.script = Box::new(|tick, _| Walk(if tick.get() / 20 % 2 == 0 { 9 } else { -9 }));
    world.run(Duration::from_secs(10));
    let stats = world.stats();
    assert_eq!(world.client.state(), SessionState::Playing);
    assert_eq!((stats.snapshot_errors, stats.malformed), (0, 0), "{stats:#?}");
    world.check_inputs();
}

#[test]
fn a_zone_that_babbles_is_counted_and_endured() {
    let mut world = World::new(LinkConfig::CALM, 33);
    world.play(50 * STEPS);
    world.script = Box::new(|_, _| Walk(1));
    let mut entropy = Entropy::from_simulation_seed(6);
    for round in 0..200_u32 {
        for channel in [0, 1, 2] {
            let mut bytes = vec![0; entropy.below(120) as usize];
            entropy.fill(&mut bytes);
            world.owner().send_raw(CHARACTER, channel, bytes);
        }
        if round % 4 == 0 {
            world.advance();
        }
    }
    world.run(Duration::from_secs(5));
    let stats = world.stats();
    assert_eq!(world.client.state(), SessionState::Playing, "{stats:#?}");
    assert!(stats.snapshot_errors > 0 && stats.malformed > 0, "{stats:#?}");
}

#[test]
fn a_gateway_that_babbles_is_left() {
    let mut world = World::new(LinkConfig::CALM, 34);
    world.client.login(world.now, "me", "correct horse");
    world.expect(|event| matches!(event, ClientEvent::LoggedIn { .. }));
    world.gateway.babble(&[255; 64]);
    let lost = world.expect(|event| matches!(event, ClientEvent::GatewayLost(_)));
    assert_eq!(lost, ClientEvent::GatewayLost(GatewayError::Malformed));
    assert_eq!(world.client.state(), SessionState::Idle);
    world.client.login(world.now, "me", "correct horse");
    world.expect(|event| matches!(event, ClientEvent::LoggedIn { .. }));
}
