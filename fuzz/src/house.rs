//! A server, its keys, and clients that are let in. Virtual time, no wires: whoever uses this
//! carries the datagrams.

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

pub(crate) const ORDERED: ChannelId = ChannelId(0);
pub(crate) const UNORDERED: ChannelId = ChannelId(1);
pub(crate) const RECEIPTS: ChannelId = ChannelId(2);
pub(crate) const SEQUENCED: ChannelId = ChannelId(3);
pub(crate) const CHANNELS: [ChannelId; 4] = [ORDERED, UNORDERED, RECEIPTS, SEQUENCED];

pub(crate) const SERVER: SocketAddr = address(1);
pub(crate) const CLIENT: SocketAddr = address(2);
const SERVER_ID: u32 = 7;
const UNIX_S: u64 = 1_000_000;

/// The address of a host of this little world.
pub(crate) const fn address(host: u8) -> SocketAddr {
    SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)), 4433)
}

/// A server, and a client that is connected to it.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) now: Instant,
    pub(crate) server: Endpoint,
    pub(crate) client: Endpoint,
    /// The connection, as the server names it.
    pub(crate) at_server: ConnectionHandle,
    /// The connection, as the client names it.
    pub(crate) at_client: ConnectionHandle,
    /// The token that the client showed.
    pub(crate) token: Bytes,
}

impl House {
    /// Both sides, after their handshake. `overheard` gets its datagrams.
    pub(crate) fn connected(
        retry: RetryPolicy,
        idle_timeout: Duration,
        mut overheard: impl FnMut(&[u8]),
    ) -> Self {
        let mut entropy = Entropy::from_simulation_seed(1);
        let secret = SecretKey::generate(&mut entropy);
        let token_key = TokenKey::generate(1, &mut entropy);
        let client_secret = SecretKey::generate(&mut entropy);
        let claims = Claims {
            server_id: SERVER_ID,
            not_before_s: UNIX_S - 10,
            not_after_s: UNIX_S + 10_000,
            session_id: [1; 16],
            account_id: 1,
            character_id: 1,
            client_public: client_secret.public(),
            extension: Bytes::new(),
        };
        let token = token_key.seal(&claims, &mut entropy);
        let access =
            ConnectAccess { token: token.clone(), client_secret, server_public: secret.public() };
        let keys = ServerKeys { secret, token_keys: vec![token_key], server_id: SERVER_ID };
        let config = config(retry, idle_timeout);
        let mut server = Endpoint::server(config.clone(), keys, entropy.fork());
        let mut client = Endpoint::client(config, entropy.fork());
        let mut now = Instant::EPOCH + Duration::from_secs(1);
        let at_client = client.connect(now, SERVER, &access).expect("usable access");
        let mut at_server = None;
        let mut buffer = Vec::new();
        // Three round trips, at most: hello, hello with cookie, first packet.
        for _ in 0..3 {
            while client.poll_transmit(now, &mut buffer).is_some() {
                overheard(&buffer);
                server.handle_datagram(now, CLIENT, &mut buffer).expect("an honest datagram");
            }
            while server.poll_transmit(now, &mut buffer).is_some() {
                overheard(&buffer);
                client.handle_datagram(now, SERVER, &mut buffer).expect("an honest datagram");
            }
            if let Some((handle, Event::Connected)) = server.poll_event() {
                at_server = Some(handle);
            }
            now += Duration::from_millis(20);
        }
        assert!(matches!(client.poll_event(), Some((_, Event::Connected))));
        let at_server = at_server.expect("the handshake takes three round trips at most");
        Self { now, server, client, at_server, at_client, token }
    }
}

fn config(retry: RetryPolicy, idle_timeout: Duration) -> EndpointConfig {
    let channels = ChannelTable::new(vec![
        ChannelConfig::new(Delivery::ReliableOrdered),
        ChannelConfig::new(Delivery::ReliableUnordered),
        ChannelConfig::new(Delivery::Unreliable).with_receipts(),
        ChannelConfig::new(Delivery::UnreliableSequenced),
    ])
    .expect("a valid table");
    EndpointConfig::builder(channels)
        .connections_max(8)
        .idle_timeout(idle_timeout)
        .retry(retry)
        .unix_ms_at_epoch(UNIX_S * 1000)
        .build()
        .expect("a valid configuration")
}
