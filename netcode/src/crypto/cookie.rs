//! Stateless proof that a client receives at the address it sends from.
//!
//! `slot (8 B) · SipHash-2-4-128(key, slot · address · port · ephemeral key)`. A cookie is worth
//! nothing but another look at the same hello, so a fast keyed hash is enough.

use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::entropy::Entropy;
use crate::time::Instant;
use crate::wire::COOKIE_BYTES;

/// How long a slot lasts; a cookie is good in its own slot and the next.
const SLOT_SECONDS: u64 = 8;
const SLOT_BYTES: usize = 8;

/// The secret behind a server's cookies. Lives as long as the process.
#[derive(Clone)]
pub struct CookieKey([u8; 16]);

impl CookieKey {
    /// A new key.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// The cookie for a client that says it is at `from` and sent `ephemeral`.
    pub fn make(&self, now: Instant, from: SocketAddr, ephemeral: &[u8]) -> [u8; COOKIE_BYTES] {
        self.make_for_slot(slot(now), from, ephemeral)
    }

    /// Whether `cookie` was made for the same client, at most 16 s ago.
    //= book/src/spec/handshake.md#retry
    //# A server MUST accept a cookie only for the address, the port and the ephemeral key that it
    //# was made for, in its own slot and the next.
    pub fn verify(
        &self,
        now: Instant,
        from: SocketAddr,
        ephemeral: &[u8],
        cookie: &[u8; COOKIE_BYTES],
    ) -> bool {
        let Some(stated) = cookie.first_chunk::<SLOT_BYTES>() else { return false };
        let stated = u64::from_le_bytes(*stated);
        let current = slot(now);
        let is_fresh = stated <= current && current - stated <= 1;
        is_fresh && constant_time_eq(&self.make_for_slot(stated, from, ephemeral), cookie)
    }

    fn make_for_slot(&self, slot: u64, from: SocketAddr, ephemeral: &[u8]) -> [u8; COOKIE_BYTES] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u64(slot);
        match from.ip() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.write_u16(from.port());
        hasher.write(ephemeral);
        let mut cookie = [0; COOKIE_BYTES];
        cookie[..SLOT_BYTES].copy_from_slice(&slot.to_le_bytes());
        cookie[SLOT_BYTES..].copy_from_slice(&hasher.finish128().as_bytes());
        cookie
    }
}

fn slot(now: Instant) -> u64 {
    now.as_micros() / 1_000_000 / SLOT_SECONDS
}

fn constant_time_eq(one: &[u8; COOKIE_BYTES], other: &[u8; COOKIE_BYTES]) -> bool {
    one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

impl core::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CookieKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use super::CookieKey;
    use crate::entropy::Entropy;
    use crate::time::Instant;

    //= book/src/spec/handshake.md#retry
    //= type=test
    //# A server MUST accept a cookie only for the address, the port and the ephemeral key that it
    //# was made for, in its own slot and the next.
    #[test]
    fn a_cookie_is_good_for_its_client_and_its_time_only() {
        let key = CookieKey::generate(&mut Entropy::from_simulation_seed(1));
        let from: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        let other: SocketAddr = "192.0.2.1:4001".parse().unwrap();
        let at = Instant::from_millis;
        let cookie = key.make(at(20_000), from, b"e");
        assert!(key.verify(at(20_100), from, b"e", &cookie));
        assert!(key.verify(at(31_999), from, b"e", &cookie));
        assert!(!key.verify(at(32_000), from, b"e", &cookie), "too old");
        assert!(!key.verify(at(15_000), from, b"e", &cookie), "from the future");
        assert!(!key.verify(at(20_100), other, b"e", &cookie), "other port");
        assert!(!key.verify(at(20_100), from, b"f", &cookie), "other key");
        let mut forged = cookie;
        forged[23] ^= 1;
        assert!(!key.verify(at(20_100), from, b"e", &forged), "forged");
    }
}
