//! The zone proposes, the ledger decides.

use shardline_protocol::zone::{
    AcceptTrade, DeclineTrade, Drop, PickUp, ProposeTrade, to_client, to_zone,
};

use crate::ids::{CharacterId, ItemId};
use crate::world::tests::{ANN, BOB, Bench, WALK_EAST};
use crate::world::{Happened, Input, ItemMove, Output};

const HOME: [f32; 2] = [60.0, 60.0];
const SWORD: u64 = 8;
const SHIELD: u64 = 9;

/// Two players at arm's length, and a sword on the ground beside them.
fn market() -> Bench {
    let mut bench = Bench::new();
    bench.enter(ANN, HOME, &[SHIELD]);
    bench.enter(BOB, [61.0, 60.0], &[]);
    let items = vec![(ItemId(SWORD), [60.0, 61.0]), (ItemId(77), [60.0, 66.0])];
    bench.told(Input::Ground { items });
    bench.step();
    bench.outputs();
    bench
}

fn moves(bench: &mut Bench) -> Vec<(u128, ItemMove)> {
    let outputs = bench.outputs();
    let moves = outputs.into_iter().filter_map(|it| match it {
        Output::Move { txid, item_move } => Some((txid, item_move)),
        _ => None,
    });
    moves.collect()
}

fn is_refused(bench: &Bench, who: CharacterId) -> bool {
    matches!(bench.told_last(who), Some(to_client::Body::Refused(_)))
}

fn pick_up(bench: &mut Bench, who: CharacterId, item: u64) {
    bench.asks(who, to_zone::Body::PickUp(PickUp { item }));
}

fn propose(bench: &mut Bench, give: u64, want: u64) -> Option<u64> {
    let with_character = BOB.0;
    let propose = ProposeTrade { with_character, give_item: give, want_item: want };
    bench.asks(ANN, to_zone::Body::ProposeTrade(propose));
    match bench.told_last(BOB) {
        Some(to_client::Body::TradeProposed(proposed)) => Some(proposed.trade),
        _ => None,
    }
}

#[test]
fn an_item_is_the_ledgers_until_it_has_answered() {
    let mut bench = market();
    pick_up(&mut bench, ANN, SWORD);
    let asked = moves(&mut bench);
    let (owner, item) = (bench.owner(1), ItemId(SWORD));
    assert_eq!(asked[0].1, ItemMove::PickUp { character: ANN, owner, item });
    assert_eq!(bench.zone.counts().items, 2);
    // Whoever comes second finds it busy.
    pick_up(&mut bench, BOB, SWORD);
    assert!(is_refused(&bench, BOB) && moves(&mut bench).is_empty());
    bench.told(Input::Settled { txid: asked[0].0, is_committed: true });
    assert_eq!(bench.zone.counts().items, 1);
    assert!(matches!(bench.told_last(ANN), Some(to_client::Body::ItemMoved(_))));
    // An answer that comes twice is one answer.
    bench.told(Input::Settled { txid: asked[0].0, is_committed: true });
    let happened = bench.outputs();
    assert_eq!(happened.iter().filter(|it| matches!(it, Output::Happened(_))).count(), 1);
}

#[test]
fn what_the_ledger_refuses_stays_where_it_is() {
    let mut bench = market();
    pick_up(&mut bench, ANN, SWORD);
    let (txid, _) = moves(&mut bench)[0];
    bench.told(Input::Settled { txid, is_committed: false });
    assert!(is_refused(&bench, ANN));
    assert_eq!(bench.zone.counts().items, 2);
    // And is free again.
    pick_up(&mut bench, BOB, SWORD);
    assert_eq!(moves(&mut bench).len(), 1);
}

#[test]
fn out_of_reach_is_refused() {
    let mut bench = market();
    for item in [77, 78, 0, u64::MAX] {
        pick_up(&mut bench, ANN, item);
        assert!(is_refused(&bench, ANN), "{item}");
    }
    assert!(moves(&mut bench).is_empty());
}

#[test]
fn only_who_has_it_can_drop_it_and_it_lies_where_it_was_dropped() {
    let mut bench = market();
    bench.asks(BOB, to_zone::Body::Drop(Drop { item: SHIELD }));
    assert!(is_refused(&bench, BOB));
    bench.asks(ANN, to_zone::Body::Drop(Drop { item: SHIELD }));
    let (txid, item_move) = moves(&mut bench)[0];
    let (owner, item) = (bench.owner(1), ItemId(SHIELD));
    assert_eq!(item_move, ItemMove::Drop { character: ANN, owner, item, at: HOME });
    (0..10).for_each(|_| bench.plays(ANN, WALK_EAST));
    bench.told(Input::Settled { txid, is_committed: true });
    assert!(bench.zone.places().1.contains(&HOME));
    bench.asks(ANN, to_zone::Body::Drop(Drop { item: SHIELD }));
    assert!(is_refused(&bench, ANN));
}

