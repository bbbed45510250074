//! Who gets in, who does not, and what either is told.

use std::collections::BTreeSet;
use std::time::Duration;

use netcode::channel::{ChannelConfig, ChannelTable, Delivery};
use netcode::config::{EndpointConfig, EndpointConfigBuilder, RetryPolicy};
use netcode::connection::{ConnectionError, DropReason, Event};
use netcode::crypto::{Claims, SecretKey, Suite, TokenKey};
use netcode::endpoint::ConnectError;
use netcode::entropy::Entropy;
use netcode::sim::LinkConfig;
use netcode::time::Instant;
use netcode::wire::{CloseCode, HELLO_BYTES};

use crate::support::{
    ORDERED, SERVER, SERVER_ID, Setup, UNIX_S, World, address, client, config, for_each_seed, table,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn it_takes_one_round_trip_or_two_with_a_proof_of_address() {
    for (policy, millis) in [(RetryPolicy::Never, 20), (RetryPolicy::Always, 40)] {
        let mut world = Setup::new(1).server(config().retry(policy)).start();
        let access = world.access(client(0), |_| {});
        world.connect(client(0), &access);
        world.run_until_event(client(0), Instant::from_millis(millis), |event| {
            *event == Event::Connected
        });
        assert_eq!(world.now, Instant::from_millis(millis));
        // The server knows with the first packet of the client.
        world.run_until_event(SERVER, Instant::from_millis(millis + 10), |event| {
            *event == Event::Connected
        });
    }
}

#[test]
fn the_server_learns_what_the_token_says() {
    let mut world = Setup::new(1).start();
    let (ours, theirs) = world.join(client(0));
    let claims = world.host(SERVER).endpoint.claims(theirs).cloned().unwrap();
    assert_eq!((claims.server_id, claims.account_id, claims.character_id), (SERVER_ID, 1, 101));
    assert_eq!(&claims.extension[..], [0]);
    assert_eq!(world.host(client(0)).endpoint.claims(ours), None);
    assert_eq!(world.host(SERVER).endpoint.remote(theirs), Some(address(1)));
}

/// Connects with claims that `change` has spoiled, and returns how it ended.
fn refused(change: impl FnOnce(&mut Claims)) -> ConnectionError {
    let mut world = Setup::new(1).start();
    let access = world.access(client(0), change);
    world.connect(client(0), &access);
    let error = world.run_until_closed(client(0), SECOND);
    assert_eq!(world.host(SERVER).endpoint.connections(), 0);
    assert_eq!(world.host(client(0)).endpoint.connections(), 0);
    assert!(world.host(SERVER).events.is_empty());
    error
}

#[test]
fn a_token_is_for_one_server_and_a_short_time() {
    let refusal = ConnectionError::Refused(CloseCode::Token);
    assert_eq!(refused(|claims| claims.server_id += 1), refusal);
    assert_eq!(refused(|claims| claims.not_after_s = UNIX_S - 1), refusal);
    assert_eq!(refused(|claims| claims.not_before_s = UNIX_S + 1), refusal);
}

#[test]
fn a_token_of_another_key_or_of_none_is_refused() {
    let mut entropy = Entropy::from_simulation_seed(9);
    for kid in [1, 2] {
        let mut world = Setup::new(1).start();
        world.token_key = TokenKey::generate(kid, &mut entropy);
        let access = world.access(client(0), |_| {});
        world.connect(client(0), &access);
        let error = world.run_until_closed(client(0), SECOND);
        assert_eq!(error, ConnectionError::Refused(CloseCode::Token));
    }
    let mut world = Setup::new(1).start();
    let mut access = world.access(client(0), |_| {});
    access.token = Default::default();
    world.connect(client(0), &access);
    let error = world.run_until_closed(client(0), SECOND);
    assert_eq!(error, ConnectionError::Refused(CloseCode::Token));
    access.token = vec![0; 300].into();
    let server = world.address(SERVER);
    let outcome = world.with(client(0), |endpoint, now| endpoint.connect(now, server, &access));
    assert_eq!(outcome, Err(ConnectError::BadAccess));
}

#[test]
fn a_stolen_token_is_worth_nothing_without_its_key() {
    let mut world = Setup::new(1).clients(2).start();
    let mut stolen = world.access(client(0), |_| {});
    stolen.client_secret = SecretKey::generate(&mut Entropy::from_simulation_seed(5));
    world.connect(client(1), &stolen);
    let error = world.run_until_closed(client(1), SECOND * 6);
    let after = EndpointConfig::HANDSHAKE_TIMEOUT_DEFAULT;
    assert_eq!(error, ConnectionError::HandshakeTimedOut { after });
    assert!(world.host(SERVER).drops[DropReason::Noise.label()] > 0);
    assert_eq!(world.host(SERVER).endpoint.connections(), 0);
    // Nor does the theft lock its owner out.
    world.join(client(0));
}

#[test]
fn a_server_without_the_key_that_the_client_expects_cannot_answer() {
    let mut world = Setup::new(1).start();
    let mut access = world.access(client(0), |_| {});
    access.server_public = SecretKey::generate(&mut Entropy::from_simulation_seed(5)).public();
    world.connect(client(0), &access);
    let error = world.run_until_closed(client(0), SECOND * 6);
    assert!(matches!(error, ConnectionError::HandshakeTimedOut { .. }));
}

#[test]
fn a_hello_that_is_copied_on_the_way_burns_no_token() {
    let mut world = Setup::new(1).start();
    world.capture();
    let access = world.access(client(0), |_| {});
    let ours = world.connect(client(0), &access);
    let hello = world.captured[0].bytes.clone();
    // The copies arrive first, from more addresses than a session may try from at a time.
    let outcomes: Vec<_> =
        (50..58).map(|stranger| world.inject(SERVER, address(stranger), &hello)).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 4);
    assert_eq!(outcomes[7], Err(DropReason::TooBusy));
    let error = world.run_until_closed(client(0), SECOND);
    assert_eq!(error, ConnectionError::Refused(CloseCode::Full), "for now");
    assert!(world.host(client(0)).endpoint.stats(ours).is_none());
    world.run_for(EndpointConfig::HANDSHAKE_TIMEOUT_DEFAULT + SECOND);
    assert_eq!(world.host(SERVER).endpoint.connections(), 0, "what nobody confirms is forgotten");
    world.connect(client(0), &access);
    let deadline = world.now + SECOND;
    world.run_until_event(SERVER, deadline, |event| *event == Event::Connected);
}

