//! Group commit, and what is left after a crash.

use std::fs;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use sqlx::sqlite::SqliteConnection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::ids::ZoneId;
use crate::persistence::error::LedgerError;
use crate::persistence::item::MoveError;
use crate::persistence::service::{Ledger, LedgerStats};
use crate::persistence::tests::{Fixture, audit, file};
use crate::persistence::writer::Operation;

/// Lets a write reach the queue, without waiting for its answer.
pub(super) fn ask<F: Future + ?Sized>(mut future: Pin<&mut F>) {
    let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending), "nobody can have answered yet");
}

#[tokio::test]
async fn commands_that_wait_share_a_commit() {
    let fixture = Fixture::new().await;
    fixture.zone(0).await;
    let before = fixture.ledger.stats();
    let mut tasks = JoinSet::new();
    for key in 0..300 {
        let ledger = fixture.ledger.clone();
        tasks.spawn(async move { ledger.mint(key, ZoneId(0), [0.0; 2]).await.expect("an item") });
    }
    let mut items: Vec<_> = tasks.join_all().await;
    items.sort();
    items.dedup();
    assert_eq!(items.len(), 300);
    let LedgerStats { commits, commands } = fixture.ledger.stats();
    assert_eq!(commands - before.commands, 300);
    assert!(commits - before.commits < 30, "{commits} commits");
}

/// Does something, then fails.
struct Poison;

impl Operation for Poison {
    type Answer = ();

    async fn apply(self, tx: &mut SqliteConnection) -> Result<(), LedgerError> {
        sqlx::query("INSERT INTO zone (id, incarnation) VALUES (66, 1)").execute(tx).await?;
        Err(LedgerError::Invalid("poison"))
    }
}

#[tokio::test]
async fn failing_command_is_undone_and_disturbs_no_other() {
    let fixture = Fixture::new().await;
    fixture.zone(0).await;
    let before = fixture.ledger.stats();
    let mut first = pin!(fixture.ledger.mint(1, ZoneId(0), [0.0; 2]));
    let mut poison = pin!(fixture.ledger.write(Poison));
    let mut last = pin!(fixture.ledger.mint(2, ZoneId(0), [0.0; 2]));
    ask(first.as_mut());
    ask(poison.as_mut());
    ask(last.as_mut());
    first.await.expect("an item");
    let refused = poison.await;
    assert!(matches!(refused, Err(LedgerError::Invalid("poison"))), "{refused:?}");
    last.await.expect("an item");
    let after = fixture.ledger.stats();
    assert_eq!((after.commits - before.commits, after.commands - before.commands), (1, 3));
    assert_eq!(fixture.ledger.counts().await.expect("counts").items_present, 2);
    assert_eq!(fixture.zone(66).await.0, 1, "the poison has left a zone behind");
}

/// Ends the transaction behind the writer's back, as the database does when the disk is full.
struct EndTransaction;

impl Operation for EndTransaction {
    type Answer = ();

    async fn apply(self, tx: &mut SqliteConnection) -> Result<(), LedgerError> {
        sqlx::query("ROLLBACK").execute(tx).await?;
        Err(LedgerError::Invalid("the transaction is gone"))
    }
}

#[tokio::test]
async fn writer_stops_when_it_cannot_tell_what_was_done() {
    let fixture = Fixture::new().await;
    fixture.zone(0).await;
    let mut before = pin!(fixture.ledger.mint(1, ZoneId(0), [0.0; 2]));
    let mut end = pin!(fixture.ledger.write(EndTransaction));
    let mut after = pin!(fixture.ledger.mint(2, ZoneId(0), [0.0; 2]));
    ask(before.as_mut());
    ask(end.as_mut());
    ask(after.as_mut());
    before.await.expect_err("it went with the transaction");
    end.await.expect_err("of course");
    let closed = after.await;
    assert!(matches!(closed, Err(MoveError::Ledger(LedgerError::Closed))), "{closed:?}");
    fixture.ledger.stopped().await;
    fixture.task.await.expect("ends without a panic");

    let (ledger, _) = Ledger::open(&file(&fixture.folder)).await.expect("opens again");
    assert_eq!(ledger.counts().await.expect("counts").items_created, 0);
}

#[tokio::test]
async fn close_does_what_waits_and_nothing_after() {
    let fixture = Fixture::new().await;
    fixture.zone(0).await;
    let mut mints: Vec<_> =
        (0..50).map(|key| Box::pin(fixture.ledger.mint(key, ZoneId(0), [0.0; 2]))).collect();
    mints.iter_mut().for_each(|mint| ask(mint.as_mut()));
    fixture.ledger.close().await;
    for mint in mints {
        mint.await.expect("was let in before the end");
    }
    let late = fixture.ledger.mint(50, ZoneId(0), [0.0; 2]).await;
    assert!(matches!(late, Err(MoveError::Ledger(LedgerError::Closed))), "{late:?}");
    let late = fixture.ledger.counts().await;
    assert!(matches!(late, Err(LedgerError::Closed)), "{late:?}");
    fixture.ledger.close().await;
    fixture.task.await.expect("ends without a panic");

    let names: Vec<_> = fs::read_dir(fixture.folder.path())
        .expect("reads")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, ["ledger.sqlite"], "the log is folded into the file");
    let (ledger, _) = Ledger::open(&file(&fixture.folder)).await.expect("opens again");
    assert_eq!(ledger.counts().await.expect("counts").items_present, 50);
}

