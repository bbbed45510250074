//! Bytes to values and back. Knows no time, keys or peers.
//!
//! ```text
//!   datagram = long packet                   before keys exist: Hello, Retry, Accept, Refuse
//!            | short packet                  everything after
//!   short    = byte 0 · [connection id 4] · packet number 1-4 · AEAD( frames ) · tag 16
//!   frames   = frame+                        ack, ping, close, message, fragment, padding
//! ```
//!
//! Every decoder is total: any bytes give a value or a [`DecodeError`], never a panic, and no
//! allocation grows with a number that the bytes merely claim. A decoder and its encoder stand in
//! the same file. The layouts are specified in the book, `spec/wire.md`.

mod ack;
mod close;
mod cursor;
mod error;
mod frame;
mod header;
mod id;
mod number;
mod packet;
mod params;

pub use ack::{ACK_RANGES_MAX, AckFrame, AckRanges};
pub use close::CloseCode;
pub use cursor::{Reader, put_varint, varint_len};
pub use error::DecodeError;
pub use frame::{Frame, FrameIter, MESSAGE_HEADER_BYTES_MAX, MessageFrame, Part};
pub use header::{ShortHeader, TAG_BYTES};
pub use id::{CONNECTION_ID_BYTES, ChannelId, ConnectionId, MessageId};
pub use number::PacketNumber;
pub(crate) use packet::TOKEN_BYTES_MAX;
pub use packet::{
    Accept, COOKIE_BYTES, ECHO_BYTES, HELLO_BYTES, Hello, LongPacket, Refuse, Retry, VERSION,
};
pub use params::{SUITES_MAX, SuiteId, TransportParams};

/// Most bytes of a datagram before the path is known to carry more.
pub const DATAGRAM_BYTES: usize = 1200;
