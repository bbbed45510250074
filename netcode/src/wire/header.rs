//! The short header, which every packet after the handshake has.
//!
//! ```text
//!   bit 7     0: short form
//!   bit 6     a connection id follows       (clear: routing needs it)
//!   bit 5     key phase                     (masked)
//!   bit 4-3   bytes of packet number - 1    (masked)
//!   bit 2-0   random, ignored               (masked)
//! ```

use crate::wire::{CONNECTION_ID_BYTES, ConnectionId, DecodeError, PacketNumber};

/// Bytes of the tag at the end of every short packet.
pub const TAG_BYTES: usize = 16;
/// Bytes of the longest packet number.
const NUMBER_BYTES_MAX: usize = 4;
const LONG_FORM: u8 = 0x80;
const HAS_ID: u8 = 0x40;
/// What header protection hides of byte 0.
const MASKED: u8 = 0x3f;

/// Where the parts of a short packet stand, before its header is unmasked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ShortHeader {
    /// The connection id, if the packet carries it.
    pub connection_id: Option<ConnectionId>,
    number_at: usize,
}

impl ShortHeader {
    /// Whether this datagram starts with a long header.
    pub fn is_long(datagram: &[u8]) -> bool {
        datagram.first().is_some_and(|byte| byte & LONG_FORM != 0)
    }

    /// The parts in clear.
    ///
    /// # Errors
    ///
    /// If the packet is too short to hold a header, a number and a tag.
    pub fn decode(packet: &[u8]) -> Result<Self, DecodeError> {
        let (first, rest) = packet.split_first().ok_or(DecodeError::Truncated)?;
        let connection_id = if first & HAS_ID != 0 {
            Some(ConnectionId(*rest.first_chunk().ok_or(DecodeError::Truncated)?))
        } else {
            None
        };
        let number_at = 1 + connection_id.map_or(0, |_| CONNECTION_ID_BYTES);
        if packet.len() < number_at + NUMBER_BYTES_MAX + TAG_BYTES {
            return Err(DecodeError::Truncated);
        }
        Ok(Self { connection_id, number_at })
    }

    /// Appends the header of packet `number`; `random` greases the reserved bits.
    ///
    /// Returns where the payload starts.
    pub fn encode(
        connection_id: Option<ConnectionId>,
        number: PacketNumber,
        number_len: usize,
        random: u8,
        out: &mut Vec<u8>,
    ) -> usize {
        debug_assert!((1..=NUMBER_BYTES_MAX).contains(&number_len));
        let id_bit = if connection_id.is_some() { HAS_ID } else { 0 };
        out.push(id_bit | ((number_len as u8 - 1) << 3) | (random & 0x07));
        if let Some(ConnectionId(id)) = connection_id {
            out.extend_from_slice(&id);
        }
        out.extend_from_slice(
            &(number.get() as u32).to_be_bytes()[NUMBER_BYTES_MAX - number_len..],
        );
        out.len()
    }

    /// Masks the header of a sealed packet. `number_len` as given to [`encode`](Self::encode).
    pub fn mask(packet: &mut [u8], number_len: usize, mask: [u8; 5]) {
        let number_at = if packet[0] & HAS_ID != 0 { 1 + CONNECTION_ID_BYTES } else { 1 };
        packet[0] ^= mask[0] & MASKED;
        for (byte, mask) in packet[number_at..number_at + number_len].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
        }
    }

    /// The 16 bytes that header protection samples: the tag.
    pub fn sample(packet: &[u8]) -> &[u8] {
        &packet[packet.len() - TAG_BYTES..]
    }

    /// Unmasks the header in place and reads the number: its low bytes, how many they are, and
    /// where the payload starts.
    pub fn unmask(self, packet: &mut [u8], mask: [u8; 5]) -> (u32, usize, usize) {
        packet[0] ^= mask[0] & MASKED;
        let len = usize::from((packet[0] >> 3) & 3) + 1;
        let bytes = &mut packet[self.number_at..self.number_at + len];
        let mut low = 0_u32;
        for (byte, mask) in bytes.iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
            low = low << 8 | u32::from(*byte);
        }
        (low, len, self.number_at + len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ShortHeader, TAG_BYTES};
    use crate::wire::{ConnectionId, PacketNumber};

    proptest! {
        #[test]
        fn what_is_masked_unmasks(
            number in 0..1_u64 << 30,
            id in any::<Option<[u8; 4]>>(),
            random in any::<u8>(),
            mask in any::<[u8; 5]>(),
            payload in prop::collection::vec(any::<u8>(), 3..40),
        ) {
            let id = id.map(ConnectionId);
            let number = PacketNumber::new(number);
            let len = number.truncated_len(None);
            let mut packet = Vec::new();
            let payload_at = ShortHeader::encode(id, number, len, random, &mut packet);
            packet.extend_from_slice(&payload);
            packet.extend_from_slice(&[9; TAG_BYTES]);
            let clear = packet.clone();
            ShortHeader::mask(&mut packet, len, mask);

            let header = ShortHeader::decode(&packet).unwrap();
            prop_assert_eq!(header.connection_id, id);
            let (low, read_len, read_at) = header.unmask(&mut packet, mask);
            prop_assert_eq!((u64::from(low), read_len, read_at), (number.get(), len, payload_at));
            prop_assert_eq!(packet, clear);
        }

        #[test]
        fn garbage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(header) = ShortHeader::decode(&bytes) {
                let sample: [u8; TAG_BYTES] = ShortHeader::sample(&bytes).try_into().unwrap();
                header.unmask(&mut bytes, [sample[0]; 5]);
            }
        }
    }
}
