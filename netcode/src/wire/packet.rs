//! Long packets: what is said before there are keys.
//!
//! ```text
//!   byte 0    0x80 | type << 4 | random (4 bits, ignored)       version (4 B)
//!   Hello     cookie length (1 B: 0 or 24) · cookie · token length (2 B) · token
//!             · noise length (2 B) · noise · zeros to 1,200 bytes
//!   Retry     echo (8 B) · cookie (24 B) · version count (1 B) · versions (4 B each)
//!   Accept    connection id (4 B) · noise to the end
//!   Refuse    echo (8 B) · code (2 B) · version count (1 B) · versions
//! ```
//!
//! The echo is the front of the client's ephemeral key: whoever answers has seen the hello.

use crate::wire::cursor::Reader;
use crate::wire::{CloseCode, ConnectionId, DecodeError};

/// The version of the protocol that this crate speaks.
pub const VERSION: u32 = 0x5348_0001;
/// Bytes of every hello.
pub const HELLO_BYTES: usize = 1200;
/// Bytes of the cookie of a retry.
pub const COOKIE_BYTES: usize = 24;
/// Bytes of the echo in an answer.
pub const ECHO_BYTES: usize = 8;
/// Most bytes of a connect token.
pub(crate) const TOKEN_BYTES_MAX: usize = 256;
/// Most bytes of a Noise message.
const NOISE_BYTES_MAX: usize = 512;
/// Most versions that an answer lists.
const VERSIONS_MAX: usize = 8;

const LONG_FORM: u8 = 0x80;
const HELLO: u8 = 0;
const RETRY: u8 = 1;
const ACCEPT: u8 = 2;
const REFUSE: u8 = 3;

/// A long packet, as read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LongPacket<'a> {
    /// Server to client: keys agreed.
    Accept(Accept<'a>),
    /// Client to server: let me in.
    Hello(Hello<'a>),
    /// Server to client: no. Not authenticated.
    Refuse(Refuse),
    /// Server to client: say it again, with this cookie.
    Retry(Retry),
}

/// The client's first packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hello<'a> {
    /// The version that it speaks.
    pub version: u32,
    /// From a retry, if there was one.
    pub cookie: Option<&'a [u8; COOKIE_BYTES]>,
    /// The sealed connect token.
    pub token: &'a [u8],
    /// First message of the key agreement.
    pub noise: &'a [u8],
}

/// The server wants to see that the client receives at its address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// From the hello.
    pub echo: [u8; ECHO_BYTES],
    /// To be shown in the next hello.
    pub cookie: [u8; COOKIE_BYTES],
}

/// The server agrees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Accept<'a> {
    /// What the client's packets shall carry.
    pub connection_id: ConnectionId,
    /// Second message of the key agreement.
    pub noise: &'a [u8],
}

/// The server declines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refuse {
    /// From the hello.
    pub echo: [u8; ECHO_BYTES],
    /// Why.
    pub code: CloseCode,
}

impl<'a> LongPacket<'a> {
    /// Reads a long packet.
    ///
    /// # Errors
    ///
    /// For anything that the encoders here do not write.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(datagram);
        let kind = (reader.u8()? >> 4) & 7;
        let version = reader.u32()?;
        match kind {
            //= book/src/spec/wire.md#long-packets
            //# A server MUST ignore a hello of fewer than 1,200 bytes.
            HELLO if datagram.len() < HELLO_BYTES => {
                Err(DecodeError::OutOfBounds { field: "hello size" })
            }
            HELLO => Hello::decode(version, &mut reader).map(Self::Hello),
            RETRY => {
                let retry = Retry { echo: reader.array()?, cookie: reader.array()? };
                skip_versions(&mut reader)?;
                Ok(Self::Retry(retry))
            }
            ACCEPT => {
                let connection_id = ConnectionId(reader.array()?);
                Ok(Self::Accept(Accept { connection_id, noise: reader.rest() }))
            }
            REFUSE => {
                let echo = reader.array()?;
                let code = CloseCode::from_wire(reader.u16()?);
                skip_versions(&mut reader)?;
                Ok(Self::Refuse(Refuse { echo, code }))
            }
            kind => Err(DecodeError::UnknownPacket { kind }),
        }
    }
}

fn start(kind: u8, random: u8, out: &mut Vec<u8>) {
    out.push(LONG_FORM | kind << 4 | random & 0x0f);
    out.extend_from_slice(&VERSION.to_le_bytes());
}

fn put_versions(out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(&VERSION.to_le_bytes());
}

/// Versions are listed for clients of the future; this one speaks one version only.
fn skip_versions(reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let count = usize::from(reader.u8()?);
    if count > VERSIONS_MAX {
        return Err(DecodeError::OutOfBounds { field: "version count" });
    }
    reader.take(count * 4).map(|_| ())
}

