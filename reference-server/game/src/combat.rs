//! One ranged attack, what it hits, and defeat.

use netcode::snapshot::EntityId;
use netcode::tick::Tick;
use shardline_protocol::game::{HitEffect, Point};

use crate::angle::{Angle, UNIT};
use crate::character::{Character, HEALTH_MAX, Place, UNITS_PER_METRE};
use crate::input::Input;
use crate::movement::along;

/// How far an attack reaches.
pub(crate) const RANGE_UNITS: i64 = 24 * UNITS_PER_METRE as i64;
/// From one attack to the next: 1.5 a second.
pub(crate) const ATTACK_COOLDOWN_TICKS: u8 = 20;
/// Health that a hit takes.
pub(crate) const DAMAGE: u8 = 20;

/// A target this close to the line of an attack is hit at any distance: half of its width.
const BODY_UNITS: i64 = UNITS_PER_METRE as i64 * 3 / 4;
/// Tangent of half the opening of the cone, 11 degrees to either side, in 1/256.
const CONE_TANGENT: i64 = 50;
/// How far from the place of its defeat a character starts anew.
const RESPAWN_UNITS: i64 = 3 * UNITS_PER_METRE as i64;

/// A ranged attack that a step started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attack {
    pub(crate) from: Place,
    pub(crate) aim: Angle,
}

/// Starts an attack if the input asks for one and it is ready. The character looks that way.
pub(crate) fn step(character: &mut Character, input: &Input) -> Option<Attack> {
    character.attack_cooldown = character.attack_cooldown.saturating_sub(1);
    let aim = input.attack?;
    if character.attack_cooldown > 0 {
        return None;
    }
    character.attack_cooldown = ATTACK_COOLDOWN_TICKS;
    character.facing = aim;
    Some(Attack { from: character.place, aim })
}

/// The nearest candidate inside the cone; of two as near, the one with the lower id.
pub(crate) fn aim(attack: &Attack, candidates: &[(EntityId, Point)]) -> Option<EntityId> {
    let hit = |&(id, at): &(EntityId, Point)| Some((distance_in_cone(attack, at)?, id));
    candidates.iter().filter_map(hit).min().map(|(_, id)| id)
}

/// The squared distance to a point that the attack hits.
fn distance_in_cone(attack: &Attack, at: Point) -> Option<i64> {
    let [x, y] = at.map(|metres| (f64::from(metres) * f64::from(UNITS_PER_METRE)).round() as i64);
    let (dx, dy) = (x.checked_sub(attack.from.x.into())?, y.checked_sub(attack.from.y.into())?);
    if dx.abs().max(dy.abs()) > RANGE_UNITS {
        return None; // also bounds the products below
    }
    let distance_squared = dx * dx + dy * dy;
    let (cosine, sine) = attack.aim.vector();
    let along = dx * cosine + dy * sine;
    let aside = (dy * cosine - dx * sine).abs();
    let is_hit = distance_squared <= RANGE_UNITS * RANGE_UNITS
        && along >= 0
        && aside <= (along * CONE_TANGENT / 256).max(BODY_UNITS * UNIT);
    is_hit.then_some(distance_squared)
}

/// Takes health. Without any left, the character starts anew a few steps away.
pub(crate) fn take_hit(
    target: &mut Character,
    attack: &Attack,
    tick: Tick,
    world: Place,
) -> HitEffect {
    if target.health > DAMAGE {
        target.health -= DAMAGE;
        return HitEffect { damage: DAMAGE.into(), defeated: false };
    }
    let damage = u32::from(target.health);
    // Any direction will do, if server and replay agree: a different one for every defeat.
    let turn = tick.get().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    let heading = Angle(attack.aim.0.wrapping_add(turn as u16));
    let place = target.place.moved(along(heading, RESPAWN_UNITS), world);
    *target = Character { facing: target.facing, ..Character::new(place) };
    debug_assert_eq!(target.health, HEALTH_MAX);
    HitEffect { damage, defeated: true }
}

#[cfg(test)]
mod tests {
    use netcode::snapshot::EntityId;
    use netcode::tick::Tick;
    use shardline_protocol::Game;
    use shardline_protocol::game::Point;

    use super::{ATTACK_COOLDOWN_TICKS, Attack};
    use crate::angle::Angle;
    use crate::input::Input;
    use crate::{Character, ReferenceGame};

    const EAST: Input = Input { walk: None, dash: false, attack: Some(Angle(0)) };

    #[test]
    fn the_nearest_in_the_cone_is_hit() {
        check(&[[110.0, 100.0]], Some(0));
        check(&[[120.0, 100.0], [110.0, 101.0]], Some(1));
        check(&[[110.0, 100.0], [110.0, 100.0]], Some(0));
        check(&[[100.0, 100.0]], Some(0));
    }

    #[test]
    fn behind_beside_and_too_far_are_not() {
        check(&[[90.0, 100.0]], None);
        check(&[[110.0, 104.0], [101.0, 102.0]], None);
        check(&[[124.5, 100.0], [123.0, 104.0]], Some(1));
        check(&[[f32::NAN, 0.0], [f32::INFINITY, 100.0], [f32::MIN, 100.0]], None);
    }

    #[test]
    fn an_attack_has_to_wait_for_the_last_one() {
        let (game, mut character) = start();
        let started: Vec<u64> = (0..=ATTACK_COOLDOWN_TICKS.into())
            .filter(|&tick| game.step(&mut character, &EAST, Tick::new(tick)).is_some())
            .collect();
        assert_eq!(started, [0, ATTACK_COOLDOWN_TICKS.into()]);
    }

    #[test]
    fn five_hits_defeat_and_the_character_starts_anew_nearby() {
        let (game, mut character) = start();
        let attack = attack(&game);
        for hit in 1..=5 {
            let effect = game.take_hit(&mut character, &attack, Tick::new(hit));
            assert_eq!((effect.damage, effect.defeated), (20, hit == 5));
        }
        assert_eq!(character.health(), 100);
        let [x, y] = character.position();
        let moved = (x - 100.0).hypot(y - 100.0);
        assert!((2.9..3.1).contains(&moved), "{moved} m away");
    }

    #[track_caller]
    fn check(candidates: &[Point], expected: Option<u64>) {
        let (game, _) = start();
        let named: Vec<_> = (0..).map(EntityId).zip(candidates.iter().copied()).collect();
        assert_eq!(game.aim(&attack(&game), &named), expected.map(EntityId));
    }

    fn attack(game: &ReferenceGame) -> Attack {
        game.step(&mut game.spawn([100.0, 100.0]), &EAST, Tick::ZERO).unwrap()
    }

    fn start() -> (ReferenceGame, Character) {
        let game = ReferenceGame::new(192.0, 192.0).unwrap();
        let character = game.spawn([100.0, 100.0]);
        (game, character)
    }
}
