//! The control connection: requests to the gateway and what it says, over QUIC, without I/O.
//!
//! ```text
//!   request ────────▶ ClientFrame ──▶ stream ──▶ quinn-proto ──▶ poll_transmit
//!   poll_event ◀───── ServerFrame ◀── stream ◀── quinn-proto ◀── handle_datagram
//! ```
//!
//! The connection is opened by the first request, and again by the next one after it was lost.
//! The gateway's certificate must be, or be signed by, the one that the configuration pins.
//!
//! Deliberately absent: what requests and answers mean.

mod anchor;
mod link;

use core::net::SocketAddr;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use netcode::entropy::Entropy;
use netcode::time::Instant;
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{
    ClientConfig as QuicConfig, DatagramEvent, Endpoint, EndpointConfig, IdleTimeout,
    TransportConfig, VarInt,
};
use shardline_protocol::control::{ClientFrame, ServerFrame};
use shardline_protocol::frame::ALPN;

use crate::config::ClientConfig;
use crate::control::anchor::Anchor;
use crate::control::link::{Link, LinkEvent, forget};
use crate::error::{ConfigError, GatewayError};

/// Answers of the QUIC endpoint to strange datagrams that wait for the socket.
const ANSWERS_MAX: usize = 8;
/// Bytes of answers that the gateway may send before we have read any.
const RECEIVE_WINDOW: u32 = 256 * 1024;

/// What the control connection tells.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ControlEvent {
    Connected,
    Lost(GatewayError),
    Frame(ServerFrame),
}

/// The control connection, or the lack of one.
pub(crate) struct Control {
    gateway: SocketAddr,
    server_name: String,
    quic: QuicConfig,
    endpoint: Endpoint,
    anchor: Anchor,
    link: Option<Link>,
    answers: VecDeque<Vec<u8>>,
    /// Something happened since the link was last asked for datagrams, or for events. A client
    /// that plays asks a hundred times a second, and hardly ever talks to the gateway.
    may_transmit: bool,
    may_tell: bool,
    /// When the link wants to be told the time, if nothing happened since.
    wakes_at: Option<Instant>,
}

impl Control {
    pub(crate) fn new(
        config: &ClientConfig,
        now: Instant,
        entropy: &mut Entropy,
    ) -> Result<Self, ConfigError> {
        // Path MTU discovery stays off: it needs the don't-fragment bit of a socket that is the
        // caller's.
        let endpoint =
            Endpoint::new(Arc::new(EndpointConfig::default()), None, false, Some(entropy.bytes()));
        Ok(Self {
            gateway: config.gateway(),
            server_name: config.server_name().to_owned(),
            quic: quic_config(config)?,
            endpoint,
            anchor: Anchor::new(now),
            link: None,
            answers: VecDeque::new(),
            may_transmit: false,
            may_tell: false,
            wakes_at: None,
        })
    }

    /// Queues a frame, and opens the connection if there is none. `false` if it does not fit.
    pub(crate) fn send(&mut self, now: Instant, frame: &ClientFrame) -> bool {
        if self.link.as_ref().is_none_or(|link| !link.is_open()) && !self.open(now) {
            return false;
        }
        self.touch();
        self.link.as_mut().is_some_and(|link| link.send(frame))
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.touch();
        let mut answer = Vec::new();
        let now = self.anchor.to_std(now);
        let datagram = BytesMut::from(datagram);
        match self.endpoint.handle(now, self.gateway, None, None, datagram, &mut answer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(link) = self.link.as_mut().filter(|link| link.handle() == handle) {
                    link.handle_event(event);
                }
            }
            Some(DatagramEvent::Response(transmit)) if self.answers.len() < ANSWERS_MAX => {
                answer.truncate(transmit.size);
                self.answers.push_back(answer);
            }
            // There is no server side here: nothing else comes.
            _ => {}
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let is_due = self.poll_timeout().is_some_and(|at| at <= now);
        if let Some(link) = self.link.as_mut().filter(|_| is_due) {
            link.handle_timeout(now);
            self.touch();
        }
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant) {
        self.touch();
        if let Some(link) = &mut self.link {
            link.close(now, b"bye");
        }
    }

    /// Whether nothing is left to be sent or waited for.
    pub(crate) fn is_drained(&self) -> bool {
        self.link.as_ref().is_none_or(Link::is_drained)
    }

    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        buffer: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        if let Some(answer) = self.answers.pop_front() {
            buffer.clear();
            buffer.extend_from_slice(&answer);
            return Some(self.gateway);
        }
        let link = self.link.as_mut().filter(|_| self.may_transmit)?;
        if link.poll_transmit(now, buffer) {
            return Some(self.gateway);
        }
        self.may_transmit = false;
        self.wakes_at = link.poll_timeout();
        None
    }

    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        if self.may_transmit {
            self.wakes_at = self.link.as_mut().and_then(Link::poll_timeout);
        }
        self.wakes_at
    }

    pub(crate) fn poll_event(&mut self, now: Instant) -> Option<ControlEvent> {
        let link = self.link.as_mut().filter(|_| self.may_tell)?;
        let Some(event) = link.poll_event(&mut self.endpoint) else {
            self.may_tell = false;
            return None;
        };
        // What is read makes room, of which the gateway is told.
        self.may_transmit = true;
        Some(match event {
            LinkEvent::Connected => ControlEvent::Connected,
            LinkEvent::Frame(frame) => ControlEvent::Frame(frame),
            LinkEvent::Lost(error) => {
                // Unless the gateway said so itself, it should know.
                link.close(now, b"lost");
                ControlEvent::Lost(error)
            }
        })
    }

    fn touch(&mut self) {
        (self.may_transmit, self.may_tell) = (true, true);
    }

    fn open(&mut self, now: Instant) -> bool {
        if let Some(older) = self.link.take() {
            forget(&mut self.endpoint, &older);
        }
        let now = self.anchor.to_std(now);
        let opened = self.endpoint.connect(now, self.quic.clone(), self.gateway, &self.server_name);
        let Ok((handle, connection)) = opened else { return false };
        self.link = Some(Link::new(handle, connection, self.anchor));
        true
    }
}

impl core::fmt::Debug for Control {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Control({}, is open: {})", self.gateway, self.link.is_some())
    }
}

fn quic_config(config: &ClientConfig) -> Result<QuicConfig, ConfigError> {
    let control = |reason: String| ConfigError::Control { reason };
    // Named, not the process's default: a library must not depend on what others install.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| control(error.to_string()))?
        .with_root_certificates(config.roots())
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let tls = QuicClientConfig::try_from(tls).map_err(|error| control(error.to_string()))?;

    let idle = IdleTimeout::try_from(config.gateway_timeout())
        .map_err(|error| control(error.to_string()))?;
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(config.gateway_keep_alive()))
        .stream_receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .receive_window(VarInt::from_u32(RECEIVE_WINDOW))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .enable_segmentation_offload(false)
        .mtu_discovery_config(None);
    let mut quic = QuicConfig::new(Arc::new(tls));
    quic.transport_config(Arc::new(transport));
    Ok(quic)
}
