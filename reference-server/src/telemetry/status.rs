//! The figures of one process: zones by slot, counters, and whether it is ready.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::ids::ZoneId;

/// What the slices of this process have published.
///
/// A zone that has never published has no slot in what a reader sees; publishing for a zone that
/// is not in the world is ignored.
#[derive(Debug)]
pub struct Status {
    rows: u32,
    cols: u32,
    edge: f32,
    /// One lock each, so that zones never wait for one another.
    zones: Vec<Mutex<Option<ZoneStatus>>>,
    counters: Counters,
    is_ready: AtomicBool,
    is_draining: AtomicBool,
}

impl Status {
    /// A world of `rows` x `cols` zones, each `edge` units square, none of which has published.
    pub fn new(rows: u32, cols: u32, edge: f32) -> Arc<Self> {
        let zones = (0..u64::from(rows) * u64::from(cols)).map(|_| Mutex::new(None)).collect();
        Arc::new(Self {
            rows,
            cols,
            edge,
            zones,
            counters: Counters::default(),
            is_ready: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
        })
    }

    /// Replaces what is known of `zone.zone`. A zone calls this a few times a second.
    pub fn publish_zone(&self, zone: ZoneStatus) {
        let slot = usize::try_from(zone.zone.0).ok().and_then(|index| self.zones.get(index));
        if let Some(slot) = slot {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(zone);
        }
    }

    /// A copy of everything.
    pub fn world(&self) -> WorldStatus {
        let zones = self.zones.iter();
        WorldStatus {
            rows: self.rows,
            cols: self.cols,
            edge: self.edge,
            zones: zones
                .filter_map(|zone| zone.lock().unwrap_or_else(PoisonError::into_inner).clone())
                .collect(),
            totals: self.counters.totals(),
            is_ready: self.is_ready(),
            is_draining: self.is_draining(),
        }
    }

    /// Events that slices count.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Says whether every part is up and players may come.
    pub fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Release);
    }

    /// Whether every part is up. False at first.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// Says whether the process is on its way out and takes nobody any more.
    pub fn set_draining(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::Release);
    }

    /// Whether the process is on its way out. False at first.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }
}

/// Everything a reader can know at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorldStatus {
    /// Zones from north to south.
    pub rows: u32,
    /// Zones from west to east.
    pub cols: u32,
    /// Side of one zone, in world units.
    pub edge: f32,
    /// Zones that have published, by id.
    pub zones: Vec<ZoneStatus>,
    /// What the counters stand at.
    pub totals: Totals,
    /// See [`Status::is_ready`].
    pub is_ready: bool,
    /// See [`Status::is_draining`].
    pub is_draining: bool,
}

/// One zone, as it saw itself when it last published. Totals count from the zone's start.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ZoneStatus {
    /// Which.
    pub zone: ZoneId,
    /// The newest tick that it has run.
    pub tick: u64,
    /// Characters that it owns.
    pub players: u32,
    /// Characters of neighbours that it shows near its borders.
    pub ghosts: u32,
    /// Items that lie on its ground.
    pub items: u32,
    /// Clients connected to it, including those ahead of a crossing.
    pub connections: u32,
    /// How long a tick took lately, in microseconds.
    pub tick_us: Distribution,
    /// How long a tick may take, in microseconds.
    pub tick_period_us: u64,
    /// Ticks that took longer than that, in all.
    pub overruns: u64,
    /// Bytes of datagrams received, in all.
    pub bytes_in: u64,
    /// Bytes of datagrams sent, in all.
    pub bytes_out: u64,
    /// Datagrams dropped, in all, by reason.
    pub drops: BTreeMap<&'static str, u64>,
    /// What to draw on a map.
    pub dots: Vec<Dot>,
}

/// Three figures that say how something is distributed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Distribution {
    /// Half of the values are at most this.
    pub p50: u64,
    /// Ninety-nine of a hundred values are at most this.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

impl Distribution {
    /// What `histogram` holds; zeros if it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            max: histogram.max(),
        }
    }
}

