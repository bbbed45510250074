//! Transport parameters: what each side tells the other inside the encrypted handshake.
//!
//! A list of (id, length, value), all varints but the value. An id that is not known is skipped,
//! and every client sends one, so that it stays so.

use crate::wire::DecodeError;
use crate::wire::cursor::{Reader, put_varint};

/// Most suites that a client offers.
pub const SUITES_MAX: usize = 8;
const SUITES: u64 = 1;
const CHANNEL_TABLE: u64 = 2;
const SCHEMA: u64 = 3;
const IDLE_TIMEOUT: u64 = 4;
/// Ids of the form 31 n + 27 mean nothing and are sent at random.
const GREASE_STEP: u64 = 31;
const GREASE_OFFSET: u64 = 27;

/// Names an AEAD with its header protection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SuiteId(pub u8);

/// What one side tells the other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TransportParams {
    /// Client: the suites it can, best first. Server: the one it chose.
    pub suites: Vec<u8>,
    /// Hash of the channel table.
    pub channel_table_hash: u64,
    /// Hash of the application's schema.
    pub schema_hash: u64,
    /// Silence after which this side takes the other for gone.
    pub idle_timeout_ms: u32,
}

impl TransportParams {
    /// Appends the parameters; `random` picks the greased one.
    pub fn encode(&self, random: u8, out: &mut Vec<u8>) {
        let mut put = |id: u64, value: &[u8]| {
            put_varint(id, out);
            put_varint(value.len() as u64, out);
            out.extend_from_slice(value);
        };
        put(SUITES, &self.suites);
        put(CHANNEL_TABLE, &self.channel_table_hash.to_le_bytes());
        put(SCHEMA, &self.schema_hash.to_le_bytes());
        put(IDLE_TIMEOUT, &self.idle_timeout_ms.to_le_bytes());
        put(GREASE_STEP * u64::from(random) + GREASE_OFFSET, &[random]);
    }

    /// Reads parameters.
    ///
    /// # Errors
    ///
    /// If they are cut off, or one that is known has the wrong size.
    //= book/src/spec/handshake.md#transport-parameters
    //# A receiver MUST skip a parameter that it does not know.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut params = Self::default();
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let id = reader.varint()?;
            let length = reader.varint()?;
            let length = usize::try_from(length).map_err(|_| DecodeError::Truncated)?;
            let mut value = Reader::new(reader.take(length)?);
            match id {
                SUITES if length <= SUITES_MAX => params.suites = value.rest().to_vec(),
                SUITES => return Err(DecodeError::OutOfBounds { field: "suites" }),
                CHANNEL_TABLE => params.channel_table_hash = value.u64()?,
                SCHEMA => params.schema_hash = value.u64()?,
                IDLE_TIMEOUT => params.idle_timeout_ms = value.u32()?,
                _ => {}
            }
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::TransportParams;

    proptest! {
        //= book/src/spec/handshake.md#transport-parameters
        //= type=test
        //# A receiver MUST skip a parameter that it does not know.
        #[test]
        fn params_come_back_whatever_the_grease(
            suites in prop::collection::vec(any::<u8>(), 0..8),
            channel_table_hash in any::<u64>(),
            schema_hash in any::<u64>(),
            idle_timeout_ms in any::<u32>(),
            random in any::<u8>(),
        ) {
            let sent =
                TransportParams { suites, channel_table_hash, schema_hash, idle_timeout_ms };
            let mut bytes = Vec::new();
            sent.encode(random, &mut bytes);
            prop_assert_eq!(TransportParams::decode(&bytes), Ok(sent));
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = TransportParams::decode(&bytes);
        }
    }
}