#[tokio::test]
async fn ledger_ends_with_its_last_handle() {
    let Fixture { folder, ledger, task } = Fixture::new().await;
    drop(ledger);
    task.await.expect("ends without a panic");
    drop(folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_killed_writer() {
    let fixture = Fixture::new().await;
    fixture.zone(0).await;
    let mut tasks = JoinSet::new();
    for lane in 0..8 {
        let ledger = fixture.ledger.clone();
        tasks.spawn(async move {
            let mut made = Vec::new();
            for n in 0.. {
                match ledger.mint(lane * 1000 + n, ZoneId(0), [0.0; 2]).await {
                    Ok(item) => made.push((lane * 1000 + n, item)),
                    Err(MoveError::Ledger(LedgerError::Closed)) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            made
        });
    }
    while fixture.ledger.stats().commands < 100 {
        tokio::task::yield_now().await;
    }
    fixture.task.abort();
    let made: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert!(made.len() >= 90, "only {} were answered", made.len());

    let (ledger, _) = Ledger::open(&fixture.path()).await.expect("opens again");
    for (key, item) in made {
        assert_eq!(ledger.mint(key, ZoneId(0), [0.0; 2]).await.expect("is there"), item);
    }
    audit(&fixture.path()).await;
}

/// After a loss of power the log may end anywhere after what was synced. Whatever its length was
/// when a write was answered, that much of it must hold the write.
#[tokio::test]
async fn what_was_answered_survives_a_torn_log() {
    let fixture = Fixture::new().await;
    let life = fixture.zone(0).await;
    let ada = fixture.character("ada").await;
    let owner = fixture.owned(ada, 0, life).await;
    let log = fixture.folder.path().join("ledger.sqlite-wal");
    let log_bytes = || fs::metadata(&log).expect("the log").len();

    // (bytes of the log, items made, of those taken), each right after an answer.
    let mut answered = vec![(log_bytes(), 0, 0)];
    for n in 0..20 {
        let item = fixture.ledger.mint(2 * n, ZoneId(0), [0.0; 2]).await.expect("an item");
        answered.push((log_bytes(), n + 1, n));
        let taken = fixture.ledger.pick_up(2 * n + 1, ada, owner, item, ZoneId(0)).await;
        taken.expect("a pick-up");
        answered.push((log_bytes(), n + 1, n + 1));
    }
    let log = fs::read(&log).expect("the log");
    let (start, end) = (answered[0].0, log.len() as u64);
    assert!(end > start, "the log was folded in between: nothing is shown");

    for step in 0..60 {
        // Some lengths are those of answers, most are between.
        let length = match answered.get(step * 2) {
            Some((length, ..)) => *length,
            None => start + (end - start) * (step as u64 * 37 % 60) / 60,
        };
        let (_, made, taken) = *answered.iter().rfind(|(at, ..)| *at <= length).expect("the first");
        let folder = TempDir::new().expect("a folder");
        fs::copy(fixture.path(), file(&folder)).expect("copies");
        let torn = &log[..usize::try_from(length).expect("fits")];
        fs::write(folder.path().join("ledger.sqlite-wal"), torn).expect("writes");
        let (ledger, _) = Ledger::open(&file(&folder)).await.expect("opens again");
        let counts = ledger.counts().await.expect("counts");
        assert!(u128::from(counts.items_created) >= made, "{length} of {end} bytes: {counts:?}");
        assert_eq!(counts.items_present, counts.items_created);
        let places = audit(&file(&folder)).await;
        let held = places.values().filter(|(owner, _)| owner.is_some()).count() as u128;
        assert!(held >= taken, "{length} of {end} bytes: {held} taken, {taken} were answered");
        ledger.close().await;
    }
}

#[tokio::test]
async fn handles_are_used_from_any_thread() {
    fn is_sent<T: Send>(value: T) -> T {
        value
    }
    let fixture = Fixture::new().await;
    is_sent(fixture.ledger.start_zone(ZoneId(0))).await.expect("a zone");
    assert_eq!(is_sent(fixture.ledger.owners()).await.expect("reads"), []);
    assert_eq!(is_sent(fixture.ledger.ground(ZoneId(0))).await.expect("reads"), []);
    is_sent(fixture.ledger.account_by_name("ada")).await.expect("reads");
    is_sent(fixture.ledger.counts()).await.expect("reads");
}
