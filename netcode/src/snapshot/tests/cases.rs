//! Bounds, and what a simulation meets too seldom.

use std::collections::BTreeMap;

use crate::snapshot::baseline::SNAPSHOTS_KEPT;
use crate::snapshot::decoder::{Freshness, SnapshotDecoder};
use crate::snapshot::encoder::{Candidate, ENTITIES_MAX, SnapshotEncoder};
use crate::snapshot::error::SnapshotError;
use crate::snapshot::schema::{EntityId, EntityState, KindId};
use crate::snapshot::tests::{Dice, schema};
use crate::tick::Tick;

#[test]
fn under_a_tiny_budget_everyone_gets_through() {
    let schema = schema();
    let mut dice = Dice(3);
    let mut encoder = SnapshotEncoder::new(schema.clone());
    let mut decoder = SnapshotDecoder::new(schema);
    let mut seen_last: BTreeMap<EntityId, u64> = (0..100).map(|id| (EntityId(id), 0)).collect();
    let mut receipts = Vec::new();
    let mut gap_max = 0;
    for now in 1..2000 {
        let tick = Tick::new(now);
        let states: Vec<_> = (0..100)
            .map(|_| {
                let values = [65, 65, 8, 6].map(|bits: u64| dice.below(bits * 100) as i32 % 100);
                EntityState::new(KindId(0), &[&values[..], &[1, 0]].concat())
            })
            .collect();
        let candidates: Vec<_> = states
            .iter()
            .zip(0..)
            .map(|(state, id)| Candidate {
                id: EntityId(id),
                state,
                priority: if id < 10 { 100.0 } else { 0.0 },
            })
            .collect();
        let mut message = Vec::new();
        encoder.encode(tick, &candidates, 120, &mut message);
        assert!((100..=120).contains(&message.len()), "{}", message.len());
        let known_before = decoder.seen().len();
        decoder.decode(tick, &message).unwrap();
        // What was added is added again until the server knows that it arrived.
        assert!(decoder.seen().len() >= known_before);
        receipts.push(tick);
        if now > 4 {
            encoder.on_acked(receipts[receipts.len() - 4]);
        }
        for seen in decoder.seen().iter().filter(|seen| seen.tick == tick) {
            let last = seen_last.get_mut(&seen.id).unwrap();
            gap_max = gap_max.max(now - *last);
            *last = now;
        }
    }
    assert!(seen_last.values().all(|last| *last > 0), "{seen_last:?}");
    assert!(gap_max < 60, "{gap_max} ticks");
}

#[test]
fn a_crowd_that_walks_costs_little() {
    let schema = schema();
    let mut encoder = SnapshotEncoder::new(schema.clone());
    let mut decoder = SnapshotDecoder::new(schema);
    let mut dice = Dice(9);
    let mut states: Vec<_> = (0..100)
        .map(|_| EntityState::new(KindId(0), &[500, 500, 3, 100, 0, 0].map(|v| v * 2 % 101)))
        .collect();
    let (mut total, mut count) = (0, 0);
    for now in 1..200 {
        for state in &mut states {
            let values = state.values_mut();
            // Six metres a second at 30 Hz in 1/64 m.
            values[0] += dice.below(10) as i32 + 4;
            values[1] += dice.below(10) as i32 + 4;
            if dice.chance(10) {
                values[2] = (values[2] + 3) & 255;
            }
        }
        let candidates: Vec<_> = states
            .iter()
            .zip(0..)
            .map(|(state, id)| Candidate { id: EntityId(1 << 40 | id), state, priority: 1.0 })
            .collect();
        let mut message = Vec::new();
        let encoded = encoder.encode(Tick::new(now), &candidates, 4000, &mut message);
        decoder.decode(Tick::new(now), &message).unwrap();
        if now > 4 {
            encoder.on_acked(Tick::new(now - 4));
        }
        if now > 10 {
            total += encoded.bytes;
            count += encoded.written;
        }
        // Forty bits of position, heading and health, and the identifier.
        assert!(now > 1 || encoded.bytes < 800, "{} bytes", encoded.bytes);
    }
    let bits = total * 8 / count;
    assert!(bits <= 26, "{bits} bits for each change");
}

