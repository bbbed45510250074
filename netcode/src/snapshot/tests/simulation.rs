//! One client against a model: the true world at every tick, and a network that does its worst.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::snapshot::decoder::{Freshness, SnapshotDecoder};
use crate::snapshot::encoder::{Candidate, ENTITIES_MAX, Encoded, SnapshotEncoder};
use crate::snapshot::error::SnapshotError;
use crate::snapshot::schema::{EntityId, EntityState, KindId, Schema};
use crate::snapshot::tests::{Dice, schema};
use crate::tick::Tick;

type World = BTreeMap<EntityId, EntityState>;

fn random_state(dice: &mut Dice, schema: &Schema) -> EntityState {
    let kind = KindId(dice.below(schema.kinds().len() as u64) as u8);
    let fields = schema.fields(kind).unwrap().iter();
    let values: Vec<_> =
        fields.map(|field| dice.below(field.codec.max() as u64 + 1) as i32).collect();
    EntityState::new(kind, &values)
}

/// Lets entities come, go, move a little, or move anywhere.
fn disturb(world: &mut World, dice: &mut Dice, schema: &Schema, entities_max: u64) {
    if (world.len() as u64) < entities_max && dice.chance(60) {
        // Names far apart, and names side by side; some that were there before.
        let id = if dice.chance(50) { dice.below(64) } else { dice.next() };
        world.entry(EntityId(id)).or_insert_with(|| random_state(dice, schema));
    }
    if dice.chance(10) {
        let gone = world.keys().nth(dice.below(entities_max) as usize).copied();
        gone.map(|gone| world.remove(&gone));
    }
    for state in world.values_mut() {
        let codecs: Vec<_> =
            schema.fields(state.kind()).unwrap().iter().map(|field| field.codec).collect();
        for (value, codec) in state.values_mut().iter_mut().zip(codecs) {
            if dice.chance(30) {
                let far = if dice.chance(90) { 40 } else { codec.max().max(1) };
                let move_by = dice.below(2 * far as u64 + 1) as i32 - far;
                *value = (*value + move_by).clamp(0, codec.max());
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Weather {
    loss_percent: u64,
    delay_max: u64,
    receipt_loss_percent: u64,
    budget_max: u64,
}

/// What is under way.
struct Flight {
    at: u64,
    tick: Tick,
    message: Vec<u8>,
}

struct Simulation {
    dice: Dice,
    schema: Arc<Schema>,
    encoder: SnapshotEncoder,
    decoder: SnapshotDecoder,
    now: u64,
    world: World,
    truth: BTreeMap<Tick, World>,
    complete: BTreeMap<Tick, bool>,
    down: Vec<Flight>,
    receipts: Vec<(u64, Tick, bool)>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let schema = schema();
        Self {
            dice: Dice(seed),
            encoder: SnapshotEncoder::new(schema.clone()),
            decoder: SnapshotDecoder::new(schema.clone()),
            schema,
            now: 0,
            world: World::new(),
            truth: BTreeMap::new(),
            complete: BTreeMap::new(),
            down: Vec::new(),
            receipts: Vec::new(),
        }
    }

    /// One tick: receipts, a snapshot, what arrives of it.
    fn step(&mut self, weather: Weather) -> Encoded {
        self.now += 1 + u64::from(self.dice.chance(20));
        let now = self.now;
        for (_, tick, arrived) in self.receipts.extract_if(.., |(at, ..)| *at <= now) {
            if arrived { self.encoder.on_acked(tick) } else { self.encoder.on_lost(tick) }
        }
        let encoded = self.send(weather);
        let due: Vec<_> = self.down.extract_if(.., |flight| flight.at <= now).collect();
        due.into_iter().for_each(|flight| self.receive(&flight, weather));
        encoded
    }

    fn send(&mut self, weather: Weather) -> Encoded {
        let tick = Tick::new(self.now);
        let dice = &mut self.dice;
        let candidates: Vec<_> = self
            .world
            .iter()
            .map(|(&id, state)| Candidate { id, state, priority: dice.below(5) as f32 })
            .collect();
        let budget = self.dice.below(weather.budget_max + 1) as usize;
        let mut message = vec![0xaa];
        let encoded = self.encoder.encode(tick, &candidates, budget, &mut message);
        assert!(message.remove(0) == 0xaa && message.len() <= budget);
        assert_eq!(encoded.bytes, message.len());
        self.truth.insert(tick, self.world.clone());
        self.complete.insert(tick, encoded.postponed == 0);
        let late = self.dice.below(weather.delay_max + 1);
        if self.dice.chance(weather.loss_percent) {
            // The transport may also be wrong about it: then the message arrives all the same.
            self.receipts.push((self.now + weather.delay_max, tick, false));
        }
        if !self.dice.chance(weather.loss_percent) && !message.is_empty() {
            self.down.push(Flight { at: self.now + late, tick, message });
        }
        encoded
    }

    fn receive(&mut self, flight: &Flight, weather: Weather) {
        let tick_before = self.decoder.tick();
        let view_before = self.decoder.seen().to_vec();
        let late = self.dice.below(weather.delay_max + 1);
        if !self.dice.chance(weather.receipt_loss_percent) {
            self.receipts.push((self.now + 1 + late, flight.tick, true));
        }
        let decoded = match self.decoder.decode(flight.tick, &flight.message) {
            Ok(decoded) => decoded,
            // Overtaken by far. The transport has confirmed it all the same.
            Err(SnapshotError::UnknownBaseline { .. }) if Some(flight.tick) < tick_before => return,
            Err(error) => panic!("{:?} at {}: {error}", flight.tick, self.now),
        };
        let is_newest = tick_before.is_none_or(|before| before < flight.tick);
        assert_eq!(decoded.freshness == Freshness::Newest, is_newest);
        assert_eq!(self.decoder.tick(), tick_before.max(Some(flight.tick)));
        if let Some(known) = self.encoder.known(flight.tick) {
            assert_eq!(Some(known), self.decoder.known(flight.tick), "{:?}", flight.tick);
        }
        self.check_view();
        for before in view_before {
            let now = self.decoder.get(before.id);
            assert!(now.is_none_or(|now| now.tick >= before.tick), "{before:?}, now {now:?}");
        }
        if self.complete[&flight.tick] && is_newest {
            self.assert_view_is_true_at(flight.tick);
        }
    }

    /// Every entity is as it was at the tick at which it says it was seen.
    fn check_view(&self) {
        assert!(self.decoder.seen().is_sorted_by(|one, other| one.id < other.id));
        for seen in self.decoder.seen() {
            let truth = self.truth[&seen.tick].get(&seen.id);
            assert_eq!(truth, Some(&seen.state), "{:?} at {:?}", seen.id, seen.tick);
        }
    }

    fn assert_view_fits_the_schema(&self) {
        for seen in self.decoder.seen() {
            let fields = self.schema.fields(seen.state.kind()).unwrap();
            assert_eq!(fields.len(), seen.state.values().len());
            for (field, value) in fields.iter().zip(seen.state.values()) {
                assert!((0..=field.codec.max()).contains(value), "{seen:?}");
            }
        }
    }

    fn assert_view_is_true_at(&self, tick: Tick) {
        let view: World = self.decoder.entities().map(|(id, state)| (id, *state)).collect();
        assert_eq!(view, self.truth[&tick]);
    }
}

const CALM: Weather =
    Weather { loss_percent: 0, delay_max: 0, receipt_loss_percent: 0, budget_max: 1200 };

fn weather() -> impl Strategy<Value = Weather> {
    let budgets = prop_oneof![Just(30_u64), Just(120), Just(1200)];
    (0..40_u64, prop_oneof![Just(0_u64), Just(5), Just(15), Just(100)], 0..40_u64, budgets)
        .prop_map(|(loss_percent, delay_max, receipt_loss_percent, budget_max)| Weather {
            loss_percent,
            delay_max,
            receipt_loss_percent,
            budget_max,
        })
}

/// Shrinking a long simulation tells little and takes long.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 200, max_shrink_iters: 100, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_view_is_always_true_and_in_the_end_whole(
        seed: u64, weather in weather(), entities_max in 1..60_u64,
    ) {
        let mut simulation = Simulation::new(seed);
        for _ in 0..150 {
            let Simulation { world, dice, schema, .. } = &mut simulation;
            disturb(world, dice, schema, entities_max);
            simulation.step(weather);
        }
        // Calm: what is still under way arrives, and nothing else happens.
        for _ in 0..110 {
            simulation.step(Weather { budget_max: 0, ..CALM });
        }
        let mut encoded = Encoded::default();
        for _ in 0..4 {
            encoded = simulation.send_all();
        }
        prop_assert_eq!(encoded.postponed, 0);
        prop_assert!(encoded.bytes <= 2, "{} bytes for no news", encoded.bytes);
        simulation.assert_view_is_true_at(Tick::new(simulation.now));
    }

    #[test]
    fn hostile_bytes_are_refused_or_harmless(
        seed: u64,
        messages in prop::collection::vec(
            (0..40_u64, prop::collection::vec(any::<u8>(), 0..80)), 1..30,
        ),
    ) {
        let mut simulation = Simulation::new(seed);
        for _ in 0..30 {
            let Simulation { world, dice, schema, .. } = &mut simulation;
            disturb(world, dice, schema, 30);
            simulation.step(CALM);
        }
        for (ahead, bytes) in messages {
            let _ = simulation.decoder.decode(Tick::new(simulation.now + ahead), &bytes);
            let _ = simulation.decoder.decode(Tick::new(u64::MAX - ahead), &bytes);
            prop_assert!(simulation.decoder.seen().len() <= ENTITIES_MAX);
            simulation.assert_view_fits_the_schema();
        }
    }

    #[test]
    fn a_message_with_flipped_bits_is_refused_or_harmless(
        seed: u64, flips in prop::collection::vec(any::<u16>(), 1..4), cut: Option<u8>,
    ) {
        let mut simulation = Simulation::new(seed);
        for _ in 0..20 {
            let Simulation { world, dice, schema, .. } = &mut simulation;
            disturb(world, dice, schema, 30);
            simulation.step(CALM);
        }
        let Simulation { world, dice, schema, .. } = &mut simulation;
        disturb(world, dice, schema, 30);
        simulation.now += 1;
        simulation.send(CALM);
        let Some(mut flight) = simulation.down.pop() else { return Ok(()) };
        for flip in flips {
            let bit = usize::from(flip) % (flight.message.len() * 8);
            flight.message[bit / 8] ^= 1 << (bit % 8);
        }
        if let Some(cut) = cut {
            flight.message.truncate(cut.into());
        }
        let _ = simulation.decoder.decode(flight.tick, &flight.message);
        simulation.assert_view_fits_the_schema();
    }
}

impl Simulation {
    /// One tick with room for everything, on a perfect network.
    fn send_all(&mut self) -> Encoded {
        self.now += 1;
        for (_, tick, arrived) in self.receipts.drain(..) {
            if arrived {
                self.encoder.on_acked(tick);
            }
        }
        let candidates: Vec<_> =
            self.world.iter().map(|(&id, state)| Candidate { id, state, priority: 1.0 }).collect();
        let (tick, mut message) = (Tick::new(self.now), Vec::new());
        let encoded = self.encoder.encode(tick, &candidates, 100_000, &mut message);
        self.truth.insert(tick, self.world.clone());
        self.complete.insert(tick, encoded.postponed == 0);
        self.receive(&Flight { at: self.now, tick, message }, CALM);
        encoded
    }
}
