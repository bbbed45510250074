//! Why a connection ends, as its peer is told.

use thiserror::Error;

/// The code of a close or a refusal. Values are wire format: never reuse one.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum CloseCode {
    /// The application is done.
    #[error("no error")]
    NoError,
    /// A rule of the protocol was broken. Deliberately coarse: attackers read close codes too.
    #[error("protocol violation")]
    ProtocolViolation,
    /// The peers do not speak the same version.
    #[error("version not supported")]
    Version,
    /// The channel tables of the two sides differ.
    #[error("channel tables differ")]
    ChannelTable,
    /// The application's schemas differ.
    #[error("schemas differ")]
    Schema,
    /// The connect token is unreadable, for another server, not yet or no longer valid.
    #[error("connect token not accepted")]
    Token,
    /// No room for another connection.
    #[error("server is full")]
    Full,
    /// The same session connected again; this is its older connection.
    #[error("replaced by a newer connection")]
    Replaced,
    /// The server is going away.
    #[error("server is shutting down")]
    Shutdown,
    /// The server wants this client gone.
    #[error("kicked")]
    Kicked,
    /// The character is served elsewhere now.
    #[error("moved to another server")]
    Moved,
    /// A code of the application's own, or of a later version.
    #[error("code {0}")]
    Other(u16),
}

impl CloseCode {
    /// The code on the wire.
    pub const fn to_wire(self) -> u16 {
        match self {
            Self::NoError => 0,
            Self::ProtocolViolation => 1,
            Self::Version => 2,
            Self::ChannelTable => 3,
            Self::Schema => 4,
            Self::Token => 5,
            Self::Full => 6,
            Self::Replaced => 7,
            Self::Shutdown => 8,
            Self::Kicked => 9,
            Self::Moved => 10,
            Self::Other(code) => code,
        }
    }

    /// The code that `wire` stands for.
    pub const fn from_wire(wire: u16) -> Self {
        match wire {
            0 => Self::NoError,
            1 => Self::ProtocolViolation,
            2 => Self::Version,
            3 => Self::ChannelTable,
            4 => Self::Schema,
            5 => Self::Token,
            6 => Self::Full,
            7 => Self::Replaced,
            8 => Self::Shutdown,
            9 => Self::Kicked,
            10 => Self::Moved,
            code => Self::Other(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CloseCode;

    #[test]
    fn every_code_comes_back() {
        for wire in 0..=u16::MAX {
            assert_eq!(CloseCode::from_wire(wire).to_wire(), wire);
        }
    }
}
