//! The ownership register: which zone, in which of its lives, may act for a character.
//!
//! ```text
//!              claim                    transfer (commit of a handoff)
//!   no row ───────────▶ (zone, life, e) ───────────────────────────────▶ (other, life, e+1)
//!     ▲                   │        ▲ │
//!     │      release      │        └─┘ bump (abort of a handoff): e+1
//!     └───────────────────┘            claim by the same zone, or after its death: e+1
//! ```
//!
//! # Rules
//!
//! - Every change raises the epoch, an abort too: so a commit that is still on its way finds
//!   another row than it expects, and does nothing.
//! - A row counts only while its incarnation is the zone's present one. What a zone did not
//!   finish before it died, its next life starts from the ledger.
//! - The epoch of a character never falls, also across a release.
//! - Whoever names an owner is checked against the row in the transaction of its write (the
//!   *fence*): a zone that has lost a character without knowing changes nothing.

use sqlx::QueryBuilder;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use thiserror::Error;

use crate::ids::{AccountId, CharacterId, Epoch, Incarnation, ItemId, Owner, ZoneId};
use crate::persistence::error::LedgerError;
use crate::persistence::item::items_of;
use crate::persistence::writer::Operation;

/// The largest state that is stored for a character.
pub const STATE_BYTES_MAX: usize = 64 * 1024;

/// Rows of one checkpoint statement. Three arguments a row; the database takes 32,766.
const CHECKPOINT_ROWS: usize = 256;

/// A character that a zone now owns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claimed {
    /// The new row.
    pub owner: Owner,
    /// Who plays it.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// What the last owner left, if there was one.
    pub state: Option<Vec<u8>>,
    /// What it carries, by id.
    pub items: Vec<ItemId>,
}

/// A character was not claimed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Another zone, alive, has it.
    #[error("owned by zone {} at epoch {}", .0.zone, .0.epoch)]
    OwnedBy(Owner),
    /// The incarnation is not the zone's present one: this process should have ended.
    #[error("the zone has been started anew")]
    Superseded,
    /// There is no such character.
    #[error("no such character")]
    Unknown,
    /// See there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A change of the register was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FenceError {
    /// The row is not what the caller believes, or a zone in question has been started anew.
    #[error("the ownership has changed")]
    Stale,
    /// See there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

pub(super) struct StartZone(pub(super) ZoneId);

impl Operation for StartZone {
    type Answer = Incarnation;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Incarnation, LedgerError> {
        let incarnation: i64 = sqlx::query_scalar(
            "INSERT INTO zone (id, incarnation) VALUES (?1, 1)
             ON CONFLICT (id) DO UPDATE SET incarnation = incarnation + 1 RETURNING incarnation",
        )
        .bind(self.0.0)
        .fetch_one(tx)
        .await?;
        Ok(Incarnation(incarnation.cast_unsigned()))
    }
}

pub(super) struct Claim {
    pub(super) character: CharacterId,
    pub(super) zone: ZoneId,
    pub(super) incarnation: Incarnation,
}

impl Operation for Claim {
    type Answer = Result<Claimed, ClaimError>;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Self::Answer, LedgerError> {
        let row: Option<(i64, String, Option<Vec<u8>>, i64)> = sqlx::query_as(
            "SELECT account, name, state, epoch_released FROM character WHERE id = ?1",
        )
        .bind(self.character.0.cast_signed())
        .fetch_optional(&mut *tx)
        .await?;
        let Some((account, name, state, epoch_released)) = row else {
            return Ok(Err(ClaimError::Unknown));
        };
        if present(tx, self.zone).await? != Some(self.incarnation) {
            return Ok(Err(ClaimError::Superseded));
        }
        let row: Option<(i64, i64, i64)> =
            sqlx::query_as("SELECT zone, incarnation, epoch FROM own WHERE character = ?1")
                .bind(self.character.0.cast_signed())
                .fetch_optional(&mut *tx)
                .await?;
        let mut epoch = epoch_released;
        if let Some((zone, incarnation, epoch_owned)) = row {
            let owner = owner_of(zone, incarnation, epoch_owned)?;
            let is_alive = present(tx, owner.zone).await? == Some(owner.incarnation);
            if is_alive && owner.zone != self.zone {
                return Ok(Err(ClaimError::OwnedBy(owner)));
            }
            epoch = epoch.max(epoch_owned);
        }
        sqlx::query(
            "INSERT INTO own (character, zone, incarnation, epoch) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (character) DO UPDATE SET zone = ?2, incarnation = ?3, epoch = ?4",
        )
        .bind(self.character.0.cast_signed())
        .bind(self.zone.0)
        .bind(self.incarnation.0.cast_signed())
        .bind(epoch + 1)
        .execute(&mut *tx)
        .await?;
        let owner =
            Owner { zone: self.zone, incarnation: self.incarnation, epoch: epoch_of(epoch + 1)? };
        let items = items_of(tx, self.character).await?;
        let account = AccountId(account.cast_unsigned());
        Ok(Ok(Claimed { owner, account, name, state, items }))
    }
}

/// A compare-and-set of the whole row. A transfer to the owner itself is a bump.
pub(super) struct Transfer {
    pub(super) character: CharacterId,
    pub(super) from: Owner,
    pub(super) to_zone: ZoneId,
    pub(super) to_incarnation: Incarnation,
}

