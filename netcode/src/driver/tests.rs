//! Drivers that talk over the loopback interface.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{BindError, Clock, Driver, Socket, system_entropy};
use crate::channel::{ChannelConfig, ChannelTable, Delivery, ReceiptOutcome};
use crate::config::EndpointConfig;
use crate::connection::{ConnectAccess, ConnectionError, Event};
use crate::crypto::{Claims, SecretKey, TokenKey};
use crate::endpoint::{ConnectionHandle, Endpoint, ServerKeys};
use crate::wire::{ChannelId, CloseCode};

const LOOPBACK: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const ORDERED: ChannelId = ChannelId(0);
const RECEIPTS: ChannelId = ChannelId(1);
const SERVER_ID: u32 = 7;
/// After this a test has failed; none needs a tenth of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and what it takes to be let in.
struct House {
    clock: Clock,
    server: Driver,
    secret: SecretKey,
    token_key: TokenKey,
    sessions: u8,
}

impl House {
    fn open() -> Self {
        let mut entropy = system_entropy();
        let clock = Clock::start();
        let secret = SecretKey::generate(&mut entropy);
        let token_key = TokenKey::generate(1, &mut entropy);
        let keys = ServerKeys {
            secret: secret.clone(),
            token_keys: vec![token_key.clone()],
            server_id: SERVER_ID,
        };
        let endpoint = Endpoint::server(config(clock, PATIENCE), keys, entropy.fork());
        let server = Driver::new(clock, Socket::bind(LOOPBACK).unwrap(), endpoint);
        Self { clock, server, secret, token_key, sessions: 0 }
    }

    /// A client that has said hello.
    fn client(&mut self) -> (Driver, ConnectionHandle) {
        self.client_that_gives_up_after(PATIENCE)
    }

    fn client_that_gives_up_after(
        &mut self,
        handshake_timeout: Duration,
    ) -> (Driver, ConnectionHandle) {
        let mut entropy = system_entropy();
        let client_secret = SecretKey::generate(&mut entropy);
        self.sessions += 1;
        let unix_s = self.clock.unix_ms_at_epoch() / 1000;
        let claims = Claims {
            server_id: SERVER_ID,
            not_before_s: unix_s - 10,
            not_after_s: unix_s + 60,
            session_id: [self.sessions; 16],
            account_id: self.sessions.into(),
            character_id: self.sessions.into(),
            client_public: client_secret.public(),
            extension: Bytes::new(),
        };
        let access = ConnectAccess {
            token: self.token_key.seal(&claims, &mut entropy),
            client_secret,
            server_public: self.secret.public(),
        };
        let endpoint = Endpoint::client(config(self.clock, handshake_timeout), entropy);
        let mut driver = Driver::new(self.clock, Socket::bind(LOOPBACK).unwrap(), endpoint);
        let (now, to) = (driver.now(), self.server.local_address());
        let handle = driver.endpoint_mut().connect(now, to, &access).unwrap();
        driver.flush();
        (driver, handle)
    }
}

fn config(clock: Clock, handshake_timeout: Duration) -> EndpointConfig {
    let channels = ChannelTable::new(vec![
        ChannelConfig::new(Delivery::ReliableOrdered),
        ChannelConfig::new(Delivery::Unreliable).with_receipts(),
    ])
    .unwrap();
    EndpointConfig::builder(channels)
        .handshake_timeout(handshake_timeout)
        .unix_ms_at_epoch(clock.unix_ms_at_epoch())
        .build()
        .unwrap()
}

/// One round of the server: everything that arrives goes back where it came from.
async fn echo(server: &mut Driver) {
    server.turn().await.unwrap();
    while let Some((handle, event)) = server.poll_event() {
        if let Event::Message { channel, payload } = event {
            server.endpoint_mut().send(handle, channel, payload).unwrap();
        }
    }
    server.flush();
}

async fn until_connected(server: &mut Driver, client: &mut Driver) {
    loop {
        tokio::select! {
            () = echo(server) => {}
            turned = client.turn() => turned.unwrap(),
        }
        if matches!(client.poll_event(), Some((_, Event::Connected))) {
            return;
        }
    }
}

