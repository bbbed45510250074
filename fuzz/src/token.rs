//! Connect tokens: bytes that a stranger shows at the door.
//!
//! A search cannot forge a seal, so the first byte of an input says what the rest is: a token as
//! it stands, or claims that are sealed first, as a matchmaker gone mad would.

use bytes::Bytes;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use netcode::crypto::{
    Claims, PublicKey, TOKEN_EXTENSION_BYTES_MAX, TokenError, TokenKey, peek_kid,
};
use netcode::entropy::Entropy;
use netcode::wire::VERSION;

use crate::seeds::{Seeds, with_mutations};

const KID: u8 = 3;
const KEY: [u8; 32] = [7; 32];
/// Bytes in front of what is sealed: key id and nonce.
const CLEAR_BYTES: usize = 25;

/// Opens a token. Claims that come out of it go back into one.
pub fn run(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let token = if kind & 1 == 0 { rest.to_vec() } else { seal(rest) };
    let key = TokenKey::new(KID, KEY);
    match key.open(&token) {
        Err(error) => assert_eq!(error, TokenError::Unreadable),
        Ok(claims) => {
            assert_eq!(peek_kid(&token), Some(KID));
            assert!(claims.extension.len() <= TOKEN_EXTENSION_BYTES_MAX);
            let again = key.seal(&claims, &mut Entropy::from_simulation_seed(1));
            assert_eq!(key.open(&again), Ok(claims.clone()));
            let wrong = claims.server_id.wrapping_add(1);
            assert!(claims.check(wrong, claims.not_before_s).is_err());
        }
    }
}

/// The layout of a token around any bytes at all.
fn seal(clear: &[u8]) -> Vec<u8> {
    let mut aad = b"SHARDLIN".to_vec();
    aad.extend_from_slice(&VERSION.to_le_bytes());
    aad.push(KID);
    let nonce = [9; 24];
    let sealed = XChaCha20Poly1305::new(&KEY.into())
        .encrypt(&XNonce::from(nonce), Payload { msg: clear, aad: &aad })
        .expect("far below the limit of the AEAD");
    [&[KID][..], &nonce, &sealed].concat()
}

fn open(token: &[u8]) -> Vec<u8> {
    let mut aad = b"SHARDLIN".to_vec();
    aad.extend_from_slice(&VERSION.to_le_bytes());
    aad.push(KID);
    let nonce: [u8; 24] = *token[1..].first_chunk().expect("a whole token");
    XChaCha20Poly1305::new(&KEY.into())
        .decrypt(&XNonce::from(nonce), Payload { msg: &token[CLEAR_BYTES..], aad: &aad })
        .expect("sealed by this key")
}

/// Sealed tokens, and the claims of them.
pub fn seeds() -> Seeds {
    let key = TokenKey::new(KID, KEY);
    let mut entropy = Entropy::from_simulation_seed(2);
    let mut seeds = Seeds::new();
    for length in [0, 1, 20, TOKEN_EXTENSION_BYTES_MAX] {
        let claims = Claims {
            server_id: 7,
            not_before_s: 100,
            not_after_s: u64::MAX >> length,
            session_id: entropy.bytes(),
            account_id: entropy.next_u64(),
            character_id: 2,
            client_public: PublicKey(entropy.bytes()),
            extension: Bytes::from(vec![1; length]),
        };
        let token = key.seal(&claims, &mut entropy);
        seeds.push((format!("claims-{length}"), [&[1][..], &open(&token)].concat()));
        seeds.push((format!("sealed-{length}"), [&[0][..], &token].concat()));
    }
    with_mutations(seeds, 40)
}
