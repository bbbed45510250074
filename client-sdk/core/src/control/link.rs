//! One QUIC connection and its one stream of frames.

use netcode::time::Instant;
use prost::bytes::Buf;
use quinn_proto::{
    ConnectionError, ConnectionHandle, Dir, Endpoint, EndpointEvent, Event, ReadError,
    ReadableError, StreamEvent, StreamId, VarInt, WriteError,
};
use shardline_protocol::control::{ClientFrame, ServerFrame};
use shardline_protocol::frame::{FRAME_BYTES_MAX, FrameReader, encode};

use crate::control::anchor::Anchor;
use crate::error::GatewayError;

/// Bytes that wait for the stream to take them; requests beyond are refused.
const OUTBOX_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// Bytes taken off the stream at a time, so that a flood is decoded frame by frame.
const CHUNK_BYTES: usize = 4096;

/// A connection that is being opened, open, or being closed.
pub(super) struct Link {
    handle: ConnectionHandle,
    connection: quinn_proto::Connection,
    anchor: Anchor,
    stream: Option<StreamId>,
    outbox: Vec<u8>,
    reader: FrameReader,
    may_read: bool,
    /// Set once, by whatever ended it.
    ended: Option<GatewayError>,
    is_connected: bool,
}

/// What became of a link.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LinkEvent {
    Connected,
    Lost(GatewayError),
    Frame(ServerFrame),
}

impl Link {
    pub(super) fn new(
        handle: ConnectionHandle,
        connection: quinn_proto::Connection,
        anchor: Anchor,
    ) -> Self {
        Self {
            handle,
            connection,
            anchor,
            stream: None,
            outbox: Vec::new(),
            reader: FrameReader::default(),
            may_read: false,
            ended: None,
            is_connected: false,
        }
    }

    pub(super) fn handle(&self) -> ConnectionHandle {
        self.handle
    }

    /// Whether requests may be queued.
    pub(super) fn is_open(&self) -> bool {
        self.ended.is_none() && !self.connection.is_closed()
    }

    /// Whether nothing is left to do.
    pub(super) fn is_drained(&self) -> bool {
        self.connection.is_drained()
    }

    /// Queues a frame; `false` if it does not fit.
    pub(super) fn send(&mut self, frame: &ClientFrame) -> bool {
        use prost::Message as _;
        let bytes = frame.encoded_len();
        if bytes > FRAME_BYTES_MAX || self.outbox.len() + bytes > OUTBOX_BYTES_MAX {
            return false;
        }
        encode(frame, &mut self.outbox);
        self.write();
        true
    }

    pub(super) fn handle_event(&mut self, event: quinn_proto::ConnectionEvent) {
        self.connection.handle_event(event);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(self.anchor.to_std(now));
    }

    pub(super) fn close(&mut self, now: Instant, reason: &'static [u8]) {
        let now = self.anchor.to_std(now);
        self.connection.close(now, VarInt::from_u32(0), reason.into());
    }

