//! Items are moved, never copied, never lost.

use sqlx::Connection;
use tokio::task::JoinSet;

use crate::ids::{CharacterId, ItemId, Owner, ZoneId};
use crate::persistence::error::LedgerError;
use crate::persistence::item::{GroundItem, MoveError, TradeSide};
use crate::persistence::record::Counts;
use crate::persistence::service::Ledger;
use crate::persistence::tests::{Fixture, audit, connect};

#[tokio::test]
async fn mint_makes_one_item_a_key() {
    let fixture = Fixture::new().await;
    fixture.zone(3).await;
    let at = [1.25, -2.5];
    let item = fixture.ledger.mint(1, ZoneId(3), at).await.expect("an item");
    assert_eq!(fixture.ledger.mint(1, ZoneId(3), at).await.expect("a repeat"), item);
    let other = fixture.ledger.mint(1, ZoneId(3), [0.0; 2]).await;
    assert!(matches!(other, Err(MoveError::TxidReused)), "{other:?}");
    let second = fixture.ledger.mint(2, ZoneId(3), at).await.expect("an item");
    assert_ne!(second, item);
    let ground = fixture.ledger.ground(ZoneId(3)).await.expect("reads");
    assert_eq!(ground, [GroundItem { item, at }, GroundItem { item: second, at }]);
    let nowhere = fixture.ledger.mint(3, ZoneId(3), [f32::NAN, 0.0]).await;
    assert!(matches!(nowhere, Err(MoveError::Ledger(LedgerError::Invalid(_)))), "{nowhere:?}");
    fixture.ledger.mint(4, ZoneId(9), at).await.expect_err("there is no zone 9");
    audit(&fixture.path()).await;
}

#[tokio::test]
async fn item_goes_from_ground_to_hands_to_ground() {
    let fixture = Fixture::new().await;
    let life = fixture.zone(0).await;
    let ada = fixture.character("ada").await;
    let owner = fixture.owned(ada, 0, life).await;
    let item = fixture.carried(10, ada, owner).await;
    assert_eq!(fixture.items(ada).await, [item.0]);
    assert_eq!(fixture.ledger.ground(ZoneId(0)).await.expect("reads"), []);
    let claimed = fixture.ledger.claim(ada, ZoneId(0), life).await.expect("a claim");
    assert_eq!(claimed.items, [item]);

    let owner = claimed.owner;
    let at = [5.0, 6.0];
    fixture.ledger.drop_item(20, ada, owner, item, ZoneId(0), at).await.expect("a drop");
    assert_eq!(fixture.ledger.ground(ZoneId(0)).await.expect("reads"), [GroundItem { item, at }]);
    assert!(fixture.items(ada).await.is_empty());
    let counts = fixture.ledger.counts().await.expect("counts");
    assert_eq!(counts, Counts { items_created: 1, items_present: 1, ..Counts::default() });
}

#[tokio::test]
async fn one_of_two_gets_the_item() {
    let fixture = Fixture::new().await;
    let life = fixture.zone(0).await;
    let (ada, bob) = (fixture.character("ada").await, fixture.character("bob").await);
    let (a, b) = (fixture.owned(ada, 0, life).await, fixture.owned(bob, 0, life).await);
    let item = fixture.ledger.mint(1, ZoneId(0), [0.0; 2]).await.expect("an item");
    let (first, second) = tokio::join!(
        fixture.ledger.pick_up(2, ada, a, item, ZoneId(0)),
        fixture.ledger.pick_up(3, bob, b, item, ZoneId(0)),
    );
    first.expect("came first");
    assert!(matches!(second, Err(MoveError::NotOwned(refused)) if refused == item), "{second:?}");
    let elsewhere = fixture.ledger.pick_up(4, bob, b, ItemId(77), ZoneId(0)).await;
    assert!(matches!(elsewhere, Err(MoveError::NotOwned(ItemId(77)))), "{elsewhere:?}");
    audit(&fixture.path()).await;
}

