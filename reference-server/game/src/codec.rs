//! Inputs, characters and attacks as bytes.
//!
//! ```text
//!   input      flags (1 B: walk, dash, attack) [walk (1 B)] [aim (2 B)]
//!   character  x (4 B) y (4 B) facing (2 B) health (1 B) dash cooldown (1 B) attack cooldown (1 B)
//!              dash ticks left (1 B) [heading (2 B)]
//!   attack     x (4 B) y (4 B) aim (2 B)
//! ```
//!
//! Little-endian. There is one encoding of every value, and every value that decodes is legal.

use shardline_protocol::game::{CHARACTER_BYTES_MAX, GameDecodeError, INPUT_BYTES_MAX};

use crate::angle::Angle;
use crate::character::{Character, Dash, HEALTH_MAX, Place};
use crate::combat::{ATTACK_COOLDOWN_TICKS, Attack};
use crate::input::Input;
use crate::movement::{DASH_COOLDOWN_TICKS, DASH_TICKS};

/// Most bytes of an encoded character.
pub const CHARACTER_BYTES: usize = 16;
/// Most bytes of an encoded input.
pub const INPUT_BYTES: usize = 4;

const _: () = assert!(CHARACTER_BYTES <= CHARACTER_BYTES_MAX && INPUT_BYTES <= INPUT_BYTES_MAX);

const WALK: u8 = 1;
const DASH: u8 = 2;
const ATTACK: u8 = 4;

type Decoded<T> = Result<T, GameDecodeError>;

pub(crate) fn encode_input(input: &Input, out: &mut Vec<u8>) {
    let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    let attack = flag(input.attack.is_some(), ATTACK);
    out.push(flag(input.walk.is_some(), WALK) | flag(input.dash, DASH) | attack);
    out.extend(input.walk);
    out.extend(input.attack.into_iter().flat_map(|aim| aim.0.to_le_bytes()));
}

pub(crate) fn decode_input(bytes: &mut &[u8]) -> Decoded<Input> {
    let [flags] = take(bytes)?;
    if flags & !(WALK | DASH | ATTACK) != 0 {
        return Err(GameDecodeError::OutOfBounds);
    }
    let walk = if flags & WALK != 0 { Some(take::<1>(bytes)?[0]) } else { None };
    let attack = if flags & ATTACK != 0 { Some(angle(bytes)?) } else { None };
    Ok(Input { walk, dash: flags & DASH != 0, attack })
}

pub(crate) fn encode_character(character: &Character, out: &mut Vec<u8>) {
    encode_place(character.place, out);
    out.extend_from_slice(&character.facing.0.to_le_bytes());
    out.extend([character.health, character.dash_cooldown, character.attack_cooldown]);
    match character.dash {
        None => out.push(0),
        Some(dash) => {
            out.push(dash.ticks_left);
            out.extend_from_slice(&dash.heading.0.to_le_bytes());
        }
    }
}

pub(crate) fn decode_character(bytes: &mut &[u8], world: Place) -> Decoded<Character> {
    let place = place(bytes, world)?;
    let facing = angle(bytes)?;
    let [health, dash_cooldown, attack_cooldown, dash_ticks_left] = take(bytes)?;
    let is_legal = (1..=HEALTH_MAX).contains(&health)
        && dash_cooldown <= DASH_COOLDOWN_TICKS
        && attack_cooldown <= ATTACK_COOLDOWN_TICKS
        && dash_ticks_left <= DASH_TICKS;
    if !is_legal {
        return Err(GameDecodeError::OutOfBounds);
    }
    let dash = match dash_ticks_left {
        0 => None,
        ticks_left => Some(Dash { heading: angle(bytes)?, ticks_left }),
    };
    Ok(Character { place, facing, health, dash, dash_cooldown, attack_cooldown })
}

pub(crate) fn encode_attack(attack: &Attack, out: &mut Vec<u8>) {
    encode_place(attack.from, out);
    out.extend_from_slice(&attack.aim.0.to_le_bytes());
}

pub(crate) fn decode_attack(bytes: &mut &[u8], world: Place) -> Decoded<Attack> {
    Ok(Attack { from: place(bytes, world)?, aim: angle(bytes)? })
}

fn encode_place(place: Place, out: &mut Vec<u8>) {
    out.extend_from_slice(&place.x.to_le_bytes());
    out.extend_from_slice(&place.y.to_le_bytes());
}

fn place(bytes: &mut &[u8], world: Place) -> Decoded<Place> {
    let (x, y) = (u32::from_le_bytes(take(bytes)?), u32::from_le_bytes(take(bytes)?));
    let place = Place { x, y };
    if place.is_inside(world) { Ok(place) } else { Err(GameDecodeError::OutOfBounds) }
}

fn angle(bytes: &mut &[u8]) -> Decoded<Angle> {
    Ok(Angle(u16::from_le_bytes(take(bytes)?)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Decoded<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(GameDecodeError::Truncated)?;
    *bytes = rest;
    Ok(*taken)
}
