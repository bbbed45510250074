//! The handshake: one round trip, or two when the server wants proof of the address.
//!
//! ```text
//!   client                                   server
//!     Hello ──────────────────────────────▶   token, then keys; a connection, unconfirmed
//!     (or  ◀── Retry;  Hello with cookie ──▶)
//!     ◀────────────────────────────── Accept
//!     first short packet ────────────────▶   confirmed: the token is used from here on
//! ```
//!
//! A [`ClientHandshake`] is consumed by the answer that completes it; there is no connection
//! before that.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::EndpointConfig;
use crate::connection::error::{ConnectionError, DropReason};
use crate::connection::{Connection, Established, Side};
use crate::crypto::{Initiator, NoiseError, PublicKey, SecretKey, Suite};
use crate::entropy::Entropy;
use crate::time::Instant;
use crate::wire::{
    Accept, COOKIE_BYTES, CloseCode, ECHO_BYTES, Hello, Refuse, Retry, SuiteId, TransportParams,
    VERSION,
};

/// First wait before a hello is said again; it doubles, with jitter.
const RESEND_AFTER: Duration = Duration::from_millis(250);
const RESEND_AFTER_MAX: Duration = Duration::from_secs(1);

/// What a client needs to get in: from the matchmaker, and its own secret.
#[derive(Clone, Debug)]
pub struct ConnectAccess {
    /// The sealed connect token.
    pub token: Bytes,
    /// The secret half of the key that the token is bound to.
    pub client_secret: SecretKey,
    /// The server's public key.
    pub server_public: PublicKey,
}

/// What the key agreement must see alike on both sides: protocol, version, token.
//= book/src/spec/handshake.md#key-agreement
//# Both sides MUST use the same prologue: the nine bytes `shardline`, the version, and the token as
//# sent.
pub(crate) fn prologue(token: &[u8]) -> Vec<u8> {
    let mut prologue = b"shardline".to_vec();
    prologue.extend_from_slice(&VERSION.to_le_bytes());
    prologue.extend_from_slice(token);
    prologue
}

/// What this side says of itself.
pub(crate) fn params(config: &EndpointConfig, suites: Vec<u8>) -> TransportParams {
    TransportParams {
        suites,
        channel_table_hash: config.channels().hash(),
        schema_hash: config.schema_hash(),
        idle_timeout_ms: u32::try_from(config.idle_timeout().as_millis()).unwrap_or(u32::MAX),
    }
}

/// Whether the peer's parameters fit ours; if not, why.
pub(crate) fn mismatch(config: &EndpointConfig, peer: &TransportParams) -> Option<CloseCode> {
    if peer.channel_table_hash != config.channels().hash() {
        Some(CloseCode::ChannelTable)
    } else if peer.schema_hash != config.schema_hash() {
        Some(CloseCode::Schema)
    } else {
        None
    }
}

/// The smaller of both sides' idle timeouts, but at least a second.
pub(crate) fn idle_timeout(config: &EndpointConfig, peer: &TransportParams) -> Duration {
    let theirs = Duration::from_millis(peer.idle_timeout_ms.into()).max(Duration::from_secs(1));
    config.idle_timeout().min(theirs)
}

/// A client that has said hello and waits for the answer.
#[derive(Debug)]
pub(crate) struct ClientHandshake {
    config: Arc<EndpointConfig>,
    remote: SocketAddr,
    initiator: Initiator,
    token: Bytes,
    noise: Vec<u8>,
    cookie: Option<[u8; COOKIE_BYTES]>,
    entropy: Entropy,
    started: Instant,
    /// When the hello left, if it left only once: of several, nobody knows which was answered.
    sent: Option<Instant>,
    sends: u32,
    resend_at: Instant,
    resend_after: Duration,
}

/// What an answer did to a handshake.
pub(crate) enum Answered {
    /// It is complete.
    Done(Box<Connection>),
    /// It goes on.
    Pending(Box<ClientHandshake>),
    /// It is over.
    Failed(ConnectionError),
}