#[tokio::test]
async fn trade_moves_both_or_nothing() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.zone(0).await, fixture.zone(1).await);
    let (ada, bob) = (fixture.character("ada").await, fixture.character("bob").await);
    let (a, b) = (fixture.owned(ada, 0, first).await, fixture.owned(bob, 1, second).await);
    let (sword, ring) = (fixture.carried(10, ada, a).await, fixture.carried(20, bob, b).await);
    let side = |character, owner, gives| TradeSide { character, owner, gives };

    // Bob's half is impossible, so Ada keeps her sword.
    let (left, right) = (side(ada, a, Some(sword)), side(bob, b, Some(ItemId(99))));
    let refused = fixture.ledger.trade(30, left, right).await;
    assert!(matches!(refused, Err(MoveError::NotOwned(ItemId(99)))), "{refused:?}");
    assert_eq!(fixture.items(ada).await, [sword.0]);

    let right = side(bob, b, Some(ring));
    fixture.ledger.trade(31, left, right).await.expect("a trade");
    fixture.ledger.trade(31, left, right).await.expect("the same answer");
    assert_eq!((fixture.items(ada).await, fixture.items(bob).await), (vec![ring.0], vec![sword.0]));

    let (left, right) = (side(bob, b, None), side(ada, a, Some(ring)));
    fixture.ledger.trade(32, left, right).await.expect("a gift");
    assert_eq!(fixture.items(bob).await, [sword.0, ring.0]);
    let reused = fixture.ledger.mint(32, ZoneId(0), [0.0; 2]).await;
    assert!(matches!(reused, Err(MoveError::TxidReused)), "{reused:?}");
    let counts = fixture.ledger.counts().await.expect("counts");
    assert_eq!((counts.trades_committed, counts.items_present), (2, 2));

    fixture.ledger.trade(33, left, side(ada, a, None)).await.expect_err("nothing for nothing");
    let itself = fixture.ledger.trade(34, side(bob, b, Some(ring)), side(bob, b, None)).await;
    itself.expect_err("with itself");
    audit(&fixture.path()).await;
}

#[tokio::test]
async fn who_does_not_own_the_character_moves_nothing() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.zone(0).await, fixture.zone(1).await);
    let (ada, bob) = (fixture.character("ada").await, fixture.character("bob").await);
    let (old, b) = (fixture.owned(ada, 0, first).await, fixture.owned(bob, 0, first).await);
    let item = fixture.carried(10, ada, old).await;
    let new = fixture.ledger.transfer(ada, old, ZoneId(1), second).await.expect("a handoff");

    let is_stale = |result: &Result<(), MoveError>| matches!(result, Err(MoveError::Stale(_)));
    let dropped = fixture.ledger.drop_item(20, ada, old, item, ZoneId(0), [0.0; 2]).await;
    assert!(is_stale(&dropped), "{dropped:?}");
    let left = TradeSide { character: ada, owner: old, gives: Some(item) };
    let right = TradeSide { character: bob, owner: b, gives: None };
    for (left, right) in [(left, right), (right, left)] {
        let traded = fixture.ledger.trade(21, left, right).await;
        assert!(is_stale(&traded), "{traded:?}");
    }
    fixture.zone(1).await;
    let dropped = fixture.ledger.drop_item(22, ada, new, item, ZoneId(1), [0.0; 2]).await;
    assert!(is_stale(&dropped), "by a former life: {dropped:?}");
    assert_eq!(fixture.items(ada).await, [item.0]);
}

#[tokio::test]
async fn same_transaction_gets_the_same_answer() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.zone(0).await, fixture.zone(1).await);
    let (ada, bob) = (fixture.character("ada").await, fixture.character("bob").await);
    let (a, b) = (fixture.owned(ada, 0, first).await, fixture.owned(bob, 0, first).await);
    let item = fixture.carried(10, ada, a).await;
    let refused = fixture.ledger.pick_up(20, bob, b, item, ZoneId(0)).await;
    assert!(matches!(refused, Err(MoveError::NotOwned(_))), "{refused:?}");
    fixture.ledger.drop_item(21, ada, a, item, ZoneId(0), [0.0; 2]).await.expect("a drop");
    // It would be possible now. But Bob was told no, and a late copy must not overrule that.
    let repeated = fixture.ledger.pick_up(20, bob, b, item, ZoneId(0)).await;
    assert!(matches!(repeated, Err(MoveError::NotOwned(_))), "{repeated:?}");
    fixture.ledger.pick_up(22, bob, b, item, ZoneId(0)).await.expect("a new wish");
    // The answer stands, whoever owns Ada by now and wherever the item is.
    let new = fixture.ledger.transfer(ada, a, ZoneId(1), second).await.expect("a handoff");
    for owner in [a, new] {
        let repeated = fixture.ledger.drop_item(21, ada, owner, item, ZoneId(0), [0.0; 2]).await;
        repeated.expect("the same answer");
    }
    let reused = fixture.ledger.drop_item(21, ada, new, item, ZoneId(0), [1.0; 2]).await;
    assert!(matches!(reused, Err(MoveError::TxidReused)), "{reused:?}");
    assert_eq!(fixture.items(bob).await, [item.0]);
    audit(&fixture.path()).await;
}

