//! Two sets of channels, and everything between them that a network can do to frames.

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    ChannelConfig, ChannelTable, ChannelViolation, Channels, Delivered, Delivery, Planned, Receipt,
    ReceiptOutcome, SendError, Taken,
};
use crate::wire::{ChannelId, Frame, FrameIter, MessageFrame, Part};

const HOLD_BYTES: usize = 128 * 1024;
const ROOM: usize = 1150;

fn table() -> ChannelTable {
    ChannelTable::new(vec![
        ChannelConfig::new(Delivery::ReliableOrdered),
        ChannelConfig::new(Delivery::ReliableUnordered).with_receipts(),
        ChannelConfig::new(Delivery::Unreliable).with_receipts(),
        ChannelConfig::new(Delivery::UnreliableSequenced),
    ])
    .unwrap()
}

/// What happens to one packet.
#[derive(Clone, Copy, Debug)]
enum Weather {
    Deliver,
    Hold,
    Lose,
    /// It arrives, but its sender takes it for lost.
    LoseAck,
}

fn weather() -> impl Strategy<Value = Weather> {
    prop_oneof![
        4 => Just(Weather::Deliver),
        1 => Just(Weather::LoseAck),
        2 => Just(Weather::Hold),
        2 => Just(Weather::Lose),
    ]
}

type Packet = (Vec<u8>, Vec<Receipt>);

fn next_packet(sender: &mut Channels) -> Option<Packet> {
    let mut plan = Planned::default();
    sender.plan(ROOM, &mut plan);
    if plan.is_empty() {
        return None;
    }
    let (mut bytes, mut receipts) = (Vec::new(), Vec::new());
    plan.encode(&mut bytes, &mut receipts);
    assert!(bytes.len() <= ROOM);
    Some((bytes, receipts))
}

/// Delivers a packet; says whether it may be acknowledged.
fn deliver(receiver: &mut Channels, bytes: &[u8]) -> bool {
    FrameIter::new(bytes).unwrap().all(|frame| match frame.unwrap() {
        Frame::Message(frame) => receiver.on_frame(&frame).unwrap() == Taken::Yes,
        other => panic!("{other:?}"),
    })
}

fn message(channel: u8, index: usize, size: usize) -> Bytes {
    let mut bytes = vec![channel; size.max(4)];
    bytes[..4].copy_from_slice(&(index as u32).to_le_bytes());
    bytes.into()
}

