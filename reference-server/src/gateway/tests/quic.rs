//! The service over real QUIC, with clients of its own and a store in memory behind it.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::sync::Arc;

use netcode::entropy::Entropy;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig,
    VarInt,
};
use rustls::pki_types::CertificateDer;
use shardline_protocol::control::client_frame::Body as Asked;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{
    ChatMessage, ClientFrame, CreateParty, Done, ErrorCode, ServerFrame,
};
use shardline_protocol::frame::{ALPN, FrameReader, encode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Limits, PASSWORD, Rate, code_in, login, register, say, wide};
use crate::gateway::config::{GatewayConfig, PasswordConfig};
use crate::gateway::service::{Gateway, GatewayHandle};
use crate::gateway::sessions::CloseReason;
use crate::gateway::{CreateAccountError, FoundAccount, Input, Output};
use crate::ids::{AccountId, CharacterId};
use crate::rating::Rating;

/// Nothing here takes seconds; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn config(limits: Limits) -> GatewayConfig {
    let passwords = PasswordConfig { memory_kib: 8, iterations: 1, lanes: 1, parallel: 2 };
    GatewayConfig { passwords, limits, ..GatewayConfig::default() }
}

/// A gateway, and the rest of the server in miniature.
struct Server {
    handle: GatewayHandle,
    /// What was said to the rest of the server, but for what the store does.
    told: mpsc::UnboundedReceiver<Output>,
}

impl Server {
    fn start(config: &GatewayConfig) -> Self {
        let (outputs, outputs_in) = mpsc::channel(4);
        let handle = Gateway::start(config, outputs).expect("started");
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(serve(outputs_in, handle.inputs.clone(), tell));
        Self { handle, told }
    }

    async fn client(&self) -> Client {
        Client::connect(
            self.handle.address,
            &self.handle.certificate_der,
            TransportConfig::default(),
        )
        .await
        .expect("connected")
    }

    /// A client with an account of this name, logged in.
    async fn player(&self, name: &str) -> Client {
        let mut client = self.client().await;
        let registered = client.ask(register(name, PASSWORD)).await;
        assert!(matches!(registered.body, Some(Body::Registered(_))), "{registered:?}");
        let session = client.ask(login(name, PASSWORD)).await;
        assert!(matches!(session.body, Some(Body::Session(_))), "{session:?}");
        client
    }
}

/// A store in memory, and a matchmaker that agrees to everything.
async fn serve(
    mut outputs: mpsc::Receiver<Output>,
    inputs: mpsc::Sender<Input>,
    tell: mpsc::UnboundedSender<Output>,
) {
    let mut accounts: BTreeMap<String, FoundAccount> = BTreeMap::new();
    while let Some(output) = outputs.recv().await {
        let answer = match output {
            Output::FindAccount { session, request, name } => {
                let found = Ok(accounts.get(&name).cloned());
                Input::AccountFound { session, request, found }
            }
            Output::CreateAccount { session, request, name, password_hash } => {
                let number = accounts.len() as u64 + 1;
                let (account, character) = (AccountId(number), CharacterId(number));
                let result = if accounts.contains_key(&name) {
                    Err(CreateAccountError::NameTaken)
                } else {
                    let rating = Rating::default();
                    let known = name.clone();
                    let new = FoundAccount { account, character, name, password_hash, rating };
                    accounts.insert(known, new);
                    Ok(account)
                };
                Input::AccountCreated { session, request, result }
            }
            Output::Matchmaking { session, request, .. } => {
                Input::Reply { session, request, body: Body::Done(Done {}) }
            }
            other => {
                let _ = tell.send(other);
                continue;
            }
        };
        if inputs.send(answer).await.is_err() {
            return;
        }
    }
}

struct Client {
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    reader: FrameReader,
    requests: u64,
    /// Said unasked, while an answer was waited for.
    heard: Vec<ServerFrame>,
    _endpoint: Endpoint,
}

