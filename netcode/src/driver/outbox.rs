//! Datagrams on their way to the kernel, put together so that one system call takes several.
//!
//! The endpoint lets its connections take turns, so the datagrams of one peer come interleaved
//! with those of others. Segmentation offload wants them side by side, of one length but for the
//! last. The outbox sorts them by destination; the order per destination stays as it was.

use core::net::SocketAddr;
use std::collections::{HashMap, VecDeque};

use crate::driver::stats::DriverStats;

/// Datagrams held; the endpoint keeps the rest.
const DATAGRAMS_MAX: usize = 128;
/// Bytes of a batch: what one UDP system call takes, headers left out.
const BATCH_BYTES_MAX: usize = 65_000;

/// What became of the first bytes of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent {
    /// There is no room for any.
    Full,
    /// That many will never be taken.
    Refused(usize),
    /// That many were taken.
    Taken(usize),
}

/// Datagrams to one destination, of one length but for the last, which may be shorter.
#[derive(Debug)]
pub(super) struct Batch {
    to: SocketAddr,
    segment: usize,
    bytes: Vec<u8>,
    /// Bytes that the kernel has taken.
    gone: usize,
}

impl Batch {
    pub(super) fn to(&self) -> SocketAddr {
        self.to
    }

    /// Bytes of each datagram but the last.
    pub(super) fn segment(&self) -> usize {
        self.segment
    }

    /// The next datagrams, at most `segments_max` of them.
    pub(super) fn chunk(&self, segments_max: usize) -> &[u8] {
        let rest = &self.bytes[self.gone..];
        &rest[..rest.len().min(self.segment.saturating_mul(segments_max.max(1)))]
    }

    /// Datagrams in that many bytes.
    fn datagrams_in(&self, bytes: usize) -> u64 {
        bytes.div_ceil(self.segment.max(1)) as u64
    }

