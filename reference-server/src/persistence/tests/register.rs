//! Who may own, and who may not any more.

use crate::ids::{Epoch, Incarnation, Owner, ZoneId};
use crate::persistence::error::LedgerError;
use crate::persistence::register::{ClaimError, FenceError, STATE_BYTES_MAX};
use crate::persistence::tests::Fixture;

#[tokio::test]
async fn zones_get_a_higher_incarnation_at_every_start() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.zone(7).await, Incarnation(1));
    assert_eq!(fixture.zone(7).await, Incarnation(2));
    assert_eq!(fixture.zone(8).await, Incarnation(1));
}

#[tokio::test]
async fn claim_is_refused_while_another_zone_lives() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.zone(0).await, fixture.zone(1).await);
    let ada = fixture.character("ada").await;
    let owner = fixture.owned(ada, 0, first).await;
    assert_eq!(owner, Owner { zone: ZoneId(0), incarnation: first, epoch: Epoch(1) });

    let refused = fixture.ledger.claim(ada, ZoneId(1), second).await;
    assert!(matches!(refused, Err(ClaimError::OwnedBy(by)) if by == owner), "{refused:?}");

    // A new life of the owner's zone frees it, and the epoch goes on.
    fixture.zone(0).await;
    let claimed = fixture.owned(ada, 1, second).await;
    assert_eq!(claimed, Owner { zone: ZoneId(1), incarnation: second, epoch: Epoch(2) });
}

#[tokio::test]
async fn claim_by_the_owner_itself_raises_the_epoch() {
    let fixture = Fixture::new().await;
    let life = fixture.zone(0).await;
    let ada = fixture.character("ada").await;
    fixture.owned(ada, 0, life).await;
    assert_eq!(fixture.owned(ada, 0, life).await.epoch, Epoch(2));
    let next = fixture.zone(0).await;
    let owner = fixture.owned(ada, 0, next).await;
    assert_eq!((owner.incarnation, owner.epoch), (next, Epoch(3)));
}

#[tokio::test]
async fn claim_by_a_former_life_is_refused() {
    let fixture = Fixture::new().await;
    let former = fixture.zone(0).await;
    fixture.zone(0).await;
    let ada = fixture.character("ada").await;
    let refused = fixture.ledger.claim(ada, ZoneId(0), former).await;
    assert!(matches!(refused, Err(ClaimError::Superseded)), "{refused:?}");
    let unknown = fixture.ledger.claim(crate::ids::CharacterId(99), ZoneId(0), former).await;
    assert!(matches!(unknown, Err(ClaimError::Unknown)), "{unknown:?}");
}

#[tokio::test]
async fn transfer_happens_once() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.zone(0).await, fixture.zone(1).await);
    let ada = fixture.character("ada").await;
    let from = fixture.owned(ada, 0, first).await;
    let to = fixture.ledger.transfer(ada, from, ZoneId(1), second).await.expect("a commit");
    assert_eq!(to, Owner { zone: ZoneId(1), incarnation: second, epoch: Epoch(2) });
    let again = fixture.ledger.transfer(ada, from, ZoneId(1), second).await;
    assert!(matches!(again, Err(FenceError::Stale)), "{again:?}");
    assert_eq!(fixture.ledger.owners().await.expect("owners"), [(ada, to)]);
}

#[tokio::test]
async fn abort_kills_a_commit_in_flight() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.zone(0).await, fixture.zone(1).await);
    let ada = fixture.character("ada").await;
    let from = fixture.owned(ada, 0, first).await;
    let kept = fixture.ledger.bump(ada, from).await.expect("an abort");
    assert_eq!(kept, Owner { epoch: Epoch(2), ..from });
    let late = fixture.ledger.transfer(ada, from, ZoneId(1), second).await;
    assert!(matches!(late, Err(FenceError::Stale)), "{late:?}");
    // And the other way round: what was committed cannot be aborted.
    fixture.ledger.transfer(ada, kept, ZoneId(1), second).await.expect("a commit");
    let late = fixture.ledger.bump(ada, kept).await;
    assert!(matches!(late, Err(FenceError::Stale)), "{late:?}");
}