impl Client {
    async fn connect(
        address: SocketAddr,
        certificate: &[u8],
        transport: TransportConfig,
    ) -> Result<Self, ConnectionError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(certificate.to_vec())).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let mut quic = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("QUIC")));
        quic.transport_config(Arc::new(transport));

        let endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("bound");
        let connecting = endpoint.connect_with(quic, address, "localhost").expect("a good name");
        let connection = timeout(PATIENCE, connecting).await.expect("an answer")?;
        let (send, receive) = connection.open_bi().await?;
        Ok(Self {
            connection,
            send,
            receive,
            reader: FrameReader::default(),
            requests: 0,
            heard: Vec::new(),
            _endpoint: endpoint,
        })
    }

    /// Asks, and waits for the answer.
    async fn ask(&mut self, body: Asked) -> ServerFrame {
        let request = self.send(body).await;
        loop {
            let frame = self.next().await;
            if frame.request == request {
                return frame;
            }
            self.heard.push(frame);
        }
    }

    async fn send(&mut self, body: Asked) -> u64 {
        self.requests += 1;
        let mut bytes = Vec::new();
        encode(&ClientFrame { request: self.requests, body: Some(body) }, &mut bytes);
        self.send.write_all(&bytes).await.expect("sent");
        self.requests
    }

    /// The next chat message.
    async fn hear(&mut self) -> ChatMessage {
        loop {
            let frame =
                if self.heard.is_empty() { self.next().await } else { self.heard.remove(0) };
            if let Some(Body::Chat(chat)) = frame.body {
                return chat;
            }
        }
    }

    async fn next(&mut self) -> ServerFrame {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.reader.next_frame().expect("frames") {
                return frame;
            }
            let read = timeout(PATIENCE, self.receive.read(&mut buffer)).await;
            let count = read.expect("an answer").expect("open").expect("not finished");
            self.reader.push(&buffer[..count]);
        }
    }

    /// The code with which the server closes the connection.
    async fn closed(&self) -> u64 {
        match timeout(PATIENCE, self.connection.closed()).await.expect("closed") {
            ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("closed by the server, not {other}"),
        }
    }
}

#[track_caller]
fn check_code(frame: &ServerFrame, expected: ErrorCode) {
    assert_eq!(code_in(frame), Some(expected), "{frame:?}");
}

#[tokio::test]
async fn players_register_log_in_and_talk() {
    let mut server = Server::start(&config(wide()));
    let (mut alice, mut bob) = (server.player("alice").await, server.player("bob").await);

    let mut third = server.client().await;
    check_code(&third.ask(register("alice", PASSWORD)).await, ErrorCode::NameTaken);
    let wrong = third.ask(login("alice", "wrong password")).await;
    let unknown = third.ask(login("nobody", PASSWORD)).await;
    check_code(&wrong, ErrorCode::BadCredentials);
    assert_eq!(wrong.body, unknown.body, "which of both is not told");
    check_code(&third.ask(say("world", 0, "hello")).await, ErrorCode::Unauthenticated);

    let party = alice.ask(Asked::CreateParty(CreateParty {})).await;
    assert!(matches!(party.body, Some(Body::Done(_))), "{party:?}");
    alice.ask(say("world", 0, "hello, bob")).await;
    bob.ask(say("whisper", 1, "hello, alice")).await;
    let heard = bob.hear().await;
    assert_eq!((&*heard.from_name, &*heard.text), ("alice", "hello, bob"));
    assert_eq!(alice.hear().await.text, "hello, bob");
    assert_eq!(alice.hear().await.channel, "whisper");

    let counts = server.handle.stats.counts();
    assert_eq!((counts.connections, counts.sessions), (3, 2));
    // Two registered, one tried to; two logged in, two tried to.
    assert_eq!((counts.hashes_total, counts.malformed_total), (7, 0));
    assert!(counts.bytes_in_total > 0 && counts.bytes_out_total > 0 && counts.frames_in_total > 8);

    drop(alice);
    loop {
        let told = timeout(PATIENCE, server.told.recv()).await.expect("told").expect("running");
        if matches!(told, Output::LoggedOut { character: CharacterId(1), .. }) {
            break;
        }
    }
}

#[tokio::test]
async fn a_second_login_closes_the_first_connection() {
    let server = Server::start(&config(wide()));
    let first = server.player("alice").await;
    let mut second = server.client().await;
    second.ask(login("alice", PASSWORD)).await;
    assert_eq!(first.closed().await, CloseReason::Replaced as u64);
    assert!(matches!(second.ask(say("world", 0, "me")).await.body, Some(Body::Done(_))));
}