impl ClientHandshake {
    pub(crate) fn new(
        config: Arc<EndpointConfig>,
        now: Instant,
        remote: SocketAddr,
        access: &ConnectAccess,
        mut entropy: Entropy,
    ) -> Result<Self, NoiseError> {
        let suites = config.suites().iter().map(|suite| suite.id().0).collect();
        let mut payload = Vec::new();
        params(&config, suites).encode(entropy.next_u32() as u8, &mut payload);
        let (initiator, noise) = Initiator::start(
            &access.client_secret,
            access.server_public,
            &prologue(&access.token),
            &payload,
            &mut entropy,
        )?;
        Ok(Self {
            config,
            remote,
            initiator,
            token: access.token.clone(),
            noise,
            cookie: None,
            entropy,
            started: now,
            sent: None,
            sends: 0,
            resend_at: now,
            resend_after: RESEND_AFTER,
        })
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The hello, when it is due.
    pub(crate) fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> bool {
        if now < self.resend_at {
            return false;
        }
        let random = self.entropy.next_u32();
        let hello = Hello {
            version: VERSION,
            cookie: self.cookie.as_ref(),
            token: &self.token,
            noise: &self.noise,
        };
        hello.encode(random as u8, buffer);
        self.sends += 1;
        self.sent = (self.sends == 1).then_some(now);
        // Up to an eighth more, so that clients that start together drift apart.
        let jitter = self.resend_after.mul_f64(f64::from(random) / f64::from(u32::MAX)) / 8;
        self.resend_at = now + self.resend_after + jitter;
        self.resend_after = (self.resend_after * 2).min(RESEND_AFTER_MAX);
        true
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.resend_at.min(self.deadline())
    }

    pub(crate) fn handle_timeout(&self, now: Instant) -> Result<(), ConnectionError> {
        if now >= self.deadline() {
            let after = self.config.handshake_timeout();
            return Err(ConnectionError::HandshakeTimedOut { after });
        }
        Ok(())
    }

    pub(crate) fn on_retry(&mut self, now: Instant, retry: &Retry) -> Result<(), DropReason> {
        // One retry a handshake: a forger cannot make us send without end.
        if retry.echo != self.echo() || self.cookie.is_some() {
            return Err(DropReason::UnexpectedPacket);
        }
        self.cookie = Some(retry.cookie);
        self.sends = 0;
        self.resend_at = now;
        self.resend_after = RESEND_AFTER;
        Ok(())
    }

    pub(crate) fn on_refuse(&self, refuse: &Refuse) -> Result<ConnectionError, DropReason> {
        if refuse.echo != self.echo() {
            return Err(DropReason::UnexpectedPacket);
        }
        Ok(ConnectionError::Refused(refuse.code))
    }

    pub(crate) fn on_accept(
        mut self: Box<Self>,
        now: Instant,
        accept: &Accept<'_>,
    ) -> (Answered, Result<(), DropReason>) {
        //= book/src/spec/handshake.md#key-agreement
        //# A client MUST go on waiting when an answer does not authenticate.
        let Ok(payload) = self.initiator.read(accept.noise) else {
            return (Answered::Pending(self), Err(DropReason::Noise));
        };
        let peer = match TransportParams::decode(&payload) {
            Ok(peer) => peer,
            Err(error) => {
                let failed = ConnectionError::PeerMisbehaved(error.into());
                return (Answered::Failed(failed), Ok(()));
            }
        };
        if let Some(code) = mismatch(&self.config, &peer) {
            return (Answered::Failed(ConnectionError::Refused(code)), Ok(()));
        }
        let chosen = peer.suites.first().and_then(|id| Suite::from_id(SuiteId(*id)));
        let Some(suite) = chosen.filter(|suite| self.config.suites().contains(suite)) else {
            let failed = ConnectionError::Refused(CloseCode::Version);
            return (Answered::Failed(failed), Ok(()));
        };
        let established = Established {
            side: Side::Client,
            remote: self.remote,
            id: accept.connection_id,
            keys: self.initiator.finish(suite),
            idle_timeout: idle_timeout(&self.config, &peer),
            rtt: self.sent.map(|sent| now.saturating_since(sent)),
        };
        let connection = Connection::new(self.config, now, established, self.entropy);
        (Answered::Done(Box::new(connection)), Ok(()))
    }

    fn deadline(&self) -> Instant {
        self.started + self.config.handshake_timeout()
    }

    fn echo(&self) -> [u8; ECHO_BYTES] {
        *self.noise.first_chunk().expect("a Noise message starts with a key")
    }
}
