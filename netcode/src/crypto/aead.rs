//! Sealing and opening packets in place.
//!
//! The nonce is the packet number xor an IV (RFC 9001, section 5.3); the header mask comes from a
//! sample of the sealed packet (section 5.4), here its tag, so that no packet is too short.

use core::fmt;

use ring::aead::quic::{self, HeaderProtectionKey};
use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::crypto::error::OpenError;
use crate::wire::{CONNECTION_ID_BYTES, ConnectionId, PacketNumber, SuiteId, TAG_BYTES};

/// Bytes of authenticated header: byte 0, the connection id even if elided, the packet number.
const AAD_BYTES_MAX: usize = 1 + CONNECTION_ID_BYTES + 4;
const NONCE_BYTES: usize = 12;

/// An AEAD with its header protection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Suite {
    /// AES-128-GCM: about twice as fast where the processor has AES instructions.
    Aes128Gcm,
    /// ChaCha20-Poly1305: constant-time everywhere. The default.
    #[default]
    ChaCha20Poly1305,
}

impl Suite {
    /// Every suite, the preferred one first.
    pub const ALL: [Self; 2] = [Self::ChaCha20Poly1305, Self::Aes128Gcm];

    /// Its name on the wire.
    pub const fn id(self) -> SuiteId {
        match self {
            Self::ChaCha20Poly1305 => SuiteId(1),
            Self::Aes128Gcm => SuiteId(2),
        }
    }

    /// The suite with this name.
    pub fn from_id(id: SuiteId) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.id() == id)
    }

    pub(super) fn key_len(self) -> usize {
        self.aead().key_len()
    }

    fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }

    fn mask(self) -> &'static quic::Algorithm {
        match self {
            Self::Aes128Gcm => &quic::AES_128,
            Self::ChaCha20Poly1305 => &quic::CHACHA20,
        }
    }
}

/// Seals or opens the packets of one direction of one connection.
pub struct PacketKey {
    key: LessSafeKey,
    iv: [u8; NONCE_BYTES],
    mask: HeaderProtectionKey,
}

/// The keys of a connection, one a direction.
#[derive(Debug)]
pub struct PacketKeys {
    /// For what the peer sealed.
    pub open: PacketKey,
    /// For what we send.
    pub seal: PacketKey,
}

impl PacketKey {
    /// The key with these secrets: `key` and `mask` of the suite's key length.
    pub(super) fn new(suite: Suite, key: &[u8], iv: [u8; NONCE_BYTES], mask: &[u8]) -> Self {
        let unbound = UnboundKey::new(suite.aead(), key).expect("the schedule makes whole keys");
        let mask =
            HeaderProtectionKey::new(suite.mask(), mask).expect("the schedule makes whole keys");
        Self { key: LessSafeKey::new(unbound), iv, mask }
    }

    /// Seals `packet[payload_at..]` in place and appends the tag. The header,
    /// `packet[..payload_at]`, and the connection id are authenticated with it. A number must
    /// never be used twice.
    pub fn seal(
        &self,
        number: PacketNumber,
        id: ConnectionId,
        packet: &mut Vec<u8>,
        start: usize,
        payload_at: usize,
    ) {
        let aad = associated_data(&packet[start..payload_at], id);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                self.nonce(number),
                Aad::from(aad),
                &mut packet[payload_at..],
            )
            .expect("a packet is far below the limit of the AEAD");
        packet.extend_from_slice(tag.as_ref());
    }

    /// Opens `packet[payload_at..]` in place and returns the payload.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; the packet is then spoiled.
    pub fn open<'a>(
        &self,
        number: PacketNumber,
        id: ConnectionId,
        packet: &'a mut [u8],
        payload_at: usize,
    ) -> Result<&'a [u8], OpenError> {
        let (header, sealed) = packet.split_at_mut_checked(payload_at).ok_or(OpenError)?;
        if sealed.len() < TAG_BYTES {
            return Err(OpenError);
        }
        let aad = associated_data(header, id);
        let payload = self
            .key
            .open_in_place(self.nonce(number), Aad::from(aad), sealed)
            .map_err(|_| OpenError)?;
        Ok(payload)
    }

    /// The mask for a header, from 16 bytes of the sealed packet.
    ///
    /// # Errors
    ///
    /// If the sample has another length.
    pub fn header_mask(&self, sample: &[u8]) -> Result<[u8; 5], OpenError> {
        self.mask.new_mask(sample).map_err(|_| OpenError)
    }

    fn nonce(&self, number: PacketNumber) -> Nonce {
        let mut nonce = self.iv;
        for (byte, number) in nonce[4..].iter_mut().zip(number.get().to_be_bytes()) {
            *byte ^= number;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

/// Byte 0, the connection id, the packet number: as if the id were never elided.
//= book/src/spec/wire.md#protection
//# The connection id MUST be authenticated even in a packet that leaves it out.
fn associated_data(header: &[u8], id: ConnectionId) -> [u8; AAD_BYTES_MAX] {
    let has_id = header.len() > CONNECTION_ID_BYTES;
    let number = &header[if has_id { 1 + CONNECTION_ID_BYTES } else { 1 }..];
    let mut aad = [0; AAD_BYTES_MAX];
    aad[0] = header[0];
    aad[1..=CONNECTION_ID_BYTES].copy_from_slice(&id.0);
    aad[AAD_BYTES_MAX - number.len()..].copy_from_slice(number);
    aad
}

impl fmt::Debug for PacketKey {
    /// Never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PacketKey(..)")
    }
}
