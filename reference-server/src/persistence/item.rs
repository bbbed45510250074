//! Items: each exists once and is in one place, and every move is a row of the ledger.
//!
//! A move names its transaction id, who asks as which owner, and where each item is to be taken
//! from. In one transaction the asker's ownership is checked, the items are moved, and the row is
//! written. So:
//!
//! - The same id again gives the same answer and moves nothing, also after a crash: whoever did
//!   not hear the answer may ask again. A refusal because of a missing item is an answer too. (A
//!   refusal because of the fence needs no row: an epoch that is over stays over.)
//! - A zone that lost the character cannot move its items.
//! - An item leaves only the place where it is said to be: of two who want it one gets it.

use sqlx::sqlite::SqliteConnection;
use thiserror::Error;

use crate::ids::{CharacterId, ItemId, Owner, ZoneId};
use crate::persistence::error::LedgerError;
use crate::persistence::register::holds;
use crate::persistence::writer::Operation;

/// An item that lies in a zone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroundItem {
    /// The item.
    pub item: ItemId,
    /// Where.
    pub at: [f32; 2],
}

/// What one side brings to a trade.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TradeSide {
    /// Who.
    pub character: CharacterId,
    /// Its row of the register, as its zone knows it.
    pub owner: Owner,
    /// What it gives. `None`: nothing, it receives a gift.
    pub gives: Option<ItemId>,
}

/// Nothing was moved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The item is not where it was to be taken from. Final for this transaction id.
    #[error("item {0} is not there")]
    NotOwned(ItemId),
    /// The character has another owner by now.
    #[error("the ownership of character {0} has changed")]
    Stale(CharacterId),
    /// The transaction id was used for something else: a fault of the caller.
    #[error("the transaction id stands for something else")]
    TxidReused,
    /// See there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

pub(super) struct Mint {
    pub(super) txid: u128,
    pub(super) zone: ZoneId,
    pub(super) at: [f32; 2],
}

impl Operation for Mint {
    type Answer = Result<ItemId, MoveError>;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Self::Answer, LedgerError> {
        let mut entry = Entry::new("mint").at(self.zone, Some(self.at))?;
        if let Some(Recorded { entry: earlier, .. }) = recorded(tx, self.txid).await? {
            entry.item = earlier.item;
            return Ok(match earlier.item {
                Some(item) if earlier == entry => Ok(item_id(item)),
                _ => Err(MoveError::TxidReused),
            });
        }
        let item: i64 =
            sqlx::query_scalar("INSERT INTO item (zone, x, y) VALUES (?1, ?2, ?3) RETURNING id")
                .bind(entry.zone)
                .bind(entry.x)
                .bind(entry.y)
                .fetch_one(&mut *tx)
                .await?;
        entry.item = Some(item);
        record(tx, self.txid, &entry, [None, None], None).await?;
        Ok(Ok(item_id(item)))
    }
}

/// Takes an item from the ground.
pub(super) struct PickUp {
    pub(super) txid: u128,
    pub(super) character: CharacterId,
    pub(super) owner: Owner,
    pub(super) item: ItemId,
    pub(super) zone: ZoneId,
}

impl Operation for PickUp {
    type Answer = Result<(), MoveError>;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Self::Answer, LedgerError> {
        let entry =
            Entry::new("pick_up").by(self.character, Some(self.item)).at(self.zone, None)?;
        let movement =
            Movement { item: self.item, from: self.zone.into(), to: self.character.into() };
        perform(tx, self.txid, &entry, &[(self.character, self.owner)], &[movement]).await
    }
}

/// Puts an item on the ground.
pub(super) struct DropItem {
    pub(super) txid: u128,
    pub(super) character: CharacterId,
    pub(super) owner: Owner,
    pub(super) item: ItemId,
    pub(super) zone: ZoneId,
    pub(super) at: [f32; 2],
}

impl Operation for DropItem {
    type Answer = Result<(), MoveError>;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Self::Answer, LedgerError> {
        let entry =
            Entry::new("drop").by(self.character, Some(self.item)).at(self.zone, Some(self.at))?;
        let to = Place::Ground { zone: self.zone, at: self.at };
        let movement = Movement { item: self.item, from: self.character.into(), to };
        perform(tx, self.txid, &entry, &[(self.character, self.owner)], &[movement]).await
    }
}

