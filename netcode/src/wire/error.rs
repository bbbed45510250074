//! Why bytes are not a value.

use thiserror::Error;

/// Bytes that this protocol does not write.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("ends inside a value")]
    Truncated,
    /// A frame type that is not known and cannot be skipped.
    #[error("unknown frame type {frame:#04x}")]
    UnknownFrame {
        /// Its type byte.
        frame: u8,
    },
    /// A long packet of a type that does not exist.
    #[error("unknown long packet type {kind}")]
    UnknownPacket {
        /// Its type.
        kind: u8,
    },
    /// A value is outside its bounds; the text names it.
    #[error("{field} is out of bounds")]
    OutOfBounds {
        /// Which one.
        field: &'static str,
    },
    /// A payload without a single frame.
    #[error("no frame")]
    Empty,
}
