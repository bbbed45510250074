//! The bus within one process: [`Queues`], and those who wait for them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::Notify;

use crate::bus::queue::{
    GroupId, Lease, Limits, Member, Message, OtherFilter, Queues, Refused, Settled, Taken,
};
use crate::bus::subject::{Filter, Subject};

/// The largest payload: what brokers take by default.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Messages that a group holds at most, unacknowledged ones included.
pub const GROUP_MESSAGES_MAX: usize = 8192;

/// Bytes of payload that a group holds at most.
pub const GROUP_BYTES_MAX: usize = 64 * PAYLOAD_BYTES_MAX;

/// A message was not published.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PublishError {
    /// The bus is closed.
    #[error("the bus is closed")]
    Closed,
    /// A group that wants it has no room. Only said by [`Bus::try_publish`].
    #[error("a subscriber is behind")]
    Full,
    /// See [`PAYLOAD_BYTES_MAX`].
    #[error("the payload is too large")]
    TooLarge,
}

/// The group exists and wants other messages.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the group exists, with the filter {0}")]
pub struct SubscribeError(pub Filter);

/// A handle to the bus. Clone it freely.
#[derive(Clone, Debug)]
pub struct Bus {
    shared: Arc<Shared>,
}

impl Bus {
    /// A bus within this process. `origin` is the upper half of the ids that it gives, so it must
    /// differ in every life of every process: a random number will do.
    pub fn local(origin: u64) -> Self {
        Self::with_limits(origin, Limits { messages: GROUP_MESSAGES_MAX, bytes: GROUP_BYTES_MAX })
    }

    pub(super) fn with_limits(origin: u64, limits: Limits) -> Self {
        let state = State { queues: Queues::new(limits), signals: BTreeMap::new() };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
                settled: Notify::new(),
                origin,
                published: AtomicU64::new(0),
            }),
        }
    }

    /// Publishes a message, and says its id. Waits while a group that wants it has no room, so a
    /// consumer that publishes into its own group may wait for itself. If the future is dropped
    /// before it is ready, nothing was published.
    ///
    /// # Errors
    /// [`PublishError`], but never `Full`.
    pub async fn publish(
        &self,
        subject: Subject,
        key: u64,
        payload: Bytes,
    ) -> Result<u128, PublishError> {
        let message = self.message(subject, key, payload)?;
        loop {
            // Listens before it looks: room that is made in between is not missed.
            let mut settled = pin!(self.shared.settled.notified());
            settled.as_mut().enable();
            match self.offer(&message) {
                Err(PublishError::Full) => settled.await,
                published => return published,
            }
        }
    }

    /// Publishes without waiting: for ticks.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was published to anyone.
    pub fn try_publish(
        &self,
        subject: Subject,
        key: u64,
        payload: Bytes,
    ) -> Result<u128, PublishError> {
        self.offer(&self.message(subject, key, payload)?)
    }

    /// From here on every message that the filter lets pass, in a copy of its own. What it has not
    /// acknowledged when it is dropped is gone with it.
    pub fn subscribe(&self, filter: impl Into<Filter>) -> Subscription {
        let mut state = self.shared.lock();
        let member = state.queues.join(filter.into());
        self.subscription(&mut state, member)
    }

    /// Joins a group, which is made by the first to name it. Its members share the messages, and
    /// it outlives them: what comes without a member waits for the next, until there is no more
    /// room and publishers wait too.
    ///
    /// # Errors
    /// [`SubscribeError`] when the group exists with another filter.
    pub fn subscribe_group(
        &self,
        name: &str,
        filter: impl Into<Filter>,
    ) -> Result<Subscription, SubscribeError> {
        let mut state = self.shared.lock();
        let member = state.queues.join_named(name, filter.into());
        let member = member.map_err(|OtherFilter(filter)| SubscribeError(filter))?;
        Ok(self.subscription(&mut state, member))
    }

    /// Takes no more messages, and waits until every subscription has acknowledged what it wants
    /// or is gone. Says how many messages nobody is left for.
    pub async fn close(&self) -> usize {
        {
            let mut state = self.shared.lock();
            state.queues.close();
            state.signals.values().for_each(|signal| signal.notify_waiters());
        }
        // Publishers that wait for room wait in vain.
        self.shared.settled.notify_waiters();
        loop {
            let mut settled = pin!(self.shared.settled.notified());
            settled.as_mut().enable();
            let (served, orphaned) = self.shared.lock().queues.left();
            if served == 0 {
                return orphaned;
            }
            settled.await;
        }
    }

    fn message(&self, subject: Subject, key: u64, payload: Bytes) -> Result<Message, PublishError> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(PublishError::TooLarge);
        }
        let number = self.shared.published.fetch_add(1, Ordering::Relaxed);
        let id = (u128::from(self.shared.origin) << 64) | u128::from(number);
        Ok(Message { subject, key, id, payload })
    }

    fn offer(&self, message: &Message) -> Result<u128, PublishError> {
        let mut state = self.shared.lock();
        let groups = state.queues.publish(message).map_err(|refused| match refused {
            Refused::Closed => PublishError::Closed,
            Refused::Full => PublishError::Full,
        })?;
        groups.into_iter().for_each(|group| state.signal(group));
        Ok(message.id)
    }

    fn subscription(&self, state: &mut State, member: Member) -> Subscription {
        let signal = state.signals.entry(member.group).or_default().clone();
        Subscription { shared: self.shared.clone(), member, signal }
    }
}

