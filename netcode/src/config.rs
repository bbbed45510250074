//! Every knob of an endpoint in one place: its default, its bounds and why.

use core::time::Duration;

use thiserror::Error;

use crate::channel::ChannelTable;
use crate::crypto::Suite;
use crate::recovery::RecoveryConfig;

/// When a server asks a client to prove its address before it does anything for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryPolicy {
    /// For every connection: one more round trip, no state for strangers.
    Always,
    /// While more than this many hellos a second arrive without a proof.
    Above {
        /// Hellos a second.
        hellos_per_s: u32,
    },
    /// For none: a test, or a network that is trusted.
    Never,
}

/// Validated settings of an endpoint.
///
/// ```
/// use core::time::Duration;
/// use netcode::channel::{ChannelConfig, ChannelTable, Delivery};
/// use netcode::config::EndpointConfig;
///
/// let channels = ChannelTable::new(vec![ChannelConfig::new(Delivery::ReliableOrdered)])?;
/// let config = EndpointConfig::builder(channels)
///     .idle_timeout(Duration::from_secs(20))
///     .build()?;
/// assert_eq!(config.keep_alive_after(), EndpointConfig::KEEP_ALIVE_AFTER_DEFAULT);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    channels: ChannelTable,
    connections_max: usize,
    handshake_timeout: Duration,
    hold_bytes_max: usize,
    idle_timeout: Duration,
    keep_alive_after: Duration,
    recovery: RecoveryConfig,
    retry: RetryPolicy,
    schema_hash: u64,
    shard: u8,
    suites: Vec<Suite>,
    unix_ms_at_epoch: u64,
}

impl EndpointConfig {
    /// Connections at a time, pending ones included. 10,000 players and their reconnects.
    pub const CONNECTIONS_MAX_DEFAULT: usize = 16_384;
    /// How long a handshake may take: twenty round trips of a bad path.
    pub const HANDSHAKE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
    /// Bytes that a connection holds for reassembly and order: four of the largest messages.
    pub const HOLD_BYTES_MAX_DEFAULT: usize = 256 * 1024;
    /// Long enough to ride out a Wi-Fi roam, short enough to free a server slot.
    pub const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
    /// Well below the idle timeout and the bindings of NATs (30 s are common).
    pub const KEEP_ALIVE_AFTER_DEFAULT: Duration = Duration::from_secs(1);
    /// Above this, unproven hellos must prove their address: the cost of a fifth of a core.
    pub const RETRY_DEFAULT: RetryPolicy = RetryPolicy::Above { hellos_per_s: 200 };

    /// Starts from the defaults, which suit a 30 to 60 Hz game over the public internet.
    pub fn builder(channels: ChannelTable) -> EndpointConfigBuilder {
        EndpointConfigBuilder(Self {
            channels,
            connections_max: Self::CONNECTIONS_MAX_DEFAULT,
            handshake_timeout: Self::HANDSHAKE_TIMEOUT_DEFAULT,
            hold_bytes_max: Self::HOLD_BYTES_MAX_DEFAULT,
            idle_timeout: Self::IDLE_TIMEOUT_DEFAULT,
            keep_alive_after: Self::KEEP_ALIVE_AFTER_DEFAULT,
            recovery: RecoveryConfig::default(),
            retry: Self::RETRY_DEFAULT,
            schema_hash: 0,
            shard: 0,
            suites: Suite::ALL.to_vec(),
            unix_ms_at_epoch: 0,
        })
    }

    /// The channels; both sides must have the same.
    pub fn channels(&self) -> &ChannelTable {
        &self.channels
    }

    /// Connections at a time.
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout
    }

    /// Bytes that a connection holds for reassembly and order.
    pub fn hold_bytes_max(&self) -> usize {
        self.hold_bytes_max
    }

    /// Silence after which the peer is taken for gone; the smaller of the two sides' counts.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// Silence of our own after which a ping is sent.
    pub fn keep_alive_after(&self) -> Duration {
        self.keep_alive_after
    }

    /// Acknowledgement, loss detection, congestion control.
    pub fn recovery(&self) -> &RecoveryConfig {
        &self.recovery
    }

    /// When a server asks for proof of the address.
    pub fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// Hash of the application's schema; both sides must have the same.
    pub fn schema_hash(&self) -> u64 {
        self.schema_hash
    }

    /// Which socket of the server this is; stands in its connection ids.
    pub fn shard(&self) -> u8 {
        self.shard
    }

    /// AEAD suites, the preferred one first.
    pub fn suites(&self) -> &[Suite] {
        &self.suites
    }

    /// Unix time, in milliseconds, at the epoch of the instants that the endpoint is given. A
    /// server compares the times of connect tokens with it.
    pub fn unix_ms_at_epoch(&self) -> u64 {
        self.unix_ms_at_epoch
    }
}