    pub(super) fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        self.connection.poll_transmit(self.anchor.to_std(now), 1, buffer).is_some()
    }

    pub(super) fn poll_timeout(&mut self) -> Option<Instant> {
        self.connection.poll_timeout().map(|at| self.anchor.to_ours(at))
    }

    /// The next event; of frames, only as many are read from the stream as are asked for.
    pub(super) fn poll_event(&mut self, endpoint: &mut Endpoint) -> Option<LinkEvent> {
        loop {
            self.exchange(endpoint);
            while let Some(event) = self.connection.poll() {
                if let Some(told) = self.on_event(event) {
                    return Some(told);
                }
            }
            if self.ended.is_some() {
                return None;
            }
            match self.reader.next_frame() {
                Ok(Some(frame)) => return Some(LinkEvent::Frame(frame)),
                Ok(None) if !self.may_read => return None,
                Ok(None) => {
                    if let Err(error) = self.read() {
                        return Some(self.end(error));
                    }
                }
                Err(_) => return Some(self.end(GatewayError::Malformed)),
            }
        }
    }

    fn end(&mut self, error: GatewayError) -> LinkEvent {
        self.ended = Some(error.clone());
        LinkEvent::Lost(error)
    }

    /// What the connection and the endpoint have to tell each other.
    fn exchange(&mut self, endpoint: &mut Endpoint) {
        while let Some(event) = self.connection.poll_endpoint_events() {
            if let Some(answer) = endpoint.handle_event(self.handle, event) {
                self.connection.handle_event(answer);
            }
        }
    }

    fn on_event(&mut self, event: Event) -> Option<LinkEvent> {
        match event {
            Event::Connected => {
                self.is_connected = true;
                self.open_stream();
                Some(LinkEvent::Connected)
            }
            Event::ConnectionLost { reason } if self.ended.is_none() => {
                Some(self.end(gateway_error(reason, self.is_connected)))
            }
            Event::Stream(StreamEvent::Available { .. }) => {
                self.open_stream();
                None
            }
            Event::Stream(StreamEvent::Writable { .. }) => {
                self.write();
                None
            }
            Event::Stream(StreamEvent::Readable { .. }) => {
                self.may_read = true;
                None
            }
            Event::Stream(StreamEvent::Stopped { .. }) if self.ended.is_none() => {
                Some(self.end(closed("the gateway stopped reading")))
            }
            _ => None,
        }
    }

    fn open_stream(&mut self) {
        if self.is_connected && self.stream.is_none() {
            self.stream = self.connection.streams().open(Dir::Bi);
            self.write();
        }
    }

    fn write(&mut self) {
        let Some(stream) = self.stream else { return };
        let mut written = 0;
        while written < self.outbox.len() {
            match self.connection.send_stream(stream).write(&self.outbox[written..]) {
                Ok(bytes) => written += bytes,
                // A stream that takes no more is told of by an event of its own.
                Err(WriteError::Blocked | WriteError::Stopped(_) | WriteError::ClosedStream) => {
                    break;
                }
            }
        }
        self.outbox.drain(..written);
    }

    /// Reads once. Clears `may_read` when there is no more.
    fn read(&mut self) -> Result<(), GatewayError> {
        let Some(stream) = self.stream else {
            self.may_read = false;
            return Ok(());
        };
        let mut stream = self.connection.recv_stream(stream);
        let mut chunks = match stream.read(true) {
            Ok(chunks) => chunks,
            Err(ReadableError::ClosedStream | ReadableError::IllegalOrderedRead) => {
                self.may_read = false;
                return Err(closed("the stream ended"));
            }
        };
        let outcome = match chunks.next(CHUNK_BYTES) {
            Ok(Some(chunk)) => {
                self.reader.push(chunk.bytes.chunk());
                Ok(())
            }
            Ok(None) => Err(closed("the gateway finished the stream")),
            Err(ReadError::Blocked) => {
                self.may_read = false;
                Ok(())
            }
            Err(ReadError::Reset(_)) => Err(closed("the gateway reset the stream")),
        };
        // What it would have to transmit is sent by the next poll in any case.
        let _ = chunks.finalize();
        outcome
    }
}

/// Tells the endpoint that a connection was dropped before it had drained.
pub(super) fn forget(endpoint: &mut Endpoint, link: &Link) {
    if !link.is_drained() {
        let _ = endpoint.handle_event(link.handle, EndpointEvent::drained());
    }
}

fn closed(reason: &str) -> GatewayError {
    GatewayError::ClosedByGateway { reason: reason.to_owned() }
}

fn gateway_error(error: ConnectionError, is_connected: bool) -> GatewayError {
    match error {
        ConnectionError::TimedOut => GatewayError::TimedOut,
        ConnectionError::ApplicationClosed(close) => GatewayError::ClosedByGateway {
            reason: String::from_utf8_lossy(&close.reason).into_owned(),
        },
        ConnectionError::ConnectionClosed(_) | ConnectionError::Reset if is_connected => {
            closed(&error.to_string())
        }
        error => GatewayError::Insecure { reason: error.to_string() },
    }
}
