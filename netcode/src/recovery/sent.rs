//! Packets that were sent, until their fate is known.

use core::time::Duration;
use std::collections::VecDeque;

use thiserror::Error;

use crate::recovery::config::RecoveryConfig;
use crate::recovery::congestion::{Controller, NewReno};
use crate::recovery::rtt::RttEstimator;
use crate::time::Instant;
use crate::wire::{AckRanges, PacketNumber};

/// A packet is lost once this many later ones have been acknowledged (RFC 9002, section 6.1.1).
const PACKET_THRESHOLD: u64 = 3;
/// Packets whose fate may be open at one time.
const OUTSTANDING_MAX: usize = 8192;
/// So many probes in a row without an answer mean that the path is badly congested.
const PERSISTENT_PROBES: u32 = 3;

/// What an acknowledgement brought.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Acked {
    /// Packets newly acknowledged.
    pub packets: u32,
    /// Packets newly given up.
    pub lost: u32,
}

/// The peer acknowledged a packet that was never sent: it lies.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("acknowledged a packet that was not sent")]
pub struct AckError;

/// What a timer that fired asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimeoutAction {
    /// Packets were given up.
    Lost(u32),
    /// Nothing: the timer was early.
    None,
    /// Send something that elicits an acknowledgement, whatever the window says.
    Probe,
}

#[derive(Debug)]
enum Slot<R> {
    /// Acknowledged or given up.
    Done,
    Outstanding(Sent<R>),
    /// Deliberately never sent: an acknowledgement of it is a lie.
    Skipped,
}

#[derive(Debug)]
struct Sent<R> {
    at: Instant,
    bytes: usize,
    is_eliciting: bool,
    receipts: Vec<R>,
}

/// The sent packets of a connection, with loss detection, probe timer and congestion control. `R`
/// is a receipt: what a packet carried, in the words of whoever sent it.
#[derive(Debug)]
pub struct SentPackets<R> {
    config: RecoveryConfig,
    /// `slots[0]` is packet `base`.
    slots: VecDeque<Slot<R>>,
    base: u64,
    largest_acked: Option<u64>,
    in_flight_bytes: usize,
    eliciting_in_flight: usize,
    last_eliciting_at: Instant,
    loss_at: Option<Instant>,
    probes: u32,
    rtt: RttEstimator,
    controller: NewReno,
    /// Emptied vectors of receipts, to be used again.
    spare: Vec<Vec<R>>,
}

impl<R: Copy> SentPackets<R> {
    /// Nothing sent yet.
    pub fn new(config: RecoveryConfig) -> Self {
        Self {
            slots: VecDeque::new(),
            base: 0,
            largest_acked: None,
            in_flight_bytes: 0,
            eliciting_in_flight: 0,
            last_eliciting_at: Instant::EPOCH,
            loss_at: None,
            probes: 0,
            rtt: RttEstimator::new(config.rtt_initial),
            controller: NewReno::new(&config),
            spare: Vec::new(),
            config,
        }
    }

    /// The number of the next packet.
    pub fn next_number(&self) -> PacketNumber {
        PacketNumber::new(self.base + self.slots.len() as u64)
    }

    /// Leaves one number out, so that a peer that acknowledges blindly gives itself away.
    pub fn skip_number(&mut self) {
        self.slots.push_back(Slot::Skipped);
    }

    /// The newest packet that was acknowledged.
    pub fn largest_acked(&self) -> Option<PacketNumber> {
        self.largest_acked.map(PacketNumber::new)
    }

    /// The round-trip time.
    pub fn rtt(&self) -> &RttEstimator {
        &self.rtt
    }

    /// Takes the first sample, from the handshake.
    pub fn on_handshake_rtt(&mut self, rtt: Duration) {
        self.rtt.on_sample(rtt, Duration::ZERO);
    }

    /// Bytes that may be sent now.
    pub fn budget(&self) -> usize {
        if self.slots.len() >= OUTSTANDING_MAX {
            return 0;
        }
        self.controller.window().saturating_sub(self.in_flight_bytes)
    }

    /// Bytes in flight.
    pub fn in_flight_bytes(&self) -> usize {
        self.in_flight_bytes
    }

    /// Bytes that may be in flight.
    pub fn window(&self) -> usize {
        self.controller.window()
    }

    /// A vector to collect the receipts of the next packet in.
    pub fn take_spare(&mut self) -> Vec<R> {
        self.spare.pop().unwrap_or_default()
    }

    /// Notes that the packet [`next_number`](Self::next_number) was sent.
    pub fn on_sent(&mut self, now: Instant, bytes: usize, is_eliciting: bool, receipts: Vec<R>) {
        if is_eliciting {
            self.in_flight_bytes += bytes;
            self.eliciting_in_flight += 1;
            self.last_eliciting_at = now;
        }
        self.slots.push_back(Slot::Outstanding(Sent { at: now, bytes, is_eliciting, receipts }));
    }

