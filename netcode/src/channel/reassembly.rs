//! Putting fragments together, within a budget.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use crate::channel::error::ChannelViolation;
use crate::wire::Part;

/// What holding a piece costs beyond its bytes.
const PIECE_OVERHEAD_BYTES: usize = 64;

/// Bytes that a connection may hold for messages that are not complete or not yet due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    used: usize,
    max: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        Self { used: 0, max }
    }

    /// Whether there is room for a piece of `bytes`.
    pub(super) fn fits(&self, bytes: usize) -> bool {
        self.used + bytes + PIECE_OVERHEAD_BYTES <= self.max
    }

    /// Takes room for a piece of `bytes`; says whether there was any.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let fits = self.fits(bytes);
        if fits {
            self.take_anyway(bytes);
        }
        fits
    }

    /// Takes room for a piece without which nothing could ever be given back.
    pub(super) fn take_anyway(&mut self, bytes: usize) {
        self.used += bytes + PIECE_OVERHEAD_BYTES;
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        self.used -= bytes + PIECE_OVERHEAD_BYTES;
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }
}

/// The pieces of one message. Memory follows what arrived, not what was announced.
#[derive(Debug)]
pub(super) struct Partial {
    count: u16,
    bytes: usize,
    pieces: BTreeMap<u16, Bytes>,
}

impl Partial {
    pub(super) fn new(count: u16) -> Self {
        Self { count, bytes: 0, pieces: BTreeMap::new() }
    }

    /// Whether this piece is new, and fits the message.
    pub(super) fn check(
        &self,
        part: Part,
        payload: &[u8],
        message_bytes_max: usize,
    ) -> Result<bool, ChannelViolation> {
        if part.count != self.count {
            return Err(ChannelViolation::FragmentMismatch);
        }
        if self.pieces.contains_key(&part.index) {
            return Ok(false);
        }
        if self.bytes + payload.len() > message_bytes_max {
            return Err(ChannelViolation::TooLarge);
        }
        Ok(true)
    }

    /// Adds a piece that [`check`](Self::check) has passed and the budget has room for.
    //= book/src/spec/channels.md#memory
    //# A receiver MUST count fragments by the bytes that arrived, never by the bytes that were
    //# announced.
    pub(super) fn insert(&mut self, index: u16, payload: &[u8]) {
        self.bytes += payload.len();
        self.pieces.insert(index, Bytes::copy_from_slice(payload));
    }

    pub(super) fn is_complete(&self) -> bool {
        self.pieces.len() == usize::from(self.count)
    }

    /// The message, and its pieces' room back to the budget.
    pub(super) fn assemble(self, budget: &mut Budget) -> Bytes {
        let mut message = BytesMut::with_capacity(self.bytes);
        for piece in self.pieces.values() {
            budget.give_back(piece.len());
            message.extend_from_slice(piece);
        }
        message.freeze()
    }

    /// Forgets the message.
    pub(super) fn discard(self, budget: &mut Budget) {
        self.pieces.values().for_each(|piece| budget.give_back(piece.len()));
    }
}
