//! What the demo can be told.

use std::path::PathBuf;

use clap::Args;

/// Most bots of one process: each has a socket, and ports of the loopback are bounded.
const BOTS_MAX: i64 = 5_000;

/// Options of `reference-server demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoOptions {
    /// Players, each a real client over UDP and QUIC.
    #[arg(long, default_value_t = 100, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=BOTS_MAX))]
    pub bots: u32,
    /// Zones of the world: rows by columns.
    #[arg(long, default_value = "2x2", value_name = "RxC", value_parser = zones)]
    pub zones: (u32, u32),
    /// Ends after so many seconds; without it, at Ctrl-C.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: Option<u64>,
    /// What bots do and how their links behave follows from it.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Round-trip time that is put between bots and servers, in ms.
    #[arg(long, default_value_t = 0.0, value_name = "MS", value_parser = milliseconds)]
    pub rtt: f64,
    /// Each way takes up to so many ms more or less.
    #[arg(long, default_value_t = 0.0, value_name = "MS", value_parser = milliseconds)]
    pub jitter: f64,
    /// Datagrams lost each way, in percent.
    #[arg(long, default_value_t = 0.0, value_name = "PCT", value_parser = percent)]
    pub loss: f64,
    /// Writes what was measured to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// No terminal view: a line of progress every few seconds.
    #[arg(long)]
    pub headless: bool,
}

/// Examples for `--help`.
pub const EXAMPLES: &str = "Examples:
  reference-server demo
      watch 100 bots in 2x2 zones; q or Ctrl-C ends it
  reference-server demo --bots 200 --seconds 60 --headless --report r.json
      measure for a minute
  reference-server demo --rtt 100 --jitter 10 --loss 5
      the same world over a bad network

Exit code: 0 if nothing was lost or done twice, 1 otherwise.";

fn zones(text: &str) -> Result<(u32, u32), String> {
    let wanted = "rows by columns, like 2x2, with 1 to 64 zones in all";
    let (rows, cols) = text.split_once(['x', 'X']).ok_or(wanted)?;
    let parse = |text: &str| text.parse::<u32>().ok().filter(|count| (1..=64).contains(count));
    let (rows, cols) = (parse(rows).ok_or(wanted)?, parse(cols).ok_or(wanted)?);
    if rows * cols > 64 { Err(wanted.into()) } else { Ok((rows, cols)) }
}

fn bounded(text: &str, max: f64, wanted: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| (0.0..=max).contains(value));
    value.ok_or_else(|| wanted.to_owned())
}

fn milliseconds(text: &str) -> Result<f64, String> {
    bounded(text, 2_000.0, "milliseconds from 0 to 2000")
}

fn percent(text: &str) -> Result<f64, String> {
    bounded(text, 50.0, "percent from 0 to 50")
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, percent, zones};

    #[test]
    fn zones_are_rows_by_columns() {
        assert_eq!(zones("3x4"), Ok((3, 4)));
        for bad in ["", "2", "0x2", "2x0", "9x9", "65x1", "-1x2", "2x2x2"] {
            assert!(zones(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn weather_is_bounded() {
        assert_eq!(milliseconds("100"), Ok(100.0));
        assert_eq!(percent("2.5"), Ok(2.5));
        assert!(percent("51").is_err() && percent("NaN").is_err() && milliseconds("-1").is_err());
    }
}
