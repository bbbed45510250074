//! The one writer: group commit.
//!
//! ```text
//!   callers ──Command──▶ queue ──all that waits──▶ BEGIN  savepoint, savepoint, ...  COMMIT
//!      ▲                                                                               │
//!      └───────────────────────── answers, only now ───────────────────────────────────┘
//! ```
//!
//! A durable commit costs milliseconds, however little it holds. While one is under way the next
//! commands gather in the queue; they share the next commit. So latency stays at one to two
//! commits, and throughput rises with load.
//!
//! # Invariants
//!
//! - Nobody learns of a change before it is on the disk.
//! - A command whose statements fail leaves nothing behind and disturbs no other command.
//! - A commit that fails leaves the disk in doubt. The writer then stops: only a restart, which
//!   reads what is really there, may go on.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{Connection, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::persistence::error::LedgerError;

/// Commands that share one commit at most: bounds the time that the first of them waits.
const GROUP_COMMANDS_MAX: usize = 512;

/// Something to do in the database, all or nothing.
pub(super) trait Operation: Send + 'static {
    /// What the caller learns, refusals included.
    type Answer: Send + 'static;

    /// Does it. After an error everything that was done is undone.
    fn apply(
        self,
        tx: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Self::Answer, LedgerError>> + Send;
}

/// What the queue carries.
pub(super) enum Message {
    /// Do this.
    Apply(Box<dyn Command>),
    /// Take nothing new, do all that waits, stop.
    Close,
}

impl Message {
    /// An operation, and the place for its answer.
    pub(super) fn new<O: Operation>(
        operation: O,
    ) -> (Self, oneshot::Receiver<Result<O::Answer, LedgerError>>) {
        let (reply, answer) = oneshot::channel();
        (Self::Apply(Box::new(Queued { operation, reply })), answer)
    }
}

/// What the writer has done since it was started.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Transactions committed.
    pub(super) commits: AtomicU64,
    /// Commands in them.
    pub(super) commands: AtomicU64,
}

/// Runs until it is told to close, nobody can ask any more, or a commit fails.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    mut queue: mpsc::Receiver<Message>,
    counters: &Counters,
) -> Result<(), LedgerError> {
    let mut waiting = Vec::with_capacity(GROUP_COMMANDS_MAX);
    while queue.recv_many(&mut waiting, GROUP_COMMANDS_MAX).await > 0 {
        let mut group = Vec::with_capacity(waiting.len());
        for message in waiting.drain(..) {
            match message {
                Message::Apply(command) => group.push(command),
                Message::Close => queue.close(),
            }
        }
        if !group.is_empty() {
            commit(connection, group, counters).await?;
        }
    }
    Ok(())
}

/// One transaction for all of them. An error means that the writer must stop.
async fn commit(
    connection: &mut SqliteConnection,
    group: Vec<Box<dyn Command>>,
    counters: &Counters,
) -> Result<(), LedgerError> {
    let mut tx = match connection.begin_with("BEGIN IMMEDIATE").await {
        Ok(tx) => tx,
        // Nothing was tried, so nothing is in doubt.
        Err(error) => {
            let error = LedgerError::from(error);
            group.into_iter().for_each(|command| command.refuse(error.clone()));
            return Ok(());
        }
    };
    let commands = group.len() as u64;
    let mut replies = Vec::with_capacity(group.len());
    let mut outcome = Ok(());
    for command in group {
        match apply(&mut tx, command).await {
            Ok(reply) => replies.push(reply),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    let outcome = match outcome {
        Ok(()) => tx.commit().await,
        // The transaction goes with its drop, if it is not gone already.
        Err(error) => Err(error),
    };
    let outcome = outcome.map_err(LedgerError::from);
    if outcome.is_ok() {
        counters.commits.fetch_add(1, Ordering::Relaxed);
        counters.commands.fetch_add(commands, Ordering::Relaxed);
    }
    replies.into_iter().for_each(|reply| reply(outcome.clone()));
    outcome
}

/// One command in a savepoint of its own. An error means that the transaction is not to be
/// trusted: the database may have ended it by itself, as it does when the disk is full.
async fn apply(
    tx: &mut Transaction<'_, Sqlite>,
    command: Box<dyn Command>,
) -> Result<Reply, sqlx::Error> {
    let mut savepoint = tx.begin().await?;
    let applied = command.apply(&mut savepoint).await;
    if applied.is_kept {
        savepoint.commit().await?;
    } else {
        savepoint.rollback().await?;
    }
    Ok(applied.reply)
}

/// Tells the caller its answer, or why the group failed.
type Reply = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// What became of a command before the commit.
pub(super) struct Applied {
    is_kept: bool,
    reply: Reply,
}

/// An [`Operation`] and who waits for it, of whatever type.
pub(super) trait Command: Send {
    /// Does it; the answer is kept back.
    fn apply<'a>(
        self: Box<Self>,
        tx: &'a mut SqliteConnection,
    ) -> Pin<Box<dyn Future<Output = Applied> + Send + 'a>>;

    /// Says that nothing was done.
    fn refuse(self: Box<Self>, error: LedgerError);
}

struct Queued<O: Operation> {
    operation: O,
    reply: oneshot::Sender<Result<O::Answer, LedgerError>>,
}

impl<O: Operation> Command for Queued<O> {
    fn apply<'a>(
        self: Box<Self>,
        tx: &'a mut SqliteConnection,
    ) -> Pin<Box<dyn Future<Output = Applied> + Send + 'a>> {
        let Self { operation, reply } = *self;
        Box::pin(async move {
            let answer = operation.apply(tx).await;
            Applied {
                is_kept: answer.is_ok(),
                // Who no longer waits does not care.
                reply: Box::new(move |committed| drop(reply.send(committed.and(answer)))),
            }
        })
    }

    fn refuse(self: Box<Self>, error: LedgerError) {
        drop(self.reply.send(Err(error)));
    }
}