/// Encodes the snapshot of `tick` with markers.
fn encode_markers(encoder: &mut SnapshotEncoder, tick: u64) -> (Tick, Vec<u8>) {
    let (ids, state) = markers(3);
    let (tick, mut message) = (Tick::new(tick), Vec::new());
    encoder.encode(tick, &candidates(&ids, &state), 100, &mut message);
    (tick, message)
}

#[test]
fn a_receipt_for_what_could_not_be_decoded_is_ignored() {
    // As many messages arrive before one as are remembered: its baseline is forgotten by count.
    let (mut encoder, mut decoder) =
        (SnapshotEncoder::new(schema()), SnapshotDecoder::new(schema()));
    let mut messages: Vec<_> = (1..=66)
        .map(|tick| {
            let message = encode_markers(&mut encoder, tick);
            if tick == 1 {
                encoder.on_acked(message.0);
            }
            message
        })
        .collect();
    let (late, message) = messages.remove(39);
    messages.iter().for_each(|(tick, message)| {
        decoder.decode(*tick, message).unwrap();
    });
    let unknown = Err(SnapshotError::UnknownBaseline { baseline: Tick::new(1) });
    assert_eq!(decoder.decode(late, &message), unknown);
    encoder.on_acked(late);
    assert_eq!(encoder.baseline(), None);

    // A newer baseline is named before it arrives: its own is forgotten by age.
    let (mut encoder, mut decoder) =
        (SnapshotEncoder::new(schema()), SnapshotDecoder::new(schema()));
    let mut late = None;
    for tick in (10..=102).step_by(2) {
        if tick == 102 {
            encoder.on_acked(Tick::new(50));
        }
        let (tick, message) = encode_markers(&mut encoder, tick);
        if tick == Tick::new(10) {
            encoder.on_acked(tick);
        }
        if tick == Tick::new(100) {
            late = Some((tick, message));
        } else {
            decoder.decode(tick, &message).unwrap();
        }
    }
    let (late, message) = late.unwrap();
    let unknown = Err(SnapshotError::UnknownBaseline { baseline: Tick::new(10) });
    assert_eq!(decoder.decode(late, &message), unknown);
    encoder.on_acked(late);
    assert_eq!(encoder.baseline(), Some(Tick::new(50)));
}

#[test]
fn what_returns_to_its_baseline_is_confirmed_though_others_fill_every_message() {
    for is_gone_between in [false, true] {
        let (mut encoder, mut decoder) =
            (SnapshotEncoder::new(schema()), SnapshotDecoder::new(schema()));
        let mut dice = Dice(4);
        for now in 1..70 {
            let walker = |x: i32| EntityState::new(KindId(0), &[x, x, 0, 0, 0, 0]);
            let mut states: Vec<_> = (0..60).map(|_| walker(dice.below(30_000) as i32)).collect();
            // The first stands still, but for one tick of which no receipt comes.
            states[0] = walker(if now == 51 { 8 } else { 7 });
            let mut candidates: Vec<_> = (states.iter().zip(0..))
                .map(|(state, id)| {
                    let priority = if id == 0 { 1000.0 } else { 1.0 };
                    Candidate { id: EntityId(id), state, priority }
                })
                .collect();
            let is_lost = is_gone_between && now == 52;
            if is_lost {
                candidates.remove(0);
            }
            let (tick, mut message) = (Tick::new(now), Vec::new());
            let encoded = encoder.encode(tick, &candidates, 120, &mut message);
            assert!(encoded.postponed > 0);
            if !is_lost {
                decoder.decode(tick, &message).unwrap();
            }
            if now % 2 == 0 && now > 4 && now != 56 {
                encoder.on_acked(Tick::new(now - 4));
            }
            let seen = decoder.get(EntityId(0));
            match now {
                51 => assert_eq!(seen.unwrap().state, states[0]),
                52..56 => {}
                _ => assert!(seen.is_none_or(|seen| seen.state == states[0]), "{tick:?}: {seen:?}"),
            }
        }
    }
}

