//! What can go wrong with the database itself. What a caller did wrong is said by each question's
//! own error, of which this is one variant.

use std::sync::Arc;

use thiserror::Error;

/// The ledger could not answer.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The writer has stopped. A write that was under way may have happened or not: ask again,
    /// with the same transaction id, once the ledger is open again.
    #[error("the ledger is closed")]
    Closed,
    /// A stored value cannot be what it claims to be.
    #[error("the ledger holds an impossible value: {0}")]
    Corrupt(&'static str),
    /// The database refused. Nothing of the command was done, unless it was the commit that
    /// failed: then the writer stops, and [`LedgerError::Closed`] applies.
    #[error("database: {0}")]
    Database(#[source] Arc<sqlx::Error>),
    /// An argument is out of its bounds. Nothing was done.
    #[error("invalid argument: {0}")]
    Invalid(&'static str),
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// A ledger file could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It cannot be read or created, or is no database.
    #[error("cannot open the ledger: {0}")]
    Database(#[from] sqlx::Error),
    /// Its tables are not those of this version, or of one that can be brought up to it.
    #[error("cannot bring the ledger up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}
