//! Play over minutes on the reference network: how often the server disagrees.
//!
//! Both figures stand in the README.

use std::time::Duration;

use netcode::entropy::Entropy;

use crate::support::game::{STEPS, Walk};
use crate::support::{World, reference_network};

#[test]
fn corrections_are_rare_on_a_bad_network() {
    let mut corrections = 0;
    for seed in 100..110 {
        let mut world = World::new(reference_network(), seed);
        world.play(150 * STEPS);
        // A turn every 0.3 to 1.2 s, to and fro in the middle of a zone.
        let mut luck = Entropy::from_simulation_seed(seed);
        let (mut until, mut walk) = (0, Walk(0));
        world.script = Box::new(move |tick, client| {
            if tick.get() >= until {
                until = tick.get() + 9 + u64::from(luck.below(28));
                let way = if client.character().unwrap().x > 150 * STEPS { -1 } else { 1 };
                walk = Walk((luck.below(40) as i8 - 15) * way);
            }
            walk
        });
        world.run(Duration::from_secs(60));
        world.check_inputs();
        corrections += world.stats().corrections;
    }
    assert!(corrections <= 3, "{corrections} in ten minutes");
}

#[test]
fn crossings_cause_no_corrections() {
    let (mut corrections, mut crossings) = (0, 0);
    for seed in 200..210 {
        let mut world = World::new(reference_network(), seed);
        world.play(97 * STEPS);
        world.script = Box::new(|tick, _| Walk(if tick.get() / 120 % 2 == 0 { 10 } else { -10 }));
        world.run(Duration::from_secs(60));
        world.check_inputs();
        corrections += world.stats().corrections;
        crossings += world.stats().crossings;
    }
    assert!(crossings >= 120, "{crossings}");
    assert!(corrections <= 1, "{corrections} in {crossings} crossings");
}