    fn has_room(&self, datagram: usize) -> bool {
        let is_even = self.bytes.len().is_multiple_of(self.segment.max(1));
        is_even && datagram <= self.segment && self.bytes.len() + datagram <= BATCH_BYTES_MAX
    }
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    batches: VecDeque<Batch>,
    /// Where the newest batch of each destination stands, counted from the first batch ever.
    newest: HashMap<SocketAddr, u64>,
    /// Batches that have gone.
    popped: u64,
    datagrams: usize,
    spare: Vec<Vec<u8>>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.datagrams >= DATAGRAMS_MAX
    }

    pub(super) fn push(&mut self, to: SocketAddr, datagram: &[u8]) {
        self.datagrams += 1;
        let at = self.newest.get(&to).and_then(|at| at.checked_sub(self.popped));
        let batch = at.and_then(|at| self.batches.get_mut(usize::try_from(at).ok()?));
        if let Some(batch) = batch.filter(|batch| batch.has_room(datagram.len())) {
            batch.bytes.extend_from_slice(datagram);
            return;
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.extend_from_slice(datagram);
        self.newest.insert(to, self.popped + self.batches.len() as u64);
        self.batches.push_back(Batch { to, segment: datagram.len(), bytes, gone: 0 });
    }

    /// Gives all to `send`, batch by batch; says whether nothing is left.
    pub(super) fn drain(
        &mut self,
        stats: &mut DriverStats,
        mut send: impl FnMut(&Batch) -> Sent,
    ) -> bool {
        while let Some(batch) = self.batches.front() {
            match send(batch) {
                Sent::Full => {
                    stats.send_blocked += 1;
                    return false;
                }
                // As good as lost on the way: recovery sees to what was in it.
                Sent::Refused(bytes) => {
                    stats.send_errors += batch.datagrams_in(bytes);
                    self.advance(bytes);
                }
                Sent::Taken(bytes) => {
                    stats.send_calls += 1;
                    stats.datagrams_sent += batch.datagrams_in(bytes);
                    stats.bytes_sent += bytes as u64;
                    self.advance(bytes);
                }
            }
        }
        true
    }

    /// The first bytes of the first batch are gone.
    fn advance(&mut self, bytes: usize) {
        let Some(front) = self.batches.front_mut() else { return };
        front.gone += bytes;
        self.datagrams -= front.datagrams_in(bytes) as usize;
        if front.gone < front.bytes.len() {
            return;
        }
        let Some(mut front) = self.batches.pop_front() else { return };
        self.popped += 1;
        front.bytes.clear();
        self.spare.push(front.bytes);
        if self.batches.is_empty() {
            self.newest.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, SocketAddr};
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{DATAGRAMS_MAX, Outbox, Sent};
    use crate::driver::stats::DriverStats;

    fn peer(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    #[test]
    fn interleaved_datagrams_leave_together() {
        let mut outbox = Outbox::default();
        for round in 0..3_u8 {
            outbox.push(peer(1), &[round; 100]);
            outbox.push(peer(2), &[round; 50]);
        }
        outbox.push(peer(1), &[9; 40]);
        // The short one was the last of its batch.
        outbox.push(peer(1), &[10; 100]);
        let mut batches = Vec::new();
        outbox.drain(&mut DriverStats::default(), |batch| {
            batches.push((batch.to().port(), batch.segment(), batch.chunk(64).len()));
            Sent::Taken(batch.chunk(64).len())
        });
        assert_eq!(batches, [(1, 100, 340), (2, 50, 150), (1, 100, 100)]);
    }

    #[test]
    fn a_full_socket_costs_nothing_and_a_refusal_costs_what_it_names() {
        let mut outbox = Outbox::default();
        let mut stats = DriverStats::default();
        for _ in 0..3 {
            outbox.push(peer(1), &[0; 100]);
        }
        assert!(!outbox.drain(&mut stats, |_| Sent::Full));
        assert_eq!((stats.send_blocked, outbox.datagrams), (1, 3));
        let mut fates = vec![Sent::Full, Sent::Taken(100), Sent::Refused(100)];
        assert!(!outbox.drain(&mut stats, |_| fates.pop().unwrap()));
        assert_eq!((stats.send_errors, stats.datagrams_sent, stats.bytes_sent), (1, 1, 100));
        assert!(outbox.drain(&mut stats, |batch| Sent::Taken(batch.chunk(64).len())));
        assert_eq!((stats.send_errors, stats.datagrams_sent, stats.bytes_sent), (1, 2, 200));
    }

    proptest! {
        #[test]
        fn each_destination_gets_its_datagrams_once_and_in_order(
            datagrams in prop::collection::vec((1_u16..4, 1_usize..4), 1..200),
            segments_max in 1_usize..8,
            drain_at in 0_usize..200,
        ) {
            let mut outbox = Outbox::default();
            let mut expected = BTreeMap::<u16, Vec<Vec<u8>>>::new();
            let mut sent = BTreeMap::<u16, Vec<Vec<u8>>>::new();
            for (index, (port, size)) in datagrams.iter().enumerate() {
                let datagram = vec![index as u8; size * 30];
                outbox.push(peer(*port), &datagram);
                expected.entry(*port).or_default().push(datagram);
                if index == drain_at || outbox.is_full() {
                    send_some(&mut outbox, segments_max, 2, &mut sent);
                }
                prop_assert!(outbox.datagrams <= DATAGRAMS_MAX);
            }
            send_some(&mut outbox, segments_max, usize::MAX, &mut sent);
            prop_assert_eq!(sent, expected);
            prop_assert_eq!(outbox.datagrams, 0);
        }
    }

    /// Takes that many chunks, then is full.
    fn send_some(
        outbox: &mut Outbox,
        segments_max: usize,
        mut chunks: usize,
        sent: &mut BTreeMap<u16, Vec<Vec<u8>>>,
    ) {
        outbox.drain(&mut DriverStats::default(), |batch| {
            let Some(left) = chunks.checked_sub(1) else { return Sent::Full };
            chunks = left;
            let chunk = batch.chunk(segments_max);
            let to = sent.entry(batch.to().port()).or_default();
            to.extend(chunk.chunks(batch.segment()).map(<[u8]>::to_vec));
            Sent::Taken(chunk.len())
        });
    }
}
