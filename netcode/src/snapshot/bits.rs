//! Bits of a message, least significant first.
//!
//! A *number* is an exponential Golomb code of order `k`: small numbers are short, and the order
//! says which numbers count as small. A *wide* number is for identifiers, which are not small.
//!
//! ```text
//!   number   e ones · a zero · (e + k) bits       (value >> k) + 1 has e + 1 bits
//!   wide     digits - 1 (4 bits) · 4 bits for each digit, least significant digit first
//! ```

use crate::snapshot::error::SnapshotError;

/// Greatest exponent of a number: what it codes has at most 32 bits.
const EXPONENT_MAX: u32 = 31;

/// Appends bits to bytes, and never more than it may.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    pending_bits: u32,
    left_bits: usize,
}

impl<'a> BitWriter<'a> {
    /// Appends to `out`, at most `bits_max` bits.
    pub(super) fn new(out: &'a mut Vec<u8>, bits_max: usize) -> Self {
        Self { out, pending: 0, pending_bits: 0, left_bits: bits_max }
    }

    /// The low `count` bits of `value`; at most 32.
    ///
    /// # Panics
    ///
    /// If they do not fit: whoever writes has counted them before.
    pub(super) fn bits(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32 && u64::from(value) < 1 << count);
        self.left_bits = self.left_bits.checked_sub(count as usize).expect("counted before");
        self.pending |= u64::from(value) << self.pending_bits;
        self.pending_bits += count;
        while self.pending_bits >= 8 {
            self.out.push(self.pending as u8);
            self.pending >>= 8;
            self.pending_bits -= 8;
        }
    }

    /// A number of order `k`.
    pub(super) fn number(&mut self, value: u32, k: u32) {
        let exponent = exponent(value, k);
        self.unary(exponent);
        self.bits(0, 1);
        self.mantissa(value, exponent, k);
    }

    /// `count` ones, without the zero that ends them.
    pub(super) fn unary(&mut self, count: u32) {
        self.bits(((1_u64 << count) - 1) as u32, count);
    }

    /// What follows the exponent of a number.
    pub(super) fn mantissa(&mut self, value: u32, exponent: u32, k: u32) {
        let base = ((1_u64 << exponent) - 1) << k;
        self.bits((u64::from(value) - base) as u32, exponent + k);
    }

    /// A wide number.
    pub(super) fn wide(&mut self, value: u64) {
        let digits = wide_digits(value);
        self.bits(digits - 1, 4);
        for digit in 0..digits {
            self.bits((value >> (4 * digit)) as u32 & 0xf, 4);
        }
    }

    /// Pads the last byte with zeros.
    pub(super) fn finish(self) {
        if self.pending_bits > 0 {
            self.out.push(self.pending as u8);
        }
    }
}

/// Takes bits off bytes of a stranger.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    pending: u64,
    pending_bits: u32,
}

impl<'a> BitReader<'a> {
    /// Reads `bytes` from their start.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pending: 0, pending_bits: 0 }
    }

    /// The next `count` bits; at most 32.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, SnapshotError> {
        debug_assert!(count <= 32);
        while self.pending_bits < count {
            let (&byte, rest) = self.bytes.split_first().ok_or(SnapshotError::Truncated)?;
            self.bytes = rest;
            self.pending |= u64::from(byte) << self.pending_bits;
            self.pending_bits += 8;
        }
        let value = self.pending & ((1 << count) - 1);
        self.pending >>= count;
        self.pending_bits -= count;
        Ok(value as u32)
    }

    /// A number of order `k`.
    pub(super) fn number(&mut self, k: u32) -> Result<u32, SnapshotError> {
        let exponent = self.unary(EXPONENT_MAX + 1)?;
        if exponent + k > EXPONENT_MAX {
            return Err(SnapshotError::Malformed);
        }
        self.mantissa(exponent, k)
    }

    /// Counts ones up to a zero, which it takes too, or up to `max`.
    pub(super) fn unary(&mut self, max: u32) -> Result<u32, SnapshotError> {
        let mut count = 0;
        while count < max && self.bits(1)? == 1 {
            count += 1;
        }
        Ok(count)
    }

    /// What follows the exponent of a number.
    pub(super) fn mantissa(&mut self, exponent: u32, k: u32) -> Result<u32, SnapshotError> {
        let base = ((1_u64 << exponent) - 1) << k;
        let value = base + u64::from(self.bits(exponent + k)?);
        u32::try_from(value).map_err(|_| SnapshotError::Malformed)
    }

    /// A wide number.
    pub(super) fn wide(&mut self) -> Result<u64, SnapshotError> {
        let digits = self.bits(4)? + 1;
        let mut value = 0;
        for digit in 0..digits {
            value |= u64::from(self.bits(4)?) << (4 * digit);
        }
        Ok(value)
    }

    /// Checks that nothing is left but the zeros that pad the last byte.
    pub(super) fn finish(self) -> Result<(), SnapshotError> {
        if self.bytes.is_empty() && self.pending_bits < 8 && self.pending == 0 {
            Ok(())
        } else {
            Err(SnapshotError::Malformed)
        }
    }
}

/// Bits that [`BitWriter::number`] writes.
pub(super) fn number_bits(value: u32, k: u32) -> usize {
    (2 * exponent(value, k) + 1 + k) as usize
}

/// Bits that [`BitWriter::wide`] writes.
pub(super) fn wide_bits(value: u64) -> usize {
    4 + 4 * wide_digits(value) as usize
}

/// The exponent of a number of order `k`.
pub(super) fn exponent(value: u32, k: u32) -> u32 {
    ((u64::from(value) >> k) + 1).ilog2()
}

fn wide_digits(value: u64) -> u32 {
    (64 - value.leading_zeros()).div_ceil(4).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BitReader, BitWriter, number_bits, wide_bits};

    #[derive(Clone, Copy, Debug)]
    enum Item {
        Bits(u32, u32),
        Number(u32, u32),
        Wide(u64),
    }

    fn item() -> impl Strategy<Value = Item> {
        let value = (any::<u32>(), 1..32_u32).prop_map(|(value, shift)| value >> shift);
        prop_oneof![
            (any::<u32>(), 0..=32_u32).prop_map(|(value, count)| Item::Bits(
                (u64::from(value) & ((1 << count) - 1)) as u32,
                count
            )),
            (value, 0..10_u32).prop_map(|(value, k)| Item::Number(value, k)),
            (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| Item::Wide(value >> shift)),
        ]
    }

    fn bits(item: Item) -> usize {
        match item {
            Item::Bits(_, count) => count as usize,
            Item::Number(value, k) => number_bits(value, k),
            Item::Wide(value) => wide_bits(value),
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_costs_what_was_said(
            items in prop::collection::vec(item(), 0..40),
        ) {
            let total: usize = items.iter().map(|item| bits(*item)).sum();
            let mut out = Vec::new();
            // One bit more would not have been there.
            let mut writer = BitWriter::new(&mut out, total);
            for item in &items {
                match *item {
                    Item::Bits(value, count) => writer.bits(value, count),
                    Item::Number(value, k) => writer.number(value, k),
                    Item::Wide(value) => writer.wide(value),
                }
            }
            writer.finish();
            prop_assert_eq!(out.len(), total.div_ceil(8));
            let mut reader = BitReader::new(&out);
            for item in &items {
                match *item {
                    Item::Bits(value, count) => prop_assert_eq!(reader.bits(count), Ok(value)),
                    Item::Number(value, k) => prop_assert_eq!(reader.number(k), Ok(value)),
                    Item::Wide(value) => prop_assert_eq!(reader.wide(), Ok(value)),
                }
            }
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }
}
