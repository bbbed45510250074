//! Links between the zones of one process: bounded mailboxes that carry values.
//!
//! Zones on several hosts will talk over `netcode` or QUIC; the handoff and the world do not know
//! the difference, because both bear messages that are lost, late or said twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::handoff;
use crate::ids::ZoneId;
use crate::world;

/// Mail that waits for a zone: more than two seconds of a full neighbourhood.
const MAILBOX_MAX: usize = 8_192;

/// What comes to a zone from elsewhere in the process.
#[derive(Debug)]
pub(crate) enum Mail {
    World(world::Input),
    Handoff(handoff::Input),
}

/// A zone's end.
pub(crate) type Mailbox = mpsc::Receiver<Mail>;

/// Everybody's end.
#[derive(Clone, Debug)]
pub(crate) struct Post(Arc<BTreeMap<ZoneId, Address>>);

/// The way to one zone.
#[derive(Clone, Debug)]
pub(crate) struct Address(mpsc::Sender<Mail>);

impl Post {
    /// A mailbox for each zone.
    pub(crate) fn new(zones: impl Iterator<Item = ZoneId>) -> (Self, BTreeMap<ZoneId, Mailbox>) {
        let (mut addresses, mut mailboxes) = (BTreeMap::new(), BTreeMap::new());
        for zone in zones {
            let (sender, receiver) = mpsc::channel(MAILBOX_MAX);
            addresses.insert(zone, Address(sender));
            mailboxes.insert(zone, receiver);
        }
        (Self(Arc::new(addresses)), mailboxes)
    }

    /// The way to a zone, if there is such a zone.
    pub(crate) fn to(&self, zone: ZoneId) -> Option<Address> {
        self.0.get(&zone).cloned()
    }

    /// Every zone's address.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Address> {
        self.0.values()
    }
}

impl Address {
    /// Puts mail in the mailbox unless it is full.
    pub(crate) fn try_deliver(&self, mail: Mail) -> bool {
        self.0.try_send(mail).is_ok()
    }

    /// Waits for room in the mailbox.
    pub(crate) async fn deliver(&self, mail: Mail) {
        // A zone that is gone has nothing left to decide.
        let _ = self.0.send(mail).await;
    }
}
