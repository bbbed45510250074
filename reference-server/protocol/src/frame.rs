//! Length-framed protobuf on a byte stream: 4 bytes of little-endian length, then the message.

use bytes::{Buf, BufMut, BytesMut};
use prost::Message;
use thiserror::Error;

/// Most bytes of one message. A longer one closes the control connection.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// What the control connection calls itself in the TLS handshake (ALPN).
pub const ALPN: &[u8] = b"shardline-control/1";
const LENGTH_BYTES: usize = 4;

/// Why the stream cannot be read on. Terminal: there is no next frame to find.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The peer announced a frame above the limit.
    #[error("frame of {bytes} bytes is over the limit of {FRAME_BYTES_MAX}")]
    TooLong {
        /// As announced.
        bytes: usize,
    },
    /// The bytes are not the message that was expected.
    #[error("malformed frame: {0}")]
    Malformed(#[from] prost::DecodeError),
}

/// Appends `message` as one frame.
///
/// # Panics
///
/// If the message is over [`FRAME_BYTES_MAX`]: messages of our own are bounded far below it.
pub fn encode<M: Message>(message: &M, out: &mut Vec<u8>) {
    let bytes = message.encoded_len();
    assert!(bytes <= FRAME_BYTES_MAX, "a frame of {bytes} bytes is over the limit");
    out.put_u32_le(u32::try_from(bytes).expect("bounded by the assertion above"));
    message.encode(out).expect("a Vec grows");
}

/// Collects bytes of a stream and yields its frames. Holds at most one frame and one read.
///
/// ```
/// use shardline_protocol::control::{ClientFrame, client_frame::Body, LeaveParty};
/// use shardline_protocol::frame::{FrameReader, encode};
///
/// let sent = ClientFrame { request: 7, body: Some(Body::LeaveParty(LeaveParty {})) };
/// let mut bytes = Vec::new();
/// encode(&sent, &mut bytes);
///
/// let mut reader = FrameReader::default();
/// reader.push(&bytes[..3]);
/// assert!(reader.next_frame::<ClientFrame>()?.is_none());
/// reader.push(&bytes[3..]);
/// assert_eq!(reader.next_frame::<ClientFrame>()?, Some(sent));
/// # Ok::<(), shardline_protocol::frame::FrameError>(())
/// ```
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
}

impl FrameReader {
    /// Adds what was read from the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// [`FrameError`], after which the stream is of no more use.
    pub fn next_frame<M: Message + Default>(&mut self) -> Result<Option<M>, FrameError> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { bytes: length });
        }
        if self.buffer.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        let body = self.buffer.split_to(length).freeze();
        Ok(Some(M::decode(body)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FRAME_BYTES_MAX, FrameError, FrameReader, encode};
    use crate::control::{ClientFrame, SendChat, client_frame::Body};

    fn chat(text: String) -> ClientFrame {
        let chat = SendChat { channel: "world".into(), to_character: 0, text };
        ClientFrame { request: 1, body: Some(Body::SendChat(chat)) }
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            texts in prop::collection::vec(".{0,40}", 0..8),
            cut in 1usize..40,
        ) {
            let sent: Vec<_> = texts.into_iter().map(chat).collect();
            let mut bytes = Vec::new();
            sent.iter().for_each(|frame| encode(frame, &mut bytes));

            let mut reader = FrameReader::default();
            let mut received = Vec::new();
            for piece in bytes.chunks(cut) {
                reader.push(piece);
                while let Some(frame) = reader.next_frame::<ClientFrame>().unwrap() {
                    received.push(frame);
                }
            }
            prop_assert_eq!(received, sent);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let mut reader = FrameReader::default();
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.next_frame::<ClientFrame>() {}
        }
    }

    #[test]
    fn an_announced_giant_is_refused_before_it_arrives() {
        let mut reader = FrameReader::default();
        reader.push(&(FRAME_BYTES_MAX as u32 + 1).to_le_bytes());
        assert!(matches!(reader.next_frame::<ClientFrame>(), Err(FrameError::TooLong { .. })));
    }
}
