//! What is due (plan), and the packet that says it (build).

use core::time::Duration;

use crate::connection::{Carried, Connection, Side, State};
use crate::time::Instant;
use crate::wire::{
    AckRanges, CloseCode, DATAGRAM_BYTES, Frame, PacketNumber, ShortHeader, TAG_BYTES,
};

/// Least bytes of a payload, so that the longest packet number fits every packet.
const PAYLOAD_BYTES_MIN: usize = 3;

/// What the next packet shall hold.
struct Due {
    ack: Option<(AckRanges, Duration)>,
    has_messages: bool,
    ping: bool,
}

impl Connection {
    /// Appends the next packet to `buffer`, if one is due.
    pub(crate) fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> bool {
        match self.state {
            State::Open => {}
            State::Closing { code, .. } => return self.transmit_close(now, code, buffer),
            //= book/src/spec/handshake.md#amplification
            //# A server MUST NOT send more than three times the bytes that it received to an
            //# address that is not proven.
            State::Unconfirmed { .. } | State::Draining { .. } | State::Gone => return false,
        }
        let Some(due) = self.due(now) else { return false };
        self.skip_some_number();
        let number = self.sent.next_number();
        let start = buffer.len();
        let (number_len, payload_at) = self.start_packet(number, buffer);
        let mut carried = self.sent.take_spare();
        if let Some((ranges, delay)) = due.ack {
            Frame::encode_ack(&ranges, delay, buffer);
            self.acks.on_ack_sent();
            carried
                .extend(ranges.largest().map(|largest| Carried::Ack(PacketNumber::new(largest))));
        }
        let mut is_eliciting = due.ping;
        if due.ping {
            Frame::encode_ping(buffer);
        }
        if due.has_messages {
            let room = DATAGRAM_BYTES - TAG_BYTES - (buffer.len() - start);
            self.channels.plan(room, &mut self.plan);
            // Beside a long acknowledgement there may be no room: then in the next packet.
            is_eliciting |= !self.plan.is_empty();
            self.plan.encode(buffer, &mut self.receipts);
            carried.extend(self.receipts.drain(..).map(Carried::Message));
        }
        self.finish_packet(number, number_len, start, payload_at, buffer);
        let bytes = buffer.len() - start;
        if is_eliciting {
            self.eliciting_sent_at = now;
            self.probe_due = false;
        }
        self.sent.on_sent(now, bytes, is_eliciting, carried);
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += bytes as u64;
        true
    }

    /// Decides whether a packet is due, and what for. An acknowledgement rides on whatever goes.
    fn due(&self, now: Instant) -> Option<Due> {
        let has_messages = self.channels.has_frames() && (self.probe_due || self.sent.budget() > 0);
        let ping = self.probe_due && !has_messages;
        let is_ack_due = self.acks.due().is_some_and(|due| now >= due);
        if !has_messages && !ping && !is_ack_due {
            return None;
        }
        Some(Due { ack: self.acks.pending(now), has_messages, ping })
    }

    //= book/src/spec/recovery.md#acknowledgements
    //# A sender SHOULD leave out a packet number at random
    fn skip_some_number(&mut self) {
        self.skip_in -= 1;
        if self.skip_in == 0 {
            self.sent.skip_number();
            self.skip_in = super::SKIP_MIN + self.entropy.below(super::SKIP_SPREAD);
        }
    }

    fn transmit_close(&mut self, now: Instant, code: CloseCode, buffer: &mut Vec<u8>) -> bool {
        let probe_timeout = self.sent.probe_timeout();
        let State::Closing { sends_left, again_at, .. } = &mut self.state else { return false };
        if *sends_left == 0 || now < *again_at {
            return false;
        }
        *sends_left -= 1;
        *again_at = now + probe_timeout;
        let number = self.sent.next_number();
        let start = buffer.len();
        let (number_len, payload_at) = self.start_packet(number, buffer);
        Frame::encode_close(code, "", buffer);
        self.finish_packet(number, number_len, start, payload_at, buffer);
        // It takes a number, so that the next close has another.
        self.sent.skip_number();
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += (buffer.len() - start) as u64;
        true
    }

    fn start_packet(&mut self, number: PacketNumber, buffer: &mut Vec<u8>) -> (usize, usize) {
        let id = (self.side == Side::Client).then_some(self.id);
        let number_len = number.truncated_len(self.sent.largest_acked());
        let random = self.entropy.next_u32() as u8;
        let payload_at = ShortHeader::encode(id, number, number_len, random, buffer);
        (number_len, payload_at)
    }

    fn finish_packet(
        &mut self,
        number: PacketNumber,
        number_len: usize,
        start: usize,
        payload_at: usize,
        buffer: &mut Vec<u8>,
    ) {
        let payload = buffer.len() - payload_at;
        // Padding goes behind: but a last message frame takes all to the end, so it goes in front.
        if payload < PAYLOAD_BYTES_MIN {
            Frame::encode_padding(PAYLOAD_BYTES_MIN - payload, buffer);
        }
        self.keys.seal.seal(number, self.id, buffer, start, payload_at);
        let sample = ShortHeader::sample(buffer);
        if let Ok(mask) = self.keys.seal.header_mask(sample) {
            ShortHeader::mask(&mut buffer[start..], number_len, mask);
        }
    }
}
