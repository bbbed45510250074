//! Keys, seals and proofs. Knows no peers.
//!
//! | secret | lives | protects |
//! | --- | --- | --- |
//! | [`TokenKey`] | a day, shared by matchmaker and server | connect tokens |
//! | [`SecretKey`] of a server | a deployment | who the server is |
//! | [`SecretKey`] of a client | a login | whose token it is |
//! | ephemeral keys (in `exchange`) | a handshake | that recordings stay unreadable |
//! | [`PacketKeys`] | a connection | every packet |
//! | cookie key | a process | that hellos come from where they say |
//!
//! All primitives are libraries': Noise KK by `snow`, packet AEAD, header masks and HKDF by
//! `ring`, token AEAD by `chacha20poly1305`, cookie hash by `siphasher`. What fails to open fails
//! with one opaque [`OpenError`]: attackers read errors.

mod aead;
mod cookie;
mod error;
mod exchange;
mod replay;
mod schedule;
mod token;

pub use aead::{PacketKey, PacketKeys, Suite};
pub use cookie::CookieKey;
pub use error::OpenError;
pub use exchange::{Initiator, NoiseError, PublicKey, Responder, SecretKey};
pub use replay::ReplayWindow;
pub use token::{Claims, TOKEN_EXTENSION_BYTES_MAX, TokenError, TokenKey, peek_kid};
