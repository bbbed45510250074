//! Key agreement: Noise KK (`-> e, es, ss` / `<- e, ee, se`) over X25519, ChaCha20-Poly1305 and
//! BLAKE2s.
//!
//! Both sides know the other's static key beforehand: the client from the matchmaker, the server
//! from the connect token. After two messages both hold keys that neither static key alone can
//! recompute (forward secrecy), and each has proven its static key.

use core::fmt;

use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::crypto::aead::{PacketKeys, Suite};
use crate::crypto::schedule::packet_key;
use crate::entropy::Entropy;

const PATTERN: &str = "Noise_KK_25519_ChaChaPoly_BLAKE2s";
/// Bytes of a key, secret or public.
const KEY_BYTES: usize = 32;
/// What a Noise message adds to its payload: an ephemeral key and a tag.
const NOISE_OVERHEAD: usize = 32 + 16;

/// An X25519 public key.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublicKey(pub [u8; KEY_BYTES]);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, ..] = self.0;
        write!(f, "PublicKey({first:02x}{second:02x}..)")
    }
}

/// An X25519 secret key. Wiped when dropped, never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; KEY_BYTES]);

impl SecretKey {
    /// A new key.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// The key with these bytes, from a store of secrets.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let mut dh = DefaultResolver
            .resolve_dh(&DHChoice::Curve25519)
            .expect("snow is built with Curve25519");
        dh.set(&self.0);
        let mut public = [0; KEY_BYTES];
        public.copy_from_slice(dh.pubkey());
        PublicKey(public)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A handshake message was not made by who should have made it, or not for this handshake.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("handshake message not accepted")]
pub struct NoiseError;

/// The client's half, waiting for the answer. Consumed by it.
pub struct Initiator {
    state: HandshakeState,
}

impl Initiator {
    /// Starts an agreement with the holder of `server`; returns the first message, which carries
    /// `payload` encrypted. `prologue` is what both sides must see alike.
    pub fn start(
        client: &SecretKey,
        server: PublicKey,
        prologue: &[u8],
        payload: &[u8],
        entropy: &mut Entropy,
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        let mut state = builder(entropy, prologue, &client.0, &server.0)?
            .build_initiator()
            .map_err(|_| NoiseError)?;
        let message = write(&mut state, payload)?;
        Ok((Self { state }, message))
    }

    /// Reads the answer; returns its payload.
    ///
    /// # Errors
    ///
    /// If the answer is not of the server. The agreement can then still succeed with another.
    pub fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
        read(&mut self.state, message)
    }

    /// The keys, once [`read`](Self::read) has succeeded.
    pub fn finish(mut self, suite: Suite) -> PacketKeys {
        let (to_server, to_client) = split(&mut self.state);
        PacketKeys { open: packet_key(suite, &to_client), seal: packet_key(suite, &to_server) }
    }
}

/// The server's half.
pub struct Responder {
    state: HandshakeState,
}

impl Responder {
    /// Reads the first message of the holder of `client`; returns its payload.
    ///
    /// # Errors
    ///
    /// If the sender does not hold the secret of `client`, or saw another prologue.
    pub fn start(
        server: &SecretKey,
        client: PublicKey,
        prologue: &[u8],
        message: &[u8],
        entropy: &mut Entropy,
    ) -> Result<(Self, Vec<u8>), NoiseError> {
        let mut state = builder(entropy, prologue, &server.0, &client.0)?
            .build_responder()
            .map_err(|_| NoiseError)?;
        let payload = read(&mut state, message)?;
        Ok((Self { state }, payload))
    }

    /// The answer, carrying `payload` encrypted, and the keys.
    ///
    /// # Errors
    ///
    /// If the payload is too large for a message.
    pub fn finish(
        mut self,
        suite: Suite,
        payload: &[u8],
    ) -> Result<(Vec<u8>, PacketKeys), NoiseError> {
        let message = write(&mut self.state, payload)?;
        let (to_server, to_client) = split(&mut self.state);
        let keys =
            PacketKeys { open: packet_key(suite, &to_server), seal: packet_key(suite, &to_client) };
        Ok((message, keys))
    }
}

fn builder<'a>(
    entropy: &mut Entropy,
    prologue: &'a [u8],
    local: &'a [u8],
    remote: &'a [u8],
) -> Result<Builder<'a>, NoiseError> {
    let params: NoiseParams = PATTERN.parse().map_err(|_| NoiseError)?;
    let resolver = Resolver { seed: entropy.bytes() };
    Builder::with_resolver(params, Box::new(resolver))
        .prologue(prologue)
        .and_then(|builder| builder.local_private_key(local))
        .and_then(|builder| builder.remote_public_key(remote))
        .map_err(|_| NoiseError)
}

fn write(state: &mut HandshakeState, payload: &[u8]) -> Result<Vec<u8>, NoiseError> {
    let mut message = vec![0; payload.len() + NOISE_OVERHEAD];
    let len = state.write_message(payload, &mut message).map_err(|_| NoiseError)?;
    message.truncate(len);
    Ok(message)
}

