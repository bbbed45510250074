//! What an operator may decide about the gateway.

use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr};

use crate::gateway::admission::Rate;

/// A gateway's settings. [`Default`] listens on a free port of the loopback.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The UDP address to listen on.
    pub address: SocketAddr,
    /// Certificate chain and private key, DER; none for a self-signed one, which clients pin.
    pub certificate: Option<CertificateAndKey>,
    /// Most connections at once. Default 10,000.
    pub connections_max: usize,
    /// A connection without a sign of life is closed after this. Default 30 s.
    pub idle_timeout: Duration,
    /// How often to give a sign of life. Default 10 s.
    pub keep_alive: Duration,
    /// Frames that may wait for one client to read; one more closes it. Default 512.
    pub outgoing_frames_max: usize,
    /// How passwords are hashed.
    pub passwords: PasswordConfig,
    /// Who may do what how often.
    pub limits: Limits,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            certificate: None,
            connections_max: 10_000,
            idle_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(10),
            outgoing_frames_max: 512,
            passwords: PasswordConfig::default(),
            limits: Limits::default(),
        }
    }
}

/// Who the server is, as TLS shows it.
#[derive(Clone)]
pub struct CertificateAndKey {
    /// The chain, the server's own certificate first, DER.
    pub chain_der: Vec<Vec<u8>>,
    /// PKCS #8, DER.
    pub key_der: Vec<u8>,
}

impl core::fmt::Debug for CertificateAndKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CertificateAndKey({} certificates, ..)", self.chain_der.len())
    }
}

/// The cost of a password hash. [`Default`] is what OWASP recommends for argon2id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PasswordConfig {
    /// Memory of one hash in KiB. Default 19,456.
    pub memory_kib: u32,
    /// Passes over it. Default 2.
    pub iterations: u32,
    /// Lanes. Default 1.
    pub lanes: u32,
    /// Hashes that are computed at once: bounds memory and cores. Default 2.
    pub parallel: usize,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, lanes: 1, parallel: 2 }
    }
}

/// Who may do what how often, and how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Registrations and logins from one address prefix. Default 60 a minute.
    pub attempts_per_address: Rate,
    /// Logins to one account. Default 10 a minute.
    pub attempts_per_account: Rate,
    /// Address prefixes and account names that are remembered, each. Default 65,536.
    pub keys_max: usize,
    /// Requests of one session. Default 50 a second, 100 at once.
    pub requests: Rate,
    /// Chat messages of one session. Default 2 a second, 10 at once.
    pub chat: Rate,
    /// Requests of one session that wait for an answer. Default 64.
    pub requests_waiting_max: usize,
    /// How long a connection may stay without being logged in. Default 60 s.
    pub login_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts_per_address: Rate::per_minute(60),
            attempts_per_account: Rate::per_minute(10),
            keys_max: 65_536,
            requests: Rate::per_second(50, 100),
            chat: Rate::per_second(2, 10),
            requests_waiting_max: 64,
            login_within: Duration::from_secs(60),
        }
    }
}
