//! Why something sealed did not open.

use thiserror::Error;

/// It did not open. Deliberately without a reason.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("cannot be opened")]
pub struct OpenError;
