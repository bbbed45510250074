//! Which message goes to whom next: the bus without waiting.
//!
//! ```text
//!   publish ──▶ group: ready ──take──▶ out (held by a member) ──ack──▶ gone
//!                        ▲               │
//!                        └─nack, leave───┘  with all later ones of its key
//! ```
//!
//! Messages are numbered in the order of publishing. Every subscription belongs to a *group*: its
//! own, or one with a name, whose members share the messages.
//!
//! # Invariants
//!
//! - Of the messages of one subject and key that a group has not acknowledged, those that are out
//!   came before those that are ready, and one member holds all that are out. So a member gets
//!   them in order, and nobody overtakes it.
//! - What a group holds is bounded in number and bytes; a message is taken in by all groups that
//!   want it, or by none.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::bus::subject::{Filter, Subject};

/// What a group may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// A message as it was published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) subject: Subject,
    pub(super) key: u64,
    pub(super) id: u128,
    pub(super) payload: Bytes,
}

/// A group. Never used again.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct GroupId(u64);

/// A subscription in its group. Never used again.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Member {
    pub(super) group: GroupId,
    number: u64,
}

/// One handing out of a message. Another handing out of the same one has another lease.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Lease {
    pub(super) group: GroupId,
    sequence: u64,
    number: u64,
}

/// A message was not taken in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    Closed,
    Full,
}

/// A group of that name wants something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct OtherFilter(pub(super) Filter);

/// What there is for a member.
#[derive(Debug)]
pub(super) enum Taken {
    /// This. `attempt` counts from 1.
    Message { message: Message, lease: Lease, attempt: u32 },
    /// Nothing now.
    Nothing,
    /// Nothing ever, but what the member itself holds and may yet return.
    End,
}

/// What became of a message at its member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Settled {
    Done,
    Return,
}

/// All groups.
#[derive(Debug)]
pub(super) struct Queues {
    limits: Limits,
    groups: BTreeMap<GroupId, Group>,
    names: BTreeMap<String, GroupId>,
    is_closed: bool,
    /// Numbers messages, groups, members and leases alike.
    next: u64,
}