//= book/src/spec/handshake.md#connect-tokens
//= type=test
//# A server MUST take a token for used only when its client has confirmed the keys.
#[test]
fn a_token_is_used_with_the_confirmation_and_only_its_client_may_come_back() {
    let mut world = Setup::new(1).clients(2).start();
    let access = world.access(client(0), |_| {});
    let first = world.connect(client(0), &access);
    let deadline = world.now + SECOND;
    let theirs = world.run_until_event(SERVER, deadline, |event| *event == Event::Connected);

    // Another client, with a token of the same session: the session is taken.
    let public = world.host(client(1)).secret.public();
    let mut other = world.access(client(0), |claims| claims.client_public = public);
    other.client_secret = world.host(client(1)).secret.clone();
    world.connect(client(1), &other);
    let error = world.run_until_closed(client(1), SECOND);
    assert_eq!(error, ConnectionError::Refused(CloseCode::Full));

    // The same client forgets everything and comes back: the newer connection counts.
    world.host(client(0)).events.clear();
    let mut fresh = Setup::new(2).start();
    fresh.host(client(0)).address = world.address(client(0));
    std::mem::swap(&mut world.host(client(0)).endpoint, &mut fresh.host(client(0)).endpoint);
    world.connect(client(0), &access);
    let closed = world.run_until_event(SERVER, world.now + SECOND, |event| {
        *event == Event::Closed(ConnectionError::ClosedLocally(CloseCode::Replaced))
    });
    assert_eq!(closed, theirs);
    assert!(fresh.host(client(0)).endpoint.stats(first).is_some(), "it was never told");
}

