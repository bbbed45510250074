//! The server's door: what is done for a stranger, cheapest first.
//!
//! size, version → cookie, when it is asked for → token (symmetric) → limits → key agreement.
//! Without a token nobody gets to the key agreement; with a stolen one nobody gets past it.

use core::net::SocketAddr;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::config::{EndpointConfig, RetryPolicy};
use crate::connection::{
    Connection, DropReason, Established, Side, idle_timeout, mismatch, params, prologue,
};
use crate::crypto::{Claims, CookieKey, PublicKey, Responder, SecretKey, Suite, TokenKey};
use crate::endpoint::handle::ConnectionHandle;
use crate::entropy::Entropy;
use crate::time::Instant;
use crate::wire::{
    Accept, CloseCode, ConnectionId, ECHO_BYTES, Hello, Refuse, Retry, SuiteId, TransportParams,
    VERSION,
};

/// Handshakes at a time with the token of one session.
const PENDING_PER_SESSION_MAX: usize = 4;
/// Sessions whose tokens are remembered. When it is full, new ones are refused, never old ones
/// forgotten.
const SESSIONS_MAX: usize = 65_536;
/// Tries to find a connection id that is free.
const ID_TRIES: usize = 16;

/// What makes an endpoint a server.
#[derive(Clone, Debug)]
pub struct ServerKeys {
    /// The secret half of the server's key.
    pub secret: SecretKey,
    /// Keys that seal connect tokens: the present one and, during a rotation, the former.
    pub token_keys: Vec<TokenKey>,
    /// The id that tokens must name.
    pub server_id: u32,
}

/// What the door decided about a hello.
pub(super) enum Verdict {
    Accept(Box<Accepted>),
    /// Answer without keeping anything.
    Answer(Vec<u8>, Result<(), DropReason>),
    Drop(DropReason),
}

pub(super) struct Accepted {
    pub(super) connection: Box<Connection>,
    pub(super) claims: Claims,
    pub(super) answer: Vec<u8>,
    pub(super) pending: Pending,
}

/// A handshake that waits for its confirmation.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    from: SocketAddr,
    echo: [u8; ECHO_BYTES],
    session: [u8; 16],
    /// Said again when the hello is.
    answer: Vec<u8>,
}

/// A session whose token has been used.
#[derive(Clone, Copy, Debug)]
struct Session {
    not_after_s: u64,
    connection: ConnectionHandle,
    client: PublicKey,
}

#[derive(Debug)]
pub(super) struct Door {
    keys: ServerKeys,
    cookie_key: CookieKey,
    entropy: Entropy,
    pending: HashMap<(SocketAddr, [u8; ECHO_BYTES]), (usize, Pending)>,
    pending_by_slot: HashMap<usize, (SocketAddr, [u8; ECHO_BYTES])>,
    sessions: BTreeMap<[u8; 16], Session>,
    /// Hellos without proof of address that may still be served at once, and since when.
    allowance: f64,
    allowance_at: Instant,
}

impl Door {
    pub(super) fn new(keys: ServerKeys, mut entropy: Entropy) -> Self {
        Self {
            cookie_key: CookieKey::generate(&mut entropy),
            keys,
            entropy,
            pending: HashMap::new(),
            pending_by_slot: HashMap::new(),
            sessions: BTreeMap::new(),
            allowance: 0.0,
            allowance_at: Instant::EPOCH,
        }
    }

