//! A gateway that agrees to everything, on quinn-proto's server side.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use netcode::time::Instant;
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::{
    Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event,
    ServerConfig, StreamEvent, StreamId, TransportConfig,
};
use rustls::pki_types::PrivateKeyDer;
use shardline_protocol::control::client_frame::Body as Asked;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{
    ChatMessage, ClientFrame, Done, Error, ErrorCode, MatchFound, Party, Registered, ServerFrame,
    Session, TicketQueued,
};
use shardline_protocol::frame::{ALPN, FrameReader, encode};

/// What a gateway cannot do alone.
pub(crate) enum Wish {
    /// A way into the world, for the holder of this key.
    Enter { player: Player, request: u64, public_key: [u8; 32] },
}

pub(crate) type Player = ConnectionHandle;

struct Peer {
    connection: Connection,
    stream: Option<StreamId>,
    reader: FrameReader,
    outbox: Vec<u8>,
}

pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: Vec<u8>,
    /// The password that opens every account.
    pub(crate) password: String,
    /// What it was asked, for tests.
    pub(crate) asked: Vec<Asked>,
    endpoint: Endpoint,
    anchor: std::time::Instant,
    peers: BTreeMap<usize, Peer>,
    answers: VecDeque<(SocketAddr, Vec<u8>)>,
    pub(crate) wishes: Vec<Wish>,
}