#[test]
fn a_full_server_says_so() {
    let mut world = Setup::new(1).clients(3).server(config().connections_max(2)).start();
    world.join(client(0));
    world.join(client(1));
    let access = world.access(client(2), |_| {});
    world.connect(client(2), &access);
    let error = world.run_until_closed(client(2), SECOND);
    assert_eq!(error, ConnectionError::Refused(CloseCode::Full));
    assert_eq!(world.host(SERVER).endpoint.connections(), 2);
}

//= book/src/spec/handshake.md#retry
//= type=test
//# A server MUST NOT keep state for a client that it asks for proof of its address.
#[test]
fn a_server_that_always_asks_for_proof_keeps_nothing_for_strangers() {
    let mut world = Setup::new(1).server(config().retry(RetryPolicy::Always)).start();
    world.capture();
    let access = world.access(client(0), |_| {});
    world.connect(client(0), &access);
    let hello = world.captured[0].bytes.clone();
    for stranger in 0..2_000 {
        assert_eq!(world.inject(SERVER, address(100 + stranger), &hello), Ok(()));
    }
    let server = &world.host(SERVER).endpoint;
    assert_eq!((server.connections(), server.poll_timeout()), (0, None));

    // A cookie is good for the address that it was made for alone.
    world.run_until_event(client(0), Instant::EPOCH + SECOND, |event| *event == Event::Connected);
    let proven: Vec<_> = world.captured.iter().filter(|sent| sent.from == address(1)).collect();
    let hello_again = proven.iter().filter(|sent| sent.bytes.len() == HELLO_BYTES).nth(1);
    let hello_again = hello_again.expect("the client said hello again").bytes.clone();
    let outcome = world.inject(SERVER, address(50), &hello_again);
    assert_eq!(outcome, Err(DropReason::Cookie));
}

#[test]
fn proof_of_address_is_asked_for_when_strangers_come_fast() {
    let policy = RetryPolicy::Above { hellos_per_s: 10 };
    let mut world = Setup::new(1).server(config().retry(policy)).start();
    world.capture();
    let access = world.access(client(0), |_| {});
    world.run_for(SECOND);
    world.connect(client(0), &access);
    let hello = world.captured[0].bytes.clone();
    for stranger in 0..100 {
        let _ = world.inject(SERVER, address(100 + stranger), &hello);
    }
    let is_retry = |sent: &&crate::support::Captured| sent.bytes[0] >> 4 == 0b1001;
    let retries = world.captured.iter().filter(is_retry).count();
    assert_eq!(retries, 90, "ten may come at once");
    // The true client, coming after all of them, proves its address and gets in.
    world.run_for(EndpointConfig::HANDSHAKE_TIMEOUT_DEFAULT + SECOND);
    world.join(client(0));
}

#[test]
fn another_version_is_refused_by_name() {
    let mut world = Setup::new(1).start();
    world.capture();
    let (here, there) = (world.address(client(0)), world.address(SERVER));
    world.network.block_one_way(here, there);
    let access = world.access(client(0), |_| {});
    world.connect(client(0), &access);
    let mut hello = world.captured[0].bytes.clone();
    hello[1] ^= 0xff;
    assert_eq!(world.inject(SERVER, here, &hello), Err(DropReason::Version));
    let error = world.run_until_closed(client(0), SECOND);
    assert_eq!(error, ConnectionError::Refused(CloseCode::Version));
    assert_eq!(world.host(SERVER).endpoint.connections(), 0);
}

/// How a client with these settings ends at a server with the usual ones.
fn mismatched(config: EndpointConfigBuilder) -> ConnectionError {
    let mut world = Setup::new(1).client(config).start();
    let access = world.access(client(0), |_| {});
    world.connect(client(0), &access);
    let error = world.run_until_closed(client(0), SECOND);
    assert_eq!(world.host(SERVER).endpoint.connections(), 0, "nothing is kept");
    error
}

