//! Numbers that a game can show.

use core::time::Duration;

/// Counters and gauges of one connection. Bytes are UDP payload.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Sent, handshake left out.
    pub bytes_sent: u64,
    /// Received and opened.
    pub bytes_received: u64,
    /// Sent, handshake left out.
    pub packets_sent: u64,
    /// Received and opened.
    pub packets_received: u64,
    /// Taken for lost. Some may have arrived after all.
    pub packets_lost: u64,
    /// Probes sent because nothing was acknowledged.
    pub probes: u64,
    /// Smoothed round-trip time.
    pub rtt: Duration,
    /// The smallest round-trip time.
    pub rtt_min: Duration,
    /// Mean deviation of the round-trip time.
    pub rtt_variation: Duration,
    /// Bytes in flight.
    pub in_flight_bytes: usize,
    /// Bytes that may be in flight.
    pub window_bytes: usize,
    /// Bytes held for reassembly and order.
    pub held_bytes: usize,
}
