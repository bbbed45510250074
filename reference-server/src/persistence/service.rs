//! The handle to the ledger, and the task behind it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;

use crate::ids::{CharacterId, Epoch, Incarnation, ItemId, MatchId, Owner, ZoneId};
use crate::persistence::account::{self, AccountRow, CharacterRow, CreateError, NewAccount};
use crate::persistence::error::{LedgerError, OpenError};
use crate::persistence::item::{self, GroundItem, MoveError, TradeSide};
use crate::persistence::record::{self, Counts, EventRecord, MatchRecord, RecordError};
use crate::persistence::register::{self, ClaimError, Claimed, FenceError};
use crate::persistence::writer::{self, Counters, Message, Operation};

/// Commands that wait for the writer at most. Who comes later waits to be let in.
const QUEUE_COMMANDS_MAX: usize = 4096;

/// A handle to the ledger. Clone it freely.
///
/// Every write is on the disk before its future is ready. A future that is dropped does not take
/// its command back. Reads see every write that has been answered.
#[derive(Clone, Debug)]
pub struct Ledger {
    queue: mpsc::Sender<Message>,
    /// Apart from the writer's, so that a login does not wait for a commit. `None` once closed.
    reader: Arc<Mutex<Option<SqliteConnection>>>,
    counters: Arc<Counters>,
    /// Its sender goes with the writer.
    stopped: watch::Receiver<()>,
}

/// What the writer has done since the ledger was opened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LedgerStats {
    /// Transactions made durable.
    pub commits: u64,
    /// Commands in them. Well above `commits` under load.
    pub commands: u64,
}

impl Ledger {
    /// Opens a ledger file, creates it or brings it up to date, and starts its writer.
    ///
    /// # Errors
    /// [`OpenError`], when the file is out of reach or not a ledger of this or an earlier version.
    pub async fn open(path: &Path) -> Result<(Self, JoinHandle<()>), OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that is answered survives the loss of power, not only of the process.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .disable_statement_logging();
        let mut connection = options.clone().create_if_missing(true).connect().await?;
        sqlx::migrate!("src/persistence/migrations").run(&mut connection).await?;
        let reader = options.pragma("query_only", "ON").connect().await?;

