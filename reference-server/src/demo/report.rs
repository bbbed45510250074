//! What a run of the demo measured, as the JSON of `--report`.
//!
//! The keys are a promise to whoever reads the file: a test pins them. Every figure is measured;
//! one that nothing measures does not stand here.

use core::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One run of the demo.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Report {
    /// How long bots were in the world, in seconds.
    pub seconds: f64,
    /// How many bots were asked for.
    pub bots: u64,
    /// Things that went wrong and should not have, on any side.
    pub errors: u64,
    /// From ticket to match.
    pub matchmaking: MatchmakingReport,
    /// Characters that changed zones.
    pub handoff: HandoffReport,
    /// The zones' simulation loops.
    pub tick: TickReport,
    /// Traffic and delay, as the clients saw them.
    pub network: NetworkReport,
    /// How well clients guessed.
    pub prediction: PredictionReport,
    /// What reached the database and the bus.
    pub persistence: PersistenceReport,
}

/// From ticket to match.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct MatchmakingReport {
    /// Tickets put into a queue.
    pub tickets: u64,
    /// Matches made.
    pub matches: u64,
    /// Half of the matched tickets waited at most this long.
    pub wait_ms_p50: f64,
    /// Ninety-nine of a hundred waited at most this long.
    pub wait_ms_p99: f64,
    /// Parties whose members did not all come into the same match.
    pub split_parties: u64,
    /// Tickets that were in more than one match.
    pub duplicate_tickets: u64,
}

/// Characters that changed zones.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct HandoffReport {
    /// Begun by a source zone.
    pub started: u64,
    /// Ended with the character in the target zone.
    pub committed: u64,
    /// Given up; the character stayed.
    pub aborted: u64,
    /// The most ticks that a character was simulated by nobody.
    pub gap_ticks_max: u64,
    /// Inputs that reached a server and were consumed by no zone.
    pub inputs_lost: u64,
    /// Inputs that were consumed more than once.
    pub inputs_duplicated: u64,
    /// Characters that were nowhere.
    pub entities_lost: u64,
    /// Characters that were owned by two zones at once.
    pub entities_duplicated: u64,
}

/// The zones' simulation loops.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct TickReport {
    /// Ticks a second of the slowest zone.
    pub hz: f64,
    /// Half of all ticks took at most this long.
    pub p50_us: u64,
    /// Ninety-nine of a hundred took at most this long.
    pub p99_us: u64,
    /// Ticks that took longer than the tick period.
    pub overruns: u64,
}

/// Traffic and delay, as the clients saw them.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct NetworkReport {
    /// Datagram bytes from zones to one client, a second.
    pub down_bytes_per_client_s: f64,
    /// Datagram bytes from one client to zones, a second.
    pub up_bytes_per_client_s: f64,
    /// Half of the round-trip samples were at most this.
    pub rtt_ms_p50: f64,
    /// Ninety-nine of a hundred were at most this.
    pub rtt_ms_p99: f64,
}

/// How well clients guessed.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct PredictionReport {
    /// Times that a client had to change its mind about its own character, a client and minute.
    pub corrections_per_min: f64,
    /// The longest way that such a change moved a character.
    pub correction_max_m: f64,
}

/// What reached the database and the bus.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct PersistenceReport {
    /// Events published.
    pub events: u64,
    /// Trades whose transaction committed.
    pub trades_committed: u64,
    /// Items that ever came into being.
    pub items_created: u64,
    /// Items found in the database at the end.
    pub items_present: u64,
}