#[tokio::test]
async fn transfer_needs_both_zones_in_their_present_lives() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.zone(0).await, fixture.zone(1).await);
    let ada = fixture.character("ada").await;
    let from = fixture.owned(ada, 0, first).await;
    let second_now = fixture.zone(1).await;
    let to_dead = fixture.ledger.transfer(ada, from, ZoneId(1), second).await;
    assert!(matches!(to_dead, Err(FenceError::Stale)), "{to_dead:?}");
    fixture.zone(0).await;
    let from_dead = fixture.ledger.transfer(ada, from, ZoneId(1), second_now).await;
    assert!(matches!(from_dead, Err(FenceError::Stale)), "{from_dead:?}");
    let unknown = fixture.ledger.transfer(ada, from, ZoneId(9), Incarnation(0)).await;
    assert!(matches!(unknown, Err(FenceError::Stale)), "{unknown:?}");
}

#[tokio::test]
async fn epoch_never_falls_across_release() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.zone(0).await, fixture.zone(1).await);
    let ada = fixture.character("ada").await;
    let owner = fixture.owned(ada, 0, first).await;
    let owner = fixture.ledger.bump(ada, owner).await.expect("a bump");
    fixture.ledger.release(ada, owner, b"left".to_vec()).await.expect("a release");
    assert_eq!(fixture.ledger.owners().await.expect("owners"), []);
    let claimed = fixture.ledger.claim(ada, ZoneId(1), second).await.expect("a claim");
    assert_eq!(claimed.owner.epoch, Epoch(3));
    assert_eq!(claimed.state.as_deref(), Some(&b"left"[..]));
    assert_eq!(claimed.name, "ada");
    let twice = fixture.ledger.release(ada, owner, b"late".to_vec()).await;
    assert!(matches!(twice, Err(FenceError::Stale)), "{twice:?}");
}

#[tokio::test]
async fn checkpoint_stores_what_the_zone_owns_and_nothing_else() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.zone(0).await, fixture.zone(1).await);
    let mut rows = Vec::new();
    // More than one statement takes.
    for n in 0..300 {
        let character = fixture.character(&format!("player{n}")).await;
        let owner = fixture.owned(character, 0, first).await;
        rows.push((character, owner.epoch, vec![n as u8; 3]));
    }
    let moved = rows[10].0;
    let owner = fixture.ledger.character(moved).await.expect("reads").expect("exists").owner;
    let owner = owner.expect("owned");
    fixture.ledger.transfer(moved, owner, ZoneId(1), second).await.expect("a commit");
    let bumped = rows[20].0;
    fixture.ledger.bump(bumped, owner).await.expect("a bump");

    let stored = fixture.ledger.checkpoint(ZoneId(0), first, rows.clone()).await;
    assert_eq!(stored.expect("a checkpoint"), 298);
    for (n, (character, _, state)) in rows.iter().enumerate() {
        let row = fixture.ledger.character(*character).await.expect("reads").expect("exists");
        let expected = (n != 10 && n != 20).then_some(state.as_slice());
        assert_eq!(row.state.as_deref(), expected, "player{n}");
    }

    fixture.zone(0).await;
    let stored = fixture.ledger.checkpoint(ZoneId(0), first, rows).await.expect("a checkpoint");
    assert_eq!(stored, 0, "by a former life");
}

#[tokio::test]
async fn states_are_bounded() {
    let fixture = Fixture::new().await;
    let life = fixture.zone(0).await;
    let ada = fixture.character("ada").await;
    let owner = fixture.owned(ada, 0, life).await;
    let state = vec![0; STATE_BYTES_MAX + 1];
    let rows = vec![(ada, owner.epoch, state.clone())];
    let refused = fixture.ledger.checkpoint(ZoneId(0), life, rows).await;
    assert!(matches!(refused, Err(LedgerError::Invalid(_))), "{refused:?}");
    let refused = fixture.ledger.release(ada, owner, state).await;
    assert!(matches!(refused, Err(FenceError::Ledger(LedgerError::Invalid(_)))), "{refused:?}");
    fixture.ledger.release(ada, owner, vec![0; STATE_BYTES_MAX]).await.expect("fits");
}