impl Operation for Transfer {
    /// `None`: stale.
    type Answer = Option<Owner>;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Self::Answer, LedgerError> {
        if !holds(tx, self.character, self.from).await?
            || present(tx, self.to_zone).await? != Some(self.to_incarnation)
        {
            return Ok(None);
        }
        let epoch: i64 = sqlx::query_scalar(
            "UPDATE own SET zone = ?2, incarnation = ?3, epoch = epoch + 1
             WHERE character = ?1 RETURNING epoch",
        )
        .bind(self.character.0.cast_signed())
        .bind(self.to_zone.0)
        .bind(self.to_incarnation.0.cast_signed())
        .fetch_one(tx)
        .await?;
        let epoch = epoch_of(epoch)?;
        Ok(Some(Owner { zone: self.to_zone, incarnation: self.to_incarnation, epoch }))
    }
}

pub(super) struct Release {
    pub(super) character: CharacterId,
    pub(super) owner: Owner,
    pub(super) state: Vec<u8>,
}

impl Operation for Release {
    /// `None`: stale.
    type Answer = Option<()>;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Self::Answer, LedgerError> {
        if !holds(tx, self.character, self.owner).await? {
            return Ok(None);
        }
        sqlx::query("UPDATE character SET state = ?2, epoch_released = ?3 WHERE id = ?1")
            .bind(self.character.0.cast_signed())
            .bind(self.state)
            .bind(self.owner.epoch.0)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM own WHERE character = ?1")
            .bind(self.character.0.cast_signed())
            .execute(tx)
            .await?;
        Ok(Some(()))
    }
}

pub(super) struct Checkpoint {
    pub(super) zone: ZoneId,
    pub(super) incarnation: Incarnation,
    pub(super) rows: Vec<(CharacterId, Epoch, Vec<u8>)>,
}

impl Operation for Checkpoint {
    /// How many rows passed the fence.
    type Answer = usize;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<usize, LedgerError> {
        if present(tx, self.zone).await? != Some(self.incarnation) {
            return Ok(0);
        }
        let mut stored = 0;
        let mut rows = self.rows.into_iter().peekable();
        while rows.peek().is_some() {
            let mut query =
                QueryBuilder::<Sqlite>::new("WITH fresh (character, epoch, state) AS (");
            query.push_values(
                rows.by_ref().take(CHECKPOINT_ROWS),
                |mut row, (character, epoch, state)| {
                    row.push_bind(character.0.cast_signed()).push_bind(epoch.0).push_bind(state);
                },
            );
            query.push(
                ") UPDATE character SET state = fresh.state FROM fresh JOIN own
                 ON own.character = fresh.character AND own.epoch = fresh.epoch
                 WHERE character.id = fresh.character AND own.zone = ",
            );
            query.push_bind(self.zone.0).push(" AND own.incarnation = ");
            query.push_bind(self.incarnation.0.cast_signed());
            // The text depends on the number of rows: not worth a place among prepared statements.
            let done = query.build().persistent(false).execute(&mut *tx).await?;
            stored += usize::try_from(done.rows_affected()).unwrap_or(usize::MAX);
        }
        Ok(stored)
    }
}

pub(super) async fn owners(
    reader: &mut SqliteConnection,
) -> Result<Vec<(CharacterId, Owner)>, LedgerError> {
    let rows: Vec<(i64, i64, i64, i64)> =
        sqlx::query_as("SELECT character, zone, incarnation, epoch FROM own ORDER BY character")
            .fetch_all(reader)
            .await?;
    rows.into_iter()
        .map(|(character, zone, incarnation, epoch)| {
            Ok((CharacterId(character.cast_unsigned()), owner_of(zone, incarnation, epoch)?))
        })
        .collect()
}

/// The fence: whether the register says exactly this, and the zone lives.
pub(super) async fn holds(
    tx: &mut SqliteConnection,
    character: CharacterId,
    owner: Owner,
) -> Result<bool, LedgerError> {
    let row: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM own JOIN zone ON zone.id = own.zone AND zone.incarnation = own.incarnation
         WHERE own.character = ?1 AND own.zone = ?2 AND own.incarnation = ?3 AND own.epoch = ?4",
    )
    .bind(character.0.cast_signed())
    .bind(owner.zone.0)
    .bind(owner.incarnation.0.cast_signed())
    .bind(owner.epoch.0)
    .fetch_optional(tx)
    .await?;
    Ok(row.is_some())
}

/// Values of a row of the register as they come from the database.
pub(super) fn owner_of(zone: i64, incarnation: i64, epoch: i64) -> Result<Owner, LedgerError> {
    let zone = u32::try_from(zone).map_err(|_| LedgerError::Corrupt("zone of an owner"))?;
    let incarnation = Incarnation(incarnation.cast_unsigned());
    Ok(Owner { zone: ZoneId(zone), incarnation, epoch: epoch_of(epoch)? })
}

fn epoch_of(epoch: i64) -> Result<Epoch, LedgerError> {
    u32::try_from(epoch).map(Epoch).map_err(|_| LedgerError::Corrupt("epoch of an owner"))
}

async fn present(
    tx: &mut SqliteConnection,
    zone: ZoneId,
) -> Result<Option<Incarnation>, LedgerError> {
    let incarnation: Option<i64> = sqlx::query_scalar("SELECT incarnation FROM zone WHERE id = ?1")
        .bind(zone.0)
        .fetch_optional(tx)
        .await?;
    Ok(incarnation.map(|incarnation| Incarnation(incarnation.cast_unsigned())))
}