    pub(super) fn on_hello(
        &mut self,
        config: &Arc<EndpointConfig>,
        now: Instant,
        from: SocketAddr,
        hello: &Hello<'_>,
        has_room: bool,
        is_free: impl Fn(&ConnectionId) -> bool,
    ) -> Verdict {
        let Some(echo) = hello.echo() else { return Verdict::Drop(DropReason::Noise) };
        if hello.version != VERSION {
            return self.refuse(echo, CloseCode::Version, DropReason::Version);
        }
        if let Some(verdict) = self.check_address(config, now, from, hello, echo) {
            return verdict;
        }
        if let Some((_, pending)) = self.pending.get(&(from, echo)) {
            return Verdict::Answer(pending.answer.clone(), Ok(()));
        }
        let claims = match self.check_token(config, now, hello.token) {
            Ok(claims) => claims,
            Err(()) => return self.refuse(echo, CloseCode::Token, DropReason::Token),
        };
        if !has_room || !self.has_room_for(config, now, &claims) {
            return self.refuse(echo, CloseCode::Full, DropReason::TooBusy);
        }
        self.agree(config, now, from, hello, echo, claims, is_free).unwrap_or_else(Verdict::Drop)
    }

    /// A handshake that [`on_hello`](Self::on_hello) accepted stands in slot `index`.
    pub(super) fn on_pending(&mut self, pending: Pending, index: usize) {
        let key = (pending.from, pending.echo);
        self.pending_by_slot.insert(index, key);
        self.pending.insert(key, (index, pending));
    }

    /// The client has its keys. Returns the connection that this one replaces.
    //= book/src/spec/handshake.md#connect-tokens
    //# A server MUST take a token for used only when its client has confirmed the keys.
    pub(super) fn on_confirmed(
        &mut self,
        now: Instant,
        config: &EndpointConfig,
        claims: &Claims,
        connection: ConnectionHandle,
    ) -> Option<ConnectionHandle> {
        self.forget_pending(connection.index());
        self.forget_expired(unix_s(config, now));
        let (not_after_s, client) = (claims.not_after_s, claims.client_public);
        let session = Session { not_after_s, connection, client };
        let older = self.sessions.insert(claims.session_id, session);
        older.map(|older| older.connection)
    }

    pub(super) fn on_removed(&mut self, index: usize) {
        self.forget_pending(index);
    }

    fn forget_pending(&mut self, index: usize) {
        if let Some(key) = self.pending_by_slot.remove(&index) {
            self.pending.remove(&key);
        }
    }

    fn forget_expired(&mut self, unix_s: u64) {
        if self.sessions.len() >= SESSIONS_MAX / 2 {
            self.sessions.retain(|_, session| session.not_after_s >= unix_s);
        }
    }

    /// Asks for proof of the address, or checks it; `None` means go on.
    //= book/src/spec/handshake.md#retry
    //# A server MUST NOT keep state for a client that it asks for proof of its address.
    fn check_address(
        &mut self,
        config: &EndpointConfig,
        now: Instant,
        from: SocketAddr,
        hello: &Hello<'_>,
        echo: [u8; ECHO_BYTES],
    ) -> Option<Verdict> {
        let ephemeral = hello.noise.get(..32).unwrap_or_default();
        if let Some(cookie) = hello.cookie {
            let is_good = self.cookie_key.verify(now, from, ephemeral, cookie);
            return (!is_good).then_some(Verdict::Drop(DropReason::Cookie));
        }
        let must_prove = match config.retry() {
            RetryPolicy::Never => false,
            RetryPolicy::Always => true,
            RetryPolicy::Above { hellos_per_s } => !self.allow(now, hellos_per_s.into()),
        };
        if !must_prove {
            return None;
        }
        let cookie = self.cookie_key.make(now, from, ephemeral);
        let mut answer = Vec::new();
        Retry { echo, cookie }.encode(self.entropy.next_u32() as u8, &mut answer);
        Some(Verdict::Answer(answer, Ok(())))
    }

    /// A token bucket that holds one second's worth.
    fn allow(&mut self, now: Instant, per_second: f64) -> bool {
        let passed = now.saturating_since(self.allowance_at).as_secs_f64();
        self.allowance_at = now;
        self.allowance = (self.allowance + passed * per_second).min(per_second);
        let is_allowed = self.allowance >= 1.0;
        if is_allowed {
            self.allowance -= 1.0;
        }
        is_allowed
    }

