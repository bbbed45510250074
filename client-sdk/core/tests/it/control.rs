//! The gateway: requests and answers, and life without it.

use std::time::Duration;

use client_sdk::client::command::ChatTarget;
use client_sdk::error::{GatewayError, RequestError};
use client_sdk::{Client, ClientConfig, ClientEvent, SessionState};
use netcode::entropy::Entropy;
use netcode::sim::LinkConfig;
use netcode::time::Instant;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{ChatMessage, ErrorCode};

use crate::support::game::{LineGame, STEPS, Walk};
use crate::support::gateway::Gateway;
use crate::support::{World, reference_network};

#[test]
fn every_request_is_answered_once() {
    let mut world = World::new(reference_network(), 21);
    let now = world.now;
    let client = &mut world.client;
    let requests = [
        client.register(now, "me", "correct horse"),
        client.login(now, "me", "correct horse"),
        client.create_party(now),
        client.join_party(now, 5),
        client.leave_party(now),
        client.enqueue(now, "duel"),
        client.cancel_ticket(now, 9),
        client.send_chat(now, ChatTarget::World, "hello"),
    ];
    world.run(Duration::from_secs(3));
    for request in requests {
        let answers = world.events.iter().filter(|event| event.request() == Some(request));
        assert_eq!(answers.count(), 1, "{request}: {:?}", world.events);
    }
    let failed = |event: &ClientEvent| matches!(event, ClientEvent::RequestFailed { .. });
    assert!(!world.events.iter().any(failed), "{:?}", world.events);
    assert!(world.events.iter().any(|event| matches!(event, ClientEvent::Chat(_))));
    assert_eq!(world.client.state(), SessionState::Ready);
    assert_eq!(world.stats().requests_open, 0);
}

#[test]
fn much_talk_arrives_in_full() {
    let mut world = World::new(LinkConfig::CALM, 28);
    world.client.login(world.now, "me", "correct horse");
    world.expect(|event| matches!(event, ClientEvent::LoggedIn { .. }));
    // Twice as much as the gateway may send before any of it is read.
    for number in 0..2000_u64 {
        let text = "x".repeat(256);
        let chat = ChatMessage { from_character: number, text, ..ChatMessage::default() };
        world.gateway.say_to_all(&Body::Chat(chat));
    }
    world.run(Duration::from_secs(5));
    let numbers = world.events.iter().filter_map(|event| match event {
        ClientEvent::Chat(chat) => Some(chat.from_character),
        _ => None,
    });
    assert!(numbers.eq(0..2000));
}

#[test]
fn a_request_that_no_frame_holds_is_refused() {
    let mut world = World::new(LinkConfig::CALM, 29);
    let request = world.client.send_chat(world.now, ChatTarget::World, &"x".repeat(70_000));
    let error = RequestError::TooLarge;
    let failed = ClientEvent::RequestFailed { request, error };
    assert_eq!(world.client.poll_event(), Some(failed));
    for _ in 0..64 {
        world.client.create_party(world.now);
    }
    let request = world.client.create_party(world.now);
    let error = RequestError::TooMany;
    let failed = ClientEvent::RequestFailed { request, error };
    assert_eq!(world.client.poll_event(), Some(failed));
}

#[test]
fn a_wrong_password_is_a_refusal() {
    let mut world = World::new(LinkConfig::CALM, 22);
    let request = world.client.login(world.now, "me", "guess");
    let failed = world.expect(|event| event.request() == Some(request));
    let ClientEvent::RequestFailed { error: RequestError::Refused { code, .. }, .. } = failed
    else {
        panic!("{failed:?}");
    };
    assert_eq!(code, ErrorCode::BadCredentials);
    assert_eq!(world.client.state(), SessionState::Idle);
}

#[test]
fn the_world_is_entered_from_the_lobby_only() {
    let mut world = World::new(LinkConfig::CALM, 23);
    let request = world.client.enter_world(world.now);
    let failed = world.client.poll_event();
    let error = RequestError::WrongState;
    assert_eq!(failed, Some(ClientEvent::RequestFailed { request, error }));
}

