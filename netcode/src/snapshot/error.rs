//! Why a snapshot cannot be decoded.

use thiserror::Error;

use crate::tick::Tick;

/// A message that is not a snapshot, or not one for this receiver. The view stays as it was.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Something that no encoder writes.
    #[error("malformed")]
    Malformed,
    /// A value outside the bounds of its field, or a kind that the schema does not have.
    #[error("value out of bounds")]
    OutOfBounds,
    /// More than [`ENTITIES_MAX`](crate::snapshot::ENTITIES_MAX) entities.
    #[error("too many entities")]
    TooManyEntities,
    /// The bytes end too early.
    #[error("ends too early")]
    Truncated,
    /// The snapshot that it starts from never arrived here, or so long ago that it is forgotten.
    #[error("unknown baseline: tick {baseline}")]
    UnknownBaseline {
        /// The tick of the snapshot that it starts from.
        baseline: Tick,
    },
}
