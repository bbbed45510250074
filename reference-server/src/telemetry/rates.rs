//! Rates from successive totals, for whoever shows them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::ids::ZoneId;
use crate::telemetry::status::WorldStatus;

/// Zones publish a few times a second, at moments of their own: over much less than this, the
/// number of times that they did is most of the difference.
const WINDOW: Duration = Duration::from_secs(2);

/// Turns totals into rates over the last two seconds. Each reader has one of its own.
///
/// The first observation has nothing to be compared with: all its rates are zero.
#[derive(Debug, Default)]
pub struct RateMeter {
    /// Oldest first: the newest of those that are older than the window, and all after it.
    past: VecDeque<(Duration, BTreeMap<ZoneId, Sample>)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    ticks: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// How fast a zone's totals rise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Ticks run a second. Zero: the zone stands still.
    pub ticks_per_s: f64,
    /// Bytes received a second.
    pub bytes_in_per_s: f64,
    /// Bytes sent a second.
    pub bytes_out_per_s: f64,
}

impl RateMeter {
    /// Compares `world`, seen `elapsed` after any fixed moment, with what was seen last time.
    pub fn observe(&mut self, elapsed: Duration, world: &WorldStatus) -> BTreeMap<ZoneId, Rates> {
        let samples = world.zones.iter().map(|zone| {
            let (bytes_in, bytes_out) = (zone.bytes_in, zone.bytes_out);
            (zone.zone, Sample { ticks: zone.tick, bytes_in, bytes_out })
        });
        let samples: BTreeMap<_, _> = samples.collect();
        while self.past.get(1).is_some_and(|(at, _)| elapsed.saturating_sub(*at) >= WINDOW) {
            self.past.pop_front();
        }
        let rates = samples.iter().map(|(zone, sample)| {
            let before = self.past.front().and_then(|(at, zones)| Some((*at, *zones.get(zone)?)));
            let rates = before.map_or_else(Rates::default, |(at, before)| {
                rates_between(before, *sample, elapsed.saturating_sub(at))
            });
            (*zone, rates)
        });
        let rates = rates.collect();
        self.past.push_back((elapsed, samples));
        rates
    }
}

fn rates_between(before: Sample, after: Sample, passed: Duration) -> Rates {
    if passed.is_zero() {
        return Rates::default();
    }
    // A zone that started anew counts from zero again: that is no negative rate.
    let per_s =
        |before: u64, after: u64| after.saturating_sub(before) as f64 / passed.as_secs_f64();
    Rates {
        ticks_per_s: per_s(before.ticks, after.ticks),
        bytes_in_per_s: per_s(before.bytes_in, after.bytes_in),
        bytes_out_per_s: per_s(before.bytes_out, after.bytes_out),
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, RateMeter, Rates, ZoneId};
    use crate::telemetry::status::{Status, ZoneStatus};

    fn observe(meter: &mut RateMeter, at_ms: u64, tick: u64, bytes: u64) -> Rates {
        let status = Status::new(1, 1, 1.0);
        status.publish_zone(ZoneStatus {
            tick,
            bytes_in: bytes,
            bytes_out: 2 * bytes,
            ..ZoneStatus::default()
        });
        meter.observe(Duration::from_millis(at_ms), &status.world())[&ZoneId(0)]
    }

    #[test]
    fn rates_are_differences_over_time() {
        let mut meter = RateMeter::default();
        assert_eq!(observe(&mut meter, 1_000, 30, 500), Rates::default());
        let rates = observe(&mut meter, 1_500, 45, 1_000);
        let expected =
            Rates { ticks_per_s: 30.0, bytes_in_per_s: 1_000.0, bytes_out_per_s: 2_000.0 };
        assert_eq!(rates, expected);
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let mut meter = RateMeter::default();
        for second in 0..=10 {
            observe(&mut meter, second * 1_000, 0, 0);
        }
        assert_eq!(observe(&mut meter, 11_000, 0, 600).bytes_in_per_s, 300.0);
        assert_eq!(observe(&mut meter, 12_000, 0, 600).bytes_in_per_s, 300.0);
        assert_eq!(observe(&mut meter, 13_000, 0, 600).bytes_in_per_s, 0.0);
        assert!(meter.past.len() <= 4);
    }

    #[test]
    fn a_restarted_zone_and_a_standing_clock_give_zero() {
        let mut meter = RateMeter::default();
        observe(&mut meter, 0, 300, 500);
        assert_eq!(observe(&mut meter, 1_000, 3, 5), Rates::default());
        assert_eq!(observe(&mut meter, 1_000, 6, 10), Rates::default());
    }
}