/// Messages that arrive for one consumer.
///
/// Dropping it returns what it has not acknowledged to its group.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    member: Member,
    signal: Arc<Notify>,
}

impl Subscription {
    /// The next message; or `None` when the bus is closed and nothing is left to come. Dropping
    /// the future loses nothing.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            let mut signalled = pin!(self.signal.notified());
            signalled.as_mut().enable();
            match self.take() {
                Taken::Message { message, lease, attempt } => {
                    return Some(self.delivery(message, lease, attempt));
                }
                Taken::Nothing => signalled.await,
                Taken::End => return None,
            }
        }
    }

    /// The next message, if there is one now.
    pub fn try_next(&mut self) -> Option<Delivery> {
        match self.take() {
            Taken::Message { message, lease, attempt } => {
                Some(self.delivery(message, lease, attempt))
            }
            Taken::Nothing | Taken::End => None,
        }
    }

    fn take(&self) -> Taken {
        self.shared.lock().queues.take(self.member)
    }

    fn delivery(&self, message: Message, lease: Lease, attempt: u32) -> Delivery {
        let Message { subject, key, id, payload } = message;
        Delivery { subject, key, id, payload, attempt, lease, shared: self.shared.clone() }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.queues.leave(self.member);
        state.signal(self.member.group);
        // The group's own entry goes with its last subscription; the map must not grow for ever.
        if Arc::strong_count(&self.signal) == 2 {
            state.signals.remove(&self.member.group);
        }
        drop(state);
        self.shared.settled.notify_waiters();
    }
}

/// A message in the hands of its consumer, until it says what became of it.
///
/// Merely dropping it says nothing: it stays with its subscription, and takes up room.
#[derive(Debug)]
#[must_use = "acknowledge it, or it comes again"]
pub struct Delivery {
    /// What it is about.
    pub subject: Subject,
    /// Messages of one subject and key come in the order of their publishing.
    pub key: u64,
    /// The same whenever and to whomever it is given: tells repeats.
    pub id: u128,
    /// What was published.
    pub payload: Bytes,
    /// How often this group has been given it, this time included.
    pub attempt: u32,
    lease: Lease,
    shared: Arc<Shared>,
}

impl Delivery {
    /// Done: it will not come again, unless an earlier one of its key was returned before.
    pub fn ack(self) {
        self.shared.settle(self.lease, Settled::Done);
    }

    /// Not done: it comes again, to whichever member asks first, and after it all later ones of
    /// its key that are not acknowledged.
    pub fn nack(self) {
        self.shared.settle(self.lease, Settled::Return);
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something was acknowledged, or someone left: there may be room.
    settled: Notify,
    origin: u64,
    published: AtomicU64,
}

#[derive(Debug)]
struct State {
    queues: Queues,
    /// Wakes the members of a group.
    signals: BTreeMap<GroupId, Arc<Notify>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Held for moments only, never across an await.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, lease: Lease, settled: Settled) {
        let mut state = self.lock();
        state.queues.settle(lease, settled);
        // An acknowledgement frees a key, and may be the last thing that others wait for.
        state.signal(lease.group);
        drop(state);
        self.settled.notify_waiters();
    }
}

impl State {
    fn signal(&mut self, group: GroupId) {
        if let Some(signal) = self.signals.get(&group) {
            signal.notify_waiters();
        }
    }
}
