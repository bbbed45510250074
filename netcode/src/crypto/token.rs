//! Connect tokens: what a matchmaker gives a client to show at a server's door.
//!
//! ```text
//!   clear    kid (1 B) · nonce (24 B)
//!   sealed   version 1 · flags 1 · server id 4 · not before 8 · not after 8 · session id 16
//!            · account id 8 · character id 8 · client public key 32 · extension 0-48
//!   tag      16 B                         XChaCha20-Poly1305; random nonces need no coordination
//! ```
//!
//! The token is bound to the client's key: who steals it cannot use it.

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::exchange::PublicKey;
use crate::entropy::Entropy;
use crate::wire::{DecodeError, Reader, VERSION};

/// Most bytes of [`Claims::extension`].
pub const TOKEN_EXTENSION_BYTES_MAX: usize = 48;
const LAYOUT: u8 = 1;
const NONCE_BYTES: usize = 24;
const PROTOCOL: &[u8; 8] = b"SHARDLIN";

/// The secret that matchmaker and server share. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TokenKey {
    kid: u8,
    key: [u8; 32],
}

impl TokenKey {
    /// The key with this id: during a rotation two are alive.
    pub fn new(kid: u8, key: [u8; 32]) -> Self {
        Self { kid, key }
    }

    /// A new key.
    pub fn generate(kid: u8, entropy: &mut Entropy) -> Self {
        Self { kid, key: entropy.bytes() }
    }

    /// Which key this is.
    pub fn kid(&self) -> u8 {
        self.kid
    }

    /// Makes a token of `claims`.
    ///
    /// # Panics
    ///
    /// If the extension is over [`TOKEN_EXTENSION_BYTES_MAX`].
    pub fn seal(&self, claims: &Claims, entropy: &mut Entropy) -> Bytes {
        let nonce: [u8; NONCE_BYTES] = entropy.bytes();
        let payload = Payload { msg: &claims.encode(), aad: &associated_data(self.kid) };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a token is far below the limit of the AEAD");
        let mut token = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        token.push(self.kid);
        token.extend_from_slice(&nonce);
        token.extend_from_slice(&sealed);
        token.into()
    }

    /// Reads a token, whatever its times say.
    ///
    /// # Errors
    ///
    /// [`TokenError::Unreadable`] if this key did not seal it.
    pub fn open(&self, token: &[u8]) -> Result<Claims, TokenError> {
        let mut reader = Reader::new(token);
        let kid = reader.u8().map_err(|_| TokenError::Unreadable)?;
        let nonce: [u8; NONCE_BYTES] = reader.array().map_err(|_| TokenError::Unreadable)?;
        if kid != self.kid {
            return Err(TokenError::Unreadable);
        }
        let payload = Payload { msg: reader.rest(), aad: &associated_data(kid) };
        let clear = self
            .cipher()
            .decrypt(&XNonce::from(nonce), payload)
            .map_err(|_| TokenError::Unreadable)?;
        Claims::decode(&clear).map_err(|_| TokenError::Unreadable)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.key.into())
    }
}

impl core::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "TokenKey({}, ..)", self.kid)
    }
}

/// Which key sealed this token: in clear, for servers that hold several.
pub fn peek_kid(token: &[u8]) -> Option<u8> {
    token.first().copied()
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TokenError {
    /// Its time is over.
    #[error("connect token has expired")]
    Expired,
    /// Its time has not come.
    #[error("connect token is not valid yet")]
    NotYetValid,
    /// Not sealed by a key of ours, or damaged.
    #[error("connect token cannot be opened")]
    Unreadable,
    /// Meant for another server.
    #[error("connect token is for server {server_id}")]
    WrongServer {
        /// The one it is for.
        server_id: u32,
    },
}

/// What a token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// The only server that lets it in.
    pub server_id: u32,
    /// Unix time in seconds.
    pub not_before_s: u64,
    /// Unix time in seconds. Usually 30 to 45 s after it was made.
    pub not_after_s: u64,
    /// Names the stay. The same client may present the token again to replace its own connection.
    pub session_id: [u8; 16],
    /// Whose token it is.
    pub account_id: u64,
    /// Whom the account plays.
    pub character_id: u64,
    /// The client that may use it.
    pub client_public: PublicKey,
    /// Of the application's choosing, at most [`TOKEN_EXTENSION_BYTES_MAX`] bytes.
    pub extension: Bytes,
}

