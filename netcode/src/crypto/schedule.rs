//! From the secret of a handshake to the keys of its packets (HKDF, RFC 5869).

use ring::hkdf::{HKDF_SHA256, KeyType, Prk};
use zeroize::Zeroizing;

use crate::crypto::aead::{PacketKey, Suite};

/// Labels; each names what it makes and the version of the protocol.
const KEY: &[u8] = b"shardline 1 key";
const IV: &[u8] = b"shardline 1 iv";
const MASK: &[u8] = b"shardline 1 mask";

/// The packet key of one direction, from its half of the Noise split.
pub(super) fn packet_key(suite: Suite, secret: &[u8; 32]) -> PacketKey {
    let prk = Prk::new_less_safe(HKDF_SHA256, secret);
    let mut iv = [0; 12];
    expand(&prk, IV, &mut iv);
    let (mut key, mut mask) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
    let len = suite.key_len();
    expand(&prk, KEY, &mut key[..len]);
    expand(&prk, MASK, &mut mask[..len]);
    PacketKey::new(suite, &key[..len], iv, &mask[..len])
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(prk: &Prk, label: &[u8], out: &mut [u8]) {
    prk.expand(&[label], Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("32 bytes are far below the limit of HKDF");
}