impl Gateway {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let quic = QuicServerConfig::try_from(tls).unwrap();
        let mut server = ServerConfig::with_crypto(Arc::new(quic));
        let mut transport = TransportConfig::default();
        transport.mtu_discovery_config(None);
        server.transport_config(Arc::new(transport));
        let config = Arc::new(EndpointConfig::default());
        let endpoint = Endpoint::new(config, Some(Arc::new(server)), false, Some([7; 32]));
        // Opaque instants can be had from their clock only; the time is virtual all the same.
        #[allow(clippy::disallowed_methods)]
        let anchor = std::time::Instant::now();
        Self {
            address,
            certificate: own.cert.der().to_vec(),
            password: "correct horse".to_owned(),
            asked: Vec::new(),
            endpoint,
            anchor,
            peers: BTreeMap::new(),
            answers: VecDeque::new(),
            wishes: Vec::new(),
        }
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let mut answer = Vec::new();
        let std_now = self.std(now);
        match self.endpoint.handle(std_now, from, None, None, datagram.into(), &mut answer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(peer) = self.peers.get_mut(&handle.0) {
                    peer.connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                answer.clear();
                match self.endpoint.accept(incoming, std_now, &mut answer, None) {
                    Ok((handle, connection)) => {
                        let reader = FrameReader::default();
                        let peer = Peer { connection, stream: None, reader, outbox: Vec::new() };
                        self.peers.insert(handle.0, peer);
                    }
                    Err(error) => {
                        if let Some(transmit) = error.response {
                            answer.truncate(transmit.size);
                            self.answers.push_back((transmit.destination, answer));
                        }
                    }
                }
            }
            Some(DatagramEvent::Response(transmit)) => {
                answer.truncate(transmit.size);
                self.answers.push_back((transmit.destination, answer));
            }
            None => {}
        }
        self.drive();
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let now = self.std(now);
        self.peers.values_mut().for_each(|peer| peer.connection.handle_timeout(now));
        self.drive();
    }

    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        let anchor = self.anchor;
        let timers = self.peers.values_mut().filter_map(|peer| peer.connection.poll_timeout());
        timers.min().map(|at| Instant::EPOCH + at.saturating_duration_since(anchor))
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        let now = self.std(now);
        for peer in self.peers.values_mut() {
            let mut buffer = Vec::new();
            if let Some(transmit) = peer.connection.poll_transmit(now, 1, &mut buffer) {
                buffer.truncate(transmit.size);
                return Some((transmit.destination, buffer));
            }
        }
        None
    }

    /// Answers a request, or with 0 says something unasked.
    pub(crate) fn say(&mut self, player: Player, request: u64, body: Body) {
        if let Some(peer) = self.peers.get_mut(&player.0) {
            encode(&ServerFrame { request, body: Some(body) }, &mut peer.outbox);
            peer.write();
        }
    }

    pub(crate) fn say_to_all(&mut self, body: &Body) {
        let players: Vec<_> = self.peers.keys().map(|handle| ConnectionHandle(*handle)).collect();
        players.into_iter().for_each(|player| self.say(player, 0, body.clone()));
    }

    /// Says bytes that are no frame.
    pub(crate) fn babble(&mut self, bytes: &[u8]) {
        for peer in self.peers.values_mut() {
            peer.outbox.extend_from_slice(bytes);
            peer.write();
        }
    }

    /// Throws everybody out.
    pub(crate) fn close_all(&mut self, now: Instant) {
        let now = self.std(now);
        for peer in self.peers.values_mut() {
            peer.connection.close(now, 1_u32.into(), b"maintenance".as_slice().into());
        }
    }

    fn std(&self, now: Instant) -> std::time::Instant {
        self.anchor + Duration::from_nanos(now.as_nanos())
    }

    fn drive(&mut self) {
        let mut frames = Vec::new();
        for (handle, peer) in &mut self.peers {
            while let Some(event) = peer.connection.poll_endpoint_events() {
                let handle = ConnectionHandle(*handle);
                if let Some(event) = self.endpoint.handle_event(handle, event) {
                    peer.connection.handle_event(event);
                }
            }
            while let Some(event) = peer.connection.poll() {
                match event {
                    Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) => {
                        peer.stream = peer.connection.streams().accept(Dir::Bi);
                        peer.read();
                    }
                    Event::Stream(StreamEvent::Readable { .. }) => peer.read(),
                    Event::Stream(StreamEvent::Writable { .. }) => peer.write(),
                    _ => {}
                }
            }
            while let Some(frame) = peer.reader.next_frame::<ClientFrame>().unwrap() {
                frames.push((ConnectionHandle(*handle), frame));
            }
        }
        self.peers.retain(|_, peer| !peer.connection.is_drained());
        for (player, frame) in frames {
            self.on_frame(player, frame);
        }
    }

    fn on_frame(&mut self, player: Player, frame: ClientFrame) {
        let (request, body) = (frame.request, frame.body.unwrap());
        self.asked.push(body.clone());
        let answer = match body {
            Asked::Register(_) => Body::Registered(Registered { account_id: 1 }),
            Asked::Login(login) if login.password != self.password => Body::Error(Error {
                code: ErrorCode::BadCredentials.into(),
                message: "no".to_owned(),
                retry_after_ms: 0,
            }),
            Asked::Login(login) => Body::Session(Session {
                account_id: 1,
                character_id: super::CHARACTER,
                name: login.name,
                rating: 1500.0,
                rating_deviation: 350.0,
            }),
            Asked::CreateParty(_) | Asked::JoinParty(_) => Body::Party(Party {
                party_id: 5,
                leader: super::CHARACTER,
                members: vec![super::CHARACTER],
            }),
            Asked::Enqueue(_) => {
                self.say(player, request, Body::TicketQueued(TicketQueued { ticket_id: 9 }));
                let found = MatchFound { match_id: 3, ticket_id: 9, ..MatchFound::default() };
                self.say(player, 0, Body::MatchFound(found));
                return;
            }
            Asked::SendChat(chat) => {
                self.say(player, request, Body::Done(Done {}));
                let message = ChatMessage {
                    channel: chat.channel,
                    from_character: super::CHARACTER,
                    from_name: "me".to_owned(),
                    text: chat.text,
                };
                self.say(player, 0, Body::Chat(message));
                return;
            }
            Asked::EnterWorld(enter) => {
                let public_key = enter.client_public_key[..].try_into().unwrap();
                self.wishes.push(Wish::Enter { player, request, public_key });
                return;
            }
            Asked::LeaveParty(_) | Asked::CancelTicket(_) => Body::Done(Done {}),
        };
        self.say(player, request, answer);
    }
}

impl Peer {
    fn read(&mut self) {
        let Some(stream) = self.stream else { return };
        let mut stream = self.connection.recv_stream(stream);
        let Ok(mut chunks) = stream.read(true) else { return };
        while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
            self.reader.push(&chunk.bytes);
        }
        let _ = chunks.finalize();
    }

    fn write(&mut self) {
        let Some(stream) = self.stream else { return };
        if let Ok(written) = self.connection.send_stream(stream).write(&self.outbox) {
            self.outbox.drain(..written);
        }
    }
}