/// Collects settings; [`build`](Self::build) checks them together, once.
#[derive(Clone, Debug)]
#[must_use]
pub struct EndpointConfigBuilder(EndpointConfig);

impl EndpointConfigBuilder {
    /// Sets [`EndpointConfig::connections_max`].
    pub fn connections_max(mut self, value: usize) -> Self {
        self.0.connections_max = value;
        self
    }

    /// Sets [`EndpointConfig::handshake_timeout`].
    pub fn handshake_timeout(mut self, value: Duration) -> Self {
        self.0.handshake_timeout = value;
        self
    }

    /// Sets [`EndpointConfig::hold_bytes_max`].
    pub fn hold_bytes_max(mut self, value: usize) -> Self {
        self.0.hold_bytes_max = value;
        self
    }

    /// Sets [`EndpointConfig::idle_timeout`].
    pub fn idle_timeout(mut self, value: Duration) -> Self {
        self.0.idle_timeout = value;
        self
    }

    /// Sets [`EndpointConfig::keep_alive_after`].
    pub fn keep_alive_after(mut self, value: Duration) -> Self {
        self.0.keep_alive_after = value;
        self
    }

    /// Sets [`EndpointConfig::recovery`].
    pub fn recovery(mut self, value: RecoveryConfig) -> Self {
        self.0.recovery = value;
        self
    }

    /// Sets [`EndpointConfig::retry`].
    pub fn retry(mut self, value: RetryPolicy) -> Self {
        self.0.retry = value;
        self
    }

    /// Sets [`EndpointConfig::schema_hash`].
    pub fn schema_hash(mut self, value: u64) -> Self {
        self.0.schema_hash = value;
        self
    }

    /// Sets [`EndpointConfig::shard`].
    pub fn shard(mut self, value: u8) -> Self {
        self.0.shard = value;
        self
    }

    /// Sets [`EndpointConfig::suites`].
    pub fn suites(mut self, value: Vec<Suite>) -> Self {
        self.0.suites = value;
        self
    }

    /// Sets [`EndpointConfig::unix_ms_at_epoch`].
    pub fn unix_ms_at_epoch(mut self, value: u64) -> Self {
        self.0.unix_ms_at_epoch = value;
        self
    }

    /// Checks every bound and every relation between settings.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says the value, the bound and the reason.
    pub fn build(self) -> Result<EndpointConfig, ConfigError> {
        let config = self.0;
        let (keep_alive, idle) = (config.keep_alive_after, config.idle_timeout);
        if keep_alive.is_zero() || keep_alive * 2 > idle {
            return Err(ConfigError::KeepAlive { keep_alive, idle });
        }
        let largest = config.channels.channels().iter().map(|channel| channel.message_bytes());
        let largest = largest.max().unwrap_or(0);
        if config.hold_bytes_max < largest {
            return Err(ConfigError::HoldBytes { hold: config.hold_bytes_max, largest });
        }
        if config.suites.is_empty() || config.suites.len() > Suite::ALL.len() {
            return Err(ConfigError::Suites { count: config.suites.len() });
        }
        if config.connections_max == 0 || config.connections_max > 1 << 16 {
            return Err(ConfigError::Connections { count: config.connections_max });
        }
        Ok(config)
    }
}

/// Settings that cannot work.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Connection ids tell 65,536 connections of a socket apart.
    #[error("connections_max {count} is outside 1..=65536")]
    Connections {
        /// As given.
        count: usize,
    },
    /// The largest message could never be put together.
    #[error("hold_bytes_max {hold} is below the largest message of a channel, {largest} bytes")]
    HoldBytes {
        /// As given.
        hold: usize,
        /// Bytes of the largest message.
        largest: usize,
    },
    /// One lost ping must not end a connection.
    #[error("keep_alive_after {keep_alive:?} must be at most half of idle_timeout {idle:?}")]
    KeepAlive {
        /// As given.
        keep_alive: Duration,
        /// As given.
        idle: Duration,
    },
    /// None, or one twice.
    #[error("{count} suites; there are 1 to {}", Suite::ALL.len())]
    Suites {
        /// As given.
        count: usize,
    },
}