        let (queue, commands) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let (running, stopped) = watch::channel(());
        let ledger = Self {
            queue,
            reader: Arc::new(Mutex::new(Some(reader))),
            counters: Arc::default(),
            stopped,
        };
        let (reader, counters) = (ledger.reader.clone(), ledger.counters.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = writer::run(&mut connection, commands, &counters).await {
                tracing::error!(%error, "the ledger stops: a commit failed");
            }
            // The reader first: the last connection folds the write-ahead log into the file.
            if let Some(reader) = reader.lock().await.take() {
                drop(reader.close().await);
            }
            drop(connection.close().await);
            drop(running);
        });
        Ok((ledger, task))
    }

    /// Does all that waits, stops the writer and closes the file. Later calls get
    /// [`LedgerError::Closed`]. Closing twice is fine.
    pub async fn close(&self) {
        // Without a writer there is nobody to tell.
        drop(self.queue.send(Message::Close).await);
        self.stopped().await;
    }

    /// Waits until the writer has stopped, because it was told to or because a commit failed.
    pub async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        while stopped.changed().await.is_ok() {}
    }

    /// What the writer has done.
    pub fn stats(&self) -> LedgerStats {
        LedgerStats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            commands: self.counters.commands.load(Ordering::Relaxed),
        }
    }

    /// Begins a new life of a zone. From here on its former life can change nothing, and what
    /// that life owned is free to be claimed.
    ///
    /// # Errors
    /// [`LedgerError`] only.
    pub async fn start_zone(&self, zone: ZoneId) -> Result<Incarnation, LedgerError> {
        self.write(register::StartZone(zone)).await
    }

    /// Makes an account and its character, which has the account's name.
    ///
    /// # Errors
    /// [`CreateError::NameTaken`], without regard to case.
    pub async fn create_account(
        &self,
        name: &str,
        password_hash: &str,
    ) -> Result<NewAccount, CreateError> {
        let (name, password_hash) = (name.to_owned(), password_hash.to_owned());
        self.write(account::CreateAccount { name, password_hash })
            .await?
            .ok_or(CreateError::NameTaken)
    }

    /// Finds an account by its name, without regard to case.
    ///
    /// # Errors
    /// [`LedgerError`] only.
    pub async fn account_by_name(&self, name: &str) -> Result<Option<AccountRow>, LedgerError> {
        self.read(async |reader| account::account_by_name(reader, name).await).await
    }

    /// Looks a character up.
    ///
    /// # Errors
    /// [`LedgerError`] only.
    pub async fn character(
        &self,
        character: CharacterId,
    ) -> Result<Option<CharacterRow>, LedgerError> {
        self.read(async |reader| account::character(reader, character).await).await
    }

    /// Makes a zone the owner of a character that has none, or whose owner's life is over, or
    /// that the zone owns already; in every case with a new epoch.
    ///
    /// # Errors
    /// [`ClaimError::OwnedBy`] when another zone that lives has it.
    pub async fn claim(
        &self,
        character: CharacterId,
        zone: ZoneId,
        incarnation: Incarnation,
    ) -> Result<Claimed, ClaimError> {
        self.write(register::Claim { character, zone, incarnation }).await?
    }

    /// Commits a handoff: the row goes from exactly `from` to the other zone, one epoch up.
    ///
    /// # Errors
    /// [`FenceError::Stale`] when the row is not `from`, or either zone has been started anew.
    pub async fn transfer(
        &self,
        character: CharacterId,
        from: Owner,
        to_zone: ZoneId,
        to_incarnation: Incarnation,
    ) -> Result<Owner, FenceError> {
        self.write(register::Transfer { character, from, to_zone, to_incarnation })
            .await?
            .ok_or(FenceError::Stale)
    }

    /// Aborts a handoff: the owner stays, one epoch up, so that a commit still on its way fails.
    ///
    /// # Errors
    /// [`FenceError::Stale`]: the handoff had been committed, or the zone has been started anew.
    pub async fn bump(&self, character: CharacterId, owner: Owner) -> Result<Owner, FenceError> {
        self.transfer(character, owner, owner.zone, owner.incarnation).await
    }

    /// Gives a character up and stores its state, at most
    /// [`STATE_BYTES_MAX`](crate::persistence::STATE_BYTES_MAX).
    ///
    /// # Errors
    /// [`FenceError::Stale`] when it is not the caller's any more; nothing is stored then.
    pub async fn release(
        &self,
        character: CharacterId,
        owner: Owner,
        state: Vec<u8>,
    ) -> Result<(), FenceError> {
        check_state(&state)?;
        self.write(register::Release { character, owner, state }).await?.ok_or(FenceError::Stale)
    }

    /// Stores states of characters that the zone owns at the epochs given, and says how many
    /// those were. Others are left alone. A character is named once at most.
    ///
    /// # Errors
    /// [`LedgerError`] only.
    pub async fn checkpoint(
        &self,
        zone: ZoneId,
        incarnation: Incarnation,
        rows: Vec<(CharacterId, Epoch, Vec<u8>)>,
    ) -> Result<usize, LedgerError> {
        rows.iter().try_for_each(|(_, _, state)| check_state(state))?;
        self.write(register::Checkpoint { zone, incarnation, rows }).await
    }

    /// The whole ownership register, by character.
    ///
    /// # Errors
    /// [`LedgerError`] only.
    pub async fn owners(&self) -> Result<Vec<(CharacterId, Owner)>, LedgerError> {
        self.read(register::owners).await
    }

    /// Makes an item, on the ground. The same key again gives the same item.
    ///
    /// # Errors
    /// [`MoveError::TxidReused`] when the key was used for something else.
    pub async fn mint(&self, key: u128, zone: ZoneId, at: [f32; 2]) -> Result<ItemId, MoveError> {
        self.write(item::Mint { txid: key, zone, at }).await?
    }

    /// What lies on the ground of a zone, by item.
    ///
    /// # Errors
    /// [`LedgerError`] only.
    pub async fn ground(&self, zone: ZoneId) -> Result<Vec<GroundItem>, LedgerError> {
        self.read(async |reader| item::ground(reader, zone).await).await
    }

    /// Takes an item from the ground of a zone.
    ///
    /// # Errors
    /// [`MoveError`]: nothing was moved.
    pub async fn pick_up(
        &self,
        txid: u128,
        character: CharacterId,
        owner: Owner,
        item: ItemId,
        zone: ZoneId,
    ) -> Result<(), MoveError> {
        self.write(item::PickUp { txid, character, owner, item, zone }).await?
    }

    /// Puts an item on the ground of a zone.
    ///
    /// # Errors
    /// [`MoveError`]: nothing was moved.
    pub async fn drop_item(
        &self,
        txid: u128,
        character: CharacterId,
        owner: Owner,
        item: ItemId,
        zone: ZoneId,
        at: [f32; 2],
    ) -> Result<(), MoveError> {
        self.write(item::DropItem { txid, character, owner, item, zone, at }).await?
    }

    /// Exchanges items between two characters, of whatever zones: both or nothing.
    ///
    /// # Errors
    /// [`MoveError`]: nothing was moved.
    pub async fn trade(
        &self,
        txid: u128,
        left: TradeSide,
        right: TradeSide,
    ) -> Result<(), MoveError> {
        self.write(item::Trade { txid, sides: [left, right] }).await?
    }

    /// Stores a match and the ratings it left its players with. The same record again does
    /// nothing.
    ///
    /// # Errors
    /// [`RecordError`]: nothing was stored.
    pub async fn record_match(&self, result: MatchRecord) -> Result<(), RecordError> {
        self.write(record::RecordMatch(result)).await?
    }

    /// The highest id of a recorded match, 0 if there is none: where to go on from.
    ///
    /// # Errors
    /// [`LedgerError`] only.
    pub async fn last_match(&self) -> Result<MatchId, LedgerError> {
        self.read(record::last_match).await
    }

    /// Stores events, each at most [`EVENT_BYTES_MAX`](crate::persistence::EVENT_BYTES_MAX), in
    /// their order. Says how many were new.
    ///
    /// # Errors
    /// [`LedgerError`]: none was stored.
    pub async fn append_events(&self, events: Vec<EventRecord>) -> Result<usize, LedgerError> {
        if events.iter().any(|event| event.payload.len() > record::EVENT_BYTES_MAX) {
            return Err(LedgerError::Invalid("the event is too large"));
        }
        self.write(record::AppendEvents(events)).await
    }

    /// How much there is of everything, at one moment. Reads whole tables: for reports, not for
    /// every tick.
    ///
    /// # Errors
    /// [`LedgerError`] only.
    pub async fn counts(&self) -> Result<Counts, LedgerError> {
        self.read(record::counts).await
    }

    pub(super) async fn write<O: Operation>(&self, operation: O) -> Result<O::Answer, LedgerError> {
        let (message, answer) = Message::new(operation);
        self.queue.send(message).await.map_err(|_| LedgerError::Closed)?;
        answer.await.map_err(|_| LedgerError::Closed)?
    }

    async fn read<T>(
        &self,
        question: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        question(self.reader.lock().await.as_mut().ok_or(LedgerError::Closed)?).await
    }
}

fn check_state(state: &[u8]) -> Result<(), LedgerError> {
    if state.len() > register::STATE_BYTES_MAX {
        return Err(LedgerError::Invalid("the state is too large"));
    }
    Ok(())
}
