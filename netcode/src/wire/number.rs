//! Packet numbers and their short form.

use core::fmt;

use crate::wire::id::nearest;

/// Counts the packets of one direction of a connection, from 0. Never used twice: the AEAD nonce
/// comes from it. 62 bits.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PacketNumber(u64);

impl PacketNumber {
    /// The first packet.
    pub const FIRST: Self = Self(0);
    /// One past the last number there is.
    pub const END: u64 = 1 << 62;

    /// The packet with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The packet after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// How many low bytes name this packet to a peer that has acknowledged `acked`: enough to span
    /// twice the packets that may be under way (RFC 9000, section 17.1).
    pub fn truncated_len(self, acked: Option<Self>) -> usize {
        let unacked = acked.map_or(self.0 + 1, |acked| self.0.saturating_sub(acked.0));
        match unacked {
            0..0x78 => 1,
            0x78..0x7fff => 2,
            0x7fff..0x7f_ffff => 3,
            _ => 4,
        }
    }

    /// The packet nearest to `expected` whose low `len` bytes are `low`.
    //= book/src/spec/wire.md#packet-numbers
    //# The receiver MUST take the number closest to the one it expects next.
    pub fn expand(low: u32, len: usize, expected: Self) -> Self {
        Self(nearest(u64::from(low), 8 * len as u32, expected.0))
    }
}

impl fmt::Debug for PacketNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::PacketNumber;

    proptest! {
        //= book/src/spec/wire.md#packet-numbers
        //= type=test
        //# The receiver MUST take the number closest to the one it expects next.
        #[test]
        fn a_truncated_number_expands_at_a_peer_that_is_behind(
            acked in 0..PacketNumber::END / 2,
            ahead in 1..0x3f_ffff_u64,
            received in 0..0x3f_ffff_u64,
        ) {
            // The peer expects something between what it acknowledged and what was sent.
            let sent = PacketNumber::new(acked + ahead);
            let expected = PacketNumber::new(acked + 1 + received % ahead);
            let len = sent.truncated_len(Some(PacketNumber::new(acked)));
            let low = (sent.get() & ((1 << (8 * len)) - 1)) as u32;
            prop_assert_eq!(PacketNumber::expand(low, len, expected), sent);
        }
    }

    #[test]
    fn the_example_of_rfc_9000_expands() {
        // RFC 9000, appendix A.3.
        let expected = PacketNumber::new(0xa82f_30eb);
        assert_eq!(PacketNumber::expand(0x9b32, 2, expected).get(), 0xa82f_9b32);
    }
}