    fn check_token(
        &self,
        config: &EndpointConfig,
        now: Instant,
        token: &[u8],
    ) -> Result<Claims, ()> {
        let kid = crate::crypto::peek_kid(token).ok_or(())?;
        let mut keys = self.keys.token_keys.iter();
        let key = keys.find(|key| key.kid() == kid).ok_or(())?;
        let claims = key.open(token).map_err(|_| ())?;
        claims.check(self.keys.server_id, unix_s(config, now)).map_err(|_| ())?;
        Ok(claims)
    }

    fn has_room_for(&mut self, config: &EndpointConfig, now: Instant, claims: &Claims) -> bool {
        let session = claims.session_id;
        let pending = self.pending.values().filter(|(_, pending)| pending.session == session);
        if pending.count() >= PENDING_PER_SESSION_MAX {
            return false;
        }
        match self.sessions.get(&session) {
            // Only the client that used the token may use it again.
            Some(used) => used.client == claims.client_public,
            None => {
                self.forget_expired(unix_s(config, now));
                self.sessions.len() < SESSIONS_MAX
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the last step of one chain of checks")]
    fn agree(
        &mut self,
        config: &Arc<EndpointConfig>,
        now: Instant,
        from: SocketAddr,
        hello: &Hello<'_>,
        echo: [u8; ECHO_BYTES],
        claims: Claims,
        is_free: impl Fn(&ConnectionId) -> bool,
    ) -> Result<Verdict, DropReason> {
        let (responder, payload) = Responder::start(
            &self.keys.secret,
            claims.client_public,
            &prologue(hello.token),
            hello.noise,
            &mut self.entropy,
        )
        .map_err(|_| DropReason::Noise)?;
        let peer = TransportParams::decode(&payload)?;
        let mut offered = peer.suites.iter().filter_map(|id| Suite::from_id(SuiteId(*id)));
        let chosen = offered.find(|suite| config.suites().contains(suite));
        let suite = chosen.unwrap_or_default();
        let mut ours = Vec::new();
        let suites = chosen.iter().map(|suite| suite.id().0).collect();
        params(config, suites).encode(self.entropy.next_u32() as u8, &mut ours);
        let (noise, keys) = responder.finish(suite, &ours).map_err(|_| DropReason::Noise)?;
        let id = self.free_id(config, is_free).ok_or(DropReason::TooBusy)?;
        let mut answer = Vec::new();
        let accept = Accept { connection_id: id, noise: &noise };
        accept.encode(self.entropy.next_u32() as u8, &mut answer);
        if chosen.is_none() || mismatch(config, &peer).is_some() {
            // The client reads in our parameters why this cannot work; nothing is kept.
            return Ok(Verdict::Answer(answer, Ok(())));
        }
        let established = Established {
            side: Side::Server,
            remote: from,
            id,
            keys,
            idle_timeout: idle_timeout(config, &peer),
            rtt: None,
        };
        let connection = Connection::new(Arc::clone(config), now, established, self.entropy.fork());
        let session = claims.session_id;
        let pending = Pending { from, echo, session, answer: answer.clone() };
        let connection = Box::new(connection);
        Ok(Verdict::Accept(Box::new(Accepted { connection, claims, answer, pending })))
    }

    fn free_id(
        &mut self,
        config: &EndpointConfig,
        is_free: impl Fn(&ConnectionId) -> bool,
    ) -> Option<ConnectionId> {
        let server = self.keys.server_id as u8;
        (0..ID_TRIES)
            .map(|_| ConnectionId::new(server, config.shard(), self.entropy.bytes()))
            .find(is_free)
    }

    fn refuse(&mut self, echo: [u8; ECHO_BYTES], code: CloseCode, reason: DropReason) -> Verdict {
        let mut answer = Vec::new();
        Refuse { echo, code }.encode(self.entropy.next_u32() as u8, &mut answer);
        Verdict::Answer(answer, Err(reason))
    }
}

fn unix_s(config: &EndpointConfig, now: Instant) -> u64 {
    (config.unix_ms_at_epoch() + now.as_micros() / 1000) / 1000
}
