//! What Workers keep: KV namespaces, the entries and alarms of Durable Objects,
//! and data points, in one SQLite database for all of them.
//!
//! A [`Store`] is the database; a [`Storage`] is the database as one Worker uses
//! it.
//!
//! ```
//! use taffrail_store::{Owner, Put, Store};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::new(None)?;
//! let storage = store.storage(Owner::new("my-worker"));
//! let now = 1_800_000_000;
//! let put = Put { value: "value".into(), ..Put::default() };
//! storage.kv_put("namespace".into(), "key".into(), put, now).await?;
//! let entry = storage.kv_get("namespace".into(), "key".into(), now).await?;
//! assert_eq!(entry.unwrap().value, b"value");
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! Every change is a transaction in the write-ahead log: a process that is
//! killed at any moment leaves the last one that ended. Only a failure of the
//! system can lose the latest ones (`synchronous = NORMAL`).
//!
//! SQLite runs on threads of its own, so that none of the methods blocks the
//! thread that polls it. One thread changes the database and some read it, also
//! while it is changed. A Worker has fewer turns at a time than there are
//! threads that read, and its further work waits where it was asked for.
//!
//! The store reads no clock: what depends on the time is given it.

mod analytics;
mod error;
mod kv;
mod layout;
mod objects;
mod open;
mod range;
mod threads;

pub use analytics::{DataPoint, DataPointError};
pub use error::{Error, OpenError};
pub use kv::{Entry, KvError, Listed, Page, Put, VALUE_BYTES};
pub use objects::{Listing, ObjectError, ObjectKey};
pub use open::make_directory;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use threads::Threads;
use tokio::sync::Semaphore;

/// Threads that read: more than the turns of one Worker, so that one that is
/// slow leaves some to others.
const READERS: usize = 3;

/// Work of one Worker that is under way or waits for its thread. It is done
/// faster than it is asked for, so that more would gain nothing.
const TURNS: usize = 2;

/// The database.
pub struct Store {
    threads: Arc<AllThreads>,
}

struct AllThreads {
    writer: Threads,
    /// None for a database in memory, which has one connection.
    readers: Option<Threads>,
}

/// The database as one Worker uses it.
///
/// KV namespaces and datasets are shared by all Workers. Durable Objects are
/// those of the owner.
pub struct Storage {
    owner: Owner,
    /// Whether objects of the owner may keep something.
    has_objects: AtomicBool,
    threads: Arc<AllThreads>,
    turns: Arc<Semaphore>,
}

/// The Worker that Durable Objects belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Arc<str>);

impl Owner {
    /// The owner of a key, which is the same each time that the Worker is
    /// deployed, and unlike that of every other Worker. No key begins with
    /// `temporary:`.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(key.into())
    }

    /// An owner that does not outlive its process. What its objects keep is gone
    /// when the database is opened again; [`Storage::remove_objects`] removes it
    /// before.
    #[must_use]
    pub fn temporary(key: &str) -> Self {
        Self(format!("{}{key}", open::TEMPORARY).into())
    }
}

impl ToSql for Owner {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl Store {
    /// A store in `directory`, or in memory without one. A directory is for one
    /// process at a time: each removes what temporary owners have left there.
    ///
    /// The directory and the database are made, and an earlier layout is brought
    /// up to date, when the database is first used. A failure of that is the
    /// error of each use: [`Error::CannotOpen`].
    ///
    /// # Errors
    ///
    /// When the system has no more threads.
    pub fn new(directory: Option<PathBuf>) -> io::Result<Self> {
        let has_readers = directory.is_some();
        let open = open::opener(directory);
        Ok(Self {
            threads: Arc::new(AllThreads {
                writer: Threads::start(1, &open)?,
                readers: has_readers
                    .then(|| Threads::start(READERS, &open))
                    .transpose()?,
            }),
        })
    }

    /// The database as a further Worker uses it.
    #[must_use]
    pub fn storage(&self, owner: Owner) -> Storage {
        Storage {
            owner,
            has_objects: AtomicBool::new(false),
            threads: Arc::clone(&self.threads),
            turns: Arc::new(Semaphore::new(TURNS)),
        }
    }
}

impl Storage {
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let threads = self.threads.readers.as_ref();
        let threads = threads.unwrap_or(&self.threads.writer);
        self.run(threads, work).await
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(&self.threads.writer, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        threads: &Threads,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Error::ThreadEnded)?;
        threads.run(turn, work).await
    }
}

#[cfg(test)]
mod tests;
