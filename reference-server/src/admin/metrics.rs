//! What Prometheus scrapes, read from [`Status`] at each scrape.
//!
//! Labels are `zone`, `reason` (of a drop) and `quantile`: all few. Nothing is labelled by player,
//! address or anything else that a stranger can invent.

use core::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::telemetry::Status;
use crate::telemetry::WorldStatus;
use crate::telemetry::ZoneStatus;

/// The registry of this process.
#[derive(Debug)]
pub(super) struct Metrics(Registry);

impl Metrics {
    pub(super) fn new(status: Arc<Status>) -> Self {
        let mut registry = Registry::with_prefix("shardline");
        registry.register_collector(Box::new(StatusCollector(status)));
        Self(registry)
    }

    /// The whole answer.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.0);
        text
    }
}

#[derive(Debug)]
struct StatusCollector(Arc<Status>);

impl Collector for StatusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let world = self.0.world();
        encode_process(&mut encoder, &world)?;
        for (name, help, value) in ZONE_GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for zone in &world.zones {
                let labels = [("zone", zone.zone.0)];
                metric.encode_family(&labels)?.encode_gauge(&value(zone))?;
            }
        }
        for (name, help, unit, value) in ZONE_COUNTERS {
            let unit = unit.as_ref();
            let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Counter)?;
            for zone in &world.zones {
                let labels = [("zone", zone.zone.0)];
                count(metric.encode_family(&labels)?, value(zone))?;
            }
        }
        encode_drops(&mut encoder, &world)?;
        encode_ticks(&mut encoder, &world)
    }
}

/// Name, help text and value of a figure that goes up and down.
type ZoneGauge = (&'static str, &'static str, fn(&ZoneStatus) -> u64);
const ZONE_GAUGES: &[ZoneGauge] = &[
    ("zone_connections", "Clients connected to the zone", |zone| zone.connections.into()),
    ("zone_ghosts", "Characters of neighbours shown near its borders", |zone| zone.ghosts.into()),
    ("zone_items", "Items that lie on its ground", |zone| zone.items.into()),
    ("zone_players", "Characters that the zone owns", |zone| zone.players.into()),
    ("zone_tick", "The newest tick that the zone has run", |zone| zone.tick),
];

/// Name, help text, unit and value of a total.
type ZoneCounter = (&'static str, &'static str, Option<Unit>, fn(&ZoneStatus) -> u64);
const ZONE_COUNTERS: &[ZoneCounter] = &[
    ("zone_received", "Datagram bytes received", Some(Unit::Bytes), |zone| zone.bytes_in),
    ("zone_sent", "Datagram bytes sent", Some(Unit::Bytes), |zone| zone.bytes_out),
    ("zone_tick_overruns", "Ticks longer than the tick period", None, |zone| zone.overruns),
];

fn encode_process(encoder: &mut DescriptorEncoder<'_>, world: &WorldStatus) -> fmt::Result {
    let states = [
        ("ready", "Whether every part of the process is up", world.is_ready),
        ("draining", "Whether the process is on its way out", world.is_draining),
    ];
    for (name, help, state) in states {
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(&u32::from(state))?;
    }
    for (name, help, value) in world.totals.named() {
        let help = help.trim_end_matches('.');
        count(encoder.encode_descriptor(name, help, None, MetricType::Counter)?, value)?;
    }
    let help = "Which program this is";
    let mut info = encoder.encode_descriptor("build", help, None, MetricType::Info)?;
    info.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
}

fn encode_drops(encoder: &mut DescriptorEncoder<'_>, world: &WorldStatus) -> fmt::Result {
    let help = "Datagrams dropped, by reason";
    let mut metric =
        encoder.encode_descriptor("zone_datagrams_dropped", help, None, MetricType::Counter)?;
    for zone in &world.zones {
        for (reason, drops) in &zone.drops {
            let labels = [("zone", zone.zone.to_string()), ("reason", (*reason).to_owned())];
            count(metric.encode_family(&labels)?, *drops)?;
        }
    }
    Ok(())
}

fn encode_ticks(encoder: &mut DescriptorEncoder<'_>, world: &WorldStatus) -> fmt::Result {
    let (help, unit) = ("How long a tick took lately", Some(&Unit::Seconds));
    let mut metric =
        encoder.encode_descriptor("zone_tick_duration", help, unit, MetricType::Gauge)?;
    for zone in &world.zones {
        let took = zone.tick_us;
        for (quantile, micros) in [("0.5", took.p50), ("0.99", took.p99), ("1", took.max)] {
            let labels = [("zone", zone.zone.to_string()), ("quantile", quantile.to_owned())];
            metric.encode_family(&labels)?.encode_gauge(&(micros as f64 / 1e6))?;
        }
    }
    Ok(())
}

fn count(mut metric: MetricEncoder<'_>, total: u64) -> fmt::Result {
    metric.encode_counter::<NoLabelSet, _, f64>(&total, None)
}
