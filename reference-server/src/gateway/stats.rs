//! What the gateway counts.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! stats {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of a running gateway, shared between its tasks. Each is a number of its own:
        /// nothing is ordered by them.
        #[derive(Debug, Default)]
        pub struct GatewayStats {
            $($(#[$doc])* pub(super) $name: AtomicU64,)*
        }

        /// The counters at one point in time.
        #[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
        pub struct GatewayCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl GatewayStats {
            /// Reads all counters.
            pub fn counts(&self) -> GatewayCounts {
                GatewayCounts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

stats! {
    /// Connections now.
    connections,
    /// Connections that were let in, ever.
    connections_accepted_total,
    /// Connections that were refused because there was no room, or the server drained.
    connections_refused_total,
    /// Sessions that are logged in now.
    sessions,
    /// Frames from clients.
    frames_in_total,
    /// Frames to clients.
    frames_out_total,
    /// Bytes of frames from clients.
    bytes_in_total,
    /// Bytes of frames to clients.
    bytes_out_total,
    /// Requests that were answered with an error by the gateway itself.
    requests_refused_total,
    /// Of these, for asking too often.
    rate_limited_total,
    /// Connections closed for bytes that are no frame.
    malformed_total,
    /// Connections closed for not reading.
    slow_readers_total,
    /// Passwords hashed or compared.
    hashes_total,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

/// Takes one from a gauge.
pub(super) fn lower(gauge: &AtomicU64) {
    gauge.fetch_sub(1, Ordering::Relaxed);
}

/// Sets a counter that is counted elsewhere.
pub(super) fn set(counter: &AtomicU64, value: u64) {
    counter.store(value, Ordering::Relaxed);
}
