//! What a message costs: packets, bytes, and time when the network loses one.

use std::time::Duration;

use netcode::sim::LinkConfig;
use netcode::time::Instant;

use crate::support::{ORDERED, SERVER, Setup, UNRELIABLE, World, client};

const TICK: Duration = Duration::from_micros(16_667);
const TICKS: u64 = 600;
const MESSAGE_BYTES: u64 = 64;

#[test]
fn a_message_a_tick_both_ways_takes_one_small_packet_each() {
    for channel in [ORDERED, UNRELIABLE] {
        let mut world = Setup::new(1).start();
        let (ours, theirs) = world.join(client(0));
        world.run_for(Duration::from_secs(1));
        let stats = |world: &mut World| {
            [(client(0), ours), (SERVER, theirs)]
                .map(|(id, handle)| world.host(id).endpoint.stats(handle).expect("it lives"))
        };
        let before = stats(&mut world);
        for _ in 0..TICKS {
            for (id, handle) in [(client(0), ours), (SERVER, theirs)] {
                world.send(id, handle, channel, vec![7; MESSAGE_BYTES as usize]).unwrap();
            }
            world.run_for(TICK);
        }
        let after = stats(&mut world);
        // Header 2, frame 3, tag 16, acknowledgement 4 and, from a client, connection id 4; a few
        // packets more, and longer acknowledgements, where a number was left out.
        for (index, overhead_max) in [(0, 30), (1, 26)] {
            let packets = after[index].packets_sent - before[index].packets_sent;
            let bytes = after[index].bytes_sent - before[index].bytes_sent;
            assert!(packets <= TICKS + TICKS / 20, "{channel}: {packets} packets");
            let overhead = bytes / TICKS - MESSAGE_BYTES;
            assert!(overhead <= overhead_max, "{channel}: {overhead} bytes a message");
            assert_eq!(after[index].packets_lost + after[index].probes, 0, "{channel}");
        }
    }
}

/// The last of what was sent is lost, and nothing that follows shows it: only a probe can.
#[test]
fn what_was_lost_last_is_probed_for_long_before_the_next_keep_alive() {
    for seed in 0..20 {
        let mut world = Setup::new(seed).start();
        let (ours, _) = world.join(client(0));
        world.run_for(Duration::from_secs(2));
        // Just after a ping, so that no other is near.
        world.send(client(0), ours, ORDERED, "before").unwrap();
        world.run_for(Duration::from_millis(100));
        world.network.set_config(LinkConfig { loss: 1.0, ..LinkConfig::CALM });
        world.send(client(0), ours, ORDERED, "lost").unwrap();
        world.network.set_config(LinkConfig::CALM);
        let sent_at = world.now;
        world.host(SERVER).events.clear();
        let arrived_at = arrival(&mut world);
        // A round trip is 20 ms: its estimate, four times its variation and 20 ms of delay.
        let took = arrived_at - sent_at;
        assert!(took <= Duration::from_millis(150), "seed {seed}: {took:?}");
    }
}

fn arrival(world: &mut World) -> Instant {
    while world.host(SERVER).events.is_empty() {
        world.step();
    }
    assert_eq!(world.take_messages(SERVER, ORDERED), ["lost"]);
    world.now
}