fn received(receiver: &mut Channels) -> Vec<(u8, u32, usize)> {
    core::iter::from_fn(|| receiver.poll_delivered())
        .map(|delivered| match delivered {
            Delivered::Message { channel, payload } => {
                assert!(payload[4..].iter().all(|byte| *byte == channel.0));
                (channel.0, u32::from_le_bytes(payload[..4].try_into().unwrap()), payload.len())
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

proptest! {
    //= book/src/spec/channels.md#reliable-delivery
    //= type=test
    //# A receiver MUST deliver every reliable message exactly once.
    //= book/src/spec/channels.md#unreliable-delivery
    //= type=test
    //# A receiver MUST NOT deliver an unreliable sequenced message that is older than one it has
    //# delivered.
    #[test]
    fn each_channel_keeps_its_promise_in_any_weather(
        sizes in prop::collection::vec((0..4_u8, 0..4000_usize), 1..60),
        storm in prop::collection::vec(weather(), 0..200),
    ) {
        let (mut sender, mut receiver) = pair();
        let mut sent = [const { Vec::new() }; 4];
        for (channel, size) in sizes {
            let list: &mut Vec<_> = &mut sent[usize::from(channel)];
            let payload = message(channel, list.len(), size);
            list.push((channel, list.len() as u32, payload.len()));
            sender.send(ChannelId(channel), payload).unwrap();
        }
        let mut storm = storm.into_iter();
        let mut held: Vec<Packet> = Vec::new();
        let mut arrived = [const { Vec::new() }; 4];
        while let Some((bytes, receipts)) = next_packet(&mut sender) {
            let weather = storm.next().unwrap_or(Weather::Deliver);
            match weather {
                Weather::Hold => held.push((bytes, receipts)),
                Weather::Lose => receipts.into_iter().for_each(|lost| sender.on_lost(lost)),
                Weather::LoseAck => {
                    prop_assert!(deliver(&mut receiver, &bytes));
                    receipts.into_iter().for_each(|lost| sender.on_lost(lost));
                }
                Weather::Deliver => {
                    prop_assert!(deliver(&mut receiver, &bytes));
                    receipts.into_iter().for_each(|acked| sender.on_acked(acked));
                }
            }
            if !matches!(weather, Weather::Hold) && held.len() > 3 {
                let (bytes, receipts) = held.remove(0);
                prop_assert!(deliver(&mut receiver, &bytes));
                receipts.into_iter().for_each(|acked| sender.on_acked(acked));
            }
            received(&mut receiver).into_iter().for_each(|m| arrived[usize::from(m.0)].push(m));
        }
        for (bytes, receipts) in held {
            prop_assert!(deliver(&mut receiver, &bytes));
            receipts.into_iter().for_each(|acked| sender.on_acked(acked));
        }
        received(&mut receiver).into_iter().for_each(|m| arrived[usize::from(m.0)].push(m));

        prop_assert_eq!(&arrived[0], &sent[0], "reliable ordered");
        arrived[1].sort_unstable();
        prop_assert_eq!(&arrived[1], &sent[1], "reliable unordered");
        prop_assert!(arrived[3].is_sorted_by(|one, other| one.1 < other.1), "sequenced");
        for unreliable in [2, 3] {
            let mut list = arrived[unreliable].clone();
            list.sort_unstable();
            let count = list.len();
            list.dedup();
            prop_assert_eq!(list.len(), count, "delivered twice");
            prop_assert!(list.iter().all(|m| sent[unreliable].contains(m)));
        }
        for channel in [0, 1, 2] {
            prop_assert_eq!(sender.pending(ChannelId(channel)), 0, "channel {}", channel);
        }
        check_receipts(&mut sender, &sent);
    }
}

/// Every message of a channel with receipts has exactly one fate.
fn check_receipts(sender: &mut Channels, sent: &[Vec<(u8, u32, usize)>; 4]) {
    let mut fates: Vec<_> = core::iter::from_fn(|| sender.poll_delivered())
        .map(|delivered| match delivered {
            Delivered::Receipt { channel, message, outcome } => {
                assert!(channel.0 == 2 || outcome == ReceiptOutcome::Acked);
                (channel.0, message.0)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    fates.sort_unstable();
    let all = sent[1].iter().chain(&sent[2]).map(|(channel, index, _)| (*channel, (*index).into()));
    assert_eq!(fates, all.collect::<Vec<(u8, u64)>>());
}

#[test]
fn a_full_queue_and_a_giant_are_refused_at_once() {
    let (mut sender, _) = pair();
    let giant = Bytes::from(vec![0; 64 * 1024 + 1]);
    let refused = sender.send(ChannelId(0), giant.clone());
    assert_eq!(refused, Err(SendError::TooLarge { bytes: 64 * 1024 + 1, max: 64 * 1024 }));
    let channel = ChannelId(9);
    assert_eq!(sender.send(channel, giant), Err(SendError::UnknownChannel { channel }));
    let large = Bytes::from(vec![0; 64 * 1024]);
    let refused = (0..5).find_map(|_| sender.send(ChannelId(0), large.clone()).err());
    assert_eq!(refused, Some(SendError::QueueFull { channel: ChannelId(0) }));
}

//= book/src/spec/channels.md#memory
//= type=test
//# A receiver MUST count fragments by the bytes that arrived, never by the bytes that were
//# announced.
//= book/src/spec/channels.md#memory
//= type=test
//# A receiver MUST take every fragment of the message that all others of its channel wait for.
#[test]
fn memory_follows_what_arrived_and_the_awaited_message_always_fits() {
    let (_, mut receiver) = pair();
    let piece = [0; 1000];
    let frame = |id_low, index| MessageFrame {
        channel: ChannelId(0),
        id_low,
        part: Some(Part { index, count: 60 }),
        payload: &piece,
    };
    // Message 1 and 2 fill what may be held while message 0 is awaited.
    let mut refused = None;
    'fill: for id_low in [1, 2, 3] {
        for index in 0..59 {
            if receiver.on_frame(&frame(id_low, index)) == Ok(Taken::NoRoom) {
                refused = Some((id_low, index));
                break 'fill;
            }
        }
    }
    assert!(refused.is_some());
    assert!(receiver.held_bytes() <= HOLD_BYTES);
    for index in 0..60 {
        assert_eq!(receiver.on_frame(&frame(0, index)), Ok(Taken::Yes));
    }
    assert_eq!(received(&mut receiver).len(), 1);
    assert!(receiver.held_bytes() <= HOLD_BYTES);
}

//= book/src/spec/channels.md#broken-rules
//= type=test
//# A receiver MUST end the connection when a frame names a channel that is not in the table, a
//# reliable message beyond the window of 4,096, another fragment count than before, or more bytes
//# than the channel allows.
#[test]
fn an_unreliable_message_that_was_given_up_is_never_acknowledged_whole() {
    let (_, mut receiver) = pair();
    let frame = |id_low, index| MessageFrame {
        channel: ChannelId(2),
        id_low,
        part: Some(Part { index, count: 2 }),
        payload: &[0; 1000],
    };
    // More messages at a time than are put together: the oldest are given up.
    let first: Vec<_> = (0..20).map(|id| receiver.on_frame(&frame(id, 0)).unwrap()).collect();
    // The newest first: they make room, which the older ones must not take for theirs.
    let second: Vec<_> =
        (0..20).rev().map(|id| receiver.on_frame(&frame(id, 1)).unwrap()).collect();
    let both =
        first.iter().zip(second.iter().rev()).filter(|both| *both == (&Taken::Yes, &Taken::Yes));
    assert_eq!(both.count(), received_count(&mut receiver));
}

#[test]
fn an_unreliable_fragment_that_is_not_held_is_not_acknowledged() {
    let (_, mut receiver) = pair();
    let frame = |channel, id_low, index| MessageFrame {
        channel: ChannelId(channel),
        id_low,
        part: Some(Part { index, count: 60 }),
        payload: &[0; 1000],
    };
    // Reliable messages that wait for a first one fill all that may be held.
    let reliable = (1..4).flat_map(|id| (0..59).map(move |index| (id, index)));
    for (id, index) in reliable {
        let _ = receiver.on_frame(&frame(0, id, index)).unwrap();
    }
    assert_eq!(receiver.on_frame(&frame(2, 0, 0)), Ok(Taken::NoRoom));
    assert!(receiver.held_bytes() <= HOLD_BYTES);
}

fn received_count(receiver: &mut Channels) -> usize {
    core::iter::from_fn(|| receiver.poll_delivered()).count()
}

#[test]
fn a_peer_that_breaks_a_rule_is_found_out() {
    let payload = [1; 2000];
    let frame = |channel, id_low, part| MessageFrame {
        channel: ChannelId(channel),
        id_low,
        part,
        payload: &payload,
    };
    let check = |frames: &[MessageFrame<'_>], expected| {
        let (_, mut receiver) = pair();
        let outcome = frames.iter().try_for_each(|frame| receiver.on_frame(frame).map(|_| ()));
        assert_eq!(outcome, Err(expected));
    };
    let part = |index, count| Some(Part { index, count });
    check(&[frame(7, 0, None)], ChannelViolation::UnknownChannel);
    check(&[frame(0, 5000, None)], ChannelViolation::WindowExceeded);
    check(&[frame(0, 0, part(0, 2)), frame(0, 0, part(1, 3))], ChannelViolation::FragmentMismatch);
    let flood: Vec<_> = (0..40).map(|index| frame(0, 0, part(index, 1000))).collect();
    check(&flood, ChannelViolation::TooLarge);
}

fn pair() -> (Channels, Channels) {
    (Channels::new(&table(), HOLD_BYTES), Channels::new(&table(), HOLD_BYTES))
}
