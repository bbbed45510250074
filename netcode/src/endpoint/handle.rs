//! Names of connections, for callers.

/// Names one connection of one endpoint. Its place may be used again, the handle never is: of a
/// connection that is gone it finds nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionHandle {
    index: u32,
    generation: u32,
}

impl ConnectionHandle {
    pub(super) fn new(index: usize, generation: u32) -> Self {
        Self { index: index as u32, generation }
    }

    pub(super) fn index(self) -> usize {
        self.index as usize
    }

    pub(super) fn generation(self) -> u32 {
        self.generation
    }
}
