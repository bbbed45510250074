//! Everything that one frame shows, gathered before anything is drawn.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::demo::view::ViewInfo;
use crate::ids::ZoneId;
use crate::telemetry::RateMeter;
use crate::telemetry::Rates;
use crate::telemetry::Status;
use crate::telemetry::WorldStatus;

/// Log lines in one frame, at most.
const LOG_LINES: usize = 64;

/// One moment.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) elapsed: Duration,
    pub(super) info: ViewInfo,
    pub(super) world: WorldStatus,
    pub(super) rates: BTreeMap<ZoneId, Rates>,
    pub(super) log: Vec<String>,
}

impl Picture {
    /// Characters in all zones.
    pub(super) fn players(&self) -> u32 {
        self.world.zones.iter().map(|zone| zone.players).sum()
    }

    /// The rates of one zone; zeros if it was not there last time.
    pub(super) fn rates_of(&self, zone: ZoneId) -> Rates {
        self.rates.get(&zone).copied().unwrap_or_default()
    }

    /// Bytes received and sent a second, by all zones.
    pub(super) fn bytes_per_s(&self) -> (f64, f64) {
        self.rates.values().fold((0.0, 0.0), |(bytes_in, bytes_out), rates| {
            (bytes_in + rates.bytes_in_per_s, bytes_out + rates.bytes_out_per_s)
        })
    }
}

/// Takes pictures.
#[derive(Debug)]
pub(super) struct Painter {
    status: Arc<Status>,
    info: ViewInfo,
    started: Instant,
    meter: RateMeter,
}

impl Painter {
    pub(super) fn new(status: Arc<Status>, info: ViewInfo) -> Self {
        Self { status, info, started: Instant::now(), meter: RateMeter::default() }
    }

    /// The present moment.
    pub(super) fn paint(&mut self) -> Picture {
        let elapsed = self.started.elapsed();
        let world = self.status.world();
        let rates = self.meter.observe(elapsed, &world);
        let log = self.info.logs.as_ref().map(|logs| logs.last(LOG_LINES)).unwrap_or_default();
        Picture { elapsed, info: self.info.clone(), world, rates, log }
    }
}

/// A number of bytes for people.
pub(super) fn bytes(count: f64) -> String {
    match count {
        count if count < 1e3 => format!("{count:.0} B"),
        count if count < 1e6 => format!("{:.1} kB", count / 1e3),
        count => format!("{:.2} MB", count / 1e6),
    }
}

/// Microseconds as milliseconds.
pub(super) fn millis(micros: u64) -> String {
    format!("{:.2} ms", micros as f64 / 1e3)
}

#[cfg(test)]
pub(super) mod tests {
    use core::time::Duration;

    use super::{Painter, Picture, RateMeter, bytes};
    use crate::demo::view::{ViewInfo, ViewMode};
    use crate::ids::ZoneId;
    use crate::telemetry::{Distribution, Dot, DotKind, Status, ZoneStatus};

    /// Two of four zones have spoken; one second has passed.
    pub(in crate::demo::view) fn picture() -> Picture {
        let status = Status::new(2, 2, 100.0);
        let publish = |id: u32, tick, bytes_out| {
            status.publish_zone(ZoneStatus {
                zone: ZoneId(id),
                tick,
                players: 48 + id,
                ghosts: 6,
                items: 9,
                connections: 52,
                tick_us: Distribution { p50: 420, p99: 1_310, max: 2_000 },
                tick_period_us: 33_333,
                overruns: u64::from(id),
                bytes_in: bytes_out / 10,
                bytes_out,
                dots: vec![Dot { x: 50.0, y: 50.0, kind: DotKind::Player }],
                ..ZoneStatus::default()
            });
        };
        status.counters().handoffs_started.add(12);
        status.counters().handoffs_committed.add(11);
        status.counters().handoffs_aborted.add(1);
        status.counters().matches.add(20);
        let info = ViewInfo {
            mode: ViewMode::Terminal,
            bots: 100,
            run_for: Some(Duration::from_secs(60)),
            page: Some(([127, 0, 0, 1], 7_480).into()),
            logs: None,
        };
        publish(0, 30, 1_000);
        publish(1, 30, 1_000);
        let mut meter = RateMeter::default();
        meter.observe(Duration::ZERO, &status.world());
        publish(0, 60, 41_000);
        publish(1, 60, 2_001_000);
        let mut picture = Painter::new(status, info).paint();
        picture.elapsed = Duration::from_secs(1);
        picture.rates = meter.observe(picture.elapsed, &picture.world);
        picture.log = vec!["INFO gateway: up".into(), "INFO zone 1: up".into()];
        picture
    }

    #[test]
    fn sums_are_over_all_zones() {
        let picture = picture();
        assert_eq!(picture.players(), 97);
        assert_eq!(picture.bytes_per_s(), (204_000.0, 2_040_000.0));
        assert_eq!(picture.rates_of(ZoneId(3)).bytes_in_per_s, 0.0);
    }

    #[test]
    fn bytes_are_short() {
        assert_eq!(
            [bytes(12.0), bytes(1_234.0), bytes(2_345_678.0)],
            ["12 B", "1.2 kB", "2.35 MB"]
        );
    }
}
