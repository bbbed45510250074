//! Snapshots: hostile bytes for a decoder, and a pair of encoder and decoder whose messages the
//! script loses, delays and damages.
//!
//! # Promises
//!
//! - Whatever arrives, what a decoder shows fits the schema and the bounds, and an error leaves it
//!   as it was.
//! - No message exceeds its budget. An undamaged one that arrives in time can be decoded, and once
//!   nothing is postponed the view is the world.

use std::collections::BTreeMap;
use std::sync::Arc;

use netcode::snapshot::{
    Candidate, Codec, ENTITIES_MAX, EntityId, EntityState, Field, Freshness, Kind, KindId, Schema,
    SnapshotDecoder, SnapshotEncoder,
};
use netcode::tick::Tick;

use crate::script::Script;
use crate::seeds::{Seeds, noise, with_mutations};

const OPERATIONS_MAX: usize = 300;
/// Entities of the little world.
const ENTITIES: u8 = 40;
const BUDGET: usize = 1100;
/// Messages under way; more are lost.
const QUEUE_MAX: usize = 8;

/// Runs the kind of script that the first byte names.
pub fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    match script.u8() {
        Some(kind) if kind & 1 == 0 => suffer(&mut script),
        Some(_) => converse(&mut script),
        None => {}
    }
}

fn schema() -> Arc<Schema> {
    let metres = Codec::Range { min: 0.0, max: 384.0, precision: 1.0 / 64.0 };
    let field = |name, codec| Field { name, codec };
    let person = vec![
        field("x", metres),
        field("y", metres),
        field("facing", Codec::Angle { bits: 8 }),
        field("health", Codec::Integer { min: 0, max: 100 }),
        field("dashing", Codec::Integer { min: 0, max: 1 }),
    ];
    let thing = vec![field("x", metres), field("y", metres)];
    let kinds = vec![
        Kind { name: "person", fields: person },
        Kind { name: "thing", fields: thing },
        Kind { name: "marker", fields: Vec::new() },
    ];
    Arc::new(Schema::new(kinds).expect("a valid schema"))
}

/// Messages as a stranger with the keys would write them: ticks and bytes from the script.
fn suffer(script: &mut Script<'_>) {
    let schema = schema();
    let mut decoder = SnapshotDecoder::new(schema.clone());
    let mut tick = 1;
    for _ in 0..OPERATIONS_MAX {
        let (Some(later), Some(len)) = (script.u8(), script.u16()) else { return };
        tick += u64::from(later % 8);
        let before = (decoder.tick(), decoder.seen().to_vec());
        let outcome = decoder.decode(Tick::new(tick), script.take(usize::from(len % 1200)));
        if outcome.is_err() {
            assert!(
                before == (decoder.tick(), decoder.seen().to_vec()),
                "an error changes nothing"
            );
        }
        check_view(&schema, &decoder);
    }
}

/// What is shown is in order, within bounds, and of the schema.
fn check_view(schema: &Schema, decoder: &SnapshotDecoder) {
    let seen = decoder.seen();
    assert!(seen.len() <= ENTITIES_MAX);
    assert!(seen.windows(2).all(|pair| pair[0].id < pair[1].id), "each entity once, in order");
    for seen in seen {
        let fields = schema.fields(seen.state.kind()).expect("a kind of the schema");
        assert_eq!(seen.state.values().len(), fields.len());
        for (value, field) in seen.state.values().iter().zip(fields) {
            assert!((0..=field.codec.max()).contains(value), "{} of {:?}", field.name, seen);
        }
    }
}

struct Talk {
    schema: Arc<Schema>,
    encoder: SnapshotEncoder,
    decoder: SnapshotDecoder,
    tick: Tick,
    world: BTreeMap<EntityId, EntityState>,
    /// Messages under way.
    queue: Vec<(Tick, Vec<u8>)>,
}

fn converse(script: &mut Script<'_>) {
    let schema = schema();
    let mut talk = Talk {
        encoder: SnapshotEncoder::new(schema.clone()),
        decoder: SnapshotDecoder::new(schema.clone()),
        schema,
        tick: Tick::ZERO,
        world: BTreeMap::new(),
        queue: Vec::new(),
    };
    for _ in 0..OPERATIONS_MAX {
        if talk.step(script).is_none() {
            break;
        }
        check_view(&talk.schema, &talk.decoder);
    }
    talk.agree();
}

