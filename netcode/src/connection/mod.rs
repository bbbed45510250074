//! One peer, one state machine, no I/O.
//!
//! ```text
//!   handle_packet  ──┐                        ┌── poll_transmit ──▶ socket
//!   handle_timeout ──┼──▶  Connection state ──┼── poll_event    ──▶ application
//!   send, close    ──┘                        └── poll_timeout  ──▶ timer
//!
//!   Unconfirmed ──first packet opens──▶ Open ──close──▶ Closing ──timer──▶ Gone
//!        └────────── deadline ──────────▶ Gone   └─ peer closes ─▶ Draining ─▶ Gone
//! ```
//!
//! # Contract: drain after every input
//!
//! After any call on the left, drain the right in the order shown, until each answers `None`
//! (`poll_timeout` is read once, last). Calls on the left never block and never fail on account of
//! the network: a bad datagram is a [`DropReason`], a broken peer is an [`Event::Closed`].
//!
//! # Invariants
//!
//! - Time is an argument and never decreases.
//! - Every queue has a bound, set by the configuration; none grows at a peer's pleasure.
//! - Nothing changes on account of a packet that did not open.
//! - [`Event::Closed`] is the last event.
//! - Before the peer's address is proven, nothing is sent to it from here.
//!
//! Deliberately absent: sockets, threads, a clock, a random source, `async`.

mod error;
mod event;
mod handshake;
mod receive;
mod stats;
mod transmit;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

pub use error::{ConnectionError, DropReason, PeerMisbehaved};
pub use event::Event;
pub use handshake::ConnectAccess;
pub(crate) use handshake::{Answered, ClientHandshake, idle_timeout, mismatch, params, prologue};
pub use stats::ConnectionStats;

use crate::channel::{Channels, Delivered, Planned, Receipt, SendError};
use crate::config::EndpointConfig;
use crate::crypto::{PacketKeys, ReplayWindow};
use crate::entropy::Entropy;
use crate::recovery::{AckTracker, SentPackets, TimeoutAction};
use crate::time::Instant;
use crate::wire::{ChannelId, CloseCode, ConnectionId, MessageId, PacketNumber};

/// A close is said this many times, or until the peer has fallen silent.
const CLOSE_SENDS: u32 = 3;
/// How long a closed connection remembers its peer, in probe timeouts (RFC 9000, section 10.2).
const CLOSE_PROBE_TIMEOUTS: u32 = 3;
/// One packet number in this many, at random, is left out.
const SKIP_MIN: u32 = 64;
const SKIP_SPREAD: u32 = 448;

/// Which side opened the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// We did.
    Client,
    /// The peer did.
    Server,
}

/// What a handshake leaves behind: enough for a connection, and only a handshake makes it.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) side: Side,
    pub(crate) remote: SocketAddr,
    pub(crate) id: ConnectionId,
    pub(crate) keys: PacketKeys,
    pub(crate) idle_timeout: Duration,
    pub(crate) rtt: Option<Duration>,
}

/// What a packet carried, for when its fate is known.
#[derive(Clone, Copy, Debug)]
enum Carried {
    /// An acknowledgement of everything up to this packet.
    Ack(PacketNumber),
    Message(Receipt),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Server: keys are agreed, but the client has not proven that it has them.
    Unconfirmed {
        until: Instant,
    },
    Open,
    /// We said close, and say it again to whatever still comes.
    Closing {
        code: CloseCode,
        until: Instant,
        sends_left: u32,
        again_at: Instant,
    },
    /// The peer said close.
    Draining {
        until: Instant,
    },
    /// Nothing is left to do.
    Gone,
}

/// One connection after its handshake.
#[derive(Debug)]
pub(crate) struct Connection {
    config: Arc<EndpointConfig>,
    side: Side,
    remote: SocketAddr,
    id: ConnectionId,
    idle_timeout: Duration,
    state: State,
    events: VecDeque<Event>,
    entropy: Entropy,
    stats: ConnectionStats,

    // Receiving.
    keys: PacketKeys,
    replay: ReplayWindow,
    /// One past the newest packet opened.
    expected: PacketNumber,
    acks: AckTracker,
    heard_at: Instant,

    // Sending.
    sent: SentPackets<Carried>,
    channels: Channels,
    eliciting_sent_at: Instant,
    /// A packet that elicits an acknowledgement is wanted, whatever the window says.
    probe_due: bool,
    skip_in: u32,

    // Reused between packets.
    plan: Planned,
    receipts: Vec<Receipt>,
    acked: Vec<Carried>,
    lost: Vec<Carried>,
}

