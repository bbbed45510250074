//! Names on the wire.

use core::fmt;

/// Bytes of a [`ConnectionId`].
pub const CONNECTION_ID_BYTES: usize = 4;

/// Names a connection to the server, whatever address its packets come from.
///
/// Byte 0 is the low byte of the server's id and byte 1 the shard (which socket of that server):
/// both in clear at a fixed offset, so that a load balancer or a socket filter can route on them.
/// The other two are random.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub [u8; CONNECTION_ID_BYTES]);

impl ConnectionId {
    /// The id with these parts.
    pub const fn new(server: u8, shard: u8, random: [u8; 2]) -> Self {
        Self([server, shard, random[0], random[1]])
    }

    /// Which socket of the server.
    pub const fn shard(self) -> u8 {
        self.0[1]
    }
}

/// Which channel: an index into the table that both sides agreed on. 0 to 15.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChannelId(pub u8);

impl ChannelId {
    /// Most channels of one connection.
    pub const COUNT_MAX: usize = 16;
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which message of its channel, counted from 0. Travels as its low 16 bits.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub u64);

impl MessageId {
    /// Messages that truncated ids can tell apart, to either side of the expected one.
    pub const WINDOW: u64 = 1 << 15;

    /// What travels.
    pub const fn truncate(self) -> u16 {
        self.0 as u16
    }

    /// The id nearest to `expected` that truncates to `low`.
    pub fn expand(low: u16, expected: Self) -> Self {
        Self(nearest(u64::from(low), 16, expected.0))
    }

    /// The id after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The number nearest to `expected` whose low `bits` bits are `low` (RFC 9000, appendix A.3).
pub(super) fn nearest(low: u64, bits: u32, expected: u64) -> u64 {
    let window = 1_u64 << bits;
    let candidate = (expected & !(window - 1)) | low;
    if candidate.saturating_add(window / 2) <= expected && candidate < (1 << 62) - window {
        candidate + window
    } else if candidate > expected.saturating_add(window / 2) && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::MessageId;

    proptest! {
        #[test]
        fn expand_inverts_truncate_within_the_window(
            expected in 0..u64::MAX >> 3,
            stray in 1 - MessageId::WINDOW as i64..MessageId::WINDOW as i64,
        ) {
            prop_assume!(expected as i64 + stray >= 0);
            let sent = MessageId((expected as i64 + stray) as u64);
            prop_assert_eq!(MessageId::expand(sent.truncate(), MessageId(expected)), sent);
        }
    }
}
