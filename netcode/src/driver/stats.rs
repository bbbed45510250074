//! What a driver counts.

use std::collections::BTreeMap;

/// Counters of one driver since it was made. Bytes are UDP payload.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct DriverStats {
    /// Taken off the socket, whatever became of them.
    pub datagrams_received: u64,
    /// Taken off the socket, whatever became of them.
    pub bytes_received: u64,
    /// Given to the kernel.
    pub datagrams_sent: u64,
    /// Given to the kernel.
    pub bytes_sent: u64,
    /// System calls that sent something: fewer than datagrams where the kernel cuts batches.
    pub send_calls: u64,
    /// Times that the kernel had no room, and a datagram waited for it.
    pub send_blocked: u64,
    /// Datagrams that the kernel refused: no route, too long, not permitted.
    pub send_errors: u64,
    /// Errors that the socket reported in place of a datagram, such as an unreachable peer.
    pub receive_errors: u64,
    /// Datagrams ignored, by [`DropReason::label`](crate::connection::DropReason::label).
    pub dropped: BTreeMap<&'static str, u64>,
}

impl DriverStats {
    /// Datagrams ignored, for whatever reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }
}
