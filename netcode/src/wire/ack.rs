//! Acknowledgements: which packets arrived, newest first, and how long the newest has waited.
//!
//! ```text
//!   type   0x10 | ranges << 3 | mask size << 1        (bit 0 reserved)
//!   mask   largest (2 B, low bits) · delay (1 B) · mask of 0, 1, 2 or 4 bytes
//!          bit i: largest - 1 - i arrived; a mask of 0 bytes: all of the 32 before it did
//!   ranges largest (varint) · delay (1 B) · count - 1 (1 B) · length - 1 of the newest range,
//!          then per older range: gap - 1, length - 1 (varints)
//! ```

use core::time::Duration;

use crate::wire::cursor::{Reader, put_varint};
use crate::wire::id::nearest;
use crate::wire::{DecodeError, PacketNumber};

/// Most ranges of one acknowledgement.
pub const ACK_RANGES_MAX: usize = 32;
/// Packets before the largest that a mask speaks of.
const MASK_SPAN: u64 = 32;
/// Bytes of each mask size.
const MASK_BYTES: [usize; 4] = [0, 1, 2, 4];
/// The delay travels in these steps, up to 255 of them.
const DELAY_STEP_US: u64 = 250;
const TYPE: u8 = 0x10;
const RANGES_BIT: u8 = 0x08;

/// Disjoint ranges of packet numbers, newest first, both ends included. At most
/// [`ACK_RANGES_MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AckRanges {
    count: usize,
    ranges: [(u64, u64); ACK_RANGES_MAX],
}

impl AckRanges {
    /// No packet yet.
    pub const EMPTY: Self = Self { count: 0, ranges: [(0, 0); ACK_RANGES_MAX] };

    /// Adds an older range; says whether there was room.
    ///
    /// # Panics
    ///
    /// In debug builds, unless `first <= last` and a gap separates it from the last one added.
    pub fn push_older(&mut self, first: u64, last: u64) -> bool {
        debug_assert!(first <= last);
        debug_assert!(self.oldest().is_none_or(|(oldest, _)| last + 1 < oldest));
        if self.count == ACK_RANGES_MAX {
            return false;
        }
        self.ranges[self.count] = (first, last);
        self.count += 1;
        true
    }

    /// The ranges as (first, last), newest first.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges[..self.count].iter().copied()
    }

    /// The newest packet.
    pub fn largest(&self) -> Option<u64> {
        (self.count > 0).then(|| self.ranges[0].1)
    }

    fn oldest(&self) -> Option<(u64, u64)> {
        self.count.checked_sub(1).map(|last| self.ranges[last])
    }
}

/// One acknowledgement, as read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AckFrame {
    /// How long the newest packet waited for this acknowledgement; at most 63.75 ms.
    pub delay: Duration,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "read, used and gone: it never leaves the stack")]
enum Shape {
    Mask { largest_low: u16, mask: u32 },
    Ranges(AckRanges),
}

impl AckFrame {
    /// Whether `kind` is the type byte of an acknowledgement.
    pub fn is_type(kind: u8) -> bool {
        kind & 0xf0 == TYPE
    }

    /// The packets acknowledged, to a sender whose next packet is `next`.
    ///
    /// # Errors
    ///
    /// If a packet below zero is named.
    pub fn ranges(&self, next: PacketNumber) -> Result<AckRanges, DecodeError> {
        let (largest_low, mask) = match self.shape {
            Shape::Ranges(ranges) => return Ok(ranges),
            Shape::Mask { largest_low, mask } => (largest_low, mask),
        };
        let largest = nearest(u64::from(largest_low), 16, next.get().saturating_sub(1));
        let mut ranges = AckRanges::EMPTY;
        let (mut first, mut last) = (largest, largest);
        for back in 1..=MASK_SPAN.min(largest) {
            if mask & (1 << (back - 1)) == 0 {
                continue;
            }
            let number = largest - back;
            if number + 1 == first {
                first = number;
            } else {
                ranges.push_older(first, last);
                (first, last) = (number, number);
            }
        }
        ranges.push_older(first, last);
        Ok(ranges)
    }

    /// Appends the shortest frame that says `ranges`, which hold at least one packet.
    ///
    /// # Panics
    ///
    /// If `ranges` is empty.
    pub fn encode(ranges: &AckRanges, delay: Duration, out: &mut Vec<u8>) {
        let largest = ranges.largest().expect("an acknowledgement names a packet");
        let steps = delay.as_micros() as u64 / DELAY_STEP_US;
        let delay = u8::try_from(steps).unwrap_or(u8::MAX);
        let oldest = ranges.oldest().map_or(largest, |(first, _)| first);
        if largest - oldest > MASK_SPAN {
            Self::encode_ranges(ranges, largest, delay, out);
        } else {
            Self::encode_mask(ranges, largest, delay, out);
        }
    }

    fn encode_mask(ranges: &AckRanges, largest: u64, delay: u8, out: &mut Vec<u8>) {
        let mut mask = 0_u32;
        for (first, last) in ranges.iter() {
            for number in first..=last.min(largest.saturating_sub(1)) {
                if number < largest {
                    mask |= 1 << (largest - 1 - number);
                }
            }
        }
        // Below packet 0 there is nothing that could be missing.
        let all = match largest {
            0..MASK_SPAN => (1_u32 << largest) - 1,
            _ => u32::MAX,
        };
        let size = match mask {
            _ if mask == all => 0,
            0..0x100 => 1,
            0x100..0x1_0000 => 2,
            _ => 3,
        };
        out.push(TYPE | (size as u8) << 1);
        out.extend_from_slice(&(largest as u16).to_le_bytes());
        out.push(delay);
        out.extend_from_slice(&mask.to_le_bytes()[..MASK_BYTES[size]]);
    }

