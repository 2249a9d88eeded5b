//! What Workers keep: one SQLite database for all of them.
//!
//! It is opened when it is first used. Every change is a transaction in the
//! write-ahead log, so that a process which is killed at any moment leaves the
//! last one that ended; only a failure of the system can lose the latest ones
//! (`synchronous = NORMAL`).
//!
//! One thread changes it and some read it, also while it is changed. A Worker
//! has fewer turns at a time than there are threads that read, and its further
//! work waits where it was asked for.

mod analytics;
mod kv;
mod objects;
mod range;
mod threads;

pub(crate) use analytics::DataPoint;
pub(crate) use kv::{Entry, KvFailed, Listed, Put, VALUE_BYTES};
pub(crate) use objects::{Listing, ObjectFailed, StoredObject};

use crate::error::Error;
use rusqlite::{Connection, ErrorCode};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use threads::{Open, Threads};
use tokio::sync::Semaphore;

/// How long a change waits for that of another process.
const BUSY: Duration = Duration::from_secs(10);

/// Threads that read: more than the turns of one Worker, so that one that is
/// slow leaves some to others.
const READERS: usize = 3;

/// Work of one Worker that is under way or waits for its thread. It is done
/// faster than it is asked for, so that more would gain nothing.
const TURNS: usize = 2;

/// What a Worker is told, which is not to know where on the host the file is.
const CANNOT_OPEN: &str =
    "the database of this runtime cannot be opened: the log of the runtime tells why";

/// The name of the database in its directory.
const FILE: &str = "store.sqlite";

/// The layout of the tables. A database of another one is not touched.
const VERSION: i32 = 1;

const TABLES: &str = "
    CREATE TABLE kv (
        namespace TEXT, key TEXT, value BLOB NOT NULL, metadata TEXT, expiration INTEGER,
        PRIMARY KEY (namespace, key)
    ) WITHOUT ROWID;
    CREATE TABLE object_entries (
        worker TEXT, class TEXT, id TEXT, key TEXT, value TEXT NOT NULL,
        PRIMARY KEY (worker, class, id, key)
    ) WITHOUT ROWID;
    CREATE TABLE object_alarms (
        worker TEXT, class TEXT, id TEXT, time INTEGER NOT NULL,
        PRIMARY KEY (worker, class, id)
    ) WITHOUT ROWID;
    CREATE INDEX object_alarms_by_time ON object_alarms (worker, time);
";

/// The database.
pub(crate) struct Store {
    threads: Arc<AllThreads>,
}

struct AllThreads {
    writer: Threads,
    /// None for a database in memory, which has one connection.
    readers: Option<Threads>,
}

/// The database as one Worker uses it.
pub(crate) struct Storage {
    threads: Arc<AllThreads>,
    turns: Arc<Semaphore>,
}

/// Why something cannot be kept or found.
type Result<T> = std::result::Result<T, rusqlite::Error>;

impl Store {
    /// A store in `directory`, which is made if need be, or in memory.
    pub(crate) fn new(directory: Option<PathBuf>) -> std::result::Result<Self, Error> {
        let is_in_memory = directory.is_none();
        // One at a time: the first one makes the tables.
        let opening = Mutex::new(());
        let open: Arc<Open> = Arc::new(move || {
            let _opening = opening.lock().unwrap_or_else(PoisonError::into_inner);
            open(directory.as_deref()).map_err(|reason| {
                tracing::error!("what Workers keep: {reason}");
                CANNOT_OPEN.to_owned()
            })
        });
        let start = |count| {
            Threads::start(count, &open)
                .map_err(|error| Error::host(format!("the threads of the store: {error}")))
        };
        Ok(Self {
            threads: Arc::new(AllThreads {
                writer: start(1)?,
                readers: (!is_in_memory).then(|| start(READERS)).transpose()?,
            }),
        })
    }

    /// What a further Worker uses.
    pub(crate) fn storage(&self) -> Storage {
        Storage {
            threads: Arc::clone(&self.threads),
            turns: Arc::new(Semaphore::new(TURNS)),
        }
    }
}

impl Storage {
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, String> {
        let threads = self.threads.readers.as_ref();
        let threads = threads.unwrap_or(&self.threads.writer);
        self.run(threads, work).await
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, String> {
        self.run(&self.threads.writer, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        threads: &Threads,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, String> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| error.to_string())?;
        let work = |database: &mut Connection| work(database).map_err(|error| failed(&error));
        threads.run(turn, work).await
    }
}

/// What a Worker is told.
fn failed(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => format!(
            "another process has held the database for {} seconds",
            BUSY.as_secs()
        ),
        _ => error.to_string(),
    }
}

fn open(directory: Option<&Path>) -> std::result::Result<Connection, String> {
    let Some(directory) = directory else {
        return Connection::open_in_memory()
            .and_then(prepared)
            .map_err(|error| error.to_string());
    };
    let mut for_this_user = DirBuilder::new();
    for_this_user.recursive(true).mode(0o700);
    for_this_user.create(directory).map_err(|error| {
        format!(
            "`{}` cannot be made, where Workers keep their data: {error}",
            directory.display()
        )
    })?;
    keep_out_of_git(directory);
    let file = directory.join(FILE);
    Connection::open(&file)
        .and_then(prepared)
        .map_err(|error| format!("`{}` cannot be opened: {}", file.display(), failed(&error)))
}

fn prepared(mut connection: Connection) -> Result<Connection> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    if version(&connection)? != VERSION {
        make_tables(&mut connection)?;
    }
    // It came later than the tables.
    connection.execute_batch(kv::EXPIRATIONS)?;
    Ok(connection)
}

fn make_tables(connection: &mut Connection) -> Result<()> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    match version(&change)? {
        // Another process was faster.
        VERSION => Ok(()),
        0 => {
            change.execute_batch(TABLES)?;
            change.execute_batch(&analytics::table())?;
            change.pragma_update(None, "user_version", VERSION)?;
            change.commit()
        }
        other => {
            let message = format!(
                "it has the layout {other} and this version of Taffrail knows {VERSION}; use the Taffrail that made it, or move it away"
            );
            let mismatch = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISMATCH);
            Err(rusqlite::Error::SqliteFailure(mismatch, Some(message)))
        }
    }
}

fn version(connection: &Connection) -> Result<i32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// As Cargo does for `target`. That it fails matters to nobody.
fn keep_out_of_git(directory: &Path) {
    let ignore = directory.join(".gitignore");
    if !ignore.exists() {
        _ = std::fs::write(ignore, "*\n");
    }
}

#[cfg(test)]
mod tests;