impl fmt::Display for Report {
    /// The figures for people, a line a subject.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (matches, handoff, tick) = (&self.matchmaking, &self.handoff, &self.tick);
        let (network, items) = (&self.network, &self.persistence);
        writeln!(f, "{:.0} s, {} bots, {} errors", self.seconds, self.bots, self.errors)?;
        writeln!(
            f,
            "matchmaking  {} tickets, {} matches, wait p50 {:.0} ms, p99 {:.0} ms",
            matches.tickets, matches.matches, matches.wait_ms_p50, matches.wait_ms_p99
        )?;
        writeln!(
            f,
            "handoff      {} of {} committed, {} aborted, gap {} ticks at most",
            handoff.committed, handoff.started, handoff.aborted, handoff.gap_ticks_max
        )?;
        writeln!(
            f,
            "lost         {} inputs, {} entities; doubled {} inputs, {} entities",
            handoff.inputs_lost,
            handoff.entities_lost,
            handoff.inputs_duplicated,
            handoff.entities_duplicated
        )?;
        writeln!(
            f,
            "tick         {:.1} Hz, p50 {} us, p99 {} us, {} overruns",
            tick.hz, tick.p50_us, tick.p99_us, tick.overruns
        )?;
        writeln!(
            f,
            "network      {:.0} B/s down and {:.0} B/s up a client, rtt p50 {:.1} ms, p99 {:.1} ms",
            network.down_bytes_per_client_s,
            network.up_bytes_per_client_s,
            network.rtt_ms_p50,
            network.rtt_ms_p99
        )?;
        writeln!(
            f,
            "prediction   {:.2} corrections a client and minute, {:.2} m at most",
            self.prediction.corrections_per_min, self.prediction.correction_max_m
        )?;
        write!(
            f,
            "persistence  {} events, {} trades, {} of {} items present",
            items.events, items.trades_committed, items.items_present, items.items_created
        )
    }
}

impl Report {
    /// Writes the report to `path`, over what stands there.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(path, text)
    }

    /// What happened that must never happen, in words; empty if all went well.
    pub fn violations(&self) -> Vec<String> {
        let counts = [
            ("errors", self.errors),
            ("matchmaking.split_parties", self.matchmaking.split_parties),
            ("matchmaking.duplicate_tickets", self.matchmaking.duplicate_tickets),
            ("handoff.inputs_lost", self.handoff.inputs_lost),
            ("handoff.inputs_duplicated", self.handoff.inputs_duplicated),
            ("handoff.entities_lost", self.handoff.entities_lost),
            ("handoff.entities_duplicated", self.handoff.entities_duplicated),
        ];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let mut violations: Vec<_> =
            counts.map(|(name, count)| format!("{name} is {count}, not 0")).collect();
        let items = &self.persistence;
        if items.items_present != items.items_created {
            violations.push(format!(
                "persistence.items_present is {}, but items_created is {}",
                items.items_present, items.items_created
            ));
        }
        violations
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Report;

    const KEYS: &str = "
        bots errors
        handoff.aborted handoff.committed handoff.entities_duplicated handoff.entities_lost
        handoff.gap_ticks_max handoff.inputs_duplicated handoff.inputs_lost handoff.started
        matchmaking.duplicate_tickets matchmaking.matches matchmaking.split_parties
        matchmaking.tickets matchmaking.wait_ms_p50 matchmaking.wait_ms_p99
        network.down_bytes_per_client_s network.rtt_ms_p50 network.rtt_ms_p99
        network.up_bytes_per_client_s
        persistence.events persistence.items_created persistence.items_present
        persistence.trades_committed
        prediction.correction_max_m prediction.corrections_per_min
        seconds
        tick.hz tick.overruns tick.p50_us tick.p99_us";

    #[test]
    fn the_keys_are_the_promised_ones() {
        let value = serde_json::to_value(Report::default()).unwrap();
        let mut keys = Vec::new();
        collect_keys("", &value, &mut keys);
        keys.sort();
        assert_eq!(keys, KEYS.split_whitespace().collect::<Vec<_>>());
    }

    fn collect_keys(prefix: &str, value: &Value, keys: &mut Vec<String>) {
        for (key, value) in value.as_object().unwrap() {
            match value {
                Value::Object(_) => collect_keys(&format!("{prefix}{key}."), value, keys),
                Value::Number(_) => keys.push(format!("{prefix}{key}")),
                other => panic!("{prefix}{key} is {other}, not a number"),
            }
        }
    }

    #[test]
    fn a_written_report_can_be_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        let report = Report { seconds: 59.5, bots: 200, ..Report::default() };
        report.write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }

    #[test]
    fn each_broken_promise_is_named() {
        assert!(Report::default().violations().is_empty());
        let mut report = Report::default();
        report.handoff.inputs_lost = 2;
        report.persistence.items_created = 1;
        let violations = report.violations().join("; ");
        assert!(violations.contains("inputs_lost is 2"), "{violations}");
        assert!(violations.contains("items_present is 0"), "{violations}");
    }
}