    /// Takes an acknowledgement, held back by the peer for `delay`. The receipts of packets newly
    /// acknowledged and newly lost are appended to `acked` and `lost`.
    ///
    /// # Errors
    ///
    /// If it covers a packet that was never sent. Nothing is changed then.
    pub fn on_ack(
        &mut self,
        now: Instant,
        ranges: &AckRanges,
        delay: Duration,
        acked: &mut Vec<R>,
        lost: &mut Vec<R>,
    ) -> Result<Acked, AckError> {
        self.check_sent(ranges)?;
        let Some(largest) = ranges.largest() else { return Ok(Acked::default()) };
        let was_limited = self.in_flight_bytes + 2 * 1200 >= self.controller.window();
        let mut outcome = Acked::default();
        let mut sample = None;
        for (first, last) in ranges.iter() {
            let from = first.max(self.base) - self.base;
            let to = (last + 1).max(self.base) - self.base;
            for index in from..to {
                let Some(sent) = self.take(index as usize) else { continue };
                outcome.packets += 1;
                if sent.is_eliciting {
                    self.controller.on_acked(sent.bytes, sent.at, was_limited);
                }
                if self.base + index == largest && sent.is_eliciting {
                    sample = Some(now.saturating_since(sent.at));
                }
                self.recycle(sent.receipts, acked);
            }
        }
        self.largest_acked = self.largest_acked.max(Some(largest));
        if let Some(rtt) = sample {
            self.rtt.on_sample(rtt, delay.min(self.config.ack_delay_max));
        }
        if outcome.packets > 0 {
            self.probes = 0;
        }
        outcome.lost = self.detect_losses(now, lost);
        self.forget_done();
        Ok(outcome)
    }

