//! Numbers that a game can show.

use core::time::Duration;

/// Counters and gauges of one client. Counters never fall, whatever connections come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ClientStats {
    /// UDP payload received, whatever it was.
    pub bytes_in: u64,
    /// UDP payload sent.
    pub bytes_out: u64,
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Datagrams that were ignored: of strangers, late, or damaged.
    pub datagrams_dropped: u64,
    /// Round-trip time to the zone that owns the character; zero outside the world.
    pub zone_rtt: Duration,
    /// Times that the server disagreed with the predicted position.
    pub corrections: u64,
    /// The farthest that it disagreed, in world units.
    pub correction_max: f32,
    /// Times that the server agreed with what was predicted.
    pub reconciled: u64,
    /// Discontinuities that the server declared. They are not corrections.
    pub overrides: u64,
    /// Times that prediction started anew, because the player's machine had stood still.
    pub resyncs: u64,
    /// Changes of the owner zone.
    pub crossings: u64,
    /// The authority epoch; zero outside the world.
    pub epoch: u32,
    /// Ticks for which the server had no input in time, by its own count.
    pub starved: u64,
    /// How far the client runs ahead of the server, in milliseconds.
    pub lead_ms: f32,
    /// How early the newest inputs reach the server before their tick, in milliseconds.
    pub margin_ms: f32,
    /// Inputs that the server is not known to have consumed.
    pub inputs_unconsumed: usize,
    /// Inputs made so far.
    pub inputs: u64,
    /// Snapshots taken in, of all zones.
    pub snapshots: u64,
    /// Snapshots that could not be read: their baseline is gone, or they are malformed.
    pub snapshot_errors: u64,
    /// Messages of zones that could not be read.
    pub malformed: u64,
    /// Requests to the gateway so far.
    pub requests: u64,
    /// Requests to the gateway that wait for their answers.
    pub requests_open: usize,
    /// Events that the game did not fetch in time and never will.
    pub events_dropped: u64,
}
