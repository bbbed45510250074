//! The payload of a packet: frames.

use core::time::Duration;

use netcode::wire::{
    AckRanges, ChannelId, CloseCode, Frame, FrameIter, MessageFrame, PacketNumber, Part,
};

use crate::seeds::{Seeds, noise, with_mutations};

/// Reads all frames; each survives being encoded.
pub fn run(payload: &[u8]) {
    let Ok(frames) = FrameIter::new(payload) else {
        assert!(payload.is_empty());
        return;
    };
    let mut count = 0;
    for frame in frames {
        count += 1;
        match frame {
            Ok(frame) => check(&frame),
            Err(_) => break,
        }
    }
    assert!(count <= payload.len(), "every frame takes a byte");
}

fn check(frame: &Frame<'_>) {
    let mut bytes = Vec::new();
    match frame {
        Frame::Ack(ack) => {
            check_ack(ack);
            return;
        }
        Frame::Close { code, reason } => Frame::encode_close(*code, reason, &mut bytes),
        Frame::Message(message) => {
            message.encode(false, &mut bytes);
            assert!(bytes.len() == message.encoded_len() || message.payload.len() >= 0x4000);
        }
        Frame::Ping => Frame::encode_ping(&mut bytes),
    }
    assert_eq!(read_one(&bytes), *frame);
}

/// The packets that an acknowledgement names come back, in whichever form they are written.
fn check_ack(ack: &netcode::wire::AckFrame) {
    let Ok(ranges) = ack.ranges(PacketNumber::new(1000)) else { return };
    let largest = ranges.largest().expect("an acknowledgement names a packet");
    let mut newer = None;
    for (first, last) in ranges.iter() {
        assert!(first <= last && newer.is_none_or(|newer| last + 1 < newer));
        newer = Some(first);
    }
    let mut bytes = Vec::new();
    Frame::encode_ack(&ranges, ack.delay, &mut bytes);
    let Frame::Ack(again) = read_one(&bytes) else { panic!("an acknowledgement was written") };
    assert_eq!(again.delay, ack.delay);
    assert_eq!(again.ranges(PacketNumber::new(largest + 1)), Ok(ranges));
}

fn read_one(bytes: &[u8]) -> Frame<'_> {
    let mut frames = FrameIter::new(bytes).expect("not empty");
    let frame = frames.next().expect("a frame was written").expect("it is well-formed");
    assert!(frames.next().is_none());
    frame
}

/// One of each kind of frame and form of acknowledgement, and a packet of several.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let mut add = |name: &str, encode: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        encode(&mut bytes);
        seeds.push((name.to_owned(), bytes));
    };
    let acks: [(&str, &[(u64, u64)]); 5] = [
        ("ack-first", &[(0, 0)]),
        ("ack-all", &[(0, 500)]),
        ("ack-mask-1", &[(98, 100), (94, 95)]),
        ("ack-mask-4", &[(100, 100), (70, 71)]),
        ("ack-ranges", &[(900, 1000), (500, 600), (0, 7)]),
    ];
    for (name, list) in acks {
        add(name, &|out| {
            let mut ranges = AckRanges::EMPTY;
            for (first, last) in list {
                ranges.push_older(*first, *last);
            }
            Frame::encode_ack(&ranges, Duration::from_millis(3), out);
        });
    }
    let payload = noise(20, 70);
    let whole = |len: usize| MessageFrame {
        channel: ChannelId(2),
        id_low: 0xfffe,
        part: None,
        payload: &payload[..len],
    };
    let piece = MessageFrame { part: Some(Part { index: 99, count: 100 }), ..whole(20) };
    add("message-last", &|out| whole(12).encode(true, out));
    add("message", &|out| whole(70).encode(false, out));
    add("fragment", &|out| piece.encode(false, out));
    add("fragment-last", &|out| piece.encode(true, out));
    add("ping", &|out| Frame::encode_ping(out));
    add("close", &|out| Frame::encode_close(CloseCode::Moved, "to zone 3", out));
    add("several", &|out| {
        let mut ranges = AckRanges::EMPTY;
        ranges.push_older(7, 9);
        Frame::encode_padding(2, out);
        Frame::encode_ack(&ranges, Duration::ZERO, out);
        Frame::encode_ping(out);
        whole(5).encode(false, out);
        piece.encode(false, out);
        whole(9).encode(true, out);
    });
    with_mutations(seeds, 20)
}