/// What comes back for `payload`, before anything else.
async fn echoed(
    server: &mut Driver,
    client: &mut Driver,
    handle: ConnectionHandle,
    payload: Bytes,
) -> Bytes {
    client.endpoint_mut().send(handle, ORDERED, payload).unwrap();
    loop {
        tokio::select! {
            () = echo(server) => {}
            turned = client.turn() => turned.unwrap(),
        }
        if let Some((_, event)) = client.poll_event() {
            let Event::Message { payload, .. } = event else { panic!("unexpected: {event:?}") };
            return payload;
        }
    }
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("the test ends in time")
}

/// The `index`th message: its length depends on it, its bytes name it.
fn message(client: u32, index: u32) -> Bytes {
    let len = 1 + (index * 257 % 5000) as usize;
    let head = [client.to_le_bytes(), index.to_le_bytes()].concat();
    [head, vec![index as u8; len]].concat().into()
}

#[tokio::test]
async fn many_clients_get_their_messages_back_once_and_in_order() {
    const CLIENTS: u32 = 8;
    const MESSAGES: u32 = 60;
    let mut house = House::open();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let (mut client, handle) = house.client();
        tasks.spawn(async move {
            let mut heard = 0;
            while heard < MESSAGES {
                client.turn().await.unwrap();
                while let Some((_, event)) = client.poll_event() {
                    match event {
                        Event::Connected => {
                            for index in 0..MESSAGES {
                                let payload = message(number, index);
                                client.endpoint_mut().send(handle, ORDERED, payload).unwrap();
                            }
                            client.flush();
                        }
                        Event::Message { payload, .. } => {
                            assert_eq!(payload, message(number, heard));
                            heard += 1;
                        }
                        other => panic!("unexpected: {other:?}"),
                    }
                }
            }
            client
        });
    }
    let mut clients = Vec::new();
    in_time(async {
        while clients.len() < CLIENTS as usize {
            tokio::select! {
                () = echo(&mut house.server) => {}
                Some(client) = tasks.join_next() => clients.push(client.unwrap()),
            }
        }
    })
    .await;
    let stats = house.server.stats();
    assert!(stats.datagrams_sent >= u64::from(CLIENTS * MESSAGES) / 4);
    assert!(stats.send_calls < stats.datagrams_sent || cfg!(not(target_os = "linux")));
    assert_eq!((stats.send_errors, stats.receive_errors), (0, 0));
    // Joined datagrams that were not taken apart would show here.
    assert_eq!((stats.dropped.get("unopened"), stats.dropped.get("malformed")), (None, None));
}

