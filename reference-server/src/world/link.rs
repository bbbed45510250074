//! A client of a zone: its connection, and what it knows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use netcode::endpoint::ConnectionHandle;
use netcode::predict::Margin;
use netcode::snapshot::{Schema, SnapshotEncoder};
use netcode::tick::Tick;
use netcode::wire::MessageId;

/// Snapshots whose fate is not known; of older ones it does not matter.
const SENT_MAX: usize = 64;
/// Inputs kept for a character that another zone owns still: two seconds at 30 Hz.
const AHEAD_INPUTS_MAX: usize = 64;
/// An input farther ahead than this is not kept.
const AHEAD_TICKS_MAX: u64 = 64;

/// One client.
#[derive(Debug)]
pub(super) struct Link<I> {
    pub(super) connection: ConnectionHandle,
    pub(super) encoder: SnapshotEncoder,
    /// How early its inputs come.
    pub(super) margin: Margin,
    /// The newest tick that an input came for.
    pub(super) newest_input: Tick,
    /// Inputs that came before the character did.
    ahead: BTreeMap<Tick, I>,
    sent: VecDeque<(MessageId, Tick)>,
}

impl<I> Link<I> {
    pub(super) fn new(connection: ConnectionHandle, schema: Arc<Schema>) -> Self {
        Self {
            connection,
            encoder: SnapshotEncoder::new(schema),
            margin: Margin::default(),
            newest_input: Tick::ZERO,
            ahead: BTreeMap::new(),
            sent: VecDeque::new(),
        }
    }

    /// Keeps an input for when the character comes.
    pub(super) fn keep_ahead(&mut self, now: Tick, tick: Tick, input: I) {
        if tick > now + AHEAD_TICKS_MAX {
            return;
        }
        self.ahead.insert(tick, input);
        while self.ahead.len() > AHEAD_INPUTS_MAX {
            self.ahead.pop_first();
        }
    }

    /// The inputs that came before the character did.
    pub(super) fn take_ahead(&mut self) -> BTreeMap<Tick, I> {
        core::mem::take(&mut self.ahead)
    }

    /// A snapshot of `tick` went out as `message`.
    pub(super) fn on_sent(&mut self, message: MessageId, tick: Tick) {
        if self.sent.len() == SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((message, tick));
    }

    /// The fate of `message`.
    pub(super) fn on_receipt(&mut self, message: MessageId, is_acked: bool) {
        let Some(index) = self.sent.iter().position(|(sent, _)| *sent == message) else { return };
        if let Some((_, tick)) = self.sent.remove(index) {
            if is_acked {
                self.encoder.on_acked(tick);
            } else {
                self.encoder.on_lost(tick);
            }
        }
    }

    /// Begins anew: what this zone told the client before, it may have forgotten.
    pub(super) fn reset_snapshots(&mut self, schema: Arc<Schema>) {
        self.encoder = SnapshotEncoder::new(schema);
        self.sent.clear();
    }
}
