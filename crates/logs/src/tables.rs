//! Kept items as tables for SQL.

use crate::columns::{
    self, ATTRIBUTES, FIELDS, ID, MESSAGE, ROW_COLUMNS, ROWS, SPAN_COLUMNS, SPANS, none, rows_of,
    spans_of,
};
use crate::database::{self, Trouble};
use crate::folder::Segment;
use crate::index::LAYOUT;
use crate::outbox::Outbox;
use crate::reader::{self, ReadError, Reader};
use crate::row::Row;
use crate::spans::SpanRow;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use taffrail_sql::{Analytics, Answer, Cancel, Catalogue, Error, Request, query, uri};
use taffrail_trace::TraceItem;

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
fn attach(
    folder: &Path,
    connection: &Connection,
    catalogue: &mut Catalogue,
) -> Result<(), ReadError> {
    let mut segments = reader::segments(folder)?;
    segments.retain(is_readable);
    if segments.len() > SEGMENTS {
        let older = segments.len() - SEGMENTS;
        tracing::warn!("the query leaves out the oldest {older} of the logs' files");
        segments.drain(..older);
    }
    let (mut rows, mut spans) = (Vec::new(), Vec::new());
    for (number, segment) in segments.iter().enumerate() {
        let database = format!("s{number}");
        let attach = format!("ATTACH ?1 AS {database}");
        let attached = connection.execute(&attach, [uri(&segment.index, "mode=ro")]);
        if attached.is_err() {
            // As in a folder that cannot be written to.
            connection.execute(&attach, [uri(&segment.index, "immutable=1")])?;
        }
        rows.push(rows_of(&database));
        // An index of the first layout has none.
        if connection.table_exists(Some(database.as_str()), "spans")? {
            spans.push(spans_of(&database));
        }
    }
    rows.push(none(ROW_COLUMNS));
    spans.push(none(SPAN_COLUMNS));
    for (view, parts) in [(ROWS, rows), (SPANS, spans)] {
        let parts = parts.join(" UNION ALL ");
        connection.execute_batch(&format!("CREATE TEMP VIEW {view} AS {parts}"))?;
    }
    register(connection, segments)?;
    let tables = [columns::workers_logs(), columns::traces()];
    catalogue.tables.splice(0..0, tables);
    let functions = [MESSAGE, FIELDS, ATTRIBUTES, ID].map(ToOwned::to_owned);
    catalogue.functions.extend(functions);
    Ok(())
}

/// Whether a segment has an index that can be read.
fn is_readable(segment: &Segment) -> bool {
    if !segment.index.exists() {
        return false;
    }
    match database::open_to_read(&segment.index, &LAYOUT) {
        Ok(_) => true,
        Err(Trouble::Damaged(file)) => {
            tracing::warn!("`{}` is damaged, and is left out", file.display());
            false
        }
        Err(trouble) => {
            tracing::warn!("{trouble}; it is left out");
            false
        }
    }
}

/// The items that rows are read from. Rows of one item follow each other.
struct Items {
    segments: Vec<Segment>,
    open: Option<(u64, Outbox)>,
    last: Option<(u64, Option<TraceItem>)>,
}

impl Items {
    fn with<T: Default>(&mut self, seq: u64, read: impl FnOnce(&TraceItem) -> T) -> T {
        if self.last.as_ref().is_none_or(|(last, _)| *last != seq) {
            let item = self.read(seq);
            self.last = Some((seq, item));
        }
        let item = self.last.as_ref().and_then(|(_, item)| item.as_ref());
        item.map(read).unwrap_or_default()
    }

    /// Returns an item, unless it has been removed.
    fn read(&mut self, seq: u64) -> Option<TraceItem> {
        let position = self
            .segments
            .partition_point(|segment| segment.first <= seq);
        let segment = self.segments.get(position.checked_sub(1)?)?;
        let outbox = match self.open.take() {
            Some((first, outbox)) if first == segment.first => outbox,
            _ => Outbox::open_to_read(&segment.items).ok()?,
        };
        let (_, outbox) = self.open.insert((segment.first, outbox));
        outbox.get(seq).ok()??.searched()
    }
}

fn register(connection: &Connection, segments: Vec<Segment>) -> rusqlite::Result<()> {
    let items = Arc::new(Mutex::new(Items {
        segments,
        open: None,
        last: None,
    }));
    let function = |name: &str, read: fn(&TraceItem, usize) -> String| {
        let items = Arc::clone(&items);
        let flags = FunctionFlags::default();
        connection.create_scalar_function(name, 2, flags, move |context| {
            let seq: i64 = context.get(0)?;
            let number: i64 = context.get(1)?;
            let number = usize::try_from(number).unwrap_or(0);
            let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(items.with(seq.cast_unsigned(), |item| read(item, number)))
        })
    };
    function(MESSAGE, |item, line| {
        let row = Row::all(item).nth(line);
        row.map(|row| row.message().into_owned())
            .unwrap_or_default()
    })?;
    function(FIELDS, |item, line| {
        let fields = Row::all(item)
            .nth(line)
            .and_then(|row| row.objects().next());
        serde_json::Value::from(fields.unwrap_or_default()).to_string()
    })?;
    function(ATTRIBUTES, |item, number| {
        let span = SpanRow::all(item).nth(number);
        span.map(|span| span.attributes_in_json())
            .unwrap_or_default()
    })?;
    function(ID, |item, _| item.invocation_id.clone())
}