/// Exchanges items between two characters.
pub(super) struct Trade {
    pub(super) txid: u128,
    pub(super) sides: [TradeSide; 2],
}

impl Operation for Trade {
    type Answer = Result<(), MoveError>;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Self::Answer, LedgerError> {
        let [left, right] = self.sides;
        if left.character == right.character {
            return Err(LedgerError::Invalid("a trade needs two characters"));
        }
        if left.gives.is_none() && right.gives.is_none() {
            return Err(LedgerError::Invalid("a trade needs an item"));
        }
        let entry = Entry::new("trade").by(left.character, left.gives).with(right);
        let movements: Vec<Movement> = [(left, right), (right, left)]
            .into_iter()
            .filter_map(|(giver, taker)| {
                let (from, to) = (giver.character.into(), taker.character.into());
                giver.gives.map(|item| Movement { item, from, to })
            })
            .collect();
        let actors = [(left.character, left.owner), (right.character, right.owner)];
        perform(tx, self.txid, &entry, &actors, &movements).await
    }
}

pub(super) async fn ground(
    reader: &mut SqliteConnection,
    zone: ZoneId,
) -> Result<Vec<GroundItem>, LedgerError> {
    let rows: Vec<(i64, f64, f64)> =
        sqlx::query_as("SELECT id, x, y FROM item WHERE zone = ?1 ORDER BY id")
            .bind(zone.0)
            .fetch_all(reader)
            .await?;
    // The values came from f32, so nothing is lost on the way back.
    let ground = |(item, x, y)| GroundItem { item: item_id(item), at: [x as f32, y as f32] };
    Ok(rows.into_iter().map(ground).collect())
}

/// What a character carries, by id.
pub(super) async fn items_of(
    tx: &mut SqliteConnection,
    character: CharacterId,
) -> Result<Vec<ItemId>, LedgerError> {
    let items: Vec<i64> = sqlx::query_scalar("SELECT id FROM item WHERE owner = ?1 ORDER BY id")
        .bind(character.0.cast_signed())
        .fetch_all(tx)
        .await?;
    Ok(items.into_iter().map(item_id).collect())
}

/// Where an item is, or shall be.
#[derive(Clone, Copy)]
enum Place {
    With(CharacterId),
    /// As a place to take from, anywhere in the zone.
    Ground {
        zone: ZoneId,
        at: [f32; 2],
    },
}

impl From<CharacterId> for Place {
    fn from(character: CharacterId) -> Self {
        Self::With(character)
    }
}

impl From<ZoneId> for Place {
    fn from(zone: ZoneId) -> Self {
        Self::Ground { zone, at: [0.0; 2] }
    }
}

struct Movement {
    item: ItemId,
    from: Place,
    to: Place,
}

/// The part that all moves share: answer from the record, or check, move and record.
async fn perform(
    tx: &mut SqliteConnection,
    txid: u128,
    entry: &Entry,
    actors: &[(CharacterId, Owner)],
    movements: &[Movement],
) -> Result<Result<(), MoveError>, LedgerError> {
    if let Some(Recorded { entry: earlier, refused }) = recorded(tx, txid).await? {
        return Ok(match refused {
            _ if earlier != *entry => Err(MoveError::TxidReused),
            Some(item) => Err(MoveError::NotOwned(item_id(item))),
            None => Ok(()),
        });
    }
    let mut epochs = [None, None];
    for ((character, owner), epoch) in actors.iter().zip(&mut epochs) {
        if !holds(tx, *character, *owner).await? {
            return Ok(Err(MoveError::Stale(*character)));
        }
        *epoch = Some(owner.epoch.0);
    }
    // All are looked at before any is moved: a refusal has nothing to undo.
    for movement in movements {
        if !is_at(tx, movement.item, movement.from).await? {
            record(tx, txid, entry, epochs, Some(movement.item)).await?;
            return Ok(Err(MoveError::NotOwned(movement.item)));
        }
    }
    for movement in movements {
        put(tx, movement.item, movement.to).await?;
    }
    record(tx, txid, entry, epochs, None).await?;
    Ok(Ok(()))
}

