//! Walking and dashing.

use crate::angle::{Angle, UNIT};
use crate::character::{Character, Dash, Place};
use crate::input::Input;

/// A walk: 8 m/s at 30 Hz, to the nearest unit.
pub(crate) const WALK_UNITS: i64 = 68;
/// A dash: 24 m/s.
pub(crate) const DASH_UNITS: i64 = 205;
/// How long a dash lasts.
pub(crate) const DASH_TICKS: u8 = 5;
/// From the start of one dash to the start of the next.
pub(crate) const DASH_COOLDOWN_TICKS: u8 = 60;

const _: () = assert!(DASH_TICKS < DASH_COOLDOWN_TICKS);

/// One tick of movement. Nothing stands in the way: only the bounds of the world end it.
pub(crate) fn step(character: &mut Character, input: &Input, world: Place) {
    character.dash_cooldown = character.dash_cooldown.saturating_sub(1);
    if input.dash && character.dash.is_none() && character.dash_cooldown == 0 {
        let heading = input.heading().unwrap_or(character.facing);
        character.dash = Some(Dash { heading, ticks_left: DASH_TICKS });
        character.dash_cooldown = DASH_COOLDOWN_TICKS;
    }
    let (heading, units) = match (character.dash, input.heading()) {
        (Some(dash), _) => (dash.heading, DASH_UNITS),
        (None, Some(heading)) => (heading, WALK_UNITS),
        (None, None) => return,
    };
    character.facing = heading;
    character.place = character.place.moved(along(heading, units), world);
    character.dash = character.dash.and_then(|dash| {
        let ticks_left = dash.ticks_left - 1;
        (ticks_left > 0).then_some(Dash { ticks_left, ..dash })
    });
}

/// `units` in a direction, each part to the nearest unit.
pub(crate) fn along(heading: Angle, units: i64) -> (i64, i64) {
    let (cosine, sine) = heading.vector();
    let part = |share: i64| (share * units + UNIT / 2).div_euclid(UNIT);
    (part(cosine), part(sine))
}

#[cfg(test)]
mod tests {
    use netcode::tick::Tick;
    use shardline_protocol::Game;

    use super::{DASH_COOLDOWN_TICKS, DASH_TICKS};
    use crate::input::Input;
    use crate::{Character, ReferenceGame};

    const EAST: Input = Input { walk: Some(0), dash: false, attack: None };
    const DASH_EAST: Input = Input { walk: Some(0), dash: true, attack: None };

    #[test]
    fn a_second_of_walking_is_eight_metres() {
        for (walk, direction) in [(0, [1.0, 0.0]), (64, [0.0, 1.0]), (128, [-1.0, 0.0])] {
            let (game, mut character) = start();
            let [x, y] = character.position();
            let input = Input { walk: Some(walk), ..Input::default() };
            (0..30).for_each(|tick| step(&game, &mut character, &input, tick));
            let [to_x, to_y] = character.position();
            assert!((to_x - x - 8.0 * direction[0]).abs() < 0.1, "{walk}: {to_x}");
            assert!((to_y - y - 8.0 * direction[1]).abs() < 0.1, "{walk}: {to_y}");
        }
    }

    #[test]
    fn a_dash_is_fast_for_five_ticks_and_then_has_to_wait() {
        let (game, mut character) = start();
        let mut fast = Vec::new();
        for tick in 0..u64::from(DASH_COOLDOWN_TICKS) + 1 {
            let before = character.position()[0];
            step(&game, &mut character, &DASH_EAST, tick);
            if character.position()[0] - before > 0.7 {
                fast.push(tick);
            }
        }
        let mut expected: Vec<_> = (0..u64::from(DASH_TICKS)).collect();
        expected.push(DASH_COOLDOWN_TICKS.into());
        assert_eq!(fast, expected);
    }

    #[test]
    fn a_dash_keeps_its_direction() {
        let (game, mut character) = start();
        step(&game, &mut character, &DASH_EAST, 0);
        let before = character.position();
        let north = Input { walk: Some(64), ..Input::default() };
        step(&game, &mut character, &north, 1);
        let after = character.position();
        assert!(after[0] - before[0] > 0.7 && after[1] == before[1]);
    }

    #[test]
    fn the_edge_of_the_world_holds() {
        let (game, mut character) = start();
        (0..3_000).for_each(|tick| step(&game, &mut character, &EAST, tick));
        assert_eq!(character.position()[0], 384.0);
    }

    fn start() -> (ReferenceGame, Character) {
        let game = ReferenceGame::new(384.0, 192.0).unwrap();
        let character = game.spawn([100.0, 100.0]);
        (game, character)
    }

    fn step(game: &ReferenceGame, character: &mut Character, input: &Input, tick: u64) {
        game.step(character, input, Tick::new(tick));
    }
}