#[test]
fn play_goes_on_without_the_gateway_which_may_come_back() {
    let mut world = World::new(LinkConfig::CALM, 24);
    world.play(50 * STEPS);
    world.script = Box::new(|_, _| Walk(1));
    let now = world.now;
    world.gateway.close_all(now);
    let lost = world.expect(|event| matches!(event, ClientEvent::GatewayLost(_)));
    let reason = "maintenance".to_owned();
    assert_eq!(lost, ClientEvent::GatewayLost(GatewayError::ClosedByGateway { reason }));
    world.run(Duration::from_secs(2));
    assert_eq!(world.client.state(), SessionState::Playing);
    assert!(!world.client.is_logged_in());
    assert_eq!(world.stats().corrections, 0);

    world.client.login(world.now, "me", "correct horse");
    world.expect(|event| matches!(event, ClientEvent::LoggedIn { .. }));
    assert_eq!(world.client.state(), SessionState::Playing);
    world.client.leave(world.now);
    world.expect(|event| matches!(event, ClientEvent::Left));
    assert_eq!(world.client.state(), SessionState::Ready);
}

#[test]
fn a_gateway_that_is_not_there_answers_every_request_with_its_absence() {
    let mut world = World::with_config(LinkConfig::CALM, 25, |config| {
        config.gateway_timeout(Duration::from_secs(5))
    });
    world.network.block("10.0.0.1:40000".parse().unwrap(), world.gateway.address);
    let request = world.client.login(world.now, "me", "correct horse");
    world.expect(|event| matches!(event, ClientEvent::GatewayLost(GatewayError::TimedOut)));
    let failed = world.expect(|event| event.request() == Some(request));
    let error = RequestError::GatewayLost;
    assert_eq!(failed, ClientEvent::RequestFailed { request, error });
    assert_eq!(world.client.state(), SessionState::Idle);
}

#[test]
fn a_stranger_with_the_gateways_address_is_not_trusted() {
    let mut world = World::new(LinkConfig::CALM, 26);
    let other = Gateway::new(world.gateway.address);
    assert_ne!(other.certificate, world.gateway.certificate);
    world.gateway = other;
    world.client.login(world.now, "me", "correct horse");
    let insecure = |event: &ClientEvent| {
        matches!(event, ClientEvent::GatewayLost(GatewayError::Insecure { .. }))
    };
    world.expect(insecure);
    assert!(world.gateway.asked.is_empty(), "the password was not said");
}

#[test]
fn closing_is_the_end() {
    let mut world = World::new(LinkConfig::CALM, 27);
    world.play(50 * STEPS);
    world.client.close(world.now);
    world.expect(|event| matches!(event, ClientEvent::Closed));
    world.run(Duration::from_secs(2));
    assert!(world.client.is_drained());
    assert_eq!(world.client.state(), SessionState::Closed);
    let request = world.client.login(world.now, "me", "correct horse");
    let error = RequestError::WrongState;
    let failed = ClientEvent::RequestFailed { request, error };
    assert_eq!(world.client.poll_event(), Some(failed));
    assert_eq!(world.client.poll_timeout(), None);
}

#[test]
fn a_config_that_cannot_work_is_refused() {
    let gateway = Gateway::new("10.0.0.2:7000".parse().unwrap());
    let builder = || ClientConfig::builder(gateway.address, gateway.certificate.clone());
    assert!(builder().server_name("not a name").build().is_err());
    assert!(builder().join_timeout(Duration::ZERO).build().is_err());
    assert!(builder().input_margin(Duration::from_secs(1)).build().is_err());
    assert!(ClientConfig::builder(gateway.address, vec![1, 2, 3]).build().is_err());
    assert!(ClientConfig::builder("0.0.0.0:1".parse().unwrap(), vec![]).build().is_err());
    let config = builder().build().unwrap();
    let entropy = Entropy::from_simulation_seed(1);
    assert!(Client::new(LineGame, &config, Instant::EPOCH, entropy).is_ok());
}
