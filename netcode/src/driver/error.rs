//! Why a socket could not be had.

use core::net::SocketAddr;
use std::io;

use thiserror::Error;

/// A socket that could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address is taken, not this machine's, or not allowed.
    #[error("cannot bind a UDP socket to {address}")]
    Address {
        /// As given.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The socket is there, but cannot be used as a driver needs it.
    #[error("cannot set up the UDP socket at {address}")]
    Options {
        /// As given.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
}
