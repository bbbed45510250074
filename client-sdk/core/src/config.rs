//! Every knob of a client: its default, its bounds and why.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::error::ConfigError;

const TIMEOUT_MIN: Duration = Duration::from_millis(1);
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// Validated settings of a client.
///
/// ```no_run
/// use client_sdk::ClientConfig;
///
/// let certificate = std::fs::read("gateway.der")?;
/// let config = ClientConfig::builder("192.0.2.1:7000".parse()?, certificate)
///     .server_name("play.example.org")
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientConfig {
    gateway: SocketAddr,
    server_name: String,
    certificate: CertificateDer<'static>,
    roots: Arc<RootCertStore>,
    request_timeout: Duration,
    gateway_timeout: Duration,
    gateway_keep_alive: Duration,
    zone_timeout: Duration,
    zone_handshake_timeout: Duration,
    join_timeout: Duration,
    crossing_timeout: Duration,
    leave_timeout: Duration,
    input_margin: Duration,
}

impl ClientConfig {
    /// What the gateway's certificate is made out to, unless set.
    pub const SERVER_NAME_DEFAULT: &'static str = "localhost";
    /// A gateway that hashes the passwords of a crowd may take its time.
    pub const REQUEST_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
    /// Silence after which the gateway is taken for gone.
    pub const GATEWAY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
    /// Silence of our own after which the gateway is pinged: below the bindings of NATs.
    pub const GATEWAY_KEEP_ALIVE_DEFAULT: Duration = Duration::from_secs(8);
    /// Long enough to ride out a Wi-Fi roam.
    pub const ZONE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
    /// Twenty round trips of a bad path.
    pub const ZONE_HANDSHAKE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
    /// From the gateway's answer to the first sight of the character.
    pub const JOIN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
    /// From the word that the character crossed to the first sight of it there.
    pub const CROSSING_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
    /// How long a zone may take to say goodbye.
    pub const LEAVE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(2);
    /// How early inputs should reach the server before their ticks: at 30 Hz long enough for the
    /// next packet to make up for one that is lost, with some jitter.
    pub const INPUT_MARGIN_DEFAULT: Duration = Duration::from_millis(50);
    /// More is unplayable for whoever meets this player.
    pub const INPUT_MARGIN_MAX: Duration = Duration::from_millis(300);

    /// Starts from the defaults. `certificate_der` is the gateway's own certificate or the root
    /// that signed it: no other is trusted.
    pub fn builder(gateway: SocketAddr, certificate_der: Vec<u8>) -> ClientConfigBuilder {
        ClientConfigBuilder(Self {
            gateway,
            server_name: Self::SERVER_NAME_DEFAULT.to_owned(),
            certificate: CertificateDer::from(certificate_der),
            roots: Arc::new(RootCertStore::empty()),
            request_timeout: Self::REQUEST_TIMEOUT_DEFAULT,
            gateway_timeout: Self::GATEWAY_TIMEOUT_DEFAULT,
            gateway_keep_alive: Self::GATEWAY_KEEP_ALIVE_DEFAULT,
            zone_timeout: Self::ZONE_TIMEOUT_DEFAULT,
            zone_handshake_timeout: Self::ZONE_HANDSHAKE_TIMEOUT_DEFAULT,
            join_timeout: Self::JOIN_TIMEOUT_DEFAULT,
            crossing_timeout: Self::CROSSING_TIMEOUT_DEFAULT,
            leave_timeout: Self::LEAVE_TIMEOUT_DEFAULT,
            input_margin: Self::INPUT_MARGIN_DEFAULT,
        })
    }

    /// Where the gateway is.
    pub fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// What the gateway's certificate is made out to.
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// How long an answer of the gateway may take.
    pub fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Silence after which the gateway is taken for gone.
    pub fn gateway_timeout(&self) -> Duration {
        self.gateway_timeout
    }

    /// Silence of our own after which the gateway is pinged.
    pub fn gateway_keep_alive(&self) -> Duration {
        self.gateway_keep_alive
    }

    /// Silence after which a zone is taken for gone.
    pub fn zone_timeout(&self) -> Duration {
        self.zone_timeout
    }