impl<'a> Hello<'a> {
    /// Appends a hello of this version.
    ///
    /// # Panics
    ///
    /// If token or noise are over their limits, which are far above what we make.
    pub fn encode(&self, random: u8, out: &mut Vec<u8>) {
        assert!(self.token.len() <= TOKEN_BYTES_MAX && self.noise.len() <= NOISE_BYTES_MAX);
        let start_at = out.len();
        start(HELLO, random, out);
        out.push(self.cookie.map_or(0, |cookie| cookie.len() as u8));
        out.extend_from_slice(self.cookie.map_or(&[][..], |cookie| cookie.as_slice()));
        for part in [self.token, self.noise] {
            out.extend_from_slice(&(part.len() as u16).to_le_bytes());
            out.extend_from_slice(part);
        }
        out.resize(start_at + HELLO_BYTES, 0);
    }

    fn decode(version: u32, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let cookie = match usize::from(reader.u8()?) {
            0 => None,
            COOKIE_BYTES => {
                Some(reader.take(COOKIE_BYTES)?.first_chunk().ok_or(DecodeError::Truncated)?)
            }
            _ => return Err(DecodeError::OutOfBounds { field: "cookie length" }),
        };
        let mut part = |field, max| {
            let length = usize::from(reader.u16()?);
            if length > max {
                return Err(DecodeError::OutOfBounds { field });
            }
            reader.take(length)
        };
        let token = part("token length", TOKEN_BYTES_MAX)?;
        let noise = part("noise length", NOISE_BYTES_MAX)?;
        Ok(Self { version, cookie, token, noise })
    }

    /// What answers echo.
    pub fn echo(&self) -> Option<[u8; ECHO_BYTES]> {
        self.noise.first_chunk().copied()
    }
}

impl Retry {
    /// Appends a retry.
    pub fn encode(&self, random: u8, out: &mut Vec<u8>) {
        start(RETRY, random, out);
        out.extend_from_slice(&self.echo);
        out.extend_from_slice(&self.cookie);
        put_versions(out);
    }
}

impl Accept<'_> {
    /// Appends an accept.
    pub fn encode(&self, random: u8, out: &mut Vec<u8>) {
        start(ACCEPT, random, out);
        out.extend_from_slice(&self.connection_id.0);
        out.extend_from_slice(self.noise);
    }
}

impl Refuse {
    /// Appends a refusal.
    pub fn encode(&self, random: u8, out: &mut Vec<u8>) {
        start(REFUSE, random, out);
        out.extend_from_slice(&self.echo);
        out.extend_from_slice(&self.code.to_wire().to_le_bytes());
        put_versions(out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Accept, COOKIE_BYTES, HELLO_BYTES, Hello, LongPacket, Refuse, Retry, VERSION};
    use crate::wire::{CloseCode, ConnectionId};

    proptest! {
        #[test]
        fn hellos_come_back(
            cookie in any::<Option<[u8; COOKIE_BYTES]>>(),
            token in prop::collection::vec(any::<u8>(), 0..200),
            noise in prop::collection::vec(any::<u8>(), 8..200),
            random in any::<u8>(),
        ) {
            let cookie = cookie.as_ref();
            let sent = Hello { version: VERSION, cookie, token: &token, noise: &noise };
            let mut bytes = Vec::new();
            sent.encode(random, &mut bytes);
            prop_assert_eq!(bytes.len(), HELLO_BYTES);
            prop_assert_eq!(LongPacket::decode(&bytes), Ok(LongPacket::Hello(sent)));
        }

        #[test]
        fn answers_come_back_and_are_small(echo in any::<[u8; 8]>(), cookie in any::<[u8; 24]>()) {
            let mut bytes = Vec::new();
            let retry = Retry { echo, cookie };
            retry.encode(3, &mut bytes);
            prop_assert!(bytes.len() <= 64);
            prop_assert_eq!(LongPacket::decode(&bytes), Ok(LongPacket::Retry(retry)));

            bytes.clear();
            let refuse = Refuse { echo, code: CloseCode::Full };
            refuse.encode(3, &mut bytes);
            prop_assert_eq!(LongPacket::decode(&bytes), Ok(LongPacket::Refuse(refuse)));

            bytes.clear();
            let accept = Accept { connection_id: ConnectionId([1, 2, 3, 4]), noise: &cookie };
            accept.encode(3, &mut bytes);
            prop_assert_eq!(LongPacket::decode(&bytes), Ok(LongPacket::Accept(accept)));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..1300)) {
            let _ = LongPacket::decode(&bytes);
        }
    }

    //= book/src/spec/wire.md#long-packets
    //= type=test
    //# A server MUST ignore a hello of fewer than 1,200 bytes.
    #[test]
    fn a_short_hello_is_refused_however_well_formed() {
        let mut bytes = Vec::new();
        Hello { version: VERSION, cookie: None, token: &[1], noise: &[2; 48] }
            .encode(0, &mut bytes);
        bytes.pop();
        assert!(LongPacket::decode(&bytes).is_err());
    }
}
