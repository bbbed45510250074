//! On real files: what is promised about disks cannot be shown without one.

mod item;
mod model;
mod record;
mod register;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::ids::{CharacterId, Incarnation, ItemId, Owner, ZoneId};
use crate::persistence::service::Ledger;

/// A ledger in a folder of its own, with what most tests need.
struct Fixture {
    folder: TempDir,
    ledger: Ledger,
    task: JoinHandle<()>,
}

impl Fixture {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let (ledger, task) = Ledger::open(&file(&folder)).await.expect("a ledger");
        Self { folder, ledger, task }
    }

    fn path(&self) -> PathBuf {
        file(&self.folder)
    }

    async fn zone(&self, zone: u32) -> Incarnation {
        self.ledger.start_zone(ZoneId(zone)).await.expect("a zone")
    }

    async fn character(&self, name: &str) -> CharacterId {
        self.ledger.create_account(name, "hash").await.expect("an account").character
    }

    /// Claims it for a zone in its present life.
    async fn owned(&self, character: CharacterId, zone: u32, incarnation: Incarnation) -> Owner {
        let claimed = self.ledger.claim(character, ZoneId(zone), incarnation).await;
        claimed.expect("a claim").owner
    }

    /// An item in the hands of a character.
    async fn carried(&self, key: u128, character: CharacterId, owner: Owner) -> ItemId {
        let item = self.ledger.mint(key, owner.zone, [1.0, 2.0]).await.expect("an item");
        let taken = self.ledger.pick_up(key + 1, character, owner, item, owner.zone).await;
        taken.expect("a pick-up");
        item
    }

    async fn items(&self, character: CharacterId) -> Vec<u64> {
        let mut connection = connect(&self.path()).await;
        let items = crate::persistence::item::items_of(&mut connection, character).await;
        items.expect("items").into_iter().map(|item| item.0).collect()
    }
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("ledger.sqlite")
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.expect("a connection")
}

/// Owner and zone of an item: one is there, the other is not.
type Held = (Option<i64>, Option<i64>);

/// Derives the place of every item from the ledger's rows alone, and holds the items against it:
/// what was taken from somewhere was there, and nothing moved without a row.
async fn audit(path: &Path) -> BTreeMap<i64, Held> {
    type Row = (String, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<i64>);
    let mut connection = connect(path).await;
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT kind, character, item, peer, peer_item, zone
         FROM ledger WHERE refused IS NULL ORDER BY position",
    )
    .fetch_all(&mut connection)
    .await
    .expect("rows of the ledger");
    let mut places: BTreeMap<i64, (Held, i64)> = BTreeMap::new();
    for (kind, character, item, peer, peer_item, zone) in rows {
        let (ground, hands) = ((None, zone), (character, None));
        let moves = match kind.as_str() {
            "mint" => {
                let item = item.expect("the item that was made");
                assert_eq!(places.insert(item, (ground, 0)), None, "item {item} made twice");
                vec![]
            }
            "pick_up" => vec![(item, ground, hands)],
            "drop" => vec![(item, hands, ground)],
            _ => vec![(item, hands, (peer, None)), (peer_item, (peer, None), hands)],
        };
        for (item, from, to) in moves {
            let Some(item) = item else { continue };
            let (place, version) = places.get_mut(&item).expect("an item that was made");
            assert_eq!(*place, from, "item {item} was not where it was taken from");
            (*place, *version) = (to, *version + 1);
        }
    }
    let items: Vec<(i64, Option<i64>, Option<i64>, i64)> =
        sqlx::query_as("SELECT id, owner, zone, version FROM item ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .expect("items");
    let items: BTreeMap<_, _> = items
        .into_iter()
        .map(|(item, owner, zone, version)| (item, ((owner, zone), version)))
        .collect();
    assert_eq!(items, places, "items and ledger disagree");
    connection.close().await.expect("closes");
    items.into_iter().map(|(item, (place, _))| (item, place)).collect()
}
