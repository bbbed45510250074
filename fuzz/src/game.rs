//! What the reference game reads: inputs, characters, attacks. One encoding of every value.

use netcode::tick::Tick;
use reference_game::angle::Angle;
use reference_game::{Input, ReferenceGame};
use shardline_protocol::Game;
use shardline_protocol::game::GameDecodeError;

use crate::seeds::{Seeds, with_mutations};

/// The game, in a world of 2 x 2 zones.
pub(crate) fn game() -> ReferenceGame {
    ReferenceGame::new(384.0, 384.0).expect("a world of this size is allowed")
}

/// Decodes one value of the kind that the first byte names; its encoding is what was read.
pub fn run(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let game = game();
    match kind % 3 {
        0 => check(rest, |bytes| game.decode_input(bytes), |it, out| game.encode_input(it, out)),
        1 => check(
            rest,
            |bytes| game.decode_character(bytes),
            |it, out| {
                game.encode_character(it, out);
                step_on(&game, it.clone());
            },
        ),
        _ => check(rest, |bytes| game.decode_attack(bytes), |it, out| game.encode_attack(it, out)),
    }
}

fn check<T>(
    bytes: &[u8],
    decode: impl Fn(&mut &[u8]) -> Result<T, GameDecodeError>,
    encode: impl Fn(&T, &mut Vec<u8>),
) {
    let mut rest = bytes;
    let Ok(value) = decode(&mut rest) else { return };
    let mut again = Vec::new();
    encode(&value, &mut again);
    assert_eq!(again, bytes[..bytes.len() - rest.len()]);
}

/// Any character that decodes can be played, and stays one that travels.
fn step_on(game: &ReferenceGame, mut character: <ReferenceGame as Game>::Character) {
    for tick in 0..8 {
        let input = Input { walk: Some(tick as u8 * 31), dash: tick % 3 == 0, attack: None };
        game.step(&mut character, &input, Tick::new(tick));
        let mut bytes = Vec::new();
        game.encode_character(&character, &mut bytes);
        assert_eq!(game.decode_character(&mut &bytes[..]).as_ref(), Ok(&character));
    }
}

/// Inputs of every shape; characters at rest, running, dashing, hit; an attack.
pub fn seeds() -> Seeds {
    let game = game();
    let mut seeds = Seeds::new();
    let aim = Angle::toward([1.0, 2.0]);
    let mut character = game.spawn([20.0, 30.0]);
    for (tick, (walk, dash, attack)) in
        [(None, false, None), (Some(3), false, None), (Some(70), true, None), (None, true, aim)]
            .into_iter()
            .enumerate()
    {
        let input = Input { walk, dash, attack };
        let mut bytes = vec![0];
        game.encode_input(&input, &mut bytes);
        seeds.push((format!("input-{tick}"), bytes));
        let shot = game.step(&mut character, &input, Tick::new(tick as u64));
        let mut bytes = vec![1];
        game.encode_character(&character, &mut bytes);
        seeds.push((format!("character-{tick}"), bytes));
        if let Some(shot) = shot {
            let mut bytes = vec![2];
            game.encode_attack(&shot, &mut bytes);
            seeds.push((format!("attack-{tick}"), bytes));
        }
    }
    with_mutations(seeds, 50)
}
