//! What happened: matches and domain events; and how much of everything there is.

use sqlx::QueryBuilder;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use thiserror::Error;

use crate::ids::{CharacterId, MatchId};
use crate::persistence::error::LedgerError;
use crate::persistence::writer::Operation;
use crate::rating::Rating;

/// The largest payload of an event.
pub const EVENT_BYTES_MAX: usize = 64 * 1024;

/// Events of one statement. Five arguments an event; the database takes 32,766.
const EVENT_ROWS: usize = 256;

/// A match that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct MatchRecord {
    /// Which. Never used for another match, also not after a restart: see
    /// [`Ledger::last_match`](crate::persistence::Ledger::last_match).
    pub id: MatchId,
    /// When it ended, Unix time.
    pub at_ms: u64,
    /// Who played, and the rating that each has now.
    pub players: Vec<(CharacterId, Rating)>,
}

/// A match was not recorded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The id was used for another match.
    #[error("the match id stands for another match")]
    IdReused,
    /// There is no such character.
    #[error("no character {0}")]
    Unknown(CharacterId),
    /// See there.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A domain event as it is stored. The ledger does not look inside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventRecord {
    /// From the bus; the same id is stored once.
    pub id: u128,
    /// The subject that it was published under.
    pub subject: String,
    /// Orders events of one thing.
    pub key: u64,
    /// When it was published or received, Unix time.
    pub at_ms: u64,
    /// The encoded event.
    pub payload: Vec<u8>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Events stored.
    pub events: u64,
    /// Trades between characters that were done.
    pub trades_committed: u64,
    /// Items ever made, by the ledger.
    pub items_created: u64,
    /// Items that are in exactly one place that exists, by the items themselves. Differs from
    /// `items_created` when one was lost or doubled.
    pub items_present: u64,
}

pub(super) struct RecordMatch(pub(super) MatchRecord);

impl Operation for RecordMatch {
    type Answer = Result<(), RecordError>;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<Self::Answer, LedgerError> {
        let Self(mut result) = self;
        result.players.sort_by_key(|(character, _)| *character);
        let finite = |rating: &Rating| {
            rating.value.is_finite()
                && rating.deviation.is_finite()
                && rating.volatility.is_finite()
        };
        if !result.players.iter().all(|(_, rating)| finite(rating)) {
            return Err(LedgerError::Invalid("a rating is finite"));
        }
        if let Some(earlier) = match_result(tx, result.id).await? {
            return Ok(if earlier == result { Ok(()) } else { Err(RecordError::IdReused) });
        }
        for (character, _) in &result.players {
            let exists: Option<i64> = sqlx::query_scalar("SELECT 1 FROM character WHERE id = ?1")
                .bind(character.0.cast_signed())
                .fetch_optional(&mut *tx)
                .await?;
            if exists.is_none() {
                return Ok(Err(RecordError::Unknown(*character)));
            }
        }
        sqlx::query("INSERT INTO match_result (id, at_ms) VALUES (?1, ?2)")
            .bind(result.id.0.cast_signed())
            .bind(result.at_ms.cast_signed())
            .execute(&mut *tx)
            .await?;
        for (character, rating) in result.players {
            for statement in [
                "INSERT INTO match_player (match_result, character, rating, deviation, volatility)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                "UPDATE character SET rating = ?3, deviation = ?4, volatility = ?5 WHERE id = ?2",
            ] {
                sqlx::query(statement)
                    .bind(result.id.0.cast_signed())
                    .bind(character.0.cast_signed())
                    .bind(rating.value)
                    .bind(rating.deviation)
                    .bind(rating.volatility)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        Ok(Ok(()))
    }
}

async fn match_result(
    tx: &mut SqliteConnection,
    id: MatchId,
) -> Result<Option<MatchRecord>, LedgerError> {
    let at_ms: Option<i64> = sqlx::query_scalar("SELECT at_ms FROM match_result WHERE id = ?1")
        .bind(id.0.cast_signed())
        .fetch_optional(&mut *tx)
        .await?;
    let Some(at_ms) = at_ms else { return Ok(None) };
    let players: Vec<(i64, f64, f64, f64)> = sqlx::query_as(
        "SELECT character, rating, deviation, volatility FROM match_player
         WHERE match_result = ?1 ORDER BY character",
    )
    .bind(id.0.cast_signed())
    .fetch_all(tx)
    .await?;
    let player = |(character, value, deviation, volatility): (i64, _, _, _)| {
        (CharacterId(character.cast_unsigned()), Rating { value, deviation, volatility })
    };
    let players = players.into_iter().map(player).collect();
    Ok(Some(MatchRecord { id, at_ms: at_ms.cast_unsigned(), players }))
}

pub(super) struct AppendEvents(pub(super) Vec<EventRecord>);

impl Operation for AppendEvents {
    /// How many were new.
    type Answer = usize;

    async fn apply(self, tx: &mut SqliteConnection) -> Result<usize, LedgerError> {
        let mut fresh = 0;
        let mut events = self.0.into_iter().peekable();
        while events.peek().is_some() {
            let mut query = QueryBuilder::<Sqlite>::new(
                "INSERT INTO event (id, subject, key, at_ms, payload) ",
            );
            query.push_values(events.by_ref().take(EVENT_ROWS), |mut row, event| {
                row.push_bind(event.id.to_be_bytes().to_vec())
                    .push_bind(event.subject)
                    .push_bind(event.key.cast_signed())
                    .push_bind(event.at_ms.cast_signed())
                    .push_bind(event.payload);
            });
            query.push(" ON CONFLICT (id) DO NOTHING");
            // The text depends on the number of rows: not worth a place among prepared statements.
            let done = query.build().persistent(false).execute(&mut *tx).await?;
            fresh += usize::try_from(done.rows_affected()).unwrap_or(usize::MAX);
        }
        Ok(fresh)
    }
}

pub(super) async fn last_match(reader: &mut SqliteConnection) -> Result<MatchId, LedgerError> {
    let last: Option<i64> =
        sqlx::query_scalar("SELECT max(id) FROM match_result").fetch_one(reader).await?;
    Ok(MatchId(last.unwrap_or(0).cast_unsigned()))
}

pub(super) async fn counts(reader: &mut SqliteConnection) -> Result<Counts, LedgerError> {
    // One statement, so that all four are of one moment.
    let row: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM event),
                (SELECT count(*) FROM ledger WHERE kind = 'trade' AND refused IS NULL),
                (SELECT count(*) FROM ledger WHERE kind = 'mint'),
                (SELECT count(*) FROM item
                 LEFT JOIN character ON character.id = item.owner
                 LEFT JOIN zone ON zone.id = item.zone
                 WHERE (character.id IS NOT NULL) + (zone.id IS NOT NULL) = 1)",
    )
    .fetch_one(reader)
    .await?;
    let (events, trades_committed, items_created, items_present) = row;
    Ok(Counts {
        events: events.cast_unsigned(),
        trades_committed: trades_committed.cast_unsigned(),
        items_created: items_created.cast_unsigned(),
        items_present: items_present.cast_unsigned(),
    })
}