#[derive(Debug)]
struct Group {
    filter: Filter,
    kind: GroupKind,
    members: BTreeSet<Member>,
    ready: BTreeMap<u64, Held>,
    out: BTreeMap<u64, Out>,
    /// Who holds messages of a key, and how many.
    holders: BTreeMap<(Subject, u64), (Member, usize)>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum GroupKind {
    /// Outlives its members.
    Named,
    /// Goes with its only member.
    Own,
}

#[derive(Debug)]
struct Held {
    message: Message,
    attempts: u32,
}

#[derive(Debug)]
struct Out {
    held: Held,
    member: Member,
    lease: u64,
}

impl Queues {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, groups: BTreeMap::new(), names: BTreeMap::new(), is_closed: false, next: 0 }
    }

    /// Adds a subscription with a group of its own.
    pub(super) fn join(&mut self, filter: Filter) -> Member {
        let group = self.group(filter, GroupKind::Own);
        self.member(group)
    }

    /// Adds a subscription to the group of that name.
    pub(super) fn join_named(&mut self, name: &str, filter: Filter) -> Result<Member, OtherFilter> {
        let group = match self.names.get(name) {
            Some(group) => *group,
            None => {
                let group = self.group(filter, GroupKind::Named);
                self.names.insert(name.to_owned(), group);
                group
            }
        };
        match self.groups.get(&group) {
            Some(group) if group.filter != filter => Err(OtherFilter(group.filter)),
            _ => Ok(self.member(group)),
        }
    }

    /// Takes a subscription away. What it holds is ready again.
    pub(super) fn leave(&mut self, member: Member) {
        let Some(group) = self.groups.get_mut(&member.group) else { return };
        group.members.remove(&member);
        if group.kind == GroupKind::Own {
            self.groups.remove(&member.group);
            return;
        }
        let held: Vec<u64> = group
            .out
            .iter()
            .filter(|(_, out)| out.member == member)
            .map(|(sequence, _)| *sequence)
            .collect();
        held.into_iter().for_each(|sequence| group.give_back(sequence));
    }

    /// Gives a message to all groups that want it, or to none. Says which those are.
    pub(super) fn publish(&mut self, message: &Message) -> Result<Vec<GroupId>, Refused> {
        if self.is_closed {
            return Err(Refused::Closed);
        }
        let limits = self.limits;
        let wanting = |group: &Group| group.filter.matches(message.subject);
        if self.groups.values().any(|group| wanting(group) && !group.has_room(message, limits)) {
            return Err(Refused::Full);
        }
        let sequence = self.number();
        let mut taken = Vec::new();
        for (id, group) in self.groups.iter_mut().filter(|(_, group)| wanting(group)) {
            group.bytes += message.payload.len();
            group.ready.insert(sequence, Held { message: message.clone(), attempts: 0 });
            taken.push(*id);
        }
        Ok(taken)
    }

    /// The next message for a member.
    pub(super) fn take(&mut self, member: Member) -> Taken {
        let number = self.number();
        let is_closed = self.is_closed;
        let Some(group) = self.groups.get_mut(&member.group) else { return Taken::End };
        let free = |held: &Held| match group.holders.get(&held.key()) {
            Some((holder, _)) => *holder == member,
            None => true,
        };
        let Some(sequence) =
            group.ready.iter().find(|(_, held)| free(held)).map(|(sequence, _)| *sequence)
        else {
            // What is ready waits for another member; what is out elsewhere may come back.
            let is_over =
                group.ready.is_empty() && group.out.values().all(|out| out.member == member);
            return if is_closed && is_over { Taken::End } else { Taken::Nothing };
        };
        let Some(mut held) = group.ready.remove(&sequence) else { return Taken::Nothing };
        held.attempts = held.attempts.saturating_add(1);
        group.holders.entry(held.key()).or_insert((member, 0)).1 += 1;
        let lease = Lease { group: member.group, sequence, number };
        let (message, attempt) = (held.message.clone(), held.attempts);
        group.out.insert(sequence, Out { held, member, lease: number });
        Taken::Message { message, lease, attempt }
    }

    /// Ends a lease. One that is over already changes nothing.
    pub(super) fn settle(&mut self, lease: Lease, settled: Settled) {
        let Some(group) = self.groups.get_mut(&lease.group) else { return };
        let Some(out) = group.out.get(&lease.sequence).filter(|out| out.lease == lease.number)
        else {
            return;
        };
        match settled {
            Settled::Done => {
                if let Some(held) = group.take_out(lease.sequence) {
                    group.bytes -= held.message.payload.len();
                }
            }
            Settled::Return => {
                // Later ones of the key too: else they would be done before this one.
                let key = out.held.key();
                let later: Vec<u64> = group
                    .out
                    .range(lease.sequence..)
                    .filter(|(_, out)| out.held.key() == key)
                    .map(|(sequence, _)| *sequence)
                    .collect();
                later.into_iter().for_each(|sequence| group.give_back(sequence));
            }
        }
    }

    /// Takes nothing in from here on.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Messages that somebody may yet acknowledge, and those of groups without a member.
    pub(super) fn left(&self) -> (usize, usize) {
        self.groups.values().fold((0, 0), |(served, orphaned), group| {
            let held = group.ready.len() + group.out.len();
            if group.members.is_empty() {
                (served, orphaned + held)
            } else {
                (served + held, orphaned)
            }
        })
    }

    fn group(&mut self, filter: Filter, kind: GroupKind) -> GroupId {
        let id = GroupId(self.number());
        self.groups.insert(id, Group::new(filter, kind));
        id
    }

    fn member(&mut self, group: GroupId) -> Member {
        let member = Member { group, number: self.number() };
        if let Some(group) = self.groups.get_mut(&group) {
            group.members.insert(member);
        }
        member
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Group {
    fn new(filter: Filter, kind: GroupKind) -> Self {
        Self {
            filter,
            kind,
            members: BTreeSet::new(),
            ready: BTreeMap::new(),
            out: BTreeMap::new(),
            holders: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn has_room(&self, message: &Message, limits: Limits) -> bool {
        self.ready.len() + self.out.len() < limits.messages
            && self.bytes + message.payload.len() <= limits.bytes
    }

    fn give_back(&mut self, sequence: u64) {
        if let Some(held) = self.take_out(sequence) {
            self.ready.insert(sequence, held);
        }
    }

    fn take_out(&mut self, sequence: u64) -> Option<Held> {
        let held = self.out.remove(&sequence)?.held;
        if let Some((_, count)) = self.holders.get_mut(&held.key()) {
            *count -= 1;
            if *count == 0 {
                self.holders.remove(&held.key());
            }
        }
        Some(held)
    }
}

impl Held {
    fn key(&self) -> (Subject, u64) {
        (self.message.subject, self.message.key)
    }
}
