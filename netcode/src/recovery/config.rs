//! The knobs of recovery, and why they stand where they do.

use core::time::Duration;

/// Settings of acknowledgement, loss detection and congestion control.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecoveryConfig {
    /// The longest that an acknowledgement may wait for a packet to ride on. Default 20 ms: less
    /// than a tick at 30 Hz, so that most ride.
    pub ack_delay_max: Duration,
    /// A bare acknowledgement leaves this long after a second packet waits for one. Default 5 ms.
    pub ack_delay_pair: Duration,
    /// Round-trip time until one is measured. Default 100 ms.
    pub rtt_initial: Duration,
    /// The longest wait for a probe, whatever the back-off. Default 2 s.
    pub probe_timeout_max: Duration,
    /// Bytes that may be in flight at first. Default ten full packets (RFC 6928).
    pub window_initial_bytes: usize,
    /// Bytes that may always be in flight. Default four full packets: a game's tick goes out even
    /// on a path that loses a tenth of everything.
    pub window_min_bytes: usize,
    /// Bytes that may be in flight at most. Default 4 MiB.
    pub window_max_bytes: usize,
}

impl Default for RecoveryConfig {
    fn default() -> Self {
        Self {
            ack_delay_max: Duration::from_millis(20),
            ack_delay_pair: Duration::from_millis(5),
            rtt_initial: Duration::from_millis(100),
            probe_timeout_max: Duration::from_secs(2),
            window_initial_bytes: 10 * 1200,
            window_min_bytes: 4 * 1200,
            window_max_bytes: 4 << 20,
        }
    }
}