    /// How long the handshake with a zone may take.
    pub fn zone_handshake_timeout(&self) -> Duration {
        self.zone_handshake_timeout
    }

    /// From the gateway's answer to the first sight of the character.
    pub fn join_timeout(&self) -> Duration {
        self.join_timeout
    }

    /// From the word that the character crossed to the first sight of it there.
    pub fn crossing_timeout(&self) -> Duration {
        self.crossing_timeout
    }

    /// How long a zone may take to say goodbye.
    pub fn leave_timeout(&self) -> Duration {
        self.leave_timeout
    }

    /// How early inputs should reach the server before their ticks.
    pub fn input_margin(&self) -> Duration {
        self.input_margin
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }
}

/// Collects settings; [`build`](Self::build) checks them together, once.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientConfigBuilder(ClientConfig);

impl ClientConfigBuilder {
    /// Sets [`ClientConfig::server_name`].
    pub fn server_name(mut self, value: impl Into<String>) -> Self {
        self.0.server_name = value.into();
        self
    }

    /// Sets [`ClientConfig::request_timeout`].
    pub fn request_timeout(mut self, value: Duration) -> Self {
        self.0.request_timeout = value;
        self
    }

    /// Sets [`ClientConfig::gateway_timeout`].
    pub fn gateway_timeout(mut self, value: Duration) -> Self {
        self.0.gateway_timeout = value;
        self
    }

    /// Sets [`ClientConfig::gateway_keep_alive`].
    pub fn gateway_keep_alive(mut self, value: Duration) -> Self {
        self.0.gateway_keep_alive = value;
        self
    }

    /// Sets [`ClientConfig::zone_timeout`].
    pub fn zone_timeout(mut self, value: Duration) -> Self {
        self.0.zone_timeout = value;
        self
    }

    /// Sets [`ClientConfig::zone_handshake_timeout`].
    pub fn zone_handshake_timeout(mut self, value: Duration) -> Self {
        self.0.zone_handshake_timeout = value;
        self
    }

    /// Sets [`ClientConfig::join_timeout`].
    pub fn join_timeout(mut self, value: Duration) -> Self {
        self.0.join_timeout = value;
        self
    }

    /// Sets [`ClientConfig::crossing_timeout`].
    pub fn crossing_timeout(mut self, value: Duration) -> Self {
        self.0.crossing_timeout = value;
        self
    }

    /// Sets [`ClientConfig::leave_timeout`].
    pub fn leave_timeout(mut self, value: Duration) -> Self {
        self.0.leave_timeout = value;
        self
    }

    /// Sets [`ClientConfig::input_margin`].
    pub fn input_margin(mut self, value: Duration) -> Self {
        self.0.input_margin = value;
        self
    }

    /// Checks every bound.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says the value and the bound.
    pub fn build(self) -> Result<ClientConfig, ConfigError> {
        let mut config = self.0;
        if config.gateway.port() == 0 || config.gateway.ip().is_unspecified() {
            return Err(ConfigError::Gateway { address: config.gateway });
        }
        if ServerName::try_from(config.server_name.as_str()).is_err() {
            return Err(ConfigError::ServerName { name: config.server_name });
        }
        let timeouts = [
            ("request_timeout", config.request_timeout),
            ("gateway_timeout", config.gateway_timeout),
            ("gateway_keep_alive", config.gateway_keep_alive),
            ("zone_timeout", config.zone_timeout),
            ("zone_handshake_timeout", config.zone_handshake_timeout),
            ("join_timeout", config.join_timeout),
            ("crossing_timeout", config.crossing_timeout),
            ("leave_timeout", config.leave_timeout),
        ];
        for (name, value) in timeouts {
            if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&value) {
                return Err(ConfigError::Timeout { name, value });
            }
        }
        if config.input_margin > ClientConfig::INPUT_MARGIN_MAX {
            return Err(ConfigError::InputMargin { value: config.input_margin });
        }
        let mut roots = RootCertStore::empty();
        roots
            .add(config.certificate.clone())
            .map_err(|error| ConfigError::Certificate { reason: error.to_string() })?;
        config.roots = Arc::new(roots);
        Ok(config)
    }
}
