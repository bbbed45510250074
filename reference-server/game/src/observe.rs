//! What others see of a character or an item.

use netcode::snapshot::{Codec, EntityState, Field, Kind, KindId, Schema};
use shardline_protocol::game::Point;

use crate::character::{Character, HEALTH_MAX, Place, UNITS_PER_METRE};

/// The kind of characters.
pub const CHARACTER: KindId = KindId(0);
/// The kind of items on the ground.
pub const ITEM: KindId = KindId(1);

/// Steps of an observed position to the metre.
const STEPS_PER_METRE: u32 = 64;
/// Units of a position to one observed step.
pub(crate) const UNITS_PER_STEP: u32 = UNITS_PER_METRE / STEPS_PER_METRE;

/// Fields of a character, in order.
const FACING: usize = 2;
const HEALTH: usize = 3;
const DASHING: usize = 4;

pub(crate) fn schema(world: Place) -> Schema {
    let field = |name, codec| Field { name, codec };
    let metres = |units: u32| Codec::Range {
        min: 0.0,
        max: units as f32 / UNITS_PER_METRE as f32,
        precision: 1.0 / STEPS_PER_METRE as f32,
    };
    let (x, y) = (field("x", metres(world.x)), field("y", metres(world.y)));
    let fields = vec![
        x,
        y,
        field("facing", Codec::Angle { bits: 8 }),
        field("health", Codec::Integer { min: 0, max: HEALTH_MAX.into() }),
        field("dashing", Codec::Integer { min: 0, max: 1 }),
    ];
    let character = Kind { name: "character", fields };
    let item = Kind { name: "item", fields: vec![x, y] };
    Schema::new(vec![character, item]).expect("the size of the world was checked")
}

pub(crate) fn character(character: &Character) -> EntityState {
    let [x, y] = steps(character.place);
    let facing = i32::from(character.facing.0.wrapping_add(0x80) >> 8);
    let (health, dashing) = (character.health.into(), character.is_dashing().into());
    EntityState::new(CHARACTER, &[x, y, facing, health, dashing])
}

pub(crate) fn item(place: Place) -> EntityState {
    EntityState::new(ITEM, &steps(place))
}

/// The position within a state of any kind.
pub fn position(state: &EntityState) -> Point {
    match *state.values() {
        [x, y, ..] => [x, y].map(|steps| steps as f32 / STEPS_PER_METRE as f32),
        _ => [0.0; 2],
    }
}

/// The health within the state of a character; zero for what has none.
pub fn health(state: &EntityState) -> u8 {
    value(state, HEALTH)
}

/// The direction within the state of a character, in 256 steps of a turn.
pub fn facing(state: &EntityState) -> u8 {
    value(state, FACING)
}

/// Whether the state is that of a dashing character.
pub fn is_dashing(state: &EntityState) -> bool {
    value(state, DASHING) == 1
}

fn value(state: &EntityState, field: usize) -> u8 {
    let value = state.values().get(field).copied().unwrap_or(0);
    u8::try_from(value).unwrap_or(0)
}

/// To the nearest step. The bounds of a world are whole steps, so that none is beyond them.
fn steps(place: Place) -> [i32; 2] {
    [place.x, place.y].map(|units| ((units + UNITS_PER_STEP / 2) / UNITS_PER_STEP) as i32)
}
