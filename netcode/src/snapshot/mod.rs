//! The world as few bytes: what a client must learn to catch up with a tick.
//!
//! ```text
//!   candidates --quantised--> known set --delta--> bits within a budget --> decoder --> view
//!                                           ^                                 ^
//!                                    baseline: a snapshot that the client acknowledged
//! ```
//!
//! A *snapshot* is everything that a client knows after the message of one tick. It is sent as the
//! difference to a *baseline*: a snapshot whose arrival the transport has confirmed. Both sides
//! keep the snapshots that can still become one. With no baseline the difference is to nothing.
//!
//! ```text
//!   age of the baseline in ticks (0: none) · complete (1 bit)
//!   removed: count · gaps between indices in the baseline
//!   changed: count · each: gap · mask · differences of the fields in the mask
//!   added:   count · each: gap between identifiers · kind · every field
//! ```
//!
//! # A budget that is too small
//!
//! The message never exceeds its budget. Removals go first, then those entities that have waited
//! for the most priority; the others keep their state of the baseline in this snapshot, and gain
//! until it is their turn. The *view* of a client has each entity of the newest snapshot as it was
//! last seen in any, with the tick at which that was true: nothing ever goes back.
//!
//! # Contract
//!
//! The caller sends each message at most once, over anything that may lose or delay it, gives every
//! message that arrives to the decoder, with its tick, and tells the encoder of each whether it
//! arrived: a receipt of the transport says so. A message that arrives but is kept from the
//! decoder must not be reported.
//!
//! ```
//! use std::sync::Arc;
//!
//! use netcode::snapshot::{
//!     Candidate, Codec, EntityId, EntityState, Field, Kind, KindId, Schema, SnapshotDecoder,
//!     SnapshotEncoder,
//! };
//! use netcode::tick::Tick;
//!
//! let metres = Codec::Range { min: 0.0, max: 1024.0, precision: 1.0 / 64.0 };
//! let fields = vec![Field { name: "x", codec: metres }, Field { name: "y", codec: metres }];
//! let schema = Arc::new(Schema::new(vec![Kind { name: "crate", fields }])?);
//! let mut encoder = SnapshotEncoder::new(schema.clone());
//! let mut decoder = SnapshotDecoder::new(schema);
//!
//! let state = EntityState::new(KindId(0), &[metres.quantize(3.5)?, metres.quantize(8.0)?]);
//! let candidates = [Candidate { id: EntityId(7), state: &state, priority: 1.0 }];
//! let mut message = Vec::new();
//! encoder.encode(Tick::new(1), &candidates, 1000, &mut message);
//! decoder.decode(Tick::new(1), &message)?;
//! assert_eq!(decoder.get(EntityId(7)).unwrap().state, state);
//!
//! // The transport says that it arrived: from now on what stays as it was costs nothing.
//! encoder.on_acked(Tick::new(1));
//! message.clear();
//! encoder.encode(Tick::new(2), &candidates, 1000, &mut message);
//! assert!(message.len() <= 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! - What counts as received could be decoded, however late or reordered: a receipt that proves
//!   less is ignored.
//! - A field never differs from the server's by more than its precision, however long the chain of
//!   differences, because these are taken between quantised values.
//! - Memory is bounded by [`SNAPSHOTS_KEPT`] snapshots of [`ENTITIES_MAX`] entities on each side,
//!   and is that of a round trip in practice.
//!
//! Deliberately absent: packets, acknowledgements, time, and what the fields mean.

mod baseline;
mod bits;
mod budget;
mod decoder;
mod delta;
mod encoder;
mod error;
mod quantize;
mod schema;
#[cfg(test)]
mod tests;

pub use baseline::SNAPSHOTS_KEPT;
pub use decoder::{Decoded, Freshness, Seen, SnapshotDecoder};
pub use encoder::{Candidate, ENTITIES_MAX, Encoded, SnapshotEncoder};
pub use error::SnapshotError;
pub use quantize::{Codec, QuantizeError};
pub use schema::{
    EntityId, EntityState, FIELDS_MAX, Field, KINDS_MAX, Kind, KindId, Schema, SchemaError,
};