#[tokio::test]
async fn database_itself_forbids_to_rewrite_history() {
    let fixture = Fixture::new().await;
    fixture.zone(0).await;
    fixture.ledger.mint(1, ZoneId(0), [0.0; 2]).await.expect("an item");
    fixture.ledger.close().await;
    let mut connection = connect(&fixture.path()).await;
    for statement in [
        "UPDATE ledger SET item = 9",
        "DELETE FROM ledger",
        "DELETE FROM item",
        "INSERT INTO item (owner, zone) VALUES (NULL, NULL)",
        "UPDATE item SET zone = 9",
        "UPDATE item SET zone = NULL, x = NULL, y = NULL, owner = 9",
    ] {
        sqlx::query(statement).execute(&mut connection).await.expect_err(statement);
    }
    connection.close().await.expect("closes");
}

const PLAYERS: usize = 3;
const ITEMS: u128 = 10;

/// Everybody takes, leaves and trades at once, each wish asked for twice at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_are_neither_lost_nor_doubled_when_all_want_them() {
    let fixture = Fixture::new().await;
    let life = fixture.zone(0).await;
    let mut players = Vec::new();
    for n in 0..PLAYERS {
        let character = fixture.character(&format!("player{n}")).await;
        players.push((character, fixture.owned(character, 0, life).await));
    }
    for key in 0..ITEMS {
        fixture.ledger.mint(key, ZoneId(0), [0.0; 2]).await.expect("an item");
    }
    let mut tasks = JoinSet::new();
    for seed in 1..=4 {
        tasks.spawn(wish(fixture.ledger.clone(), players.clone(), seed));
    }
    let done: usize = tasks.join_all().await.into_iter().sum();
    assert!(done > 60, "only {done} wishes came true: the test shows too little");

    let places = audit(&fixture.path()).await;
    assert_eq!(places.len(), ITEMS as usize);
    let counts = fixture.ledger.counts().await.expect("counts");
    assert_eq!((counts.items_created, counts.items_present), (ITEMS as u64, ITEMS as u64));
    fixture.ledger.close().await;
}

/// Says how many wishes came true.
async fn wish(ledger: Ledger, players: Vec<(CharacterId, Owner)>, seed: u64) -> usize {
    let mut random = seed;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % bound
    };
    let mut done = 0;
    for n in 0..150 {
        let txid = (u128::from(seed) << 64) + n;
        let left = below(PLAYERS as u64) as usize;
        let right = (left + 1 + below(PLAYERS as u64 - 1) as usize) % PLAYERS;
        let item = ItemId(1 + below(ITEMS as u64));
        let back = ItemId(1 + below(ITEMS as u64));
        let what = below(4);
        let is_gift = below(2) == 0;
        let ask = || async {
            let ((character, owner), (peer, peer_owner)) = (players[left], players[right]);
            match what {
                0 => ledger.pick_up(txid, character, owner, item, ZoneId(0)).await,
                1 => ledger.drop_item(txid, character, owner, item, ZoneId(0), [1.0; 2]).await,
                _ => {
                    let left = TradeSide { character, owner, gives: Some(item) };
                    let gives = (!is_gift).then_some(back);
                    let right = TradeSide { character: peer, owner: peer_owner, gives };
                    ledger.trade(txid, left, right).await
                }
            }
        };
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "two answers to one wish");
        done += usize::from(first.is_ok());
    }
    done
}
