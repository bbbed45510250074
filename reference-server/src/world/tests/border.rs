//! Near the border, over it, and back.

use netcode::wire::CloseCode;
use shardline_protocol::control::ZoneAccess;
use shardline_protocol::zone::to_client;

use crate::access::Purpose;
use crate::ids::{Epoch, ItemId};
use crate::image::EntityImage;
use crate::world::tests::{ANN, Bench, EAST, EDGE, GameInput, STAND, WALK_EAST, WALK_WEST, WEST};
use crate::world::{Input, Output};
use shardline_protocol::zone::{Drop, to_zone};

/// Within the strip, and one walked second from the line.
const BY_THE_LINE: [f32; 2] = [EDGE - 8.0, 60.0];

fn image(outputs: &[Output]) -> Option<Box<EntityImage>> {
    outputs.iter().find_map(|it| match it {
        Output::Cross { to: EAST, image } => Some(image.clone()),
        _ => None,
    })
}

/// Walks east until the zone lets go of the character.
fn crossing(bench: &mut Bench) -> Box<EntityImage> {
    bench.told(Input::Ready { character: ANN, to: EAST });
    for _ in 0..120 {
        bench.plays(ANN, WALK_EAST);
        if let Some(image) = image(&bench.outputs()) {
            return image;
        }
    }
    panic!("no crossing: {:?}", bench.at(ANN));
}

fn by_the_line() -> Bench {
    let mut bench = Bench::new();
    bench.enter(ANN, BY_THE_LINE, &[4]);
    bench.step();
    bench
}

#[test]
fn a_border_is_near_within_the_strip_and_away_a_little_beyond_it() {
    let mut bench = Bench::new();
    bench.enter(ANN, [EDGE - 25.0, 60.0], &[]);
    bench.step();
    bench.outputs();
    let mut near_at = None;
    for _ in 0..60 {
        bench.plays(ANN, WALK_EAST);
        if bench.outputs().iter().any(|it| matches!(it, Output::Near { to: EAST, .. })) {
            assert_eq!(near_at.replace(EDGE - bench.at(ANN)[0]), None);
        }
    }
    assert!((23.7..24.0).contains(&near_at.unwrap()), "{near_at:?}");
    let mut away_at = None;
    for _ in 0..120 {
        bench.plays(ANN, WALK_WEST);
        if bench.outputs().iter().any(|it| matches!(it, Output::Away { to: EAST, .. })) {
            assert_eq!(away_at.replace(EDGE - bench.at(ANN)[0]), None);
        }
    }
    assert!((28.0..28.3).contains(&away_at.unwrap()), "{away_at:?}");
    assert!(matches!(bench.told_last(ANN), Some(to_client::Body::OfferWithdrawn(_))));
}

#[test]
fn an_offer_reaches_the_client() {
    let mut bench = by_the_line();
    let access = ZoneAccess { zone_id: EAST.0, ..ZoneAccess::default() };
    bench.told(Input::Offer { character: ANN, access });
    assert!(matches!(bench.told_last(ANN), Some(to_client::Body::Offer(_))));
}

#[test]
fn nobody_crosses_who_is_not_ready_on_the_other_side() {
    let mut bench = by_the_line();
    for _ in 0..60 {
        bench.plays(ANN, WALK_EAST);
    }
    assert!(bench.at(ANN)[0] > EDGE + 4.0);
    bench.told(Input::Ready { character: ANN, to: EAST });
    bench.told(Input::NotReady { character: ANN, to: EAST });
    bench.plays(ANN, STAND);
    assert!(image(&bench.outputs()).is_none());
    bench.told(Input::Ready { character: ANN, to: EAST });
    bench.plays(ANN, STAND);
    assert!(image(&bench.outputs()).is_some());
}

#[test]
fn a_crossing_waits_for_the_hysteresis_and_for_a_second_of_dwell() {
    let mut bench = by_the_line();
    let crossed = crossing(&mut bench);
    let at = bench.at(ANN)[0];
    assert!((EDGE + 1.0..EDGE + 1.8).contains(&at), "{at}");
    assert_eq!(crossed.tick, bench.zone.tick().get());

    let mut bench = Bench::new();
    bench.enter(ANN, [EDGE + 5.0, 60.0], &[]);
    bench.step();
    bench.told(Input::Ready { character: ANN, to: EAST });
    bench.steps(28);
    assert!(image(&bench.outputs()).is_none());
    bench.steps(2);
    assert!(image(&bench.outputs()).is_some());
}

