//! What can be wrong with settings, in words that say what to do.

use core::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why the server does not start with these settings.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("settings file {path:?} cannot be read: {error}")]
    File {
        /// As given.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A value is out of its bounds, or not what it should be at all.
    #[error(
        "{name} is {value:?}, from {origin}, but must be {wanted}; change it there, or leave it \
         out for the default {default:?}"
    )]
    Invalid {
        /// Of the setting.
        name: &'static str,
        /// As given.
        value: String,
        /// Who gave it.
        origin: Origin,
        /// What would be right.
        wanted: String,
        /// What holds if nobody says anything.
        default: &'static str,
    },
    /// The file is not TOML.
    #[error("settings file {path:?} is not TOML: {reason}")]
    Syntax {
        /// As given.
        path: PathBuf,
        /// Place and problem.
        reason: String,
    },
    /// The file sets something that does not exist.
    #[error(
        "settings file {path:?} has unknown setting `{name}`; the book's page on settings lists \
         those that exist"
    )]
    Unknown {
        /// As given.
        path: PathBuf,
        /// As it stands there, tables and key joined by dots.
        name: String,
    },
}

/// Who gave a value.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody.
    Default,
    /// The settings file.
    File(PathBuf),
    /// This flag of the command line.
    Flag(String),
    /// This variable of the environment.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(path) => write!(f, "file {path:?}"),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
        }
    }
}
