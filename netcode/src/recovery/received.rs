//! Which packets arrived, and when to say so.

use core::time::Duration;

use crate::recovery::config::RecoveryConfig;
use crate::time::Instant;
use crate::wire::{ACK_RANGES_MAX, AckRanges, PacketNumber};

/// Collects what arrived and decides when it has to be acknowledged.
///
/// Holds at most [`ACK_RANGES_MAX`] ranges; the oldest are forgotten first, and all that the peer
/// is known to have heard of.
#[derive(Clone, Debug)]
pub struct AckTracker {
    /// Newest first, disjoint, both ends included.
    ranges: Vec<(u64, u64)>,
    largest_at: Instant,
    /// Packets that want an acknowledgement and have none.
    waiting: u32,
    due: Option<Instant>,
    /// Everything up to here the peer knows to have arrived or be lost.
    floor: u64,
}

impl Default for AckTracker {
    fn default() -> Self {
        Self {
            ranges: Vec::with_capacity(ACK_RANGES_MAX + 1),
            largest_at: Instant::EPOCH,
            waiting: 0,
            due: None,
            floor: 0,
        }
    }
}

impl AckTracker {
    /// Notes an authenticated, new packet. `is_eliciting`: it wants to be acknowledged.
    pub fn on_received(
        &mut self,
        config: &RecoveryConfig,
        now: Instant,
        number: PacketNumber,
        is_eliciting: bool,
    ) {
        let number = number.get();
        let largest = self.ranges.first().map(|(_, last)| *last);
        let leaves_gap = match largest {
            Some(largest) => number != largest + 1,
            None => false,
        };
        if largest.is_none_or(|largest| number > largest) {
            self.largest_at = now;
        }
        self.insert(number);
        //= book/src/spec/recovery.md#acknowledgements
        //# A packet that does not ask MUST NOT make its receiver send one.
        if is_eliciting {
            self.waiting += 1;
            let wait = match self.waiting {
                //= book/src/spec/recovery.md#acknowledgements
                //# A receiver MUST NOT hold back the acknowledgement of a packet that does not
                //# follow the largest before it.
                _ if leaves_gap => Duration::ZERO,
                1 => config.ack_delay_max,
                _ => config.ack_delay_pair,
            };
            let due = now + wait;
            self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        }
    }

    /// When a bare acknowledgement must leave.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What to say now, and how long the newest has waited; `None` if nothing waits. An
    /// acknowledgement that rides on another packet may go out before it is due.
    pub fn pending(&self, now: Instant) -> Option<(AckRanges, Duration)> {
        if self.waiting == 0 {
            return None;
        }
        let mut ranges = AckRanges::EMPTY;
        for (first, last) in self.ranges.iter().copied() {
            // Not below the floor, but always at least the newest packet.
            if last < self.floor && ranges.largest().is_some() {
                break;
            }
            ranges.push_older(first.max(self.floor.min(last)), last);
        }
        ranges.largest()?;
        Some((ranges, now.saturating_since(self.largest_at)))
    }

    /// An acknowledgement has been put in a packet.
    pub fn on_ack_sent(&mut self) {
        self.waiting = 0;
        self.due = None;
    }

    /// The peer has a packet of ours that acknowledged everything up to `largest`: it need not be
    /// told again.
    pub fn on_ack_acked(&mut self, largest: PacketNumber) {
        self.floor = self.floor.max(largest.get());
        let floor = self.floor;
        self.ranges.retain(|(_, last)| *last >= floor);
    }

    fn insert(&mut self, number: u64) {
        let at = self.ranges.partition_point(|(first, _)| *first > number);
        // `at`: the newest range that starts at or below `number`. `at - 1`: the one above.
        let joins_below = self.ranges.get(at).is_some_and(|(_, last)| *last + 1 >= number);
        let joins_above = at > 0 && self.ranges[at - 1].0 == number + 1;
        match (joins_above, joins_below) {
            (true, true) => {
                self.ranges[at - 1].0 = self.ranges[at].0;
                self.ranges.remove(at);
            }
            (true, false) => self.ranges[at - 1].0 = number,
            (false, true) => self.ranges[at].1 = self.ranges[at].1.max(number),
            (false, false) => {
                self.ranges.insert(at, (number, number));
                self.ranges.truncate(ACK_RANGES_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::AckTracker;
    use crate::recovery::config::RecoveryConfig;
    use crate::time::Instant;
    use crate::wire::PacketNumber;

    proptest! {
        #[test]
        fn it_says_what_arrived_and_nothing_else(
            // No more numbers than the limit of ranges can hold apart.
            numbers in prop::collection::vec(0..62_u64, 1..80),
        ) {
            let config = RecoveryConfig::default();
            let mut tracker = AckTracker::default();
            let mut model = BTreeSet::new();
            for number in numbers {
                if model.insert(number) {
                    tracker.on_received(&config, Instant::EPOCH, PacketNumber::new(number), true);
                }
                let (ranges, _) = tracker.pending(Instant::EPOCH).unwrap();
                let said: BTreeSet<u64> =
                    ranges.iter().flat_map(|(first, last)| first..=last).collect();
                prop_assert_eq!(&said, &model);
            }
        }
    }

    //= book/src/spec/recovery.md#acknowledgements
    //= type=test
    //# A receiver MUST NOT hold back the acknowledgement of a packet that does not follow the
    //# largest before it.
    #[test]
    fn a_gap_is_reported_at_once_and_a_lone_packet_waits() {
        let config = RecoveryConfig::default();
        let at = Instant::from_millis;
        let receive = |tracker: &mut AckTracker, ms, number| {
            tracker.on_received(&config, at(ms), PacketNumber::new(number), true);
        };
        let mut tracker = AckTracker::default();
        receive(&mut tracker, 0, 0);
        assert_eq!(tracker.due(), Some(at(20)));
        receive(&mut tracker, 1, 1);
        assert_eq!(tracker.due(), Some(at(6)));
        tracker.on_ack_sent();
        assert_eq!(tracker.due(), None);
        receive(&mut tracker, 50, 3);
        assert_eq!(tracker.due(), Some(at(50)));
    }

    //= book/src/spec/recovery.md#acknowledgements
    //= type=test
    //# A packet that does not ask MUST NOT make its receiver send one.
    #[test]
    fn acknowledgements_alone_never_ask_for_one() {
        let mut tracker = AckTracker::default();
        let config = RecoveryConfig::default();
        tracker.on_received(&config, Instant::EPOCH, PacketNumber::new(0), false);
        assert_eq!(tracker.due(), None);
        assert!(tracker.pending(Instant::EPOCH + Duration::from_secs(1)).is_none());
    }

    #[test]
    fn what_the_peer_knows_is_not_said_again() {
        let config = RecoveryConfig::default();
        let mut tracker = AckTracker::default();
        for number in 0..100 {
            tracker.on_received(&config, Instant::EPOCH, PacketNumber::new(number), true);
        }
        tracker.on_ack_acked(PacketNumber::new(90));
        let (ranges, _) = tracker.pending(Instant::EPOCH).unwrap();
        assert_eq!(ranges.iter().collect::<Vec<_>>(), [(90, 99)]);
    }
}
