//! Accounts, matches, events.

use crate::ids::{CharacterId, MatchId};
use crate::persistence::account::CreateError;
use crate::persistence::record::{Counts, EventRecord, MatchRecord, RecordError};
use crate::persistence::tests::Fixture;
use crate::rating::Rating;

#[tokio::test]
async fn accounts_are_found_by_name_without_regard_to_case() {
    let fixture = Fixture::new().await;
    let ada = fixture.ledger.create_account("Ada", "hash").await.expect("an account");
    let taken = fixture.ledger.create_account("aDA", "other").await;
    assert!(matches!(taken, Err(CreateError::NameTaken)), "{taken:?}");

    let row = fixture.ledger.account_by_name("ADA").await.expect("reads").expect("exists");
    assert_eq!((row.account, row.character), (ada.account, ada.character));
    assert_eq!((row.name.as_str(), row.password_hash.as_str()), ("Ada", "hash"));
    assert_eq!(row.rating, Rating::default());
    assert_eq!(fixture.ledger.account_by_name("Bob").await.expect("reads"), None);

    let row = fixture.ledger.character(ada.character).await.expect("reads").expect("exists");
    assert_eq!((row.account, row.state, row.owner), (ada.account, None, None));
    assert_eq!(fixture.ledger.character(CharacterId(u64::MAX)).await.expect("reads"), None);
}

#[tokio::test]
async fn match_is_recorded_once() {
    let fixture = Fixture::new().await;
    let (ada, bob) = (fixture.character("ada").await, fixture.character("bob").await);
    let winner = Rating { value: 1662.2, deviation: 290.3, volatility: 0.059_99 };
    let loser = Rating { value: 1337.8, deviation: 290.3, volatility: 0.060_01 };
    let result =
        MatchRecord { id: MatchId(5), at_ms: 1000, players: vec![(bob, winner), (ada, loser)] };
    assert_eq!(fixture.ledger.last_match().await.expect("reads"), MatchId(0));
    fixture.ledger.record_match(result.clone()).await.expect("a record");
    assert_eq!(fixture.ledger.last_match().await.expect("reads"), MatchId(5));

    // A later match, then the first once more: the later rating stays.
    let later = MatchRecord { id: MatchId(6), at_ms: 2000, players: vec![(bob, loser)] };
    fixture.ledger.record_match(later).await.expect("a record");
    fixture.ledger.record_match(result.clone()).await.expect("a repeat");
    for name in ["ada", "bob"] {
        let row = fixture.ledger.account_by_name(name).await.expect("reads").expect("exists");
        assert_eq!(row.rating, loser, "{name}");
    }

    let other = MatchRecord { at_ms: 1001, ..result };
    let refused = fixture.ledger.record_match(other).await;
    assert!(matches!(refused, Err(RecordError::IdReused)), "{refused:?}");
    let stranger =
        MatchRecord { id: MatchId(7), at_ms: 1, players: vec![(CharacterId(99), winner)] };
    let refused = fixture.ledger.record_match(stranger).await;
    assert!(matches!(refused, Err(RecordError::Unknown(CharacterId(99)))), "{refused:?}");
    let broken = Rating { value: f64::NAN, ..winner };
    let broken = MatchRecord { id: MatchId(8), at_ms: 1, players: vec![(ada, broken)] };
    fixture.ledger.record_match(broken).await.expect_err("not a number");
    assert_eq!(fixture.ledger.last_match().await.expect("reads"), MatchId(6));
}

#[tokio::test]
async fn events_are_stored_once_each() {
    let fixture = Fixture::new().await;
    let event = |id: u128| EventRecord {
        id,
        subject: "events".into(),
        key: u64::MAX - id as u64,
        at_ms: 7,
        payload: vec![id as u8],
    };
    let first: Vec<_> = (0..600).map(event).collect();
    assert_eq!(fixture.ledger.append_events(first).await.expect("appends"), 600);
    let overlapping: Vec<_> = (590..610).map(event).collect();
    assert_eq!(fixture.ledger.append_events(overlapping).await.expect("appends"), 10);
    assert_eq!(fixture.ledger.append_events(vec![]).await.expect("appends"), 0);
    let twice = vec![event(700), event(700)];
    assert_eq!(fixture.ledger.append_events(twice).await.expect("appends"), 1);
    let counts = fixture.ledger.counts().await.expect("counts");
    assert_eq!(counts, Counts { events: 611, ..Counts::default() });
    let large = EventRecord { payload: vec![0; 64 * 1024 + 1], ..event(800) };
    fixture.ledger.append_events(vec![event(801), large]).await.expect_err("too large");
    assert_eq!(fixture.ledger.counts().await.expect("counts").events, 611);
}
