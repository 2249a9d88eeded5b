//! Opening databases, and what their errors mean.

use crate::folder::{WAL, with_end};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;
use taffrail_sql::uri;

/// How long a connection waits for another one.
const BUSY: Duration = Duration::from_secs(5);

/// The layout of a kind of database.
pub(crate) struct Layout {
    /// The number of the first layout that is understood.
    pub(crate) first: u32,
    /// Makes an empty database one of the first layout.
    pub(crate) create: &'static str,
    /// Makes a database of the first layout one of the second, and so on. A released change stays
    /// as it is.
    pub(crate) changes: &'static [&'static str],
}

impl Layout {
    /// The number of the layout, which its databases have.
    fn version(&self) -> u32 {
        self.first + self.changes.len() as u32
    }

    /// Gives a database this layout that has that of the number `found`, or is empty (0).
    fn apply(&self, connection: &Connection, found: u32) -> rusqlite::Result<()> {
        let all = std::iter::once(&self.create).chain(self.changes);
        let done = (found + 1).saturating_sub(self.first);
        for sql in all.skip(done as usize) {
            connection.execute_batch(sql)?;
        }
        connection.pragma_update(None, "user_version", self.version())
    }
}

/// A database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("`{}` is damaged", .0.display())]
    Damaged(PathBuf),
    #[error("`{}` was written by an earlier version of Taffrail", .0.display())]
    Earlier(PathBuf),
    #[error("`{}` was written by a later version of Taffrail; use that version, or another folder", .0.display())]
    Later(PathBuf),
    #[error("`{}`: {source}", file.display())]
    Failed {
        file: PathBuf,
        source: rusqlite::Error,
    },
}

impl Trouble {
    pub(crate) fn new(file: &Path, source: rusqlite::Error) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(file.to_owned())
            }
            _ => Self::Failed {
                file: file.to_owned(),
                source,
            },
        }
    }
}

/// Opens a database to write to it, and creates it if necessary. One of an earlier layout gets the
/// present one.
pub(crate) fn open(file: &Path, layout: &Layout) -> Result<Connection, Trouble> {
    let opened = || {
        let mut connection = Connection::open(file)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let found = version(&connection)?;
        if found == 0 || (layout.first..layout.version()).contains(&found) {
            let change = connection.transaction()?;
            layout.apply(&change, found)?;
            change.commit()?;
        }
        Ok(connection)
    };
    checked(file, layout, opened)
}

/// Opens a database to read it. It may have an earlier layout.
///
/// SQLite keeps files beside a database that several processes use. Where they cannot be made, and
/// are not there, no process writes to the database.
pub(crate) fn open_to_read(file: &Path, layout: &Layout) -> Result<Connection, Trouble> {
    let open = |uri: String| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri, flags)?;
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    };
    let opened = checked(file, layout, || open(uri(file, "mode=ro")));
    match opened {
        Err(Trouble::Failed { source, .. })
            if source.sqlite_error_code() == Some(ErrorCode::CannotOpen)
                && !with_end(file, WAL).exists() =>
        {
            checked(file, layout, || open(uri(file, "immutable=1")))
        }
        opened => opened,
    }
}

fn checked(
    file: &Path,
    layout: &Layout,
    open: impl FnOnce() -> rusqlite::Result<Connection>,
) -> Result<Connection, Trouble> {
    let failed = |error| Trouble::new(file, error);
    let connection = open().map_err(failed)?;
    match version(&connection).map_err(failed)? {
        0 => Err(Trouble::Damaged(file.to_owned())),
        found if found < layout.first => Err(Trouble::Earlier(file.to_owned())),
        found if found > layout.version() => Err(Trouble::Later(file.to_owned())),
        _ => Ok(connection),
    }
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