impl Connection {
    pub(crate) fn new(
        config: Arc<EndpointConfig>,
        now: Instant,
        established: Established,
        mut entropy: Entropy,
    ) -> Self {
        let Established { side, remote, id, keys, idle_timeout, rtt } = established;
        let mut sent = SentPackets::new(*config.recovery());
        if let Some(rtt) = rtt {
            sent.on_handshake_rtt(rtt);
        }
        let mut events = VecDeque::new();
        let state = match side {
            Side::Client => {
                events.push_back(Event::Connected);
                State::Open
            }
            Side::Server => State::Unconfirmed { until: now + config.handshake_timeout() },
        };
        Self {
            side,
            remote,
            id,
            idle_timeout,
            state,
            events,
            stats: ConnectionStats::default(),
            keys,
            replay: ReplayWindow::default(),
            expected: PacketNumber::FIRST,
            acks: AckTracker::default(),
            heard_at: now,
            sent,
            channels: Channels::new(config.channels(), config.hold_bytes_max()),
            eliciting_sent_at: now,
            // The client's first packet confirms the keys, and must not wait for the application.
            probe_due: side == Side::Client,
            skip_in: SKIP_MIN + entropy.below(SKIP_SPREAD),
            plan: Planned::default(),
            receipts: Vec::new(),
            acked: Vec::new(),
            lost: Vec::new(),
            entropy,
            config,
        }
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn is_unconfirmed(&self) -> bool {
        matches!(self.state, State::Unconfirmed { .. })
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// Queues a message.
    pub(crate) fn send(
        &mut self,
        channel: ChannelId,
        payload: Bytes,
    ) -> Result<MessageId, SendError> {
        if self.state != State::Open {
            return Err(SendError::NotConnected);
        }
        self.channels.send(channel, payload)
    }

    /// Messages of a channel that wait, or are not yet acknowledged.
    pub(crate) fn pending(&self, channel: ChannelId) -> usize {
        self.channels.pending(channel)
    }

    /// Bytes that may be sent now.
    pub(crate) fn budget(&self) -> usize {
        if self.state == State::Open { self.sent.budget() } else { 0 }
    }

    /// Ends the connection and tells the peer.
    pub(crate) fn close(&mut self, now: Instant, code: CloseCode) {
        match self.state {
            State::Open => self.end(now, ConnectionError::ClosedLocally(code)),
            State::Unconfirmed { .. } => self.state = State::Gone,
            State::Closing { .. } | State::Draining { .. } | State::Gone => {}
        }
    }

    /// Tells the connection that `now` has come. Harmless if nothing is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Gone => {}
            State::Unconfirmed { until } | State::Draining { until } if now >= until => {
                self.state = State::Gone;
            }
            State::Closing { until, .. } if now >= until => self.state = State::Gone,
            State::Unconfirmed { .. } | State::Draining { .. } | State::Closing { .. } => {}
            State::Open => self.on_open_timeout(now),
        }
    }

    fn on_open_timeout(&mut self, now: Instant) {
        if now >= self.heard_at + self.idle_timeout {
            self.end(now, ConnectionError::TimedOut { after: self.idle_timeout });
            return;
        }
        if now >= self.eliciting_sent_at + self.config.keep_alive_after() {
            self.probe_due = true;
        }
        let action = self.sent.on_timeout(now, &mut self.lost);
        match action {
            TimeoutAction::None => {}
            TimeoutAction::Lost(count) => {
                self.stats.packets_lost += u64::from(count);
                self.on_lost_receipts();
            }
            TimeoutAction::Probe => {
                self.probe_due = true;
                self.stats.probes += 1;
                for carried in self.lost.drain(..) {
                    if let Carried::Message(receipt) = carried {
                        self.channels.on_probe(receipt);
                    }
                }
            }
        }
        self.drain_channels();
    }

    /// The next event, oldest first.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and poll again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Gone => None,
            State::Unconfirmed { until } | State::Draining { until } => Some(until),
            State::Closing { until, sends_left: 0, .. } => Some(until),
            State::Closing { until, again_at, .. } => Some(until.min(again_at)),
            State::Open => {
                let idle = self.heard_at + self.idle_timeout;
                let keep_alive = self.eliciting_sent_at + self.config.keep_alive_after();
                let others = [self.sent.poll_timeout(), self.acks.due()];
                others.into_iter().flatten().chain([idle, keep_alive]).min()
            }
        }
    }

    pub(crate) fn stats(&self) -> ConnectionStats {
        let rtt = self.sent.rtt();
        ConnectionStats {
            rtt: rtt.smoothed(),
            rtt_min: rtt.min(),
            rtt_variation: rtt.variation(),
            in_flight_bytes: self.sent.in_flight_bytes(),
            window_bytes: self.sent.window(),
            held_bytes: self.channels.held_bytes(),
            ..self.stats
        }
    }

    /// The connection is over, for this reason.
    fn end(&mut self, now: Instant, error: ConnectionError) {
        let was_open = self.state == State::Open;
        let until = now + self.sent.probe_timeout() * CLOSE_PROBE_TIMEOUTS;
        self.state = match error.close_code() {
            Some(code) => State::Closing { code, until, sends_left: CLOSE_SENDS, again_at: now },
            None if matches!(error, ConnectionError::ClosedByPeer(_)) => State::Draining { until },
            None => State::Gone,
        };
        if was_open {
            self.events.push_back(Event::Closed(error));
        }
    }

    fn on_lost_receipts(&mut self) {
        for carried in self.lost.drain(..) {
            if let Carried::Message(receipt) = carried {
                self.channels.on_lost(receipt);
            }
        }
    }

    fn drain_channels(&mut self) {
        while let Some(delivered) = self.channels.poll_delivered() {
            self.events.push_back(match delivered {
                Delivered::Message { channel, payload } => Event::Message { channel, payload },
                Delivered::Receipt { channel, message, outcome } => {
                    Event::Receipt { channel, message, outcome }
                }
            });
        }
    }
}
