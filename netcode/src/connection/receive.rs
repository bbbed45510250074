//! Datagram to packet, packet to frames, frames to the parts they concern.

use crate::channel::Taken;
use crate::connection::error::{ConnectionError, DropReason, PeerMisbehaved};
use crate::connection::event::Event;
use crate::connection::{Carried, Connection, State};
use crate::time::Instant;
use crate::wire::{AckFrame, CloseCode, Frame, FrameIter, PacketNumber, ShortHeader};

/// What the frames of a packet ask for, once all are read.
struct Dispatched {
    is_eliciting: bool,
    /// Something in it could not be held: it must come again.
    may_be_acked: bool,
    closed: Option<CloseCode>,
}

impl Connection {
    /// Takes one short packet off the network. Opens it in place.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        header: ShortHeader,
        packet: &mut [u8],
    ) -> Result<(), DropReason> {
        if self.state == State::Gone {
            return Err(DropReason::Closed);
        }
        let (number, payload_at) = self.unmask(header, packet)?;
        let size = packet.len();
        let payload = self
            .keys
            .open
            .open(number, self.id, packet, payload_at)
            .map_err(|_| DropReason::Unopened)?;
        self.replay.insert(number);
        self.expected = self.expected.max(number.next());
        self.heard_at = now;
        self.stats.packets_received += 1;
        self.stats.bytes_received += size as u64;
        match &mut self.state {
            State::Closing { again_at, .. } => {
                *again_at = now;
                return Ok(());
            }
            State::Draining { .. } | State::Gone => return Ok(()),
            State::Unconfirmed { .. } => {
                self.state = State::Open;
                self.events.push_back(Event::Connected);
            }
            State::Open => {}
        }
        let outcome = self.dispatch(now, payload);
        self.drain_channels();
        match outcome {
            //= book/src/spec/channels.md#broken-rules
            //# A receiver MUST end the connection when a frame names a channel that is not in the
            //# table, a reliable message beyond the window of 4,096, another fragment count than
            //# before, or more bytes than the channel allows.
            Err(rule) => self.end(now, ConnectionError::PeerMisbehaved(rule)),
            Ok(Dispatched { closed: Some(code), .. }) => {
                self.end(now, ConnectionError::ClosedByPeer(code));
            }
            Ok(Dispatched { is_eliciting, may_be_acked: true, .. }) => {
                self.acks.on_received(self.config.recovery(), now, number, is_eliciting);
            }
            Ok(_) => {}
        }
        Ok(())
    }

    /// Reads the protected header and checks the number against what was seen.
    //= book/src/spec/wire.md#replay
    //# A receiver MUST drop a packet whose number it has seen before.
    fn unmask(
        &self,
        header: ShortHeader,
        packet: &mut [u8],
    ) -> Result<(PacketNumber, usize), DropReason> {
        let mask = self
            .keys
            .open
            .header_mask(ShortHeader::sample(packet))
            .map_err(|_| DropReason::Unopened)?;
        let (low, len, payload_at) = header.unmask(packet, mask);
        let number = PacketNumber::expand(low, len, self.expected);
        if number.get() >= PacketNumber::END {
            return Err(DropReason::Unopened);
        }
        if self.replay.contains(number) {
            return Err(DropReason::Replayed);
        }
        Ok((number, payload_at))
    }

    fn dispatch(&mut self, now: Instant, payload: &[u8]) -> Result<Dispatched, PeerMisbehaved> {
        let mut dispatched = Dispatched { is_eliciting: false, may_be_acked: true, closed: None };
        for frame in FrameIter::new(payload)? {
            match frame? {
                Frame::Ack(ack) => self.on_ack(now, &ack)?,
                Frame::Close { code, .. } => dispatched.closed = Some(code),
                Frame::Ping => dispatched.is_eliciting = true,
                Frame::Message(message) => {
                    dispatched.is_eliciting = true;
                    if self.channels.on_frame(&message)? == Taken::NoRoom {
                        dispatched.may_be_acked = false;
                    }
                }
            }
        }
        Ok(dispatched)
    }

    fn on_ack(&mut self, now: Instant, ack: &AckFrame) -> Result<(), PeerMisbehaved> {
        let ranges = ack.ranges(self.sent.next_number())?;
        let outcome = self
            .sent
            .on_ack(now, &ranges, ack.delay, &mut self.acked, &mut self.lost)
            .map_err(|_| PeerMisbehaved::AckedUnsent)?;
        self.stats.packets_lost += u64::from(outcome.lost);
        for carried in self.acked.drain(..) {
            match carried {
                Carried::Ack(largest) => self.acks.on_ack_acked(largest),
                Carried::Message(receipt) => self.channels.on_acked(receipt),
            }
        }
        self.on_lost_receipts();
        Ok(())
    }
}