#[test]
fn sides_that_do_not_fit_do_not_connect() {
    let epoch = |builder: EndpointConfigBuilder| builder.unix_ms_at_epoch(UNIX_S * 1000);
    let other = ChannelTable::new(vec![ChannelConfig::new(Delivery::ReliableOrdered)]).unwrap();
    let error = mismatched(epoch(EndpointConfig::builder(other)));
    assert_eq!(error, ConnectionError::Refused(CloseCode::ChannelTable));
    let error = mismatched(epoch(EndpointConfig::builder(table())).schema_hash(1));
    assert_eq!(error, ConnectionError::Refused(CloseCode::Schema));
}

#[test]
fn the_sides_agree_on_a_suite_that_both_have() {
    for suite in Suite::ALL {
        let mut world = Setup::new(1).client(config().suites(vec![suite])).start();
        let (ours, _) = world.join(client(0));
        world.send(client(0), ours, ORDERED, "sealed").unwrap();
        world.run_for(SECOND);
        assert_eq!(world.take_messages(SERVER, ORDERED), ["sealed"]);
    }
    let [one, other] = Suite::ALL;
    let setup = Setup::new(1).client(config().suites(vec![one]));
    let mut world = setup.server(config().suites(vec![other])).start();
    let access = world.access(client(0), |_| {});
    world.connect(client(0), &access);
    let error = world.run_until_closed(client(0), SECOND);
    assert_eq!(error, ConnectionError::Refused(CloseCode::Version));
}

#[test]
fn nobody_there_is_told_after_the_handshake_timeout() {
    let mut world = Setup::new(1).start();
    let access = world.access(client(0), |_| {});
    let nowhere = address(77);
    world.with(client(0), |endpoint, now| endpoint.connect(now, nowhere, &access)).unwrap();
    let again = world.with(client(0), |endpoint, now| endpoint.connect(now, nowhere, &access));
    assert_eq!(again, Err(ConnectError::AlreadyConnected { remote: nowhere }));
    let error = world.run_until_closed(client(0), SECOND * 6);
    let after = EndpointConfig::HANDSHAKE_TIMEOUT_DEFAULT;
    assert_eq!(error, ConnectionError::HandshakeTimedOut { after });
    assert_eq!(world.host(client(0)).endpoint.connections(), 0);
}

#[test]
fn a_handshake_gets_through_heavy_loss_without_much_delay() {
    let mut took = Vec::new();
    for seed in 0..200 {
        let link = LinkConfig { loss: 0.3, duplicate: 0.1, ..LinkConfig::STORM };
        let config = config().handshake_timeout(SECOND * 60);
        let mut world = Setup::new(seed).link(link).both(config).start();
        world.join(client(0));
        took.push(world.now - Instant::EPOCH);
    }
    took.sort_unstable();
    let (median, late) = (took[100], took[180]);
    assert!(median < SECOND, "{median:?}");
    assert!(late < SECOND * 4, "{late:?}");
}

#[test]
fn every_seed_connects_in_a_storm_with_every_policy() {
    for_each_seed(&[], 50, |seed| {
        for policy in [RetryPolicy::Always, RetryPolicy::Above { hellos_per_s: 1 }] {
            let config = config().retry(policy).handshake_timeout(SECOND * 60);
            let setup = Setup::new(seed).clients(3).link(LinkConfig::STORM).both(config);
            let mut world: World = setup.start();
            for index in 0..3 {
                world.join(client(index));
            }
        }
    });
}

#[test]
fn clients_that_start_together_drift_apart() {
    let mut second_hellos = BTreeSet::new();
    for seed in 0..50 {
        let mut world = Setup::new(seed).start();
        let (here, there) = (world.address(client(0)), world.address(SERVER));
        world.network.block(here, there);
        world.capture();
        let access = world.access(client(0), |_| {});
        world.connect(client(0), &access);
        world.run_for(SECOND / 2);
        second_hellos.insert(world.captured[1].at.as_micros());
    }
    let (first, last) = (second_hellos.first().unwrap(), second_hellos.last().unwrap());
    assert!(*first >= 250_000 && *last <= 282_000, "{first} to {last}");
    assert!(last - first > 20_000, "all within {} us", last - first);
}