    /// When [`on_timeout`](Self::on_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.loss_at.is_some() {
            return self.loss_at;
        }
        (self.eliciting_in_flight > 0).then(|| self.last_eliciting_at + self.probe_timeout())
    }

    /// Takes the passing of time. Receipts of lost packets are appended to `lost`; for a probe,
    /// those of the oldest packet in flight are too, without it being given up.
    pub fn on_timeout(&mut self, now: Instant, lost: &mut Vec<R>) -> TimeoutAction {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return TimeoutAction::None;
        }
        if self.loss_at.is_some() {
            let count = self.detect_losses(now, lost);
            self.forget_done();
            return TimeoutAction::Lost(count);
        }
        self.probes += 1;
        if self.probes >= PERSISTENT_PROBES {
            self.controller.on_persistent_congestion();
        }
        // The timer counts from here until the probe leaves.
        self.last_eliciting_at = now;
        let oldest = self.slots.iter().find_map(|slot| match slot {
            Slot::Outstanding(sent) if sent.is_eliciting => Some(sent),
            _ => None,
        });
        if let Some(sent) = oldest {
            lost.extend_from_slice(&sent.receipts);
        }
        TimeoutAction::Probe
    }

    /// The present wait for a probe, back-off included.
    pub fn probe_timeout(&self) -> Duration {
        let base = self.rtt.probe_timeout(self.config.ack_delay_max);
        (base * (1 << self.probes.min(6))).min(self.config.probe_timeout_max.max(base))
    }

    //= book/src/spec/recovery.md#acknowledgements
    //# An endpoint MUST close the connection when a packet that it never sent is acknowledged.
    fn check_sent(&self, ranges: &AckRanges) -> Result<(), AckError> {
        let end = self.next_number().get();
        for (first, last) in ranges.iter() {
            if last >= end {
                return Err(AckError);
            }
            let from = first.max(self.base) - self.base;
            let to = (last + 1).max(self.base) - self.base;
            let mut named = self.slots.range(from as usize..to as usize);
            if named.any(|slot| matches!(slot, Slot::Skipped)) {
                return Err(AckError);
            }
        }
        Ok(())
    }

    fn detect_losses(&mut self, now: Instant, lost: &mut Vec<R>) -> u32 {
        self.loss_at = None;
        let Some(largest) = self.largest_acked else { return 0 };
        let delay = self.rtt.loss_delay();
        let mut count = 0;
        let mut newest_lost_at = None;
        for index in 0..(largest + 1).saturating_sub(self.base) as usize {
            let Some(Slot::Outstanding(sent)) = self.slots.get(index) else { continue };
            let (at, is_eliciting) = (sent.at, sent.is_eliciting);
            //= book/src/spec/recovery.md#loss
            //# A sender MUST take a packet for lost once one with a number higher by three or more
            //# is acknowledged.
            let is_overtaken = self.base + index as u64 + PACKET_THRESHOLD <= largest;
            if !is_overtaken && now < at + delay {
                let due = at + delay;
                self.loss_at = Some(self.loss_at.map_or(due, |earlier| earlier.min(due)));
                continue;
            }
            if let Some(sent) = self.take(index) {
                count += u32::from(is_eliciting);
                if is_eliciting {
                    newest_lost_at = newest_lost_at.max(Some(at));
                }
                self.recycle(sent.receipts, lost);
            }
        }
        if let Some(sent_at) = newest_lost_at {
            self.controller.on_lost(now, sent_at);
        }
        count
    }

    /// Takes a packet out of flight.
    fn take(&mut self, index: usize) -> Option<Sent<R>> {
        let slot = self.slots.get_mut(index)?;
        if !matches!(slot, Slot::Outstanding(_)) {
            return None;
        }
        let Slot::Outstanding(sent) = core::mem::replace(slot, Slot::Done) else { return None };
        if sent.is_eliciting {
            self.in_flight_bytes -= sent.bytes;
            self.eliciting_in_flight -= 1;
        }
        Some(sent)
    }

    fn recycle(&mut self, mut receipts: Vec<R>, into: &mut Vec<R>) {
        into.append(&mut receipts);
        self.spare.push(receipts);
    }

    /// Drops what is decided at the old end. A skipped number stays until its neighbours go, and
    /// then for as long as an acknowledgement of it could be honest confusion: not at all.
    fn forget_done(&mut self) {
        let largest = self.largest_acked.unwrap_or(0);
        while let Some(slot) = self.slots.front() {
            let is_settled = matches!(slot, Slot::Done | Slot::Skipped);
            if !is_settled || self.base > largest {
                break;
            }
            self.slots.pop_front();
            self.base += 1;
        }
        self.spare.truncate(16);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{AckError, SentPackets, TimeoutAction};
    use crate::recovery::config::RecoveryConfig;
    use crate::time::Instant;
    use crate::wire::AckRanges;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn ranges(list: &[(u64, u64)]) -> AckRanges {
        let mut ranges = AckRanges::EMPTY;
        list.iter().for_each(|(first, last)| assert!(ranges.push_older(*first, *last)));
        ranges
    }

    fn sent(count: u64) -> SentPackets<u64> {
        let mut packets = SentPackets::new(RecoveryConfig::default());
        packets.on_handshake_rtt(Duration::from_millis(50));
        (0..count).for_each(|number| packets.on_sent(at(number), 100, true, vec![number]));
        packets
    }

    #[track_caller]
    fn ack(packets: &mut SentPackets<u64>, ms: u64, list: &[(u64, u64)]) -> (Vec<u64>, Vec<u64>) {
        let (mut acked, mut lost) = (Vec::new(), Vec::new());
        packets.on_ack(at(ms), &ranges(list), Duration::ZERO, &mut acked, &mut lost).unwrap();
        (acked, lost)
    }

    //= book/src/spec/recovery.md#loss
    //= type=test
    //# A sender MUST take a packet for lost once one with a number higher by three or more is
    //# acknowledged.
    #[test]
    fn three_later_acknowledgements_or_time_make_a_loss() {
        let mut packets = sent(5);
        assert_eq!(ack(&mut packets, 50, &[(4, 4), (1, 1)]), (vec![4, 1], vec![0]));
        let due = packets.poll_timeout().unwrap();
        let mut lost = Vec::new();
        assert_eq!(packets.on_timeout(due, &mut lost), TimeoutAction::Lost(1));
        assert_eq!(lost, [2]);
        assert_eq!(ack(&mut packets, 90, &[(3, 3)]), (vec![3], vec![]));
        assert_eq!((packets.in_flight_bytes(), packets.poll_timeout()), (0, None));
    }

    #[test]
    fn a_lost_tail_is_probed_with_what_the_oldest_packet_carried() {
        let mut packets = sent(2);
        let mut again = Vec::new();
        let first = packets.poll_timeout().unwrap();
        assert_eq!(packets.on_timeout(first, &mut again), TimeoutAction::Probe);
        assert_eq!(again, [0]);
        packets.on_sent(first, 100, true, vec![0]);
        let second = packets.poll_timeout().unwrap();
        assert!(second - first > first - at(1), "the wait backs off");
        // The late acknowledgement settles everything, once.
        assert_eq!(ack(&mut packets, 500, &[(0, 2)]).0, [0, 1, 0]);
        assert_eq!(ack(&mut packets, 501, &[(0, 2)]), (vec![], vec![]));
    }

    //= book/src/spec/recovery.md#acknowledgements
    //= type=test
    //# An endpoint MUST close the connection when a packet that it never sent is acknowledged.
    #[test]
    fn acknowledging_what_was_not_sent_is_an_error() {
        let mut packets = sent(3);
        packets.skip_number();
        packets.on_sent(at(9), 100, true, vec![4]);
        for lie in [ranges(&[(0, 5)]), ranges(&[(2, 4)]), ranges(&[(3, 3)])] {
            let (mut acked, mut lost) = (Vec::new(), Vec::new());
            let outcome = packets.on_ack(at(9), &lie, Duration::ZERO, &mut acked, &mut lost);
            assert_eq!((outcome, acked.len(), lost.len()), (Err(AckError), 0, 0));
        }
        assert_eq!(ack(&mut packets, 50, &[(4, 4), (0, 2)]).0, [4, 0, 1, 2]);
    }
}
