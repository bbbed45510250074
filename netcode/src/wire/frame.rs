//! Frames: the items of a packet's payload. A frame never spans packets.
//!
//! ```text
//!   0x00        padding
//!   0x01        ping
//!   0x05        close: code (2 B) · length (1 B) · reason in UTF-8, at most 64 bytes
//!   0x10-0x1f   acknowledgement                                                   [super::ack]
//!   0x40-0x7f   message or fragment on channel (type >> 2) & 15; bit 1: to the end of the packet,
//!               so without length; bit 0: a fragment
//!               id (2 B, low bits) · [index · count (varints)] · [length (varint)] · bytes
//! ```

use crate::wire::ack::{AckFrame, AckRanges};
use crate::wire::cursor::{Reader, put_varint};
use crate::wire::{ChannelId, CloseCode, DecodeError};

/// Most bytes of a message frame before its payload.
pub const MESSAGE_HEADER_BYTES_MAX: usize = 1 + 2 + 2 + 2 + 2;
const PADDING: u8 = 0x00;
const PING: u8 = 0x01;
const CLOSE: u8 = 0x05;
const MESSAGE: u8 = 0x40;
const TO_THE_END: u8 = 0x02;
const FRAGMENT: u8 = 0x01;
const REASON_BYTES_MAX: usize = 64;
/// Most fragments of one message.
const FRAGMENTS_MAX: u64 = 1024;

/// One item of a payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "read, used and gone: it never leaves the stack")]
pub enum Frame<'a> {
    /// Packets that arrived.
    Ack(AckFrame),
    /// The peer ends the connection.
    Close {
        /// Why.
        code: CloseCode,
        /// For people, at most 64 bytes.
        reason: &'a str,
    },
    /// A message, or a piece of one.
    Message(MessageFrame<'a>),
    /// Elicits an acknowledgement.
    Ping,
}

/// A message, or a piece of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MessageFrame<'a> {
    /// Its channel.
    pub channel: ChannelId,
    /// Low bits of its id.
    pub id_low: u16,
    /// Which piece it is; `None` for a whole message.
    pub part: Option<Part>,
    /// The bytes.
    pub payload: &'a [u8],
}

/// Which piece of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part {
    /// From 0.
    pub index: u16,
    /// How many there are, 2 to 1024.
    pub count: u16,
}

impl MessageFrame<'_> {
    /// Bytes that the frame takes when it is not the last of its packet.
    pub fn encoded_len(&self) -> usize {
        let part = self.part.map_or(0, |part| {
            let varint = |value: u16| if value < 0x40 { 1 } else { 2 };
            varint(part.index) + varint(part.count)
        });
        let length = if self.payload.len() < 0x40 { 1 } else { 2 };
        1 + 2 + part + length + self.payload.len()
    }

    /// Appends the frame. The last of a packet needs no length.
    pub fn encode(&self, is_last: bool, out: &mut Vec<u8>) {
        let fragment = if self.part.is_some() { FRAGMENT } else { 0 };
        let to_the_end = if is_last { TO_THE_END } else { 0 };
        out.push(MESSAGE | self.channel.0 << 2 | to_the_end | fragment);
        out.extend_from_slice(&self.id_low.to_le_bytes());
        if let Some(part) = self.part {
            put_varint(part.index.into(), out);
            put_varint(part.count.into(), out);
        }
        if !is_last {
            put_varint(self.payload.len() as u64, out);
        }
        out.extend_from_slice(self.payload);
    }
}

impl Frame<'_> {
    /// Appends a ping.
    pub fn encode_ping(out: &mut Vec<u8>) {
        out.push(PING);
    }

    /// Appends `count` bytes of padding.
    pub fn encode_padding(count: usize, out: &mut Vec<u8>) {
        out.resize(out.len() + count, PADDING);
    }

    /// Appends an acknowledgement.
    pub fn encode_ack(ranges: &AckRanges, delay: core::time::Duration, out: &mut Vec<u8>) {
        AckFrame::encode(ranges, delay, out);
    }

    /// Appends a close; a long reason is cut at 64 bytes.
    pub fn encode_close(code: CloseCode, reason: &str, out: &mut Vec<u8>) {
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        out.push(CLOSE);
        out.extend_from_slice(&code.to_wire().to_le_bytes());
        out.push(end as u8);
        out.extend_from_slice(&reason.as_bytes()[..end]);
    }
}

/// The frames of one payload, padding left out. Stops at the first error.
#[derive(Clone, Debug)]
pub struct FrameIter<'a> {
    reader: Reader<'a>,
}

impl<'a> FrameIter<'a> {
    /// The frames of `payload`.
    ///
    /// # Errors
    ///
    /// If there is no byte at all.
    //= book/src/spec/wire.md#frames
    //# A payload MUST hold at least one frame.
    pub fn new(payload: &'a [u8]) -> Result<Self, DecodeError> {
        if payload.is_empty() {
            return Err(DecodeError::Empty);
        }
        Ok(Self { reader: Reader::new(payload) })
    }