#[test]
fn who_is_frozen_consumes_nothing_and_resumes_without_a_gap() {
    let mut bench = by_the_line();
    crossing(&mut bench);
    let before = bench.line(ANN).len();
    for _ in 0..5 {
        bench.plays(ANN, WALK_WEST);
    }
    assert_eq!(bench.line(ANN).len(), before);
    let at = bench.at(ANN)[0];
    bench.asks(ANN, to_zone::Body::Drop(Drop { item: 4 }));
    assert!(matches!(bench.told_last(ANN), Some(to_client::Body::Refused(_))));
    bench.told(Input::Resume { character: ANN, epoch: Epoch(2) });
    bench.plays(ANN, WALK_WEST);
    let line = bench.line(ANN);
    assert!(line.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(*line.last().unwrap(), bench.zone.tick().get());
    // Six steps to the west, after the one to the east that no snapshot told of: what came while
    // it was frozen counts for its own ticks.
    let walked = at - bench.at(ANN)[0];
    assert!((5.0 * 0.26..5.0 * 0.27).contains(&walked), "{walked}");
    assert_eq!(bench.client(ANN).own.as_ref().unwrap().epoch, 2);
}

#[test]
fn nobody_crosses_while_a_move_is_open() {
    let mut bench = by_the_line();
    bench.asks(ANN, to_zone::Body::Drop(Drop { item: 4 }));
    let outputs = bench.outputs();
    let txid = outputs.iter().find_map(|it| match it {
        Output::Move { txid, .. } => Some(*txid),
        _ => None,
    });
    bench.told(Input::Ready { character: ANN, to: EAST });
    for _ in 0..60 {
        bench.plays(ANN, WALK_EAST);
    }
    assert!(image(&bench.outputs()).is_none());
    bench.told(Input::Settled { txid: txid.unwrap(), is_committed: false });
    bench.plays(ANN, STAND);
    assert!(image(&bench.outputs()).is_some());
}

/// West freezes; both zones hear every input; `late` ticks later east takes over.
fn handed_over(late: u64, pattern: impl Fn(u64) -> GameInput) -> (Bench, Bench, Box<EntityImage>) {
    let (mut west, mut east) = (by_the_line(), Bench::of(EAST, |_| {}));
    east.step();
    east.connect(ANN, Purpose::Ahead);
    let outputs = east.outputs();
    assert!(outputs.iter().any(|it| matches!(it, Output::AheadConnected { character: ANN })));
    west.told(Input::Ready { character: ANN, to: EAST });
    let mut crossed = None;
    let mut left = late;
    while crossed.is_none() || left > 0 {
        let tick = west.zone.tick().next();
        let input = if west.client(ANN).own.as_ref().is_some_and(|own| own.consumed.get() > 1_040) {
            pattern(tick.get())
        } else {
            WALK_EAST
        };
        // Each packet reaches both, two ticks ahead of its time.
        for zone in [&mut west, &mut east] {
            zone.inputs(ANN, tick + 2, &[input]);
            zone.step();
        }
        left -= u64::from(crossed.is_some());
        crossed = crossed.or_else(|| image(&west.outputs()));
    }
    (west, east, crossed.unwrap())
}

#[test]
fn the_line_goes_on_in_the_other_zone_with_the_inputs_of_their_ticks() {
    for late in [0, 1, 7, 30] {
        let pattern = |tick: u64| if tick.is_multiple_of(3) { WALK_EAST } else { WALK_WEST };
        let (mut west, mut east, image) = handed_over(late, pattern);
        let (crossed_at, items) = (image.tick, image.items_raw.clone());
        let before = west.line(ANN);
        west.told(Input::Committed { character: ANN, to: EAST, epoch: Epoch(2) });
        east.told(Input::Activate { epoch: Epoch(2), image });
        let arrival = east.outputs().into_iter().find_map(|it| match it {
            Output::Arrived(arrival) => Some(arrival),
            _ => None,
        });
        let arrival = arrival.unwrap();
        assert_eq!((arrival.source_tick.get(), arrival.gap_ticks), (crossed_at, late));
        for _ in 0..5 {
            west.step();
            let tick = east.zone.tick().next();
            east.inputs(ANN, tick + 2, &[pattern(tick.get())]);
            east.step();
        }
        assert!(!west.owns(ANN) && east.owns(ANN));
        assert_eq!(before.last(), Some(&crossed_at));
        let line = [before, east.line(ANN)].concat();
        assert!(line.windows(2).all(|pair| pair[1] == pair[0] + 1), "{line:?}");
        // None was missing: each tick had its own, from the image or from the connection ahead.
        assert!(east.consumed.iter().all(|one| !one.is_starved), "{late}");
        assert_eq!(items, [4]);
        let own = east.client(ANN).own.as_ref().unwrap();
        assert_eq!((own.epoch, own.consumed), (2, east.zone.tick()));
        let Some(to_client::Body::Crossed(told)) = west.told_last(ANN) else { panic!() };
        assert_eq!((told.zone_id, told.epoch), (EAST.0, 2));
    }
}

#[test]
fn a_zone_that_is_a_tick_behind_says_nothing_of_a_tick_that_it_has_not_run() {
    let (_, mut east, mut image) = handed_over(0, |_| WALK_EAST);
    image.tick += 3;
    let first = image.tick;
    east.told(Input::Activate { epoch: Epoch(2), image });
    for _ in 0..4 {
        east.step();
        let tick = east.zone.tick();
        let own = east.clients.get_mut(&ANN).unwrap().own.take();
        assert_eq!(own.map(|own| own.consumed), (tick.get() >= first).then_some(tick));
    }
    assert_eq!(east.line(ANN).first(), Some(&(first + 1)));
}

#[test]
fn a_second_activation_changes_nothing() {
    let (_, mut east, image) = handed_over(2, |_| WALK_EAST);
    east.told(Input::Activate { epoch: Epoch(2), image: image.clone() });
    east.steps(2);
    let line = east.line(ANN);
    east.told(Input::Activate { epoch: Epoch(2), image });
    assert_eq!(east.line(ANN), line);
}

#[test]
fn a_claim_that_is_answered_after_the_activation_keeps_the_character() {
    let (_, mut east, image) = handed_over(2, |_| WALK_EAST);
    // The player gave up and entered again, just before the commit.
    east.connect(ANN, Purpose::Enter);
    east.told(Input::Activate { epoch: Epoch(2), image });
    east.step();
    let (at, line) = (east.at(ANN), east.line(ANN).len());
    east.asks(ANN, to_zone::Body::Drop(Drop { item: 4 }));
    let outputs = east.outputs();
    let txid = outputs.iter().find_map(|it| match it {
        Output::Move { txid, .. } => Some(*txid),
        _ => None,
    });
    east.claimed(ANN, 3, [300.0, 10.0], &[4]);
    east.told(Input::Settled { txid: txid.unwrap(), is_committed: true });
    east.step();
    assert_eq!(east.line(ANN).len(), line + 1);
    assert!((east.at(ANN)[0] - at[0]).abs() < 1.0);
    assert_eq!(east.client(ANN).own.as_ref().unwrap().epoch, 3);
}

#[test]
fn a_character_that_was_lost_is_let_go() {
    let mut bench = by_the_line();
    crossing(&mut bench);
    bench.told(Input::Lost { character: ANN });
    assert!(!bench.owns(ANN));
    assert_eq!(bench.client(ANN).closed, Some(CloseCode::Moved));
}

#[test]
fn a_connection_ahead_ends_when_it_is_of_no_more_use() {
    let mut east = Bench::of(EAST, |_| {});
    east.connect(ANN, Purpose::Ahead);
    east.told(Input::Forget { character: ANN });
    assert_eq!(east.client(ANN).closed, Some(CloseCode::Moved));
    // One to a character of its own does not.
    east.enter(ANN, [300.0, 60.0], &[]);
    east.told(Input::Forget { character: ANN });
    assert_eq!(east.client(ANN).closed, None);
}

#[test]
fn who_departs_is_seen_until_the_other_side_tells_of_it() {
    let (mut west, east, _) = handed_over(0, |_| WALK_EAST);
    assert_eq!(east.zone.id(), EAST);
    west.enter(crate::world::tests::BOB, [EDGE - 2.0, 60.0], &[]);
    west.told(Input::Committed { character: ANN, to: EAST, epoch: Epoch(2) });
    west.step();
    let sees = |west: &Bench| {
        let bob = west.client(crate::world::tests::BOB);
        bob.decoder.entities().any(|(id, _)| id.0 == ANN.0)
    };
    assert!(sees(&west));
    west.steps(8);
    assert!(!sees(&west), "nobody told of it");
    assert_eq!(west.zone.id(), WEST);
    assert_eq!(west.zone.places().1, Vec::<[f32; 2]>::new());
    assert!(!west.zone.owned().any(|(id, _)| ItemId(id.0) == ItemId(ANN.0)));
}