/// Something at a place, in world units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Dot {
    /// West to east.
    pub x: f32,
    /// North to south.
    pub y: f32,
    /// What it is.
    pub kind: DotKind,
}

/// What a [`Dot`] stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DotKind {
    /// A character of a neighbouring zone, shown near the border.
    Ghost,
    /// An item on the ground.
    Item,
    /// A character.
    Player,
}

/// A number of events that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts `events`.
    pub fn add(&self, events: u64) {
        self.0.fetch_add(events, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One list gives the counters, their totals, and the names and help texts of their metrics.
macro_rules! counters {
    ($($name:ident: $help:literal),+ $(,)?) => {
        /// Events that slices count, in the whole process.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(
                #[doc = $help]
                pub $name: Counter,
            )+
        }

        impl Counters {
            /// A copy of every value.
            pub fn totals(&self) -> Totals {
                Totals { $($name: self.$name.value()),+ }
            }
        }

        /// The values of [`Counters`] at one moment.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
        pub struct Totals {
            $(
                #[doc = $help]
                pub $name: u64,
            )+
        }

        impl Totals {
            /// Name, help text and value of each.
            pub fn named(&self) -> [(&'static str, &'static str, u64); [$($help),+].len()] {
                [$((stringify!($name), $help, self.$name)),+]
            }
        }
    };
}

counters! {
    chats: "Chat messages delivered to the gateway.",
    errors: "Things that went wrong and should not have.",
    events: "Events published on the bus.",
    handoffs_aborted: "Handoffs given up; the character stayed with its zone.",
    handoffs_committed: "Handoffs after which the target zone owned the character.",
    handoffs_started: "Handoffs that a zone began.",
    logins: "Successful logins.",
    matches: "Matches made.",
    tickets: "Tickets put into a queue.",
    trades: "Trades committed to the ledger.",
}

#[cfg(test)]
mod tests {
    use super::{Distribution, Histogram, Status, ZoneId, ZoneStatus};

    fn zone(id: u32, tick: u64) -> ZoneStatus {
        ZoneStatus { zone: ZoneId(id), tick, ..ZoneStatus::default() }
    }

    #[test]
    fn a_reader_sees_the_newest_of_each_zone_that_has_published() {
        let status = Status::new(2, 2, 192.0);
        assert!(status.world().zones.is_empty());
        status.publish_zone(zone(3, 1));
        status.publish_zone(zone(0, 1));
        status.publish_zone(zone(3, 2));
        let seen: Vec<_> = status.world().zones.iter().map(|z| (z.zone.0, z.tick)).collect();
        assert_eq!(seen, [(0, 1), (3, 2)]);
    }

    #[test]
    fn a_zone_outside_the_world_is_ignored() {
        let status = Status::new(1, 2, 192.0);
        status.publish_zone(zone(2, 1));
        status.publish_zone(zone(u32::MAX, 1));
        assert!(status.world().zones.is_empty());
    }

    #[test]
    fn each_counter_reaches_its_own_total() {
        let status = Status::new(1, 1, 1.0);
        status.counters().matches.increment();
        status.counters().trades.add(5);
        let totals = status.world().totals;
        let told: Vec<_> = totals.named().into_iter().filter(|(_, _, value)| *value > 0).collect();
        assert_eq!(
            told.iter().map(|t| (t.0, t.2)).collect::<Vec<_>>(),
            [("matches", 1), ("trades", 5)]
        );
    }

    #[test]
    fn readiness_and_draining_are_two_things() {
        let status = Status::new(1, 1, 1.0);
        assert!(!status.is_ready() && !status.is_draining());
        status.set_ready(true);
        status.set_draining(true);
        let world = status.world();
        assert!(world.is_ready && world.is_draining);
    }

    #[test]
    fn a_distribution_says_what_the_histogram_holds() {
        let mut histogram = Histogram::new_with_bounds(1, 1_000_000, 3).unwrap();
        assert_eq!(Distribution::of(&histogram), Distribution::default());
        for value in 1..=100 {
            histogram.record(value).unwrap();
        }
        assert_eq!(Distribution::of(&histogram), Distribution { p50: 50, p99: 99, max: 100 });
    }
}
