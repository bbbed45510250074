//! The codec against models.

mod cases;
mod simulation;

use std::sync::Arc;

use crate::snapshot::quantize::Codec;
use crate::snapshot::schema::{Field, Kind, Schema};

/// A kind that moves, and one that is nothing but there.
pub(super) fn schema() -> Arc<Schema> {
    let metres = Codec::Range { min: 0.0, max: 512.0, precision: 1.0 / 64.0 };
    let field = |name, codec| Field { name, codec };
    let walker = vec![
        field("x", metres),
        field("y", metres),
        field("heading", Codec::Angle { bits: 8 }),
        field("health", Codec::Integer { min: 0, max: 100 }),
        field("is_armed", Codec::Integer { min: 0, max: 1 }),
        field("always", Codec::Integer { min: 3, max: 3 }),
    ];
    let kinds = vec![
        Kind { name: "walker", fields: walker },
        Kind { name: "marker", fields: Vec::new() },
        Kind { name: "door", fields: vec![field("angle", Codec::Angle { bits: 1 })] },
    ];
    Arc::new(Schema::new(kinds).unwrap())
}

/// Numbers that a seed decides.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
