//! Entities that stand or move, for snapshots.

use std::sync::Arc;

use netcode::snapshot::{
    Candidate, Codec, EntityId, EntityState, Field, Kind, KindId, Schema, SnapshotDecoder,
    SnapshotEncoder,
};
use netcode::tick::Tick;

/// Enough for any message: these measure the codec, not the budget.
pub const BUDGET_BYTES: usize = 64 * 1024;

/// So many characters as a game like ours shows them.
#[derive(Clone, Debug)]
pub struct World {
    schema: Arc<Schema>,
    entities: Vec<(EntityId, EntityState)>,
    tick: Tick,
}

impl World {
    /// A world of `count` entities.
    ///
    /// # Panics
    ///
    /// Never: the schema is valid.
    pub fn new(count: u32) -> Self {
        let metres = Codec::Range { min: 0.0, max: 4096.0, precision: 1.0 / 64.0 };
        let field = |name, codec| Field { name, codec };
        let fields = vec![
            field("x", metres),
            field("y", metres),
            field("facing", Codec::Angle { bits: 8 }),
            field("health", Codec::Integer { min: 0, max: 100 }),
            field("dashing", Codec::Integer { min: 0, max: 1 }),
        ];
        let schema = Schema::new(vec![Kind { name: "character", fields }]).expect("valid");
        let entity = |index: u32| {
            let (x, y) = (index * 7919 % 200_000, index * 104_729 % 200_000);
            let values = [x as i32, y as i32, (index % 256) as i32, 100, 0];
            (EntityId((index * 3).into()), EntityState::new(KindId(0), &values))
        };
        Self {
            schema: Arc::new(schema),
            entities: (0..count).map(entity).collect(),
            tick: Tick::ZERO,
        }
    }

    /// The schema of all entities.
    pub fn schema(&self) -> Arc<Schema> {
        self.schema.clone()
    }

    /// The next tick; every `every`th entity takes a step in it, or none.
    pub fn step(&mut self, every: Option<usize>) -> Tick {
        self.tick = self.tick.next();
        if let Some(every) = every {
            let offset = self.tick.get() as usize % every;
            for (_, state) in self.entities.iter_mut().skip(offset).step_by(every) {
                let [x, y, facing, ..] = state.values_mut() else { continue };
                *x = (*x + 11) % 200_000;
                *y = (*y + 5) % 200_000;
                *facing = (*facing + 3) % 256;
            }
        }
        self.tick
    }

    /// What an encoder is given.
    pub fn candidates(&self) -> Vec<Candidate<'_>> {
        self.entities
            .iter()
            .map(|(id, state)| Candidate { id: *id, state, priority: 1.0 })
            .collect()
    }

    /// An encoder and a decoder that agree on the world as it is now.
    ///
    /// # Panics
    ///
    /// If they do not.
    pub fn in_step(&mut self) -> (SnapshotEncoder, SnapshotDecoder) {
        let mut encoder = SnapshotEncoder::new(self.schema());
        let mut decoder = SnapshotDecoder::new(self.schema());
        let tick = self.step(None);
        let mut message = Vec::new();
        encoder.encode(tick, &self.candidates(), BUDGET_BYTES, &mut message);
        decoder.decode(tick, &message).expect("an honest message");
        encoder.on_acked(tick);
        assert_eq!(decoder.entities().len(), self.entities.len());
        (encoder, decoder)
    }
}