fn read(state: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, NoiseError> {
    let mut payload = vec![0; message.len()];
    let len = state.read_message(message, &mut payload).map_err(|_| NoiseError)?;
    payload.truncate(len);
    Ok(payload)
}

/// Secrets of the two directions: towards the server, towards the client.
fn split(state: &mut HandshakeState) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    let (to_server, to_client) = state.dangerously_get_raw_split();
    (Zeroizing::new(to_server), Zeroizing::new(to_client))
}

/// Gives snow our randomness in place of the operating system's.
struct Resolver {
    seed: [u8; 32],
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(GivenRandom(Entropy::from_seed(self.seed))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct GivenRandom(Entropy);

impl Random for GivenRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator(..)")
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Initiator, NoiseError, Responder, SecretKey};
    use crate::crypto::aead::{PacketKeys, Suite};
    use crate::entropy::Entropy;
    use crate::wire::{ConnectionId, PacketNumber, ShortHeader};

    //= book/src/spec/wire.md#protection
    //= type=test
    //# The connection id MUST be authenticated even in a packet that leaves it out.
    #[test]
    fn both_sides_agree_and_open_what_the_other_seals() {
        for suite in Suite::ALL {
            let (client, server) = agree(suite, b"prologue", b"prologue").unwrap();
            check_direction(&client, &server);
            check_direction(&server, &client);
        }
    }

    //= book/src/spec/handshake.md#key-agreement
    //= type=test
    //# Both sides MUST use the same prologue: the nine bytes `shardline`, the version, and the
    //# token as sent.
    #[test]
    fn another_prologue_or_another_key_is_refused() {
        assert_eq!(agree(Suite::default(), b"one", b"two").err(), Some(NoiseError));
        let mut entropy = Entropy::from_simulation_seed(1);
        let [client, thief, server] = keys(&mut entropy);
        let (_, hello) = Initiator::start(&thief, server.public(), b"", b"", &mut entropy).unwrap();
        let stolen = Responder::start(&server, client.public(), b"", &hello, &mut entropy);
        assert_eq!(stolen.err(), Some(NoiseError));
    }

    //= book/src/spec/handshake.md#key-agreement
    //= type=test
    //# A client MUST go on waiting when an answer does not authenticate.
    #[test]
    fn a_forged_answer_leaves_the_agreement_open() {
        let mut entropy = Entropy::from_simulation_seed(1);
        let [client, server, _] = keys(&mut entropy);
        let (mut initiator, hello) =
            Initiator::start(&client, server.public(), b"", b"", &mut entropy).unwrap();
        assert_eq!(initiator.read(&[7; 48]), Err(NoiseError));
        let (responder, _) =
            Responder::start(&server, client.public(), b"", &hello, &mut entropy).unwrap();
        let (answer, _) = responder.finish(Suite::default(), b"yes").unwrap();
        assert_eq!(initiator.read(&answer).as_deref(), Ok(&b"yes"[..]));
    }

    fn keys<const N: usize>(entropy: &mut Entropy) -> [SecretKey; N] {
        core::array::from_fn(|_| SecretKey::generate(entropy))
    }

    fn agree(
        suite: Suite,
        client_sees: &[u8],
        server_sees: &[u8],
    ) -> Result<(PacketKeys, PacketKeys), NoiseError> {
        let mut entropy = Entropy::from_simulation_seed(1);
        let [client, server] = keys(&mut entropy);
        let (mut initiator, hello) =
            Initiator::start(&client, server.public(), client_sees, b"hi", &mut entropy)?;
        let (responder, payload) =
            Responder::start(&server, client.public(), server_sees, &hello, &mut entropy)?;
        assert_eq!(payload, b"hi");
        let (answer, server_keys) = responder.finish(suite, b"ho")?;
        assert_eq!(initiator.read(&answer)?, b"ho");
        Ok((initiator.finish(suite), server_keys))
    }

    #[track_caller]
    fn check_direction(sender: &PacketKeys, receiver: &PacketKeys) {
        let (id, number) = (ConnectionId([1, 2, 3, 4]), PacketNumber::new(77));
        for carried in [None, Some(id)] {
            let mut packet = Vec::new();
            let payload_at = ShortHeader::encode(carried, number, 2, 5, &mut packet);
            packet.extend_from_slice(b"payload");
            sender.seal.seal(number, id, &mut packet, 0, payload_at);
            let opened =
                receiver.open.open(number, id, &mut packet.clone(), payload_at).map(<[u8]>::to_vec);
            assert_eq!(opened.as_deref(), Ok(&b"payload"[..]));
            // Whoever splices a packet into another connection changes what was authenticated.
            let other = ConnectionId([1, 2, 3, 5]);
            assert!(receiver.open.open(number, other, &mut packet.clone(), payload_at).is_err());
            assert!(receiver.open.open(number.next(), id, &mut packet, payload_at).is_err());
        }
    }
}