async fn is_at(tx: &mut SqliteConnection, item: ItemId, place: Place) -> Result<bool, LedgerError> {
    let row: Option<(Option<i64>, Option<i64>)> =
        sqlx::query_as("SELECT owner, zone FROM item WHERE id = ?1")
            .bind(item.0.cast_signed())
            .fetch_optional(tx)
            .await?;
    Ok(match place {
        Place::With(character) => row == Some((Some(character.0.cast_signed()), None)),
        Place::Ground { zone, .. } => row == Some((None, Some(i64::from(zone.0)))),
    })
}

async fn put(tx: &mut SqliteConnection, item: ItemId, place: Place) -> Result<(), LedgerError> {
    let (owner, zone, at) = match place {
        Place::With(character) => (Some(character.0.cast_signed()), None, None),
        Place::Ground { zone, at } => (None, Some(zone.0), Some(at.map(f64::from))),
    };
    sqlx::query(
        "UPDATE item SET owner = ?2, zone = ?3, x = ?4, y = ?5, version = version + 1
         WHERE id = ?1",
    )
    .bind(item.0.cast_signed())
    .bind(owner)
    .bind(zone)
    .bind(at.map(|[x, _]| x))
    .bind(at.map(|[_, y]| y))
    .execute(tx)
    .await?;
    Ok(())
}

/// What was asked, as the ledger keeps it. Without epochs: the next owner may ask again.
#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Entry {
    kind: String,
    character: Option<i64>,
    item: Option<i64>,
    peer: Option<i64>,
    peer_item: Option<i64>,
    zone: Option<i64>,
    x: Option<f64>,
    y: Option<f64>,
}

impl Entry {
    fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            character: None,
            item: None,
            peer: None,
            peer_item: None,
            zone: None,
            x: None,
            y: None,
        }
    }

    fn by(mut self, character: CharacterId, item: Option<ItemId>) -> Self {
        self.character = Some(character.0.cast_signed());
        self.item = item.map(|item| item.0.cast_signed());
        self
    }

    fn with(mut self, peer: TradeSide) -> Self {
        self.peer = Some(peer.character.0.cast_signed());
        self.peer_item = peer.gives.map(|item| item.0.cast_signed());
        self
    }

    fn at(mut self, zone: ZoneId, at: Option<[f32; 2]>) -> Result<Self, LedgerError> {
        self.zone = Some(i64::from(zone.0));
        if let Some([x, y]) = at {
            // Not a number would be stored as NULL: as no place at all.
            if !(x.is_finite() && y.is_finite()) {
                return Err(LedgerError::Invalid("a place has finite coordinates"));
            }
            (self.x, self.y) = (Some(f64::from(x)), Some(f64::from(y)));
        }
        Ok(self)
    }
}

#[derive(sqlx::FromRow)]
struct Recorded {
    #[sqlx(flatten)]
    entry: Entry,
    refused: Option<i64>,
}

async fn recorded(tx: &mut SqliteConnection, txid: u128) -> Result<Option<Recorded>, LedgerError> {
    let recorded = sqlx::query_as(
        "SELECT kind, character, item, peer, peer_item, zone, x, y, refused
         FROM ledger WHERE txid = ?1",
    )
    .bind(&txid.to_be_bytes()[..])
    .fetch_optional(tx)
    .await?;
    Ok(recorded)
}

async fn record(
    tx: &mut SqliteConnection,
    txid: u128,
    entry: &Entry,
    epochs: [Option<u32>; 2],
    refused: Option<ItemId>,
) -> Result<(), LedgerError> {
    let [epoch, peer_epoch] = epochs;
    sqlx::query(
        "INSERT INTO ledger (txid, kind, character, epoch, item, peer, peer_epoch, peer_item,
                             zone, x, y, refused)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )
    .bind(&txid.to_be_bytes()[..])
    .bind(&entry.kind)
    .bind(entry.character)
    .bind(epoch)
    .bind(entry.item)
    .bind(entry.peer)
    .bind(peer_epoch)
    .bind(entry.peer_item)
    .bind(entry.zone)
    .bind(entry.x)
    .bind(entry.y)
    .bind(refused.map(|item| item.0.cast_signed()))
    .execute(tx)
    .await?;
    Ok(())
}

fn item_id(item: i64) -> ItemId {
    ItemId(item.cast_unsigned())
}
