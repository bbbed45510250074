//! Where connections live: places that are used again, under handles that are not.

use core::net::SocketAddr;
use std::sync::Arc;

use crate::connection::{ClientHandshake, Connection};
use crate::crypto::Claims;
use crate::endpoint::handle::ConnectionHandle;
use crate::time::Instant;

/// What stands in a slot.
#[derive(Debug)]
pub(super) enum Phase {
    Connecting(Box<ClientHandshake>),
    Live(Box<Connection>),
}

impl Phase {
    pub(super) fn remote(&self) -> SocketAddr {
        match self {
            Self::Connecting(handshake) => handshake.remote(),
            Self::Live(connection) => connection.remote(),
        }
    }
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    phase: Option<Phase>,
    /// Whom the slot's connection is with; kept apart, because a phase may be taken out.
    remote: Option<SocketAddr>,
    claims: Option<Arc<Claims>>,
    is_ready: bool,
    timer: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<usize>,
    max: usize,
}

impl Slots {
    pub(super) fn new(max: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), max }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Slots that there are, free ones included: one past the largest index.
    pub(super) fn count(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.len() < self.max
    }

    pub(super) fn insert(
        &mut self,
        phase: Phase,
        claims: Option<Arc<Claims>>,
    ) -> Option<ConnectionHandle> {
        if !self.has_room() {
            return None;
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        let slot = &mut self.slots[index];
        slot.remote = Some(phase.remote());
        slot.phase = Some(phase);
        slot.claims = claims;
        Some(ConnectionHandle::new(index, slot.generation))
    }

    pub(super) fn remove(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.phase = None;
        slot.remote = None;
        slot.claims = None;
        slot.timer = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
    }

    pub(super) fn handle(&self, index: usize) -> ConnectionHandle {
        ConnectionHandle::new(index, self.slots[index].generation)
    }

    pub(super) fn get(&self, handle: ConnectionHandle) -> Option<&Phase> {
        let slot = self.slots.get(handle.index())?;
        if slot.generation == handle.generation() { slot.phase.as_ref() } else { None }
    }

    pub(super) fn get_mut(&mut self, handle: ConnectionHandle) -> Option<&mut Phase> {
        let slot = self.slots.get_mut(handle.index())?;
        if slot.generation == handle.generation() { slot.phase.as_mut() } else { None }
    }

    pub(super) fn phase_mut(&mut self, index: usize) -> Option<&mut Phase> {
        self.slots.get_mut(index)?.phase.as_mut()
    }

    /// Takes the phase out, to be consumed; [`put_phase`](Self::put_phase) or
    /// [`remove`](Self::remove) must follow.
    pub(super) fn take_phase(&mut self, index: usize) -> Option<Phase> {
        self.slots.get_mut(index)?.phase.take()
    }

    pub(super) fn put_phase(&mut self, index: usize, phase: Phase) {
        self.slots[index].phase = Some(phase);
    }

    pub(super) fn claims(&self, handle: ConnectionHandle) -> Option<&Claims> {
        self.get(handle)?;
        self.slots[handle.index()].claims.as_deref()
    }

    pub(super) fn remote_at(&self, index: usize) -> Option<SocketAddr> {
        self.slots[index].remote
    }

    pub(super) fn claims_at(&self, index: usize) -> Option<Arc<Claims>> {
        self.slots[index].claims.clone()
    }

    /// Sets whether the slot waits in the ready queue; says whether that is news.
    pub(super) fn set_ready(&mut self, index: usize, is_ready: bool) -> bool {
        core::mem::replace(&mut self.slots[index].is_ready, is_ready) != is_ready
    }

    /// Sets the timer; returns the one before.
    pub(super) fn set_timer(&mut self, index: usize, at: Option<Instant>) -> Option<Instant> {
        core::mem::replace(&mut self.slots[index].timer, at)
    }
}
