//! The world as few bytes: what a client must learn to catch up with a tick.

mod quantize;
mod schema;

pub use quantize::{Codec, QuantizeError};
pub use schema::{
    EntityId, EntityState, FIELDS_MAX, Field, KINDS_MAX, Kind, KindId, Schema, SchemaError,
};
