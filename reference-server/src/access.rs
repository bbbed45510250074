//! The way into a zone: connect tokens, and what goes with them.
//!
//! Whoever lets a client in seals its token with the zone's own key; the directory (the `app`)
//! derives that key from its master key, a zone has only its own. A stolen zone can let clients
//! into itself and nowhere else.

use core::net::SocketAddr;

use bytes::Bytes;
use netcode::crypto::{Claims, PublicKey, TokenKey};
use netcode::entropy::Entropy;
use shardline_protocol::control;

use crate::ids::{AccountId, CharacterId, ZoneId};

/// How long a token may wait for its first use: several slow round trips.
const TOKEN_LIFE_S: u64 = 45;
/// Clocks of hosts differ by less.
const CLOCK_SKEW_S: u64 = 5;

/// Why a client connects to a zone. The extension of its connect token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// To play here from now on.
    Enter,
    /// Ahead of a crossing: the character belongs to another zone still.
    Ahead,
}

impl Purpose {
    const ENTER: u8 = 0;
    const AHEAD: u8 = 1;

    /// As it stands in the token.
    pub fn to_extension(self) -> Bytes {
        Bytes::copy_from_slice(&[match self {
            Self::Enter => Self::ENTER,
            Self::Ahead => Self::AHEAD,
        }])
    }

    /// Reads the extension of a token; `None` for one that nobody here writes.
    pub fn from_extension(extension: &[u8]) -> Option<Self> {
        match extension {
            [Self::ENTER] => Some(Self::Enter),
            [Self::AHEAD] => Some(Self::Ahead),
            _ => None,
        }
    }
}

/// Lets clients into one zone.
#[derive(Clone, Debug)]
pub struct Door {
    /// Which zone.
    pub zone: ZoneId,
    /// Its UDP address, as clients reach it.
    pub address: SocketAddr,
    /// Its public key.
    pub server_public: PublicKey,
    /// The key that seals its tokens.
    pub token_key: TokenKey,
}

/// Who is to be let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Guest {
    /// Its player.
    pub account: AccountId,
    /// The character.
    pub character: CharacterId,
    /// The client's key.
    pub client_public: PublicKey,
}

impl Door {
    /// The key of `zone`, of the master key: HKDF-SHA256 (RFC 5869) with the zone's id as context.
    pub fn zone_key(master: &[u8; 32], zone: ZoneId) -> TokenKey {
        struct Length;
        impl ring::hkdf::KeyType for Length {
            fn len(&self) -> usize {
                32
            }
        }
        let salt = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, b"shardline zone token key");
        let context = zone.0.to_le_bytes();
        let mut key = [0; 32];
        salt.extract(master)
            .expand(&[&context], Length)
            .and_then(|output| output.fill(&mut key))
            .expect("32 bytes are within the limit of HKDF-SHA256");
        TokenKey::new(0, key)
    }

    /// Makes what `guest` needs to get in, valid from `unix_s` for 45 s.
    pub fn admit(
        &self,
        guest: &Guest,
        purpose: Purpose,
        unix_s: u64,
        entropy: &mut Entropy,
    ) -> control::ZoneAccess {
        let claims = Claims {
            server_id: self.zone.0,
            not_before_s: unix_s.saturating_sub(CLOCK_SKEW_S),
            not_after_s: unix_s + TOKEN_LIFE_S,
            session_id: entropy.bytes(),
            account_id: guest.account.0,
            character_id: guest.character.0,
            client_public: guest.client_public,
            extension: purpose.to_extension(),
        };
        control::ZoneAccess {
            zone_id: self.zone.0,
            address: self.address.to_string(),
            connect_token: self.token_key.seal(&claims, entropy),
            server_public_key: Bytes::copy_from_slice(&self.server_public.0),
            character_id: guest.character.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use netcode::crypto::{PublicKey, SecretKey};
    use netcode::entropy::Entropy;

    use super::{Door, Guest, Purpose};
    use crate::ids::{AccountId, CharacterId, ZoneId};

    #[test]
    fn a_token_opens_at_its_own_zone_only() {
        let mut entropy = Entropy::from_simulation_seed(1);
        let master = entropy.bytes();
        let door = Door {
            zone: ZoneId(3),
            address: "127.0.0.1:7000".parse().unwrap(),
            server_public: SecretKey::generate(&mut entropy).public(),
            token_key: Door::zone_key(&master, ZoneId(3)),
        };
        let (account, character) = (AccountId(1), CharacterId(2));
        let guest = Guest { account, character, client_public: PublicKey([4; 32]) };
        let access = door.admit(&guest, Purpose::Ahead, 1_000, &mut entropy);
        let claims = Door::zone_key(&master, ZoneId(3)).open(&access.connect_token).unwrap();
        assert_eq!(claims.check(3, 1_000), Ok(()));
        assert_eq!(Purpose::from_extension(&claims.extension), Some(Purpose::Ahead));
        assert!(Door::zone_key(&master, ZoneId(2)).open(&access.connect_token).is_err());
    }

    #[test]
    fn unknown_purposes_are_refused() {
        for bytes in [&[][..], &[2], &[0, 0]] {
            assert_eq!(Purpose::from_extension(bytes), None);
        }
    }
}
