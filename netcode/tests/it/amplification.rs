//! A stranger can say that it is anybody. Whoever did not ask must not be flooded in its name:
//! an unproven address is sent at most three times what came from it.

use std::time::Duration;

use netcode::config::RetryPolicy;
use netcode::entropy::Entropy;
use netcode::sim::LinkConfig;

use crate::support::{SERVER, Setup, World, address, client, config};

/// Nobody's host: what is sent to it is counted as stray.
const VICTIM: usize = 99;

/// A fresh hello of a client with a good token.
fn hello(world: &mut World) -> Vec<u8> {
    world.capture();
    let access = world.access(client(0), |_| {});
    world.connect(client(0), &access);
    world.captured.pop().expect("a hello leaves at once").bytes
}

/// Bytes that reached the victim; what is under way is let through first.
fn reflected(world: &mut World) -> usize {
    world.run_for(Duration::from_millis(20));
    world.strays.get(&address(VICTIM)).copied().unwrap_or(0)
}

//= book/src/spec/handshake.md#amplification
//= type=test
//# A server MUST NOT send more than three times the bytes that it received to an address
//# that is not proven.
#[test]
fn an_unproven_address_gets_at_most_three_times_what_came_from_it() {
    for policy in [RetryPolicy::Never, RetryPolicy::Always, RetryPolicy::Above { hellos_per_s: 2 }]
    {
        for seed in 0..20 {
            let mut entropy = Entropy::from_simulation_seed(seed);
            let mut world = Setup::new(seed).server(config().retry(policy)).start();
            let good = hello(&mut world);
            let mut offered = 0;
            for _ in 0..50 {
                let mut datagram = good.clone();
                match entropy.below(4) {
                    0 => datagram[1] ^= 1,  // another version
                    1 => datagram[40] ^= 1, // a token that cannot be opened
                    2 => datagram.truncate(entropy.below(1300) as usize),
                    _ => {}
                }
                offered += datagram.len();
                let _ = world.inject(SERVER, address(VICTIM), &datagram);
                let got = reflected(&mut world);
                assert!(got <= 3 * offered, "seed {seed}, {policy:?}: {got} for {offered}");
            }
            // Nothing follows later: no timer sends to an address that is not proven.
            let before = reflected(&mut world);
            world.run_for(Duration::from_secs(30));
            assert_eq!(reflected(&mut world), before, "seed {seed}, {policy:?}");
        }
    }
}

#[test]
fn in_truth_it_gets_far_less() {
    for (policy, share) in [(RetryPolicy::Never, 0.2), (RetryPolicy::Always, 0.06)] {
        let mut world = Setup::new(1).server(config().retry(policy)).start();
        let good = hello(&mut world);
        let outcome = world.inject(SERVER, address(VICTIM), &good);
        assert_eq!(outcome, Ok(()));
        let got = reflected(&mut world) as f64;
        assert!(got > 0.0 && got <= share * good.len() as f64, "{policy:?}: {got}");
    }
}

#[test]
fn what_is_shorter_than_a_hello_is_not_answered() {
    let mut world = Setup::new(1).start();
    let good = hello(&mut world);
    for length in 0..good.len() {
        assert!(world.inject(SERVER, address(VICTIM), &good[..length]).is_err());
    }
    assert_eq!(reflected(&mut world), 0);
}

#[test]
fn garbage_is_not_answered() {
    let mut entropy = Entropy::from_simulation_seed(1);
    let mut world = Setup::new(1).link(LinkConfig::CALM).start();
    for _ in 0..10_000 {
        let mut datagram = vec![0; entropy.below(1500) as usize];
        entropy.fill(&mut datagram);
        let outcome = world.inject(SERVER, address(VICTIM), &datagram);
        assert!(outcome.is_err(), "{datagram:?}");
    }
    let got = reflected(&mut world);
    assert_eq!(got, 0);
}
