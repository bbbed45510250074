//! Accounts and their characters.

use sqlx::sqlite::SqliteConnection;
use thiserror::Error;

use crate::ids::{AccountId, CharacterId, Owner};
use crate::persistence::error::LedgerError;
use crate::persistence::register::owner_of;
use crate::persistence::writer::Operation;
use crate::rating::Rating;

/// A fresh account and its character.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewAccount {
    /// Who logs in.
    pub account: AccountId,
    /// Whom the account plays.
    pub character: CharacterId,
}

/// What is needed to log someone in.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountRow {
    /// Who logs in.
    pub account: AccountId,
    /// Whom the account plays.
    pub character: CharacterId,
    /// As it was written at registration.
    pub name: String,
    /// Never the password.
    pub password_hash: String,
    /// The character's skill.
    pub rating: Rating,
}

/// A character at rest or in play.
#[derive(Clone, Debug, PartialEq)]
pub struct CharacterRow {
    /// The character.
    pub character: CharacterId,
    /// Who plays it.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Its skill.
    pub rating: Rating,
    /// What was last checkpointed or left behind.
    pub state: Option<Vec<u8>>,
    /// Its row in the ownership register. May name a life of a zone that is over.
    pub owner: Option<Owner>,
}

/// An account was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// Someone has it, perhaps in other case.
    #[error("the name is taken")]
    NameTaken,
    /// See there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

pub(super) struct CreateAccount {
    pub(super) name: String,
    pub(super) password_hash: String,
}

impl Operation for CreateAccount {
    /// `None`: the name is taken.
    type Answer = Option<NewAccount>;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Self::Answer, LedgerError> {
        let account: Option<i64> = sqlx::query_scalar(
            "INSERT INTO account (name, password_hash) VALUES (?1, ?2)
             ON CONFLICT (name) DO NOTHING RETURNING id",
        )
        .bind(&self.name)
        .bind(&self.password_hash)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(account) = account else { return Ok(None) };
        let rating = Rating::default();
        let character: i64 = sqlx::query_scalar(
            "INSERT INTO character (account, name, rating, deviation, volatility)
             VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        )
        .bind(account)
        .bind(&self.name)
        .bind(rating.value)
        .bind(rating.deviation)
        .bind(rating.volatility)
        .fetch_one(&mut *tx)
        .await?;
        Ok(Some(NewAccount {
            account: AccountId(account.cast_unsigned()),
            character: CharacterId(character.cast_unsigned()),
        }))
    }
}

pub(super) async fn account_by_name(
    reader: &mut SqliteConnection,
    name: &str,
) -> Result<Option<AccountRow>, LedgerError> {
    let row: Option<(i64, i64, String, String, f64, f64, f64)> = sqlx::query_as(
        "SELECT account.id, character.id, account.name, password_hash, rating, deviation, volatility
         FROM account JOIN character ON character.account = account.id WHERE account.name = ?1",
    )
    .bind(name)
    .fetch_optional(reader)
    .await?;
    Ok(row.map(|(account, character, name, password_hash, value, deviation, volatility)| {
        AccountRow {
            account: AccountId(account.cast_unsigned()),
            character: CharacterId(character.cast_unsigned()),
            name,
            password_hash,
            rating: Rating { value, deviation, volatility },
        }
    }))
}

pub(super) async fn character(
    reader: &mut SqliteConnection,
    character: CharacterId,
) -> Result<Option<CharacterRow>, LedgerError> {
    type Row = (i64, String, f64, f64, f64, Option<Vec<u8>>, Option<i64>, Option<i64>, Option<i64>);
    let row: Option<Row> = sqlx::query_as(
        "SELECT account, name, rating, deviation, volatility, state, zone, incarnation, epoch
         FROM character LEFT JOIN own ON own.character = character.id WHERE character.id = ?1",
    )
    .bind(character.0.cast_signed())
    .fetch_optional(reader)
    .await?;
    let Some((account, name, value, deviation, volatility, state, zone, incarnation, epoch)) = row
    else {
        return Ok(None);
    };
    let owner = match (zone, incarnation, epoch) {
        (Some(zone), Some(incarnation), Some(epoch)) => Some(owner_of(zone, incarnation, epoch)?),
        _ => None,
    };
    Ok(Some(CharacterRow {
        character,
        account: AccountId(account.cast_unsigned()),
        name,
        rating: Rating { value, deviation, volatility },
        state,
        owner,
    }))
}
