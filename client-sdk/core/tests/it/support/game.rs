//! The smallest game: a character on a line.

use netcode::snapshot::{Codec, EntityId, EntityState, Field, Kind, KindId, Schema};
use netcode::tick::{Tick, TickRate};
use shardline_protocol::game::{Game, GameDecodeError, HitEffect, Point};

/// Positions are in steps of 1/64.
pub(crate) const STEPS: i32 = 64;
/// The end of the world.
pub(crate) const END: i32 = 300 * STEPS;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Walk(pub i8);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Walker {
    pub(crate) x: i32,
    pub(crate) health: u8,
}

#[derive(Clone, Debug)]
pub(crate) struct LineGame;

impl Game for LineGame {
    type Input = Walk;
    type Character = Walker;
    type Attack = ();

    fn tick_rate(&self) -> TickRate {
        TickRate::new(30).unwrap()
    }

    fn schema(&self) -> Schema {
        let codec = Codec::Integer { min: 0, max: END };
        let fields = vec![Field { name: "x", codec }];
        Schema::new(vec![Kind { name: "walker", fields }]).unwrap()
    }

    fn spawn(&self, at: Point) -> Walker {
        Walker { x: (at[0] * STEPS as f32) as i32, health: 100 }
    }

    /// Every fourth tick is a longer stride, so that a step in the wrong tick shows.
    fn step(&self, character: &mut Walker, input: &Walk, tick: Tick) -> Option<()> {
        let longer = if tick.get().is_multiple_of(4) { i32::from(input.0.signum()) } else { 0 };
        character.x = (character.x + i32::from(input.0) + longer).clamp(0, END);
        None
    }

    fn position(&self, character: &Walker) -> Point {
        [character.x as f32 / STEPS as f32, 0.0]
    }

    fn divergence(&self, one: &Walker, other: &Walker) -> f32 {
        (one.x - other.x).abs() as f32 / STEPS as f32
    }

    fn attack_range(&self) -> f32 {
        0.0
    }

    fn aim(&self, (): &(), _: &[(EntityId, Point)]) -> Option<EntityId> {
        None
    }

    fn take_hit(&self, target: &mut Walker, (): &(), _: Tick) -> HitEffect {
        target.health -= 1;
        HitEffect { damage: 1, defeated: false }
    }

    fn reach(&self) -> f32 {
        1.0
    }

    fn observe_character(&self, character: &Walker) -> EntityState {
        EntityState::new(KindId(0), &[character.x])
    }

    fn observe_item(&self, at: Point) -> EntityState {
        EntityState::new(KindId(0), &[(at[0] * STEPS as f32) as i32])
    }

    fn observed_position(&self, state: &EntityState) -> Point {
        [state.values()[0] as f32 / STEPS as f32, 0.0]
    }

    fn encode_input(&self, input: &Walk, out: &mut Vec<u8>) {
        out.push(input.0 as u8);
    }

    fn decode_input(&self, bytes: &mut &[u8]) -> Result<Walk, GameDecodeError> {
        let (first, rest) = bytes.split_first().ok_or(GameDecodeError::Truncated)?;
        *bytes = rest;
        Ok(Walk(*first as i8))
    }

    fn encode_character(&self, character: &Walker, out: &mut Vec<u8>) {
        out.extend_from_slice(&character.x.to_le_bytes());
        out.push(character.health);
    }

    fn decode_character(&self, bytes: &mut &[u8]) -> Result<Walker, GameDecodeError> {
        let (fields, rest) = bytes.split_first_chunk::<5>().ok_or(GameDecodeError::Truncated)?;
        *bytes = rest;
        let [a, b, c, d, health] = *fields;
        let x = i32::from_le_bytes([a, b, c, d]);
        if !(0..=END).contains(&x) {
            return Err(GameDecodeError::OutOfBounds);
        }
        Ok(Walker { x, health })
    }

    fn encode_attack(&self, (): &(), _: &mut Vec<u8>) {}

    fn decode_attack(&self, _: &mut &[u8]) -> Result<(), GameDecodeError> {
        Ok(())
    }
}