    fn decode(&mut self, kind: u8) -> Result<Frame<'a>, DecodeError> {
        match kind {
            PING => Ok(Frame::Ping),
            CLOSE => {
                let code = CloseCode::from_wire(self.reader.u16()?);
                let length = usize::from(self.reader.u8()?);
                if length > REASON_BYTES_MAX {
                    return Err(DecodeError::OutOfBounds { field: "reason length" });
                }
                let reason = core::str::from_utf8(self.reader.take(length)?)
                    .map_err(|_| DecodeError::OutOfBounds { field: "reason" })?;
                Ok(Frame::Close { code, reason })
            }
            _ if AckFrame::is_type(kind) => {
                AckFrame::decode(kind, &mut self.reader).map(Frame::Ack)
            }
            0x40..0x80 => self.decode_message(kind).map(Frame::Message),
            frame => Err(DecodeError::UnknownFrame { frame }),
        }
    }

    fn decode_message(&mut self, kind: u8) -> Result<MessageFrame<'a>, DecodeError> {
        let channel = ChannelId((kind >> 2) & 0x0f);
        let id_low = self.reader.u16()?;
        let part = if kind & FRAGMENT == 0 {
            None
        } else {
            let (index, count) = (self.reader.varint()?, self.reader.varint()?);
            if !(2..=FRAGMENTS_MAX).contains(&count) || index >= count {
                return Err(DecodeError::OutOfBounds { field: "fragment" });
            }
            Some(Part { index: index as u16, count: count as u16 })
        };
        let payload = if kind & TO_THE_END == 0 {
            let length = self.reader.varint()?;
            let length = usize::try_from(length).map_err(|_| DecodeError::Truncated)?;
            self.reader.take(length)?
        } else {
            self.reader.rest()
        };
        if part.is_some() && payload.is_empty() {
            return Err(DecodeError::OutOfBounds { field: "fragment length" });
        }
        Ok(MessageFrame { channel, id_low, part, payload })
    }
}

impl<'a> Iterator for FrameIter<'a> {
    type Item = Result<Frame<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let kind = self.reader.u8().ok()?;
            if kind == PADDING {
                continue;
            }
            let frame = self.decode(kind);
            if frame.is_err() {
                self.reader.rest();
            }
            return Some(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Frame, FrameIter, MESSAGE_HEADER_BYTES_MAX, MessageFrame, Part};
    use crate::wire::{ChannelId, CloseCode, DecodeError};

    fn part() -> impl Strategy<Value = Option<Part>> {
        prop::option::of(
            (2..=1024_u16)
                .prop_flat_map(|count| (0..count).prop_map(move |index| Part { index, count })),
        )
    }

    proptest! {
        #[test]
        fn messages_come_back(
            channel in 0..16_u8,
            id_low in any::<u16>(),
            part in part(),
            payload in prop::collection::vec(any::<u8>(), 1..200),
            is_last in any::<bool>(),
        ) {
            let payload = payload.as_slice();
            let sent = MessageFrame { channel: ChannelId(channel), id_low, part, payload };
            let mut bytes = Vec::new();
            sent.encode(is_last, &mut bytes);
            prop_assert!(bytes.len() <= sent.encoded_len());
            prop_assert!(bytes.len() <= payload.len() + MESSAGE_HEADER_BYTES_MAX);
            if !is_last {
                prop_assert_eq!(bytes.len(), sent.encoded_len());
                Frame::encode_ping(&mut bytes);
                Frame::encode_padding(2, &mut bytes);
            }
            let mut frames = FrameIter::new(&bytes).unwrap();
            prop_assert_eq!(frames.next(), Some(Ok(Frame::Message(sent))));
            prop_assert_eq!(frames.next(), (!is_last).then_some(Ok(Frame::Ping)));
            prop_assert_eq!(frames.next(), None);
        }

        #[test]
        fn garbage_never_panics_and_always_ends(
            bytes in prop::collection::vec(any::<u8>(), 1..300),
        ) {
            prop_assert!(FrameIter::new(&bytes).unwrap().count() <= bytes.len());
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut bytes = Vec::new();
        Frame::encode_close(CloseCode::Kicked, &"\u{e9}".repeat(40), &mut bytes);
        Frame::encode_close(CloseCode::Kicked, &format!("x{}", "\u{e9}".repeat(40)), &mut bytes);
        let reasons: Vec<_> = FrameIter::new(&bytes)
            .unwrap()
            .map(|frame| match frame.unwrap() {
                Frame::Close { reason, .. } => reason.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(reasons, [64, 63]);
    }

    //= book/src/spec/wire.md#frames
    //= type=test
    //# A payload MUST hold at least one frame.
    #[test]
    fn an_empty_payload_is_an_error() {
        assert_eq!(FrameIter::new(&[]).err(), Some(DecodeError::Empty));
    }
}
