//! Every queue has an end, whoever fills it.

use std::time::Duration;

use bytes::Bytes;
use netcode::channel::{ChannelConfig, SendError};
use netcode::config::RetryPolicy;
use netcode::connection::DropReason;
use netcode::sim::LinkConfig;
use netcode::wire::ChannelId;

use crate::support::{
    ORDERED, SEQUENCED, SERVER, Setup, UNORDERED, UNRELIABLE, World, address, client, config,
};

const MESSAGE_BYTES: usize = 60_000;

/// A world whose client hears nothing any more.
fn cut_off() -> (World, netcode::endpoint::ConnectionHandle) {
    let mut world = Setup::new(1).start();
    let (ours, _) = world.join(client(0));
    let (here, there) = (world.address(client(0)), world.address(SERVER));
    world.network.block(here, there);
    (world, ours)
}

#[test]
fn a_full_queue_says_so_and_has_room_again_when_the_peer_catches_up() {
    for channel in [ORDERED, UNORDERED, UNRELIABLE, SEQUENCED] {
        let (mut world, ours) = cut_off();
        let payload = Bytes::from(vec![7; 1000]);
        let mut sent = 0;
        let error = loop {
            match world.send(client(0), ours, channel, payload.clone()) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent * 1000 <= 2 * ChannelConfig::QUEUE_BYTES_DEFAULT, "no end");
        };
        assert_eq!(error, SendError::QueueFull { channel });
        world.network.heal();
        world.run_for(Duration::from_secs(8));
        assert_eq!(world.host(client(0)).endpoint.pending(ours, channel), 0);
        world.send(client(0), ours, channel, payload.clone()).unwrap();
        world.run_for(Duration::from_secs(1));
        let arrived = world.take_messages(SERVER, channel);
        if matches!(channel, ORDERED | UNORDERED) {
            assert_eq!(arrived.len(), sent + 1, "refused messages left no gap");
        }
        assert_eq!(arrived.last(), Some(&payload));
    }
}

#[test]
fn messages_of_no_bytes_fill_a_queue_too() {
    let (mut world, ours) = cut_off();
    let refused =
        (0..1_000_000).find_map(|_| world.send(client(0), ours, UNORDERED, Bytes::new()).err());
    assert_eq!(refused, Some(SendError::QueueFull { channel: UNORDERED }));
}

#[test]
fn what_cannot_be_sent_is_refused_at_once() {
    let mut world = Setup::new(1).start();
    let (ours, _) = world.join(client(0));
    let max = ChannelConfig::MESSAGE_BYTES_RELIABLE;
    let giant = Bytes::from(vec![0; max + 1]);
    let outcome = world.send(client(0), ours, ORDERED, giant.clone());
    assert_eq!(outcome, Err(SendError::TooLarge { bytes: max + 1, max }));
    world.send(client(0), ours, ORDERED, giant.slice(1..)).unwrap();
    let channel = ChannelId(4);
    let outcome = world.send(client(0), ours, channel, "lost");
    assert_eq!(outcome, Err(SendError::UnknownChannel { channel }));
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.take_messages(SERVER, ORDERED), [giant.slice(1..)]);
}

/// Messages far larger than what may be held, on both reliable channels, through heavy loss: the
/// budget is kept at every step, and everything arrives all the same.
#[test]
fn what_is_held_stays_in_its_budget_and_everything_still_arrives() {
    for seed in 0..20 {
        let hold = ChannelConfig::MESSAGE_BYTES_RELIABLE;
        let config = config().hold_bytes_max(hold);
        let mut world = Setup::new(seed).both(config).start();
        let (ours, theirs) = world.join(client(0));
        world.network.set_config(LinkConfig { loss: 0.1, ..LinkConfig::STORM });
        let mut expected = Vec::new();
        for number in 0..4_u8 {
            expected.push(Bytes::from(vec![number; MESSAGE_BYTES]));
            for channel in [ORDERED, UNORDERED] {
                world
                    .send(client(0), ours, channel, expected[usize::from(number)].clone())
                    .unwrap();
            }
        }
        let deadline = world.now + Duration::from_secs(120);
        let pending = |world: &mut World| {
            let endpoint = &world.host(client(0)).endpoint;
            endpoint.pending(ours, ORDERED) + endpoint.pending(ours, UNORDERED)
        };
        while pending(&mut world) > 0 {
            assert!(world.now < deadline, "seed {seed}: {} are missing", pending(&mut world));
            world.step();
            let held = world.host(SERVER).endpoint.stats(theirs).unwrap().held_bytes;
            // Above the budget only the awaited message of each channel is let in.
            assert!(held <= hold + 2 * (MESSAGE_BYTES + 64 * 60), "seed {seed}: {held} held");
        }
        let events = world.host(SERVER).events.clone();
        assert_eq!(world.take_messages(SERVER, ORDERED), expected);
        world.host(SERVER).events = events;
        let mut unordered = world.take_messages(SERVER, UNORDERED);
        unordered.sort_unstable();
        assert_eq!(unordered, expected);
        assert_eq!(world.host(SERVER).endpoint.stats(theirs).unwrap().held_bytes, 0);
    }
}

#[test]
fn answers_to_strangers_do_not_pile_up_when_the_socket_is_slow() {
    for policy in [RetryPolicy::Never, RetryPolicy::Always] {
        let mut world = Setup::new(1).server(config().retry(policy)).start();
        world.capture();
        let access = world.access(client(0), |_| {});
        world.connect(client(0), &access);
        let hello = world.captured[0].bytes.clone();
        // Straight into the endpoint: the drain is left out on purpose.
        let now = world.now;
        let server = &mut world.host(SERVER).endpoint;
        let mut refused = 0;
        for stranger in 0..5_000 {
            let mut datagram = hello.clone();
            let outcome = server.handle_datagram(now, address(100 + stranger), &mut datagram);
            refused += usize::from(outcome == Err(DropReason::TooBusy));
        }
        assert!(refused >= 4_000, "{policy:?}: {refused}");
        let mut buffer = Vec::new();
        let answers = std::iter::from_fn(|| server.poll_transmit(now, &mut buffer)).count();
        assert!(answers <= 256, "{policy:?}: {answers} answers waited");
    }
}
