//! Kept items as tables for SQL.

use crate::columns::{
    self, ATTRIBUTES, FIELDS, ID, MESSAGE, ROW_COLUMNS, ROWS, SPAN_COLUMNS, SPANS, none, rows_of,
    spans_of,
};
use crate::parts::{LEAST, RowParts};
use crate::reader::{self, ReadError, Reader};
use crate::sources;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use taffrail_sql::{Analytics, Answer, Cancel, Catalogue, Error, Request, query};

/// The folder of the logs in that of the data of Workers.
const FOLDER: &str = "logs";

/// The segments that one query reads: the databases that SQLite can attach.
const SEGMENTS: usize = 10;

impl Reader {
    /// Runs a query over the tables `logs.workersLogs` and `logs.traces`, which have the columns of
    /// Cloudflare's Analytics SQL API and some more.
    /// <https://developers.cloudflare.com/analytics/sql-api/>
    ///
    /// # Errors
    ///
    /// Fails as [`taffrail_sql::query()`] does, and if a database cannot be read.
    pub fn query(&self, request: &Request<'_>, cancel: &Cancel) -> Result<Answer, Error> {
        let connection = Connection::open_in_memory();
        let mut connection = connection.map_err(|error| unreadable(&error.into()))?;
        let mut catalogue = Catalogue::default();
        attach(&self.folder, &connection, &mut catalogue).map_err(|error| unreadable(&error))?;
        query(&mut connection, &catalogue, request, cancel)
    }
}

/// Everything that Workers have left in the directory of their data and that can be queried: the
/// tables of [`Reader::query`], and their data points.
#[derive(Clone, Debug)]
pub struct Datasets {
    logs: PathBuf,
    analytics: Analytics,
}

impl Datasets {
    /// The tables of Workers that keep their data in this directory, as in `.taffrail`. What is not
    /// there has no rows.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            logs: directory.join(FOLDER),
            analytics: Analytics::in_directory(directory),
        }
    }

    /// Runs a query.
    ///
    /// # Errors
    ///
    /// Fails as [`taffrail_sql::query()`] does, and if a database cannot be read.
    pub fn query(&self, request: &Request<'_>, cancel: &Cancel) -> Result<Answer, Error> {
        self.analytics.read(|connection, mut catalogue| {
            let attached = attach(&self.logs, connection, &mut catalogue);
            attached.map_err(|error| unreadable(&error))?;
            query(connection, &catalogue, request, cancel)
        })
    }
}

fn unreadable(error: &ReadError) -> Error {
    Error::data(error.to_string())
}

/// Adds the tables of the logs in a folder to a connection and its catalogue.
pub(crate) fn attach(
    folder: &Path,
    connection: &Connection,
    catalogue: &mut Catalogue,
) -> Result<(), ReadError> {
    let mut segments = reader::segments(folder)?;
    segments.retain(sources::is_readable);
    if segments.len() > SEGMENTS {
        let older = segments.len() - SEGMENTS;
        tracing::warn!("the query leaves out the oldest {older} of the logs' files");
        segments.drain(..older);
    }
    sources::attach_all(connection, &segments)?;
    let names: Vec<_> = (0..segments.len()).map(sources::name).collect();
    let rows: Vec<_> = names.iter().map(|name| rows_of(name, None)).collect();
    let spans: Vec<_> = names.iter().map(|name| spans_of(name)).collect();
    for (view, columns, mut selects) in [(ROWS, ROW_COLUMNS, rows), (SPANS, SPAN_COLUMNS, spans)] {
        if selects.is_empty() {
            selects.push(none(columns));
        }
        let all = selects.join(" UNION ALL ");
        connection.execute_batch(&format!("CREATE TEMP VIEW {view} AS {all}"))?;
    }
    let parts = Arc::new(RowParts::new(connection, &segments, LEAST)?);
    sources::register(connection, segments)?;
    let tables = [columns::workers_logs(parts), columns::traces()];
    catalogue.tables.splice(0..0, tables);
    let functions = [MESSAGE, FIELDS, ATTRIBUTES, ID].map(ToOwned::to_owned);
    catalogue.functions.extend(functions);
    Ok(())
}
