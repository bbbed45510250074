//! A client and a server, and nothing between them.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use netcode::channel::{ChannelConfig, ChannelTable, Delivery};
use netcode::config::{EndpointConfig, RetryPolicy};
use netcode::connection::{ConnectAccess, Event};
use netcode::crypto::{Claims, SecretKey, TokenKey};
use netcode::endpoint::{ConnectionHandle, Endpoint, ServerKeys};
use netcode::entropy::Entropy;
use netcode::time::Instant;
use netcode::wire::ChannelId;

const CLIENT: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
const SERVER: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2);
const UNIX_S: u64 = 1_000_000;
/// The server acknowledges within this.
const ROUND: Duration = Duration::from_millis(30);

/// Two endpoints on one clock. Time passes when told to.
#[derive(Debug)]
pub struct Pair {
    now: Instant,
    client: Endpoint,
    server: Endpoint,
    access: ConnectAccess,
    connection: Option<ConnectionHandle>,
    buffer: Vec<u8>,
}

impl Pair {
    /// Two strangers; the client has a token.
    ///
    /// # Panics
    ///
    /// Never: all settings are valid.
    pub fn strangers(seed: u64) -> Self {
        let mut entropy = Entropy::from_simulation_seed(seed);
        let secret = SecretKey::generate(&mut entropy);
        let client_secret = SecretKey::generate(&mut entropy);
        let token_key = TokenKey::generate(1, &mut entropy);
        let claims = Claims {
            server_id: 1,
            not_before_s: UNIX_S - 10,
            not_after_s: UNIX_S + 1_000_000,
            session_id: entropy.bytes(),
            account_id: 1,
            character_id: 1,
            client_public: client_secret.public(),
            extension: Bytes::new(),
        };
        let token = token_key.seal(&claims, &mut entropy);
        let access = ConnectAccess { token, client_secret, server_public: secret.public() };
        let keys = ServerKeys { secret, token_keys: vec![token_key], server_id: 1 };
        let channel = ChannelConfig::new(Delivery::Unreliable);
        let channels = ChannelTable::new(vec![channel]).expect("a valid table");
        let config = EndpointConfig::builder(channels)
            .retry(RetryPolicy::Never)
            .unix_ms_at_epoch(UNIX_S * 1000)
            .build()
            .expect("a valid configuration");
        Self {
            now: Instant::EPOCH + Duration::from_secs(1),
            client: Endpoint::client(config.clone(), entropy.fork()),
            server: Endpoint::server(config, keys, entropy.fork()),
            access,
            connection: None,
            buffer: Vec::new(),
        }
    }

    /// Two that are connected.
    ///
    /// # Panics
    ///
    /// If they cannot connect.
    pub fn connected() -> Self {
        let mut pair = Self::strangers(1);
        pair.connect();
        pair
    }

    /// The handshake, from hello to the server's event.
    ///
    /// # Panics
    ///
    /// If the two cannot connect.
    pub fn connect(&mut self) {
        let connection = self.client.connect(self.now, SERVER, &self.access);
        self.connection = Some(connection.expect("a usable token"));
        while !matches!(self.server.poll_event(), Some((_, Event::Connected))) {
            assert_ne!(self.carry(), 0, "the handshake goes on");
        }
        self.settle();
    }

    /// Sends a message to the server and takes it there: everything that happens on both sides but
    /// the system calls.
    ///
    /// # Panics
    ///
    /// If it does not arrive.
    pub fn deliver(&mut self, payload: &Bytes) -> Bytes {
        let connection = self.connection.expect("connected");
        self.client.send(connection, ChannelId(0), payload.clone()).expect("room in the queue");
        self.carry();
        match self.server.poll_event() {
            Some((_, Event::Message { payload, .. })) => payload,
            other => panic!("a message was sent: {other:?}"),
        }
    }

    /// Lets acknowledgements fall due, and carries them.
    pub fn settle(&mut self) {
        self.now += ROUND;
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        while self.carry() > 0 {}
        while self.client.poll_event().is_some() {}
    }

    /// Carries what both sides have to send; returns how many datagrams.
    fn carry(&mut self) -> usize {
        let mut count = 0;
        while self.client.poll_transmit(self.now, &mut self.buffer).is_some() {
            count += 1;
            let taken = self.server.handle_datagram(self.now, CLIENT, &mut self.buffer);
            taken.expect("an honest datagram");
        }
        while self.server.poll_transmit(self.now, &mut self.buffer).is_some() {
            count += 1;
            let taken = self.client.handle_datagram(self.now, SERVER, &mut self.buffer);
            taken.expect("an honest datagram");
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Pair;

    #[test]
    fn a_pair_delivers_for_as_long_as_one_measures() {
        let mut pair = Pair::connected();
        let payload = Bytes::from(vec![7; 1150]);
        for round in 0..500 {
            assert_eq!(pair.deliver(&payload), payload);
            if round % 8 == 0 {
                pair.settle();
            }
        }
    }
}
