//! What the rules promise to prediction and to the wire, for any player.

use netcode::snapshot::EntityId;
use netcode::tick::Tick;
use proptest::prelude::*;
use shardline_protocol::Game;

use crate::angle::Angle;
use crate::input::Input;
use crate::{CHARACTER_BYTES, Character, INPUT_BYTES, ReferenceGame};

/// Not a whole number of observed steps, so that rounding at the far edges is tested too.
const WORLD: [f32; 2] = [64.013, 48.9];

proptest! {
    #[test]
    fn steps_stay_inside_the_world_and_predict_exactly(
        start in start(),
        moves in prop::collection::vec((input(), any::<bool>()), 0..200),
    ) {
        let game = game();
        let mut server = game.spawn(start);
        for (tick, (input, is_hit)) in (0..).map(Tick::new).zip(moves) {
            // The client starts every tick from what the wire tells it.
            let mut client = decoded(&game, &server);
            prop_assert_eq!(&client, &server);
            let attack = game.step(&mut server, &input, tick);
            prop_assert_eq!(game.step(&mut client, &input, tick), attack.clone());
            prop_assert_eq!(game.divergence(&client, &server), 0.0);
            if let Some(attack) = attack.filter(|_| is_hit) {
                let effect = game.take_hit(&mut server, &attack, tick);
                prop_assert_eq!(game.take_hit(&mut client, &attack, tick), effect);
            }
            prop_assert_eq!(&client, &server);

            let [x, y] = game.position(&server);
            let [width, height] = game.world();
            prop_assert!((0.0..=width).contains(&x) && (0.0..=height).contains(&y), "{x} {y}");
            prop_assert!((1..=100).contains(&server.health()));
        }
    }

    #[test]
    fn inputs_and_attacks_survive_the_wire(input in input(), at in start(), aim in any::<u16>()) {
        let game = game();
        let mut bytes = Vec::new();
        game.encode_input(&input, &mut bytes);
        prop_assert!(bytes.len() <= INPUT_BYTES);
        prop_assert_eq!(game.decode_input(&mut bytes.as_slice()), Ok(input));

        let shot = Input { attack: Some(Angle(aim)), ..Input::default() };
        let attack = game.step(&mut game.spawn(at), &shot, Tick::ZERO).unwrap();
        let mut bytes = Vec::new();
        game.encode_attack(&attack, &mut bytes);
        let mut rest = bytes.as_slice();
        prop_assert_eq!(game.decode_attack(&mut rest), Ok(attack));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn what_decodes_is_legal_and_has_one_encoding(
        bytes in prop::collection::vec(any::<u8>(), 0..24),
    ) {
        let game = game();
        let mut rest = bytes.as_slice();
        if let Ok(input) = game.decode_input(&mut rest) {
            let mut again = Vec::new();
            game.encode_input(&input, &mut again);
            prop_assert_eq!(&again, &bytes[..bytes.len() - rest.len()]);
        }
        let mut rest = bytes.as_slice();
        if let Ok(attack) = game.decode_attack(&mut rest) {
            game.aim(&attack, &[(EntityId(1), [1.0, 1.0])]);
        }
        let mut rest = bytes.as_slice();
        let _ = game.decode_character(&mut rest);
    }

    /// Random bytes hardly ever are a character: damage one instead.
    #[test]
    fn a_damaged_character_is_refused_or_legal(
        start in start(),
        input in input(),
        at in 0..CHARACTER_BYTES,
        value in any::<u8>(),
        cut in 0..=CHARACTER_BYTES,
    ) {
        let game = game();
        let mut character = game.spawn(start);
        game.step(&mut character, &input, Tick::ZERO);
        let mut bytes = Vec::new();
        game.encode_character(&character, &mut bytes);
        prop_assert!(bytes.len() <= CHARACTER_BYTES);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        bytes.truncate(cut.max(1));
        let mut rest = bytes.as_slice();
        if let Ok(mut decoded) = game.decode_character(&mut rest) {
            let mut again = Vec::new();
            game.encode_character(&decoded, &mut again);
            prop_assert_eq!(&again, &bytes[..bytes.len() - rest.len()]);
            game.step(&mut decoded, &input, Tick::ZERO);
            game.observe_character(&decoded);
        }
    }

    #[test]
    fn what_is_observed_fits_the_schema_and_is_near(at in start()) {
        let game = game();
        let schema = game.schema();
        let character = game.spawn(at);
        let [x, y] = game.position(&character);
        for state in [game.observe_character(&character), game.observe_item(at)] {
            let fields = schema.fields(state.kind()).unwrap();
            prop_assert_eq!(fields.len(), state.values().len());
            for (field, &value) in fields.iter().zip(state.values()) {
                prop_assert!((0..=field.codec.max()).contains(&value), "{} {value}", field.name);
            }
            let [seen_x, seen_y] = game.observed_position(&state);
            prop_assert_eq!(seen_x, fields[0].codec.dequantize(state.values()[0]));
            prop_assert!((seen_x - x).abs() <= 0.5 / 64.0 && (seen_y - y).abs() <= 0.5 / 64.0);
        }
    }
}

#[test]
fn worlds_that_cannot_be_are_refused() {
    for side in [f32::NAN, f32::INFINITY, -5.0, 0.0, 0.5, 32_769.0] {
        assert!(ReferenceGame::new(side, 100.0).is_err(), "{side}");
        assert!(ReferenceGame::new(100.0, side).is_err(), "{side}");
    }
    ReferenceGame::new(1.0, 32_768.0).unwrap().schema();
}

#[test]
fn a_start_that_is_no_place_becomes_one() {
    let game = game();
    let [width, height] = game.world();
    for (at, expected) in [
        ([f32::NAN, f32::NEG_INFINITY], [0.0, 0.0]),
        ([f32::INFINITY, f32::MAX], [width, height]),
        ([-0.1, 1e9], [0.0, height]),
    ] {
        assert_eq!(game.position(&game.spawn(at)), expected);
        assert_eq!(game.observed_position(&game.observe_item(at)), expected);
    }
}

fn game() -> ReferenceGame {
    ReferenceGame::new(WORLD[0], WORLD[1]).unwrap()
}

fn decoded(game: &ReferenceGame, character: &Character) -> Character {
    let mut bytes = Vec::new();
    game.encode_character(character, &mut bytes);
    game.decode_character(&mut bytes.as_slice()).unwrap()
}

/// Anywhere, and often on an edge.
fn start() -> impl Strategy<Value = [f32; 2]> {
    let part = |side: f32| prop_oneof![8 => 0.0..side, 1 => Just(0.0), 1 => Just(side)];
    (part(WORLD[0]), part(WORLD[1])).prop_map(|(x, y)| [x, y])
}

fn input() -> impl Strategy<Value = Input> {
    let walk = prop::option::weighted(0.8, any::<u8>());
    let attack = prop::option::of(any::<u16>().prop_map(Angle));
    (walk, any::<bool>(), attack).prop_map(|(walk, dash, attack)| Input { walk, dash, attack })
}