impl Claims {
    /// Whether the token may be used on server `server_id` at `unix_s`.
    ///
    /// # Errors
    ///
    /// [`TokenError`] says why not.
    //= book/src/spec/handshake.md#connect-tokens
    //# A server MUST refuse a token that is for another server, not yet valid or expired.
    pub fn check(&self, server_id: u32, unix_s: u64) -> Result<(), TokenError> {
        if self.server_id != server_id {
            return Err(TokenError::WrongServer { server_id: self.server_id });
        }
        if unix_s < self.not_before_s {
            return Err(TokenError::NotYetValid);
        }
        if unix_s > self.not_after_s {
            return Err(TokenError::Expired);
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        assert!(self.extension.len() <= TOKEN_EXTENSION_BYTES_MAX, "the extension is too long");
        let mut out = vec![LAYOUT, 0];
        out.extend_from_slice(&self.server_id.to_le_bytes());
        out.extend_from_slice(&self.not_before_s.to_le_bytes());
        out.extend_from_slice(&self.not_after_s.to_le_bytes());
        out.extend_from_slice(&self.session_id);
        out.extend_from_slice(&self.account_id.to_le_bytes());
        out.extend_from_slice(&self.character_id.to_le_bytes());
        out.extend_from_slice(&self.client_public.0);
        out.extend_from_slice(&self.extension);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != LAYOUT {
            return Err(DecodeError::OutOfBounds { field: "token layout" });
        }
        let _flags = reader.u8()?;
        let claims = Self {
            server_id: reader.u32()?,
            not_before_s: reader.u64()?,
            not_after_s: reader.u64()?,
            session_id: reader.array()?,
            account_id: reader.u64()?,
            character_id: reader.u64()?,
            client_public: PublicKey(reader.array()?),
            extension: Bytes::copy_from_slice(reader.rest()),
        };
        if claims.extension.len() > TOKEN_EXTENSION_BYTES_MAX {
            return Err(DecodeError::OutOfBounds { field: "token extension" });
        }
        Ok(claims)
    }
}

fn associated_data(kid: u8) -> [u8; 13] {
    let mut aad = [0; 13];
    aad[..8].copy_from_slice(PROTOCOL);
    aad[8..12].copy_from_slice(&VERSION.to_le_bytes());
    aad[12] = kid;
    aad
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Claims, TokenError, TokenKey};
    use crate::crypto::exchange::PublicKey;
    use crate::entropy::Entropy;

    fn claims() -> Claims {
        Claims {
            server_id: 7,
            not_before_s: 100,
            not_after_s: 145,
            session_id: [3; 16],
            account_id: 1,
            character_id: 2,
            client_public: PublicKey([4; 32]),
            extension: Bytes::from_static(b"team 2"),
        }
    }

    proptest! {
        #[test]
        fn a_token_with_any_bit_flipped_does_not_open(bit in 0_usize..8 * 130, kid in any::<u8>()) {
            let mut entropy = Entropy::from_simulation_seed(1);
            let key = TokenKey::generate(kid, &mut entropy);
            let mut token = key.seal(&claims(), &mut entropy).to_vec();
            prop_assert_eq!(key.open(&token), Ok(claims()));
            let bit = bit % (8 * token.len());
            token[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(key.open(&token), Err(TokenError::Unreadable));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(TokenKey::new(0, [0; 32]).open(&bytes).is_err());
        }
    }

    //= book/src/spec/handshake.md#connect-tokens
    //= type=test
    //# A server MUST refuse a token that is for another server, not yet valid or expired.
    #[test]
    fn times_and_server_are_checked() {
        let check = |server, unix_s| claims().check(server, unix_s);
        assert_eq!(check(7, 100), Ok(()));
        assert_eq!(check(7, 145), Ok(()));
        assert_eq!(check(7, 99), Err(TokenError::NotYetValid));
        assert_eq!(check(7, 146), Err(TokenError::Expired));
        assert_eq!(check(8, 120), Err(TokenError::WrongServer { server_id: 7 }));
    }
}