#[test]
fn a_trade_is_proposed_accepted_and_made_by_the_ledger() {
    for is_committed in [true, false] {
        let mut bench = market();
        let trade = propose(&mut bench, SHIELD, 0).unwrap();
        assert!(moves(&mut bench).is_empty());
        bench.asks(BOB, to_zone::Body::AcceptTrade(AcceptTrade { trade }));
        let (txid, item_move) = moves(&mut bench)[0];
        let ItemMove::Trade { sides, .. } = item_move else { panic!("{item_move:?}") };
        let owner = bench.owner(1);
        assert_eq!(sides, [(ANN, owner, Some(ItemId(SHIELD))), (BOB, owner, None)]);
        bench.told(Input::Settled { txid, is_committed });
        for who in [ANN, BOB] {
            let Some(to_client::Body::TradeClosed(closed)) = bench.told_last(who) else { panic!() };
            assert_eq!(closed.committed, is_committed);
        }
        let traded = bench.outputs();
        let is_traded = |it: &Output| matches!(it, Output::Happened(Happened::Traded { .. }));
        assert_eq!(traded.iter().any(is_traded), is_committed);
        let holder = if is_committed { BOB } else { ANN };
        bench.asks(holder, to_zone::Body::Drop(Drop { item: SHIELD }));
        assert_eq!(moves(&mut bench).len(), 1);
    }
}

#[test]
fn a_trade_needs_both_near_and_what_they_give() {
    let mut bench = market();
    for (give, want) in [(SWORD, 0), (0, SHIELD), (0, 0), (SHIELD, SWORD)] {
        assert_eq!(propose(&mut bench, give, want), None, "{give} for {want}");
        assert!(is_refused(&bench, ANN));
    }
    let trade = propose(&mut bench, SHIELD, 0).unwrap();
    assert!(propose(&mut bench, SHIELD, 0).is_some(), "the last that Bob was told");
    assert!(is_refused(&bench, ANN), "one is open");
    // Another may not accept it, and he may not from afar.
    bench.asks(ANN, to_zone::Body::AcceptTrade(AcceptTrade { trade }));
    assert!(is_refused(&bench, ANN));
    (0..12).for_each(|_| bench.plays(BOB, WALK_EAST));
    bench.asks(BOB, to_zone::Body::AcceptTrade(AcceptTrade { trade }));
    assert!(matches!(bench.told_last(BOB), Some(to_client::Body::TradeClosed(_))));
    assert!(moves(&mut bench).is_empty());
}

#[test]
fn a_proposal_ends_when_it_is_declined_old_or_its_maker_leaves() {
    let mut bench = market();
    let trade = propose(&mut bench, SHIELD, 0).unwrap();
    bench.asks(BOB, to_zone::Body::DeclineTrade(DeclineTrade { trade }));
    assert!(matches!(bench.told_last(ANN), Some(to_client::Body::TradeClosed(_))));
    let trade = propose(&mut bench, SHIELD, 0).unwrap();
    bench.steps(150);
    assert!(matches!(bench.told_last(ANN), Some(to_client::Body::TradeClosed(_))));
    bench.asks(BOB, to_zone::Body::AcceptTrade(AcceptTrade { trade }));
    assert!(is_refused(&bench, BOB));
    propose(&mut bench, SHIELD, 0).unwrap();
    bench.asks(ANN, to_zone::Body::Leave(shardline_protocol::zone::Leave {}));
    bench.steps(2);
    assert!(matches!(bench.told_last(BOB), Some(to_client::Body::TradeClosed(_))));
}

#[test]
fn nobody_leaves_while_a_move_is_open() {
    let mut bench = market();
    pick_up(&mut bench, ANN, SWORD);
    let (txid, _) = moves(&mut bench)[0];
    bench.asks(ANN, to_zone::Body::Leave(shardline_protocol::zone::Leave {}));
    bench.told(Input::Drain);
    bench.steps(3);
    assert!(bench.owns(ANN) && !bench.zone.is_drained());
    bench.told(Input::Settled { txid, is_committed: true });
    bench.step();
    assert!(bench.zone.is_drained());
}
