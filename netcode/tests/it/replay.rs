//! Datagrams that were seen, bent or cut by somebody on the way change nothing.

use std::time::Duration;

use netcode::config::EndpointConfig;
use netcode::connection::{ConnectionStats, DropReason, Event};
use netcode::endpoint::ConnectionHandle;
use netcode::entropy::Entropy;
use netcode::time::Instant;
use netcode::wire::{Accept, CloseCode, ConnectionId, HELLO_BYTES, LongPacket, Refuse, Retry};

use crate::support::{
    Captured, HostId, ORDERED, SERVER, Setup, UNORDERED, UNRELIABLE, World, address, client,
};

const STRANGER: usize = 50;

/// Everything about a connection that a datagram could change.
#[derive(Debug, PartialEq)]
struct Fingerprint {
    stats: ConnectionStats,
    pending: usize,
    timeout: Option<Instant>,
    connections: usize,
    sent: usize,
}

fn fingerprint(world: &mut World, id: HostId, handle: ConnectionHandle) -> Fingerprint {
    let sent = world.captured.len();
    let host = world.host(id);
    assert!(host.events.is_empty(), "{:?}", host.events);
    Fingerprint {
        stats: host.endpoint.stats(handle).expect("it lives"),
        pending: host.endpoint.pending(handle, ORDERED),
        timeout: host.endpoint.poll_timeout(),
        connections: host.endpoint.connections(),
        sent,
    }
}

/// Two hosts that have exchanged messages of all kinds, all of which arrived, and the datagrams.
fn talk() -> (World, ConnectionHandle, ConnectionHandle, Vec<Captured>) {
    let mut world = Setup::new(3).start();
    world.capture();
    let (ours, theirs) = world.join(client(0));
    for round in 0..20_usize {
        for channel in [ORDERED, UNORDERED, UNRELIABLE] {
            world.send(client(0), ours, channel, vec![1; round * 100]).unwrap();
            world.send(SERVER, theirs, channel, vec![2; round * 100]).unwrap();
        }
        world.run_for(Duration::from_millis(30));
    }
    world.run_for(Duration::from_millis(500));
    world.hosts.iter_mut().for_each(|host| host.events.clear());
    let captured = world.captured.clone();
    (world, ours, theirs, captured)
}

/// The datagram itself, with single bits flipped, and cut short.
fn variants(entropy: &mut Entropy, datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut variants = vec![datagram.to_vec()];
    let front = 8 * datagram.len().min(12);
    let flips =
        (0..front).chain((0..32).map(|_| entropy.below(8 * datagram.len() as u32) as usize));
    for bit in flips {
        let mut bent = datagram.to_vec();
        bent[bit / 8] ^= 1 << (bit % 8);
        variants.push(bent);
    }
    for _ in 0..16 {
        variants.push(datagram[..entropy.below(datagram.len() as u32) as usize].to_vec());
    }
    let mut longer = datagram.to_vec();
    longer.push(0);
    variants.push(longer);
    variants
}

fn is_hello(datagram: &[u8]) -> bool {
    datagram.len() >= HELLO_BYTES && datagram[0] >> 4 == 0b1000
}

//= book/src/spec/wire.md#replay
//= type=test
//# A receiver MUST drop a packet whose number it has seen before.
#[test]
fn replayed_bent_and_cut_datagrams_change_nothing() {
    let (mut world, ours, theirs, captured) = talk();
    let mut entropy = Entropy::from_simulation_seed(1);
    let mut tried = 0;
    for (id, handle) in [(SERVER, theirs), (client(0), ours)] {
        let to = world.address(id);
        let before = fingerprint(&mut world, id, handle);
        for sent in captured.iter().filter(|sent| sent.to == to) {
            for variant in variants(&mut entropy, &sent.bytes) {
                if is_hello(&variant) {
                    continue;
                }
                for from in [sent.from, address(STRANGER)] {
                    let outcome = world.inject(id, from, &variant);
                    assert!(outcome.is_err(), "{outcome:?} from {from}: {variant:?}");
                    tried += 1;
                }
            }
        }
        assert_eq!(fingerprint(&mut world, id, handle), before);
    }
    assert!(tried > 10_000, "{tried}");
    for (id, handle) in [(client(0), ours), (SERVER, theirs)] {
        world.send(id, handle, ORDERED, "as if nothing had happened").unwrap();
    }
    world.run_for(Duration::from_millis(100));
    for id in [client(0), SERVER] {
        assert_eq!(world.take_messages(id, ORDERED), ["as if nothing had happened"]);
    }
}

#[test]
fn replayed_hellos_leave_the_connection_alone_and_are_forgotten() {
    let (mut world, ours, theirs, captured) = talk();
    let mut entropy = Entropy::from_simulation_seed(1);
    let hello = captured.iter().find(|sent| is_hello(&sent.bytes)).expect("it began with one");
    for variant in variants(&mut entropy, &hello.bytes) {
        for from in [hello.from, address(STRANGER)] {
            let _ = world.inject(SERVER, from, &variant);
        }
        assert!(world.host(SERVER).endpoint.connections() <= 5, "four at a time for a session");
    }
    world.run_for(EndpointConfig::HANDSHAKE_TIMEOUT_DEFAULT + Duration::from_secs(1));
    assert_eq!(world.host(SERVER).endpoint.connections(), 1);
    for (id, handle) in [(client(0), ours), (SERVER, theirs)] {
        assert!(world.host(id).events.is_empty());
        world.send(id, handle, ORDERED, "still here").unwrap();
    }
    world.run_for(Duration::from_millis(100));
    for id in [client(0), SERVER] {
        assert_eq!(world.take_messages(id, ORDERED), ["still here"]);
    }
}

#[test]
fn forged_answers_do_not_disturb_a_handshake() {
    let mut world = Setup::new(1).start();
    world.capture();
    let access = world.access(client(0), |_| {});
    world.connect(client(0), &access);
    let server = world.address(SERVER);
    let mut forgeries = Vec::new();
    let mut forge = |encode: &dyn Fn(&mut Vec<u8>)| {
        let mut datagram = Vec::new();
        encode(&mut datagram);
        forgeries.push(datagram);
    };
    // Whoever has not seen the hello cannot echo it.
    let echo = [7; 8];
    forge(&|out| Refuse { echo, code: CloseCode::Full }.encode(0, out));
    forge(&|out| Retry { echo, cookie: [7; 24] }.encode(0, out));
    for bytes in [0, 47, 48, 100, 500] {
        let noise = vec![9; bytes];
        let connection_id = ConnectionId([7, 0, 1, 2]);
        forge(&|out| Accept { connection_id, noise: &noise }.encode(0, out));
    }
    for forgery in &forgeries {
        assert!(LongPacket::decode(forgery).is_ok(), "it is well formed");
        assert!(world.inject(client(0), server, forgery).is_err());
        let outcome = world.inject(client(0), address(STRANGER), forgery);
        assert_eq!(outcome, Err(DropReason::UnknownConnection));
    }
    world.run_until_event(client(0), Instant::from_millis(20), |event| *event == Event::Connected);
}
