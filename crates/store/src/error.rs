//! Why the database cannot be used.

use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long a change waits for a change of another process.
pub(crate) const BUSY: Duration = Duration::from_secs(10);

/// Why the store could not do its part. None of these is a fault of the Worker
/// that asked.
///
/// The texts are for Workers: they name no file of the host.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The database cannot be opened. The reason is the source of this error,
    /// and is logged.
    #[error("the database of this runtime cannot be opened: the log of the runtime tells why")]
    CannotOpen(#[source] Arc<OpenError>),
    /// Another process has held the database for 10 seconds.
    #[error("another process has held the database for {} seconds", BUSY.as_secs())]
    Busy(#[source] Arc<rusqlite::Error>),
    /// SQLite failed otherwise, for example because the disk is full.
    #[error("{0}")]
    Database(#[source] Arc<rusqlite::Error>),
    /// The work panicked: a fault of this crate.
    #[error("the database cannot be used: its thread has ended")]
    ThreadEnded,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        let is_busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        let error = Arc::new(error);
        if is_busy {
            Self::Busy(error)
        } else {
            Self::Database(error)
        }
    }
}

/// Why a database cannot be opened. The texts are for the operator.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory of the database cannot be made.
    #[error("`{}` cannot be made, where Workers keep their data: {source}", directory.display())]
    Directory {
        /// Where it should be.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database has a layout that a later version of Taffrail made.
    #[error(
        "`{}` has layout {layout}, and this version of Taffrail knows layouts up to {latest}. Use a later version of Taffrail, or move the file away to begin with an empty database",
        file.display()
    )]
    LaterLayout {
        /// The database.
        file: PathBuf,
        /// Its layout.
        layout: u32,
        /// The latest layout that is known.
        latest: u32,
    },
    /// SQLite cannot open the database or bring its layout up to date.
    #[error("`{}` cannot be opened: {source}", file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}
