//! Opens the database.

use crate::error::{BUSY, OpenError};
use crate::layout::{self, Layout};
use crate::threads::Open;
use rusqlite::Connection;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The name of the database in its directory.
const FILE: &str = "store.sqlite";

/// How the keys of owners begin that do not outlive their process, and what
/// comes next in the order of keys.
pub(crate) const TEMPORARY: &str = "temporary:";
const AFTER_TEMPORARY: &str = "temporary;";

/// Opens connections to the database in `directory`, or in memory.
pub(crate) fn opener(directory: Option<PathBuf>) -> Arc<Open> {
    // One at a time: the first one makes the tables.
    let has_opened = Mutex::new(false);
    Arc::new(move || {
        let mut has_opened = has_opened.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = !*has_opened;
        let opened = match &directory {
            Some(directory) => open(directory, is_first)?,
            None => open_at(Path::new(":memory:"), is_first)?,
        };
        *has_opened = true;
        Ok(opened)
    })
}

fn open(directory: &Path, is_first: bool) -> Result<Connection, OpenError> {
    make_directory(directory).map_err(|source| OpenError::Directory {
        directory: directory.to_owned(),
        source,
    })?;
    open_at(&directory.join(FILE), is_first)
}

fn open_at(file: &Path, is_first: bool) -> Result<Connection, OpenError> {
    let prepared = || {
        let mut connection = Connection::open(file)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let layout = layout::update(&mut connection)?;
        if is_first && layout == Layout::UpToDate {
            remove_temporary(&connection)?;
        }
        Ok((connection, layout))
    };
    match prepared() {
        Ok((connection, Layout::UpToDate)) => Ok(connection),
        Ok((_, Layout::Later(layout))) => Err(OpenError::LaterLayout {
            file: file.to_owned(),
            layout,
            latest: layout::LATEST,
        }),
        Err(source) => Err(OpenError::Database {
            file: file.to_owned(),
            source,
        }),
    }
}

/// Removes what an earlier process left.
fn remove_temporary(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["object_entries", "object_alarms"] {
        let range = [TEMPORARY, AFTER_TEMPORARY];
        let delete = format!("DELETE FROM {table} WHERE worker >= ?1 AND worker < ?2");
        connection.execute(&delete, range)?;
    }
    Ok(())
}

/// Makes the directory for what Workers keep, if there is none. Only this user has access to it,
/// and git ignores it, as Cargo's `target`.
///
/// # Errors
///
/// Fails if the directory cannot be made.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    let mut for_this_user = DirBuilder::new();
    for_this_user.recursive(true).mode(0o700);
    for_this_user.create(directory)?;
    let ignore = directory.join(".gitignore");
    if !ignore.exists() {
        // It works as well without.
        _ = std::fs::write(ignore, "*\n");
    }
    Ok(())
}