impl Talk {
    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        match script.u8()? % 8 {
            0 => {
                let id = script.u8()? % ENTITIES;
                self.put(id, script.u16()?);
            }
            1 => {
                self.world.remove(&EntityId((script.u8()? % ENTITIES).into()));
            }
            2 => {
                let budget = usize::from(script.u8()?) * 4;
                self.speak(budget);
            }
            3 => {
                self.speak(BUDGET);
            }
            4 => {
                let index = usize::from(script.u8()?);
                self.arrive(index);
            }
            5 => {
                if !self.queue.is_empty() {
                    let index = usize::from(script.u8()?) % self.queue.len();
                    let (tick, _) = self.queue.remove(index);
                    self.encoder.on_lost(tick);
                }
            }
            6 => {
                // Everybody moves a little.
                let step = i32::from(script.u8()?) - 128;
                for state in self.world.values_mut() {
                    let fields = self.schema.fields(state.kind()).expect("of the schema");
                    for (value, field) in state.values_mut().iter_mut().zip(fields) {
                        *value = (*value + step).clamp(0, field.codec.max());
                    }
                }
            }
            _ => {
                let stride = u16::from(script.u8()?) * 2;
                for id in 0..ENTITIES {
                    self.put(id, u16::from(id) * stride);
                }
            }
        }
        Some(())
    }

    /// An identifier stands for one kind for ever.
    fn put(&mut self, id: u8, value: u16) {
        let kind = KindId(id % 3);
        let fields = self.schema.fields(kind).expect("of the schema");
        let values: Vec<_> =
            fields.iter().map(|field| i32::from(value).min(field.codec.max())).collect();
        self.world.insert(EntityId(id.into()), EntityState::new(kind, &values));
    }

    /// Says as much as the budget holds; returns how much it did not.
    fn speak(&mut self, budget: usize) -> usize {
        self.tick = self.tick.next();
        let candidates: Vec<_> = self
            .world
            .iter()
            .map(|(id, state)| Candidate { id: *id, state, priority: 1.0 + id.0 as f32 })
            .collect();
        let mut message = Vec::new();
        let encoded = self.encoder.encode(self.tick, &candidates, budget, &mut message);
        assert!(message.len() <= budget && message.len() == encoded.bytes);
        if message.is_empty() {
            return encoded.postponed;
        }
        if self.queue.len() < QUEUE_MAX {
            self.queue.push((self.tick, message));
        } else {
            self.encoder.on_lost(self.tick);
        }
        encoded.postponed
    }

    /// One of the messages under way gets there, and a receipt comes back.
    fn arrive(&mut self, index: usize) {
        if self.queue.is_empty() {
            return;
        }
        let (tick, message) = self.queue.remove(index % self.queue.len());
        // A damaged copy first. It may be taken for another message, so by a decoder of its own.
        let mut damaged = message.clone();
        damaged[index % message.len()] ^= 1 << (index % 8);
        let mut stranger = SnapshotDecoder::new(self.schema.clone());
        let _ = stranger.decode(tick, &damaged);
        check_view(&self.schema, &stranger);

        self.decoder.decode(tick, &message).expect("an undamaged message in time");
        self.encoder.on_acked(tick);
    }

    /// The network behaves: soon the view is the world.
    fn agree(&mut self) {
        while !self.queue.is_empty() {
            self.arrive(0);
        }
        for round in 0.. {
            assert!(round < 100, "what waits gets its turn");
            let postponed = self.speak(BUDGET);
            let (tick, message) = self.queue.pop().expect("the budget is enough for a message");
            let decoded = self.decoder.decode(tick, &message).expect("an undamaged message");
            assert_eq!(decoded.freshness, Freshness::Newest);
            self.encoder.on_acked(tick);
            if postponed == 0 {
                break;
            }
        }
        let view = self.decoder.entities().map(|(id, state)| (id, *state));
        assert!(view.eq(self.world.iter().map(|(id, state)| (*id, *state))));
    }
}

/// Real messages for the decoder, conversations, and noise.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let mut talk = Talk {
        schema: schema(),
        encoder: SnapshotEncoder::new(schema()),
        decoder: SnapshotDecoder::new(schema()),
        tick: Tick::ZERO,
        world: BTreeMap::new(),
        queue: Vec::new(),
    };
    let mut heard = vec![0];
    for round in 0..4_u8 {
        for id in 0..6 {
            talk.put(id * (round + 1), u16::from(id) * 1000 + u16::from(round));
        }
        talk.world.remove(&EntityId(round.into()));
        talk.speak(BUDGET);
        let message = talk.queue[0].1.clone();
        talk.arrive(0);
        heard.push(1);
        heard.extend_from_slice(&(message.len() as u16).to_le_bytes());
        heard.extend_from_slice(&message);
        seeds.push((format!("messages-{round}"), heard.clone()));
    }
    let all = [7, 250, 3, 4, 0];
    let scripts: [(&str, &[u8]); 5] = [
        ("steady", &[7, 250, 3, 4, 0, 6, 130, 3, 4, 0, 6, 120, 3, 4, 0, 3, 4, 0]),
        ("narrow", &[7, 100, 2, 10, 4, 0, 2, 10, 4, 0, 6, 140, 2, 9, 4, 0, 2, 1, 2, 0, 3, 4, 0]),
        ("lossy", &[7, 9, 3, 3, 3, 5, 1, 4, 1, 4, 0, 6, 200, 3, 3, 5, 0, 4, 0]),
        ("reordered", &[7, 250, 3, 6, 129, 3, 6, 129, 3, 4, 2, 4, 1, 4, 0, 3, 4, 0]),
        ("removals", &[7, 250, 3, 4, 0, 1, 0, 1, 5, 1, 39, 3, 4, 0, 0, 5, 9, 9, 3, 5, 0, 3, 4, 0]),
    ];
    for (name, script) in scripts {
        seeds.push((name.to_owned(), [&[1][..], script].concat()));
        seeds.push((format!("{name}-long"), [&[1][..], &all, &script.repeat(4)].concat()));
    }
    for seed in 0..4 {
        let kind = seed as u8 & 1;
        seeds.push((format!("noise-{seed}"), [&[kind][..], &noise(120 + seed, 250)].concat()));
    }
    with_mutations(seeds, 120)
}
