//! Packets of inputs, and the headers of snapshots.

use netcode::tick::Tick;
use reference_game::Input;
use shardline_protocol::Game;
use shardline_protocol::play::{INPUTS_MAX, Own, SnapshotHeader, decode_inputs, encode_inputs};

use crate::game::game;
use crate::seeds::{Seeds, with_mutations};

/// Decodes what the first byte names; what decodes survives being encoded.
pub fn run(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if kind & 1 == 0 { check_inputs(rest) } else { check_header(rest) }
}

fn check_inputs(bytes: &[u8]) {
    let game = game();
    let Ok(inputs) = decode_inputs(&game, bytes) else { return };
    assert!((1..=INPUTS_MAX).contains(&inputs.len()));
    assert!(inputs.windows(2).all(|pair| pair[0].0.next() == pair[1].0), "ticks have no gap");
    let newest = inputs[inputs.len() - 1].0;
    let mut again = Vec::new();
    encode_inputs(&game, newest, inputs.iter().map(|(_, input)| input), &mut again);
    // Runs may have been split, but never are by us.
    assert!(again.len() <= bytes.len());
    assert_eq!(decode_inputs(&game, &again), Ok(inputs));
}

fn check_header(bytes: &[u8]) {
    let game = game();
    let mut rest = bytes;
    let Ok(header) = SnapshotHeader::decode(&game, &mut rest) else { return };
    if let Some(own) = &header.own {
        assert!(own.consumed <= header.tick);
    }
    let mut again = Vec::new();
    header.encode(&game, &mut again);
    assert!(again.len() <= bytes.len() - rest.len());
    let mut all = &again[..];
    assert_eq!(SnapshotHeader::decode(&game, &mut all), Ok(header));
    assert!(all.is_empty());
}

/// Packets of few and many inputs; headers with and without a character.
pub fn seeds() -> Seeds {
    let game = game();
    let mut seeds = Seeds::new();
    for (newest, count) in [(0, 1), (31, 32), (1_000_000, 5), (u64::MAX, 3)] {
        for period in [1, 3, 100] {
            let inputs: Vec<_> = (0..count)
                .map(|index| Input { walk: Some((index / period) as u8), ..Input::default() })
                .collect();
            let mut bytes = vec![0];
            encode_inputs(&game, Tick::new(newest), inputs.iter(), &mut bytes);
            seeds.push((format!("inputs-{newest}-{count}-{period}"), bytes));
        }
    }
    for tick in [0, 300, u64::MAX] {
        let character = game.spawn([100.0, 7.0]);
        let own = Own {
            epoch: 3,
            override_epoch: u32::MAX,
            consumed: Tick::new(tick / 2),
            starved: tick / 3,
            margin_us: -64_000,
            character,
        };
        for own in [None, Some(own)] {
            let name = format!("header-{tick}{}", if own.is_some() { "-own" } else { "" });
            let mut bytes = vec![1];
            SnapshotHeader { tick: Tick::new(tick), own }.encode(&game, &mut bytes);
            bytes.extend_from_slice(&[1, 2, 3]);
            seeds.push((name, bytes));
        }
    }
    with_mutations(seeds, 60)
}
