//! The rules of the reference game: walk, dash, one ranged attack, items on the ground.
//!
//! ```text
//!   Input ──▶ step ──▶ Character ──▶ observe ──▶ EntityState, for everybody near
//!               │
//!               └────▶ Attack ──▶ aim ──▶ take_hit ──▶ HitEffect
//! ```
//!
//! Servers, bots and examples share this crate, which is what makes prediction exact; a studio
//! puts its own game in its place by implementing [`Game`].
//!
//! # Invariants
//!
//! - State is integers: positions in 1/256 m, directions in 1/65,536 turn, times in ticks. A step
//!   computes the same bits on every machine.
//! - Every [`Character`] that exists can be encoded and decodes to itself, so that a client which
//!   predicts from a decoded state and a server that never encoded it stay equal.
//! - A character never leaves its world.
//! - Characters do not block each other: a step looks at one character and nothing else, so that
//!   the order of players in a tick decides nothing, and a border of two zones is no wall.
//!
//! Deliberately absent: sockets, time, randomness, who owns which item, and who is near whom.

#![forbid(unsafe_code)]

pub mod angle;
pub mod bot;
mod character;
mod codec;
mod combat;
mod input;
mod movement;
pub mod observe;
#[cfg(test)]
mod tests;

pub use character::{Character, HEALTH_MAX};
pub use codec::{CHARACTER_BYTES, INPUT_BYTES};
pub use combat::Attack;
pub use input::Input;

use netcode::snapshot::{EntityId, EntityState, Schema};
use netcode::tick::{Tick, TickRate};
use shardline_protocol::Game;
use shardline_protocol::game::{GameDecodeError, HitEffect, Point};
use thiserror::Error;

use crate::character::{Place, UNITS_PER_METRE};
use crate::observe::UNITS_PER_STEP;

/// Ticks a second.
pub const TICK_RATE_HZ: u16 = 30;
/// The longest side of a world, in metres: as far as an `f32` knows 1/256 m.
pub const WORLD_SIDE_MAX: f32 = 32_768.0;

/// How near an item or a partner has to be.
const REACH: f32 = 3.0;

/// The reference game, in a world of a given size.
///
/// ```
/// use reference_game::{Input, ReferenceGame};
/// use netcode::tick::Tick;
/// use shardline_protocol::Game;
///
/// let game = ReferenceGame::new(384.0, 384.0)?;
/// let mut character = game.spawn([1000.0, -3.0]);
/// assert_eq!(game.position(&character), [384.0, 0.0]);
/// assert_eq!(game.step(&mut character, &Input::default(), Tick::ZERO), None);
/// # Ok::<(), reference_game::WorldSizeError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReferenceGame {
    /// The corner of the world that is farthest from its origin; a whole number of observed steps.
    world: Place,
}

/// A side of the world that cannot be used.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[error("a side of {metres} m is outside 1..={WORLD_SIDE_MAX}")]
pub struct WorldSizeError {
    /// As given.
    pub metres: f32,
}

impl ReferenceGame {
    /// The game in a world from the origin to this corner, in metres.
    ///
    /// # Errors
    ///
    /// If a side is not a number from 1 to [`WORLD_SIDE_MAX`].
    pub fn new(world_width: f32, world_height: f32) -> Result<Self, WorldSizeError> {
        let units = |metres: f32| {
            if !(1.0..=WORLD_SIDE_MAX).contains(&metres) {
                return Err(WorldSizeError { metres });
            }
            let units = (metres * UNITS_PER_METRE as f32) as u32;
            Ok(units - units % UNITS_PER_STEP)
        };
        Ok(Self { world: Place { x: units(world_width)?, y: units(world_height)? } })
    }

    /// The corner of the world that is farthest from its origin, in metres.
    pub fn world(&self) -> Point {
        self.world.point()
    }

    /// The nearest place inside the world.
    fn place(&self, at: Point) -> Place {
        // A cast from float saturates, and takes NaN for zero.
        let part = |metres: f32, limit: u32| {
            ((f64::from(metres) * f64::from(UNITS_PER_METRE)).round() as u32).min(limit)
        };
        Place { x: part(at[0], self.world.x), y: part(at[1], self.world.y) }
    }
}

impl Game for ReferenceGame {
    type Input = Input;
    type Character = Character;
    type Attack = Attack;

    fn tick_rate(&self) -> TickRate {
        TickRate::new(TICK_RATE_HZ).expect("not zero")
    }

    fn schema(&self) -> Schema {
        observe::schema(self.world)
    }

    fn spawn(&self, at: Point) -> Character {
        Character::new(self.place(at))
    }

    fn step(&self, character: &mut Character, input: &Input, _tick: Tick) -> Option<Attack> {
        movement::step(character, input, self.world);
        combat::step(character, input)
    }

    fn position(&self, character: &Character) -> Point {
        character.position()
    }

    fn divergence(&self, one: &Character, other: &Character) -> f32 {
        let (dx, dy) = one.place.minus(other.place);
        (dx as f32).hypot(dy as f32) / UNITS_PER_METRE as f32
    }

    fn attack_range(&self) -> f32 {
        combat::RANGE_UNITS as f32 / UNITS_PER_METRE as f32
    }

    fn aim(&self, attack: &Attack, candidates: &[(EntityId, Point)]) -> Option<EntityId> {
        combat::aim(attack, candidates)
    }

    fn take_hit(&self, target: &mut Character, attack: &Attack, tick: Tick) -> HitEffect {
        combat::take_hit(target, attack, tick, self.world)
    }

    fn reach(&self) -> f32 {
        REACH
    }

    fn observe_character(&self, character: &Character) -> EntityState {
        observe::character(character)
    }

    fn observe_item(&self, at: Point) -> EntityState {
        observe::item(self.place(at))
    }

    fn observed_position(&self, state: &EntityState) -> Point {
        observe::position(state)
    }

    fn encode_input(&self, input: &Input, out: &mut Vec<u8>) {
        codec::encode_input(input, out);
    }

    fn decode_input(&self, bytes: &mut &[u8]) -> Result<Input, GameDecodeError> {
        codec::decode_input(bytes)
    }

    fn encode_character(&self, character: &Character, out: &mut Vec<u8>) {
        codec::encode_character(character, out);
    }

    fn decode_character(&self, bytes: &mut &[u8]) -> Result<Character, GameDecodeError> {
        codec::decode_character(bytes, self.world)
    }

    fn encode_attack(&self, attack: &Attack, out: &mut Vec<u8>) {
        codec::encode_attack(attack, out);
    }

    fn decode_attack(&self, bytes: &mut &[u8]) -> Result<Attack, GameDecodeError> {
        codec::decode_attack(bytes, self.world)
    }
}