/// Markers, which have no fields.
fn markers(count: u64) -> (Vec<EntityId>, EntityState) {
    ((0..count).map(EntityId).collect(), EntityState::new(KindId(1), &[]))
}

fn candidates<'a>(ids: &[EntityId], state: &'a EntityState) -> Vec<Candidate<'a>> {
    ids.iter().map(|&id| Candidate { id, state, priority: 1.0 }).collect()
}

#[test]
fn nobody_knows_more_than_the_most() {
    let (ids, state) = markers(ENTITIES_MAX as u64 + 900);
    let (mut encoder, mut decoder) =
        (SnapshotEncoder::new(schema()), SnapshotDecoder::new(schema()));
    for tick in (1..4).map(Tick::new) {
        let mut message = Vec::new();
        let encoded = encoder.encode(tick, &candidates(&ids, &state), 100_000, &mut message);
        assert_eq!(encoded.postponed, 900);
        decoder.decode(tick, &message).unwrap();
        assert_eq!(decoder.seen().len(), ENTITIES_MAX);
        encoder.on_acked(tick);
    }
}

#[test]
fn a_baseline_that_may_be_forgotten_is_given_up() {
    let (ids, state) = markers(3);
    let mut encoder = SnapshotEncoder::new(schema());
    for number in 1..200 {
        let (tick, mut message) = (Tick::new(number), Vec::new());
        encoder.encode(tick, &candidates(&ids, &state), 100, &mut message);
        // One receipt, and then none.
        if number == 1 {
            encoder.on_acked(tick);
        }
        let is_kept = number < 1 + SNAPSHOTS_KEPT as u64;
        assert_eq!(encoder.baseline(), is_kept.then_some(Tick::new(1)), "{tick:?}");
        // Whoever comes late knows no baseline, and needs none when there is none.
        let decoded = SnapshotDecoder::new(schema()).decode(tick, &message);
        let baseline = Tick::new(1);
        if is_kept && number > 1 {
            assert_eq!(decoded, Err(SnapshotError::UnknownBaseline { baseline }));
        } else {
            assert_eq!(decoded.unwrap().added, 3);
        }
    }
    // A receipt for what no longer counts changes nothing; one for what does sets it going again.
    encoder.on_acked(Tick::new(2));
    assert_eq!(encoder.baseline(), None);
    encoder.on_acked(Tick::new(199));
    assert_eq!(encoder.baseline(), Some(Tick::new(199)));
    encoder.restart();
    assert_eq!(encoder.baseline(), None);
}

#[test]
fn a_refused_message_leaves_the_view_alone() {
    let (ids, state) = markers(3);
    let (mut encoder, mut decoder) =
        (SnapshotEncoder::new(schema()), SnapshotDecoder::new(schema()));
    let mut messages = Vec::new();
    for tick in (1..=2).map(Tick::new) {
        let mut message = Vec::new();
        encoder.encode(tick, &candidates(&ids, &state), 100, &mut message);
        encoder.on_acked(tick);
        messages.push(message);
    }
    let unknown = SnapshotError::UnknownBaseline { baseline: Tick::new(1) };
    assert_eq!(decoder.decode(Tick::new(2), &messages[1]), Err(unknown));
    assert_eq!((decoder.tick(), decoder.seen().len()), (None, 0));
    decoder.decode(Tick::new(1), &messages[0]).unwrap();
    assert_eq!(decoder.decode(Tick::new(1), &messages[0]).unwrap().freshness, Freshness::Older);
    assert_eq!(decoder.decode(Tick::new(3), &[]).unwrap().freshness, Freshness::Nothing);
    assert_eq!(decoder.decode(Tick::new(3), &[0xff]), Err(SnapshotError::Truncated));
    assert_eq!((decoder.tick(), decoder.seen().len()), (Some(Tick::new(1)), 3));
    assert_eq!(decoder.entities().map(|(id, _)| id).collect::<Vec<_>>(), ids);
}
