//! What Workers keep: one SQLite database for all of them.
//!
//! It is opened when it is first used. Every change is a transaction in the
//! write-ahead log, so that a process which is killed at any moment leaves the
//! last one that ended; only a failure of the system can lose the latest ones
//! (`synchronous = NORMAL`).

mod analytics;
mod kv;
mod objects;

pub(crate) use analytics::DataPoint;
pub(crate) use kv::{KvFailed, Listed, Put, VALUE_BYTES};
pub(crate) use objects::{Listing, ObjectFailed, StoredObject};

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a change waits for that of another process.
const BUSY: Duration = Duration::from_secs(10);

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
";

/// The database, or where it is to be.
pub(crate) struct Store {
    directory: Option<PathBuf>,
    connection: Mutex<Option<Connection>>,
}

/// Why something cannot be kept or found.
type Result<T> = std::result::Result<T, rusqlite::Error>;

impl Store {
    /// A store in `directory`, which is made if need be, or in memory.
    pub(crate) fn new(directory: Option<PathBuf>) -> Self {
        Self {
            directory,
            connection: Mutex::default(),
        }
    }

    /// Does something with the database. It blocks, for some 10 µs as a rule.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T>,
    ) -> std::result::Result<T, String> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let open = match connection.take() {
            Some(open) => open,
            None => self.open()?,
        };
        let open = connection.insert(open);
        work(open).map_err(|error| self.failed(&error))
    }

    fn open(&self) -> std::result::Result<Connection, String> {
        let Some(directory) = &self.directory else {
            return Connection::open_in_memory()
                .and_then(prepared)
                .map_err(|error| self.failed(&error));
        };
        std::fs::create_dir_all(directory).map_err(|error| {
            format!(
                "`{}` cannot be made, where Workers keep their data: {error}",
                directory.display()
            )
        })?;
        keep_out_of_git(directory);
        Connection::open(directory.join(FILE))
            .and_then(prepared)
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rusqlite::Error) -> String {
        match &self.directory {
            Some(directory) => format!("`{}`: {error}", directory.join(FILE).display()),
            None => error.to_string(),
        }
    }
}

fn prepared(mut connection: Connection) -> Result<Connection> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i32 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        VERSION => {}
        0 => {
            change.execute_batch(TABLES)?;
            change.execute_batch(&analytics::table())?;
            change.pragma_update(None, "user_version", VERSION)?;
        }
        other => {
            let message = format!(
                "it has the layout {other} and this version of Taffrail knows {VERSION}; use the Taffrail that made it, or move it away"
            );
            let mismatch = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISMATCH);
            return Err(rusqlite::Error::SqliteFailure(mismatch, Some(message)));
        }
    }
    change.commit()?;
    Ok(connection)
}

/// As Cargo does for `target`. That it fails matters to nobody.
fn keep_out_of_git(directory: &Path) {
    let ignore = directory.join(".gitignore");
    if !ignore.exists() {
        _ = std::fs::write(ignore, "*\n");
    }
}