#[tokio::test]
async fn garbage_changes_nothing_but_for_who_sends_it() {
    let server = Server::start(&config(wide()));
    let mut player = server.player("alice").await;

    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
    let mut entropy = Entropy::from_simulation_seed(5);
    for length in 0..1_500 {
        let mut datagram = vec![0; length];
        entropy.fill(&mut datagram);
        // Half of them look like the start of a QUIC connection.
        if length % 2 == 0 && length > 6 {
            datagram[..6].copy_from_slice(&[0xc0, 0, 0, 0, 1, 8]);
        }
        let _ = stranger.send_to(&datagram, server.handle.address);
    }
    let giant = u32::MAX.to_le_bytes().to_vec();
    let nonsense = [&[3, 0, 0, 0][..], &[0xff; 3]].concat();
    for bytes in [giant, nonsense, vec![0xff; 100_000]] {
        let mut attacker = server.client().await;
        // It may be closed before all of it is sent.
        let _ = attacker.send.write_all(&bytes).await;
        assert_eq!(attacker.closed().await, CloseReason::Malformed as u64);
    }
    // Half a frame, then silence: nothing comes of it.
    let mut attacker = server.client().await;
    attacker.send.write_all(&[9, 0, 0, 0, 1]).await.expect("sent");

    assert!(matches!(player.ask(say("world", 0, "here")).await.body, Some(Body::Done(_))));
    let counts = server.handle.stats.counts();
    assert_eq!((counts.malformed_total, counts.sessions), (3, 1));
}

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait() {
    let limits = Limits { attempts_per_address: Rate::per_minute(2), ..wide() };
    let server = Server::start(&config(limits));
    let mut client = server.client().await;
    for _ in 0..2 {
        let refused = client.ask(login("nobody", PASSWORD)).await;
        check_code(&refused, ErrorCode::BadCredentials);
    }
    let refused = client.ask(login("nobody", PASSWORD)).await;
    check_code(&refused, ErrorCode::RateLimited);
    let Some(Body::Error(error)) = refused.body else { panic!("an error") };
    assert!(error.retry_after_ms > 0);
    assert_eq!(server.handle.stats.counts().rate_limited_total, 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let server = Server::start(&GatewayConfig { outgoing_frames_max: 8, ..config(wide()) });
    let mut speaker = server.player("alice").await;
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(1_024));
    let (address, certificate) = (server.handle.address, &server.handle.certificate_der);
    let mut deaf = Client::connect(address, certificate, transport).await.expect("connected");
    deaf.ask(register("bob", PASSWORD)).await;
    deaf.ask(login("bob", PASSWORD)).await;

    for _ in 0..200 {
        speaker.ask(say("world", 0, &"x".repeat(256))).await;
    }
    assert_eq!(deaf.closed().await, CloseReason::SlowReader as u64);
    let counts = server.handle.stats.counts();
    assert_eq!((counts.slow_readers_total, counts.sessions), (1, 1));
}

#[tokio::test]
async fn a_full_house_refuses() {
    let server = Server::start(&GatewayConfig { connections_max: 1, ..config(wide()) });
    let _inside = server.client().await;
    let (address, certificate) = (server.handle.address, &server.handle.certificate_der);
    let refused = Client::connect(address, certificate, TransportConfig::default()).await;
    assert!(refused.is_err(), "no room");
    assert_eq!(server.handle.stats.counts().connections_refused_total, 1);
}

#[tokio::test]
async fn a_drain_lets_players_finish_and_a_shutdown_does_not() {
    let mut server = Server::start(&config(wide()));
    let (mut player, mut late) = (server.player("alice").await, server.client().await);
    server.handle.inputs.send(Input::Drain).await.expect("running");
    check_code(&late.ask(login("alice", PASSWORD)).await, ErrorCode::Unavailable);
    let (address, certificate) = (server.handle.address, &server.handle.certificate_der);
    let refused = Client::connect(address, certificate, TransportConfig::default()).await;
    assert!(refused.is_err(), "draining");
    assert!(matches!(player.ask(say("world", 0, "bye")).await.body, Some(Body::Done(_))));

    server.handle.shut_down().await;
    for client in [player, late] {
        assert_eq!(client.closed().await, CloseReason::ShuttingDown as u64);
    }
    let mut last = None;
    while let Some(told) = server.told.recv().await {
        last = Some(told);
    }
    assert!(matches!(last, Some(Output::LoggedOut { .. })), "{last:?}");
}