#[tokio::test]
async fn receipts_tell_of_each_message() {
    let mut house = House::open();
    let (mut client, handle) = house.client();
    in_time(async {
        until_connected(&mut house.server, &mut client).await;
        let mut open = BTreeSet::new();
        for index in 0..20 {
            let payload = message(0, index).slice(..9);
            let message = client.endpoint_mut().send(handle, RECEIPTS, payload).unwrap();
            open.insert(message);
        }
        while !open.is_empty() {
            tokio::select! {
                () = echo(&mut house.server) => {}
                turned = client.turn() => turned.unwrap(),
            }
            while let Some((_, event)) = client.poll_event() {
                if let Event::Receipt { message, outcome, .. } = event {
                    assert_eq!(outcome, ReceiptOutcome::Acked);
                    assert!(open.remove(&message));
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_turn_dropped_halfway_loses_nothing() {
    const MESSAGES: u32 = 200;
    let mut house = House::open();
    let (mut client, handle) = house.client();
    in_time(async {
        until_connected(&mut house.server, &mut client).await;
        let (mut sent, mut heard) = (0, 0);
        while heard < MESSAGES {
            // Every future here is dropped whenever another is faster, most of all by the yield.
            tokio::select! {
                biased;
                () = echo(&mut house.server) => {}
                turned = client.turn() => turned.unwrap(),
                () = tokio::task::yield_now() => {}
            }
            // Not more than the echo's queue has room for.
            if sent < MESSAGES && sent - heard < 40 {
                client.endpoint_mut().send(handle, ORDERED, message(0, sent)).unwrap();
                sent += 1;
            }
            while let Some((_, event)) = client.poll_event() {
                if let Event::Message { payload, .. } = event {
                    assert_eq!(payload, message(0, heard));
                    heard += 1;
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn shutting_down_tells_every_peer() {
    let mut house = House::open();
    let mut clients = vec![house.client(), house.client()];
    in_time(async {
        for (client, handle) in &mut clients {
            until_connected(&mut house.server, client).await;
            let heard = echoed(&mut house.server, client, *handle, message(0, 1)).await;
            assert_eq!(heard, message(0, 1));
        }
        let listen = async |client: &mut Driver| loop {
            client.turn().await.unwrap();
            while let Some((_, event)) = client.poll_event() {
                if let Event::Closed(error) = event {
                    return error;
                }
            }
        };
        let [(one, _), (two, _)] = &mut clients[..] else { unreachable!() };
        let shut_down = house.server.shut_down(CloseCode::Shutdown);
        let ((), one, two) = tokio::join!(shut_down, listen(one), listen(two));
        assert_eq!(one, ConnectionError::ClosedByPeer(CloseCode::Shutdown));
        assert_eq!(two, ConnectionError::ClosedByPeer(CloseCode::Shutdown));
    })
    .await;
}

#[tokio::test]
async fn garbage_is_counted_and_changes_nothing() {
    let mut house = House::open();
    let (mut client, handle) = house.client();
    in_time(async {
        until_connected(&mut house.server, &mut client).await;
        let stranger = tokio::net::UdpSocket::bind(LOOPBACK).await.unwrap();
        let mut entropy = system_entropy();
        let to = house.server.local_address();
        for round in 0..200_usize {
            let mut datagram = vec![0; round * 13 % 1500];
            entropy.fill(&mut datagram);
            stranger.send_to(&datagram, to).await.unwrap();
            // In step, so that the kernel's buffer is not what drops them.
            while house.server.stats().datagrams_received <= round as u64 {
                echo(&mut house.server).await;
            }
        }
        let heard = echoed(&mut house.server, &mut client, handle, message(0, 1)).await;
        assert_eq!(heard, message(0, 1));
    })
    .await;
    let stats = house.server.stats();
    assert!(stats.dropped_total() >= 190, "{stats:?}");
    assert!(
        stats.dropped.keys().all(|label| ["malformed", "unknown_connection"].contains(label)
            || *label == "unexpected_packet"
            || *label == "version"),
        "{stats:?}"
    );
    assert_eq!(house.server.endpoint().connections(), 1);
}

#[tokio::test]
async fn a_peer_that_is_not_there_does_not_end_the_driver() {
    let mut house = House::open();
    let (mut client, _) = house.client_that_gives_up_after(Duration::from_millis(500));
    let at = house.server.local_address();
    drop(house.server);
    // Whoever sends to a closed port is told so by the kernel, if it wants to hear it.
    in_time(async {
        let error = loop {
            client.turn().await.unwrap();
            if let Some((_, Event::Closed(error))) = client.poll_event() {
                break error;
            }
        };
        assert!(matches!(error, ConnectionError::HandshakeTimedOut { .. }));
    })
    .await;
    assert!(client.stats().datagrams_sent + client.stats().send_errors > 1);
    assert!(Socket::bind(at).is_ok(), "the address is free again");
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_names_it() {
    let socket = Socket::bind(LOOPBACK).unwrap();
    let taken = socket.local_address();
    match Socket::bind(taken) {
        Err(BindError::Address { address, .. }) => assert_eq!(address, taken),
        other => panic!("unexpected: {other:?}"),
    }
}

#[test]
fn a_driver_may_move_between_threads() {
    fn check<T: Send>() {}
    check::<Driver>();
    let _: BTreeMap<&'static str, u64> = super::DriverStats::default().dropped;
}
