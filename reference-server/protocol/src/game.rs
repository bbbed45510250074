//! The seam at which a studio puts its own game.

use core::fmt;

use netcode::snapshot::{EntityId, EntityState, Schema};
use netcode::tick::{Tick, TickRate};
use thiserror::Error;

/// A point of the world's plane, in world units (metres in the reference game).
pub type Point = [f32; 2];

/// Bytes that are not an input or a character of this game.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum GameDecodeError {
    /// The bytes end too early.
    #[error("ends too early")]
    Truncated,
    /// A value is outside its bounds.
    #[error("value out of bounds")]
    OutOfBounds,
}

/// The rules of a game: pure functions of state and input, the same on servers, bots and clients.
///
/// Everything here is deterministic. A character is *quantised*: after [`step`](Self::step),
/// [`spawn`](Self::spawn) and [`take_hit`](Self::take_hit), encoding and decoding it changes
/// nothing, so that a client which predicts and a server that decides compute the same.
pub trait Game: Clone + fmt::Debug + Send + Sync + 'static {
    /// What a player wants in one tick. [`Default`] is "nothing".
    type Input: Clone + fmt::Debug + Default + PartialEq + Send + Sync + 'static;
    /// The state of one player's character, without what it owns: items are in the ledger.
    type Character: Clone + fmt::Debug + PartialEq + Send + Sync + 'static;
    /// A ranged attack that a step started, for the server to resolve.
    type Attack: Clone + fmt::Debug + PartialEq + Send + Sync + 'static;

    /// Ticks a second of the simulation.
    fn tick_rate(&self) -> TickRate;

    /// What clients are told of entities, and how.
    fn schema(&self) -> Schema;

    /// A new character at `at`.
    fn spawn(&self, at: Point) -> Self::Character;

    /// One tick of one character. Characters do not block each other, so nothing else is needed.
    fn step(
        &self,
        character: &mut Self::Character,
        input: &Self::Input,
        tick: Tick,
    ) -> Option<Self::Attack>;

    /// Where the character stands.
    fn position(&self, character: &Self::Character) -> Point;

    /// How far two states of one character are apart, in world units; 0 when equal. For statistics
    /// of corrections.
    fn divergence(&self, one: &Self::Character, other: &Self::Character) -> f32;

    /// The farthest that an attack reaches: how far to search for targets.
    fn attack_range(&self) -> f32;

    /// Which of the candidates an attack hits, if any.
    fn aim(&self, attack: &Self::Attack, candidates: &[(EntityId, Point)]) -> Option<EntityId>;

    /// The effect of an attack on the character that it hit.
    fn take_hit(
        &self,
        target: &mut Self::Character,
        attack: &Self::Attack,
        tick: Tick,
    ) -> HitEffect;

    /// The farthest at which a character can pick up an item or trade, in world units.
    fn reach(&self) -> f32;

    /// What clients see of a character.
    fn observe_character(&self, character: &Self::Character) -> EntityState;

    /// What clients see of an item on the ground.
    fn observe_item(&self, at: Point) -> EntityState;

    /// The position within an observed state of any kind.
    fn observed_position(&self, state: &EntityState) -> Point;

    /// Appends an input: at most [`INPUT_BYTES_MAX`] bytes.
    fn encode_input(&self, input: &Self::Input, out: &mut Vec<u8>);

    /// Takes an input off the front of `bytes`.
    ///
    /// # Errors
    ///
    /// For bytes that no [`encode_input`](Self::encode_input) writes: they come from a stranger.
    fn decode_input(&self, bytes: &mut &[u8]) -> Result<Self::Input, GameDecodeError>;

    /// Appends a character: at most [`CHARACTER_BYTES_MAX`] bytes.
    fn encode_character(&self, character: &Self::Character, out: &mut Vec<u8>);

    /// Takes a character off the front of `bytes`.
    ///
    /// # Errors
    ///
    /// For bytes that no [`encode_character`](Self::encode_character) writes.
    fn decode_character(&self, bytes: &mut &[u8]) -> Result<Self::Character, GameDecodeError>;

    /// Appends an attack, for the zone across the border: at most [`INPUT_BYTES_MAX`] bytes.
    fn encode_attack(&self, attack: &Self::Attack, out: &mut Vec<u8>);

    /// Takes an attack off the front of `bytes`.
    ///
    /// # Errors
    ///
    /// For bytes that no [`encode_attack`](Self::encode_attack) writes.
    fn decode_attack(&self, bytes: &mut &[u8]) -> Result<Self::Attack, GameDecodeError>;
}

/// Most bytes of one encoded input or attack.
pub const INPUT_BYTES_MAX: usize = 32;
/// Most bytes of one encoded character.
pub const CHARACTER_BYTES_MAX: usize = 128;

/// What a hit did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HitEffect {
    /// Health taken.
    pub damage: u32,
    /// The target was defeated and starts anew: a declared discontinuity.
    pub defeated: bool,
}
