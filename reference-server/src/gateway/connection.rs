//! One QUIC connection: bytes to frames and back. Decides nothing but that garbage ends it.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use quinn::{Connection, Incoming, RecvStream, SendStream, VarInt};
use shardline_protocol::control::{ClientFrame, ServerFrame};
use shardline_protocol::frame::{FrameReader, encode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::gateway::SessionId;
use crate::gateway::sessions::{CloseReason, Event};
use crate::gateway::stats::{GatewayStats, add};

/// A handshake that takes longer is given up, and so is a connection without a stream.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// How long a client may take to acknowledge what was said before its connection is closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 16 * 1024;
/// Frames that are written at once.
const BATCH: usize = 64;

/// What a connection tells the core.
pub(super) enum Message {
    Connected { session: SessionId, address: SocketAddr, link: Link },
    Event(Event),
}

/// What the core has of a connection.
pub(super) struct Link {
    outbox: mpsc::Sender<Outgoing>,
    connection: Connection,
}

pub(super) enum Outgoing {
    Close(CloseReason),
    Frame(ServerFrame),
}

/// The client does not read.
pub(super) struct OutboxFull;

impl Link {
    /// Queues a frame. To a connection that is closing it is lost.
    pub(super) fn send(&self, frame: ServerFrame) -> Result<(), OutboxFull> {
        match self.outbox.try_send(Outgoing::Frame(frame)) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(OutboxFull),
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// Closes after what is queued, or at once if there is no room to say so.
    pub(super) fn close(self, reason: CloseReason) {
        if self.outbox.try_send(Outgoing::Close(reason)).is_err() {
            close(&self.connection, reason);
        }
    }

    /// Closes at once.
    pub(super) fn close_now(self, reason: CloseReason) {
        close(&self.connection, reason);
    }
}

/// What all connections share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) messages: mpsc::Sender<Message>,
    pub(super) outgoing_frames_max: usize,
    pub(super) stats: Arc<GatewayStats>,
}

/// Serves a connection from its handshake to its end.
pub(super) async fn serve(incoming: Incoming, session: SessionId, shared: Shared) {
    let Ok(connecting) = incoming.accept() else { return };
    let Ok(Ok(connection)) = timeout(OPEN_WITHIN, connecting).await else { return };
    let opened = timeout(OPEN_WITHIN, connection.accept_bi()).await;
    let Ok(Ok((send, receive))) = opened else {
        return close(&connection, CloseReason::Malformed);
    };
    let (outbox, frames) = mpsc::channel(shared.outgoing_frames_max.max(1));
    let link = Link { outbox, connection: connection.clone() };
    let address = connection.remote_address();
    if shared.messages.send(Message::Connected { session, address, link }).await.is_err() {
        return;
    }
    let write = write(send, frames, connection.clone(), Arc::clone(&shared.stats));
    let writer = tokio::spawn(write);
    let reason = read(receive, session, &shared).await;
    if let Some(reason) = reason {
        close(&connection, reason);
    }
    let gone = Event::Disconnected { session };
    // Without a core the server is gone, and everybody with it.
    let _ = shared.messages.send(Message::Event(gone)).await;
    let _ = writer.await;
}

/// Reads frames until there are no more; the reason to close the connection, if it is not yet.
async fn read(mut receive: RecvStream, session: SessionId, shared: &Shared) -> Option<CloseReason> {
    let mut reader = FrameReader::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match receive.read(&mut buffer).await {
            Ok(Some(count)) => count,
            Ok(None) => return Some(CloseReason::Done),
            Err(_) => return None,
        };
        add(&shared.stats.bytes_in_total, count as u64);
        reader.push(&buffer[..count]);
        loop {
            match reader.next_frame::<ClientFrame>() {
                Ok(Some(frame)) => {
                    add(&shared.stats.frames_in_total, 1);
                    let said = Message::Event(Event::Frame { session, frame });
                    // Waits while the core is busy: the client's window closes meanwhile.
                    shared.messages.send(said).await.ok()?;
                }
                Ok(None) => break,
                Err(_) => {
                    add(&shared.stats.malformed_total, 1);
                    return Some(CloseReason::Malformed);
                }
            }
        }
    }
}

/// Writes frames until the core lets go of the connection, or it breaks.
async fn write(
    mut send: SendStream,
    mut frames: mpsc::Receiver<Outgoing>,
    connection: Connection,
    stats: Arc<GatewayStats>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut bytes = Vec::new();
    while frames.recv_many(&mut batch, BATCH).await > 0 {
        let mut reason = None;
        for outgoing in batch.drain(..) {
            match outgoing {
                Outgoing::Frame(frame) if reason.is_none() => {
                    add(&stats.frames_out_total, 1);
                    encode(&frame, &mut bytes);
                }
                Outgoing::Frame(_) => {}
                Outgoing::Close(why) => reason = Some(why),
            }
        }
        add(&stats.bytes_out_total, bytes.len() as u64);
        match reason {
            None => {
                if send.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Some(reason) => {
                let flush = async {
                    send.write_all(&bytes).await.ok()?;
                    send.finish().ok()?;
                    send.stopped().await.ok()
                };
                // Whoever does not read by then will not hear it.
                let _ = timeout(CLOSE_WITHIN, flush).await;
                return close(&connection, reason);
            }
        }
        bytes.clear();
    }
}

fn close(connection: &Connection, reason: CloseReason) {
    connection.close(VarInt::from_u32(reason as u32), b"");
}