    fn encode_ranges(ranges: &AckRanges, largest: u64, delay: u8, out: &mut Vec<u8>) {
        out.push(TYPE | RANGES_BIT);
        put_varint(largest, out);
        out.push(delay);
        out.push(ranges.count as u8 - 1);
        let mut newer_first = None;
        for (first, last) in ranges.iter() {
            if let Some(newer_first) = newer_first {
                put_varint(newer_first - last - 2, out);
            }
            put_varint(last - first, out);
            newer_first = Some(first);
        }
    }

    /// Reads what follows the type byte `kind`.
    ///
    /// # Errors
    ///
    /// For anything that [`encode`](Self::encode) does not write.
    pub fn decode(kind: u8, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let delay = |byte: u8| Duration::from_micros(u64::from(byte) * DELAY_STEP_US);
        if kind & RANGES_BIT == 0 {
            let largest_low = reader.u16()?;
            let delay = delay(reader.u8()?);
            let size = MASK_BYTES[usize::from((kind >> 1) & 3)];
            let mut mask = [0; 4];
            mask[..size].copy_from_slice(reader.take(size)?);
            let mask = if size == 0 { u32::MAX } else { u32::from_le_bytes(mask) };
            return Ok(Self { delay, shape: Shape::Mask { largest_low, mask } });
        }
        let largest = reader.varint()?;
        let delay = delay(reader.u8()?);
        let older = usize::from(reader.u8()?);
        //= book/src/spec/wire.md#acknowledgement-frames
        //# A receiver MUST refuse an acknowledgement of more than 32 ranges.
        if older >= ACK_RANGES_MAX {
            return Err(DecodeError::OutOfBounds { field: "ack range count" });
        }
        let below_zero = DecodeError::OutOfBounds { field: "ack range" };
        let mut ranges = AckRanges::EMPTY;
        let mut first = largest.checked_sub(reader.varint()?).ok_or(below_zero)?;
        ranges.push_older(first, largest);
        for _ in 0..older {
            let last = first.checked_sub(reader.varint()? + 2).ok_or(below_zero)?;
            first = last.checked_sub(reader.varint()?).ok_or(below_zero)?;
            ranges.push_older(first, last);
        }
        Ok(Self { delay, shape: Shape::Ranges(ranges) })
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{ACK_RANGES_MAX, AckFrame, AckRanges};
    use crate::wire::cursor::Reader;
    use crate::wire::{DecodeError, PacketNumber};

    proptest! {
        #[test]
        fn ranges_come_back(
            base in 0..1_u64 << 40,
            received in prop::collection::btree_set(0..200_u64, 1..80),
            ahead in 1..1000_u64,
        ) {
            let ranges = ranges_of(&received.iter().map(|number| base + number).collect());
            let next = PacketNumber::new(ranges.largest().unwrap() + ahead);
            prop_assert_eq!(encode_decode(&ranges, next), Ok(ranges));
        }

        #[test]
        fn garbage_gives_sane_ranges_or_an_error(
            kind in 0x10..0x20_u8,
            bytes in prop::collection::vec(any::<u8>(), 0..80),
            next in 0..1_u64 << 40,
        ) {
            if let Ok(frame) = AckFrame::decode(kind, &mut Reader::new(&bytes)) {
                let ranges = frame.ranges(PacketNumber::new(next)).unwrap();
                let mut above = u64::MAX;
                for (first, last) in ranges.iter() {
                    prop_assert!(first <= last && last < above);
                    above = first;
                }
            }
        }
    }

    #[test]
    fn in_the_steady_state_an_acknowledgement_takes_four_bytes() {
        let mut ranges = AckRanges::EMPTY;
        ranges.push_older(968, 1000);
        let mut bytes = Vec::new();
        AckFrame::encode(&ranges, Duration::from_millis(5), &mut bytes);
        assert_eq!(bytes, [0x10, 0xe8, 0x03, 20]);
    }

    //= book/src/spec/wire.md#acknowledgement-frames
    //= type=test
    //# A receiver MUST refuse an acknowledgement of more than 32 ranges.
    #[test]
    fn more_ranges_than_the_limit_are_refused() {
        let bytes = [40, 0, ACK_RANGES_MAX as u8, 0];
        let refused = AckFrame::decode(0x18, &mut Reader::new(&bytes));
        assert_eq!(refused, Err(DecodeError::OutOfBounds { field: "ack range count" }));
    }

    fn encode_decode(ranges: &AckRanges, next: PacketNumber) -> Result<AckRanges, DecodeError> {
        let mut bytes = Vec::new();
        AckFrame::encode(ranges, Duration::ZERO, &mut bytes);
        let mut reader = Reader::new(&bytes);
        let kind = reader.u8()?;
        let frame = AckFrame::decode(kind, &mut reader)?;
        assert!(reader.is_empty() && AckFrame::is_type(kind));
        frame.ranges(next)
    }

    fn ranges_of(numbers: &BTreeSet<u64>) -> AckRanges {
        let mut ranges = AckRanges::EMPTY;
        let mut numbers = numbers.iter().rev().copied();
        let Some(newest) = numbers.next() else { return ranges };
        let (mut first, mut last) = (newest, newest);
        for number in numbers {
            if number + 1 == first {
                first = number;
            } else {
                ranges.push_older(first, last);
                (first, last) = (number, number);
            }
        }
        ranges.push_older(first, last);
        ranges
    }
}
