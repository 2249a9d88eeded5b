//! The data points that Workers have written with `writeDataPoint`.

use crate::answer::Answer;
use crate::catalogue::{Catalogue, Column, Table};
use crate::error::{Error, ErrorKind};
use crate::execute::query;
use crate::request::Request;
use crate::rules::Cancel;
use crate::types::Type;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The layouts of the database that have the table `analytics` as it is read here.
const LAYOUTS: std::ops::RangeInclusive<u32> = 1..=2;

/// Blobs and doubles of a data point.
const COLUMNS: usize = 20;

/// How long to wait for another process that changes the database.
const BUSY: Duration = Duration::from_secs(5);

/// What names of datasets have before them in Cloudflare's newer SQL API.
const SCHEMA: &str = "events.analyticsEngine.";

/// The datasets in a database that Workers write to, perhaps at this moment. Nothing is
/// written here, and no file is made beside it.
#[derive(Clone, Debug)]
pub struct Analytics {
    file: PathBuf,
}

/// How the database is opened.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// Another process may have it open.
    Shared,
    /// Nobody has it open, so that SQLite needs no files beside it.
    Alone,
}

impl Analytics {
    /// The datasets of Workers that keep their data in this directory, as in `.taffrail`.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        let file = directory.join("store.sqlite");
        Self { file }
    }

    /// The database, which is made when the first Worker keeps data.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Runs a query. Without a database there are no datasets.
    ///
    /// # Errors
    ///
    /// As [`query()`](crate::query()), and when the database cannot be opened or is of another
    /// version of Taffrail.
    pub fn query(&self, request: &Request<'_>, cancel: &Cancel) -> Result<Answer, Error> {
        self.read(|connection, catalogue| query(connection, &catalogue, request, cancel))
    }

    /// Passes `read` a connection to the database, and the datasets as tables. Others may be added
    /// to both. If somebody opens the database meanwhile, `read` is called again.
    ///
    /// # Errors
    ///
    /// As `read`, and when the database cannot be opened or is of another version of Taffrail.
    pub fn read(
        &self,
        read: impl Fn(&mut Connection, Catalogue) -> Result<Answer, Error>,
    ) -> Result<Answer, Error> {
        let mode = self.mode();
        let answer = self.read_in(mode, &read);
        // Somebody has opened it since: what was read may be half of a change.
        if mode == Mode::Alone && self.mode() == Mode::Shared {
            return self.read_in(Mode::Shared, &read);
        }
        answer
    }

    fn read_in(
        &self,
        mode: Mode,
        read: &impl Fn(&mut Connection, Catalogue) -> Result<Answer, Error>,
    ) -> Result<Answer, Error> {
        let unreadable = |error| self.unreadable(&error);
        let mut connection = self.open(mode).map_err(unreadable)?;
        let layout: u32 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(unreadable)?;
        let catalogue = match layout {
            0 => Catalogue::default(),
            layout if LAYOUTS.contains(&layout) => catalogue(&connection).map_err(unreadable)?,
            layout => {
                let message = format!(
                    "`{}` has layout {layout} and this version of Taffrail knows up to {}: use the version that wrote it, or a later one",
                    self.file.display(),
                    LAYOUTS.end()
                );
                return Err(Error::new(ErrorKind::Data, message));
            }
        };
        read(&mut connection, catalogue)
    }

    /// The log of changes is there as long as a process has the database open.
    fn mode(&self) -> Mode {
        let mut log = self.file.clone().into_os_string();
        log.push("-wal");
        match Path::new(&log).exists() {
            true => Mode::Shared,
            false => Mode::Alone,
        }
    }

    fn open(&self, mode: Mode) -> rusqlite::Result<Connection> {
        if !self.file.exists() {
            return Connection::open_in_memory();
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match mode {
            Mode::Shared => Connection::open_with_flags(&self.file, flags)?,
            Mode::Alone => {
                let uri = uri(&self.file, "immutable=1");
                Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
            }
        };
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    }

    fn unreadable(&self, error: &rusqlite::Error) -> Error {
        let message = format!(
            "`{}` cannot be read: {error}. If the process that wrote it was killed, its folder must be writable, so that SQLite can restore it",
            self.file.display()
        );
        Error::new(ErrorKind::Data, message)
    }
}

/// Returns the URI by which SQLite opens a file, with parameters such as `mode=ro`.
/// <https://www.sqlite.org/uri.html>
#[must_use]
pub fn uri(file: &Path, parameters: &str) -> String {
    let path = file.to_string_lossy();
    let path = path
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    format!("file:{path}?{parameters}")
}

fn catalogue(connection: &Connection) -> rusqlite::Result<Catalogue> {
    // One look at the index for each dataset, and not one for each point.
    let datasets = "WITH RECURSIVE datasets(name) AS (
            SELECT min(dataset) FROM analytics
            UNION ALL
            SELECT (SELECT min(dataset) FROM analytics WHERE dataset > name)
            FROM datasets WHERE name IS NOT NULL
        ) SELECT name FROM datasets WHERE name IS NOT NULL";
    let mut statement = connection.prepare(datasets)?;
    let names = statement.query_map([], |row| row.get(0))?;
    let tables = names.map(|name| name.map(|name: String| table(&name)));
    let tables = tables.collect::<rusqlite::Result<_>>()?;
    Ok(Catalogue {
        tables,
        functions: Vec::new(),
    })
}

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-api/#table-structure>.
fn table(dataset: &str) -> Table {
    let column = |name: String, ty, expression| Column {
        name,
        ty,
        nullable: false,
        hidden: false,
        expression,
    };
    let plain = |name: &str, ty| column(name.to_owned(), ty, name.to_owned());
    let or = |name: String, ty, absent: &str| {
        let expression = format!("coalesce({name}, {absent})");
        column(name, ty, expression)
    };
    let time = "timestamp / 1000".to_owned();
    let mut columns = vec![
        plain("dataset", Type::String),
        column("timestamp".to_owned(), Type::DateTime(None), time),
        plain("_sample_interval", Type::UInt32),
        or("index1".to_owned(), Type::String, "''"),
    ];
    columns.extend((1..=COLUMNS).map(|n| or(format!("blob{n}"), Type::String, "''")));
    columns.extend((1..=COLUMNS).map(|n| or(format!("double{n}"), Type::Float64, "0.0")));
    let quoted = dataset.replace('\'', "''");
    Table {
        names: vec![dataset.to_owned(), format!("{SCHEMA}{dataset}")],
        columns,
        source: format!("analytics WHERE dataset = '{quoted}'"),
        parts: None,
        reads: vec!["analytics".to_owned()],
    }
}

#[cfg(test)]
mod tests;
