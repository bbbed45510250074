//! Reading and writing over byte slices; the only place that takes slices apart.

use crate::wire::DecodeError;

/// Reads values off the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    ///
    /// If fewer are left; so for every reading method.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// The next `N` bytes, by value.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// One byte.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, little-endian.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A variable-length integer of 1, 2, 4 or 8 bytes (RFC 9000, section 16): the two highest
    /// bits of the first byte say which, the rest is the number, big-endian.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    //= book/src/spec/wire.md#integers-of-variable-length
    //# A receiver MUST accept a number in any form that holds it.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let first = self.u8()?;
        let value = u64::from(first & 0x3f);
        let more = (1_usize << (first >> 6)) - 1;
        Ok(self.take(more)?.iter().fold(value, |value, byte| value << 8 | u64::from(*byte)))
    }
}

/// Appends a variable-length integer, in its shortest form.
///
/// # Panics
///
/// From 2^62 on. Numbers of our own are bounded far below it.
pub fn put_varint(value: u64, out: &mut Vec<u8>) {
    match varint_len(value) {
        1 => out.push(value as u8),
        2 => out.extend_from_slice(&(value as u16 | 0x4000).to_be_bytes()),
        4 => out.extend_from_slice(&(value as u32 | 0x8000_0000).to_be_bytes()),
        _ => out.extend_from_slice(&(value | 0xc000_0000_0000_0000).to_be_bytes()),
    }
}

/// Bytes that [`put_varint`] takes.
///
/// # Panics
///
/// From 2^62 on.
pub fn varint_len(value: u64) -> usize {
    match value {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..0x4000_0000 => 4,
        _ => {
            assert!(value < 1 << 62, "{value} does not fit a varint");
            8
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Reader, put_varint, varint_len};

    proptest! {
        #[test]
        fn varints_come_back(value in prop_oneof![0..300_u64, 0..1_u64 << 62]) {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            prop_assert_eq!(bytes.len(), varint_len(value));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn a_truncated_varint_is_an_error(value in 64..1_u64 << 62) {
            let mut bytes = Vec::new();
            put_varint(value, &mut bytes);
            bytes.pop();
            prop_assert!(Reader::new(&bytes).varint().is_err());
        }
    }

    //= book/src/spec/wire.md#integers-of-variable-length
    //= type=test
    //# A receiver MUST accept a number in any form that holds it.
    #[test]
    fn the_examples_of_rfc_9000_decode() {
        // RFC 9000, appendix A.1.
        let check = |bytes: &[u8], value| assert_eq!(Reader::new(bytes).varint(), Ok(value));
        check(&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652);
        check(&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333);
        check(&[0x7b, 0xbd], 15_293);
        check(&[0x25], 37);
        check(&[0x40, 0x25], 37);
    }
}
