//! How connections end, and that they do not end for nothing.

use std::time::Duration;

use netcode::connection::{ConnectionError, Event};
use netcode::sim::LinkConfig;
use netcode::wire::CloseCode;

use crate::support::{ORDERED, SERVER, Setup, World, client, config};

const IDLE: Duration = Duration::from_secs(10);

/// Every slot of every host is free, and nothing is left to be done.
#[track_caller]
fn assert_empty(world: &mut World) {
    world.run_for(Duration::from_secs(10));
    for host in &world.hosts {
        assert_eq!(host.endpoint.connections(), 0);
        assert_eq!(host.endpoint.poll_timeout(), None);
    }
}

#[test]
fn a_close_is_told_to_the_peer_with_its_code() {
    for (who, other) in [(client(0), SERVER), (SERVER, client(0))] {
        let mut world = Setup::new(1).start();
        let (ours, theirs) = world.join(client(0));
        let handle = if who == SERVER { theirs } else { ours };
        let code = CloseCode::Other(1234);
        world.with(who, |endpoint, now| endpoint.close(now, handle, code));
        let error = world.run_until_closed(who, Duration::ZERO);
        assert_eq!(error, ConnectionError::ClosedLocally(code));
        assert!(world.send(who, handle, ORDERED, "late").is_err());
        let error = world.run_until_closed(other, Duration::from_millis(11));
        assert_eq!(error, ConnectionError::ClosedByPeer(code));
        assert_empty(&mut world);
        assert!(world.hosts.iter().all(|host| host.events.is_empty()), "closed is the last event");
    }
}

#[test]
fn a_close_is_told_through_loss_or_the_peer_times_out() {
    let mut told = 0;
    for seed in 0..100 {
        let mut world = Setup::new(seed).start();
        let (ours, _) = world.join(client(0));
        world.network.set_config(LinkConfig { loss: 0.3, ..LinkConfig::CALM });
        world.with(client(0), |endpoint, now| endpoint.close(now, ours, CloseCode::NoError));
        match world.run_until_closed(SERVER, IDLE + Duration::from_secs(1)) {
            ConnectionError::ClosedByPeer(CloseCode::NoError) => told += 1,
            ConnectionError::TimedOut { .. } => {}
            other => panic!("seed {seed}: {other}"),
        }
        assert_empty(&mut world);
    }
    // It is said again to whatever still comes: more often than once in all.
    assert!(told > 80, "{told} of 100 were told");
}

#[test]
fn silence_ends_a_connection_on_both_sides_after_the_idle_timeout() {
    let mut world = Setup::new(1).both(config().idle_timeout(IDLE)).start();
    let (ours, _) = world.join(client(0));
    let (here, there) = (world.address(client(0)), world.address(SERVER));
    world.network.block(here, there);
    let cut_at = world.now;
    world.send(client(0), ours, ORDERED, "into the void").unwrap();
    for who in [client(0), SERVER] {
        let error = world.run_until_closed(who, IDLE * 2);
        assert_eq!(error, ConnectionError::TimedOut { after: IDLE });
        assert!(world.now - cut_at >= IDLE - Duration::from_secs(2));
        assert!(world.now - cut_at <= IDLE + Duration::from_millis(100));
    }
    assert_empty(&mut world);
}

#[test]
fn the_shorter_idle_timeout_of_the_two_counts() {
    let short = config().idle_timeout(Duration::from_secs(3));
    let mut world = Setup::new(1).client(short).start();
    world.join(client(0));
    let (here, there) = (world.address(client(0)), world.address(SERVER));
    world.network.block(here, there);
    let error = world.run_until_closed(SERVER, Duration::from_secs(4));
    assert_eq!(error, ConnectionError::TimedOut { after: Duration::from_secs(3) });
}

#[test]
fn an_idle_connection_is_kept_alive_for_an_hour_at_little_cost() {
    let hour = Duration::from_secs(3600);
    let mut world = Setup::new(1).link(LinkConfig { loss: 0.1, ..LinkConfig::CALM }).start();
    let (ours, theirs) = world.join(client(0));
    world.run_for(hour);
    for (id, handle) in [(client(0), ours), (SERVER, theirs)] {
        assert!(world.host(id).events.is_empty(), "an idle connection has no events");
        let stats = world.host(id).endpoint.stats(handle).expect("it is alive");
        // A ping a second and an acknowledgement for the peer's, and some again.
        let sent = stats.packets_sent;
        assert!((3600..4 * 3600).contains(&sent), "{id:?} sent {sent} packets in an hour");
    }
    world.send(client(0), ours, ORDERED, "still there").unwrap();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.take_messages(SERVER, ORDERED), ["still there"]);
}

#[test]
fn places_are_used_again_and_old_handles_find_nothing() {
    let few = config().connections_max(1);
    let mut world = Setup::new(1).both(few).start();
    let mut former = Vec::new();
    for round in 0..50 {
        let access = world.access(client(0), |claims| claims.session_id = [round; 16]);
        let handle = world.connect(client(0), &access);
        let deadline = world.now + Duration::from_secs(1);
        world.run_until_event(client(0), deadline, |event| *event == Event::Connected);
        assert!(!former.contains(&handle));
        for old in &former {
            assert_eq!(world.host(client(0)).endpoint.stats(*old), None);
            assert!(world.send(client(0), *old, ORDERED, "to whom?").is_err());
        }
        former.push(handle);
        world.with(client(0), |endpoint, now| endpoint.close(now, handle, CloseCode::NoError));
        world.run_for(Duration::from_secs(2));
    }
    assert_empty(&mut world);
}

#[test]
fn a_handshake_can_be_given_up() {
    let mut world = Setup::new(1).start();
    let access = world.access(client(0), |_| {});
    let handle = world.connect(client(0), &access);
    world.with(client(0), |endpoint, now| endpoint.close(now, handle, CloseCode::NoError));
    let error = world.run_until_closed(client(0), Duration::ZERO);
    assert_eq!(error, ConnectionError::ClosedLocally(CloseCode::NoError));
    // The server has answered a hello that nobody confirms, and forgets it in silence.
    assert_empty(&mut world);
    assert!(world.host(SERVER).events.is_empty());
}
