//! Kept items as tables for SQL.

use crate::database::{self, Trouble};
use crate::folder::Segment;
use crate::index::LAYOUT;
use crate::outbox::Outbox;
use crate::reader::{ReadError, Reader};
use crate::row::Row;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use std::sync::{Arc, Mutex, PoisonError};
use taffrail_sql::{Answer, Cancel, Catalogue, Column, Error, Request, Table, Type, query, uri};
use taffrail_trace::TraceItem;

/// The segments that one query reads: the databases that SQLite can attach.
const SEGMENTS: usize = 10;

/// The functions that read a row from its item: the columns that are not in the index.
const MESSAGE: &str = "kept_message";
const FIELDS: &str = "kept_fields";
const ID: &str = "kept_id";

/// The view over the rows of all segments.
const VIEW: &str = "kept_rows";

impl Reader {
    /// Runs a query over the table `logs.workersLogs`, which has the columns of Cloudflare's
    /// Analytics SQL API and some more.
    /// <https://developers.cloudflare.com/analytics/sql-api/>
    ///
    /// # Errors
    ///
    /// Fails as [`taffrail_sql::query()`] does, and if a database cannot be read.
    pub fn query(&self, request: &Request<'_>, cancel: &Cancel) -> Result<Answer, Error> {
        let unreadable = |error: ReadError| Error::data(error.to_string());
        let (mut connection, reads) = self.attached().map_err(unreadable)?;
        let catalogue = Catalogue {
            tables: vec![table(reads)],
            functions: [MESSAGE, FIELDS, ID].map(ToOwned::to_owned).to_vec(),
        };
        query(&mut connection, &catalogue, request, cancel)
    }

    /// Returns a connection with a view over all segments, and the tables that the view reads.
    fn attached(&self) -> Result<(Connection, Vec<String>), ReadError> {
        let mut segments = self.segments()?;
        segments.retain(is_readable);
        if segments.len() > SEGMENTS {
            let older = segments.len() - SEGMENTS;
            tracing::warn!("the query leaves out the oldest {older} of the logs' files");
            segments.drain(..older);
        }
        let connection = Connection::open_in_memory()?;
        let mut parts = Vec::new();
        for (number, segment) in segments.iter().enumerate() {
            let attach = format!("ATTACH ?1 AS s{number}");
            let attached = connection.execute(&attach, [uri(&segment.index, "mode=ro")]);
            if attached.is_err() {
                // As in a folder that cannot be written to.
                connection.execute(&attach, [uri(&segment.index, "immutable=1")])?;
            }
            parts.push(part(number));
        }
        if parts.is_empty() {
            connection.execute_batch(LAYOUT.create)?;
            parts.push(part_of("main"));
        }
        let view = format!("CREATE TEMP VIEW {VIEW} AS {}", parts.join(" UNION ALL "));
        connection.execute_batch(&view)?;
        register(&connection, segments)?;
        let reads = [VIEW, "invocations", "lines"].map(ToOwned::to_owned);
        Ok((connection, reads.to_vec()))
    }
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

fn part(number: usize) -> String {
    part_of(&format!("s{number}"))
}

/// Selects the rows of one segment: invocations, and below each its logs and exceptions.
fn part_of(database: &str) -> String {
    format!(
        "SELECT seq, 0 AS line, started AS time, worker, 'cf-worker-event' AS type, event,
            iif(failed, 'error', 'info') AS level, 0 AS is_exception, outcome,
            coalesce(entrypoint, '') AS entrypoint, coalesce(status, 0) AS status,
            cpu_us, wall_us, memory, sample_interval
         FROM {database}.invocations WHERE shown
         UNION ALL
         SELECT seq, line, time, worker, 'cf-worker', event, iif(level = 'log', '', level),
            is_exception, '', '', 0, 0, 0, 0, sample_interval
         FROM {database}.lines"
    )
}

fn table(reads: Vec<String>) -> Table {
    let column = |name: &str, ty: Type, expression: &str| Column {
        name: name.to_owned(),
        ty,
        nullable: false,
        hidden: false,
        expression: expression.to_owned(),
    };
    let message = format!("{MESSAGE}(seq, line)");
    let error = format!("iif(is_exception, {message}, '')");
    Table {
        names: vec!["logs.workersLogs".to_owned(), "workersLogs".to_owned()],
        columns: vec![
            column("timestamp", Type::DateTime64(None), "time"),
            column("scriptName", Type::String, "worker"),
            column("logType", Type::String, "type"),
            column("invocationType", Type::String, "event"),
            column("level", Type::String, "level"),
            column("message", Type::String, &message),
            column("error", Type::String, &error),
            column("httpStatus", Type::Int64, "status"),
            column("wallTimeMs", Type::UInt32, "(wall_us + 500) / 1000"),
            column("cpuTimeMs", Type::UInt32, "(cpu_us + 500) / 1000"),
            column("sampleInterval", Type::Int64, "(sample_interval + 0.5) / 1"),
            column("accountTag", Type::String, "''"),
            column("outcome", Type::String, "outcome"),
            column("entrypoint", Type::String, "entrypoint"),
            column("wallTimeUs", Type::UInt64, "wall_us"),
            column("cpuTimeUs", Type::UInt64, "cpu_us"),
            column("peakMemory", Type::UInt64, "memory"),
            column("invocationId", Type::String, &format!("{ID}(seq)")),
            Column {
                hidden: true,
                ..column("attributes", Type::Json, &format!("{FIELDS}(seq, line)"))
            },
        ],
        source: VIEW.to_owned(),
        reads,
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
        serde_json::from_str(&outbox.get(seq).ok()??.json).ok()
    }
}

fn register(connection: &Connection, segments: Vec<Segment>) -> rusqlite::Result<()> {
    let items = Arc::new(Mutex::new(Items {
        segments,
        open: None,
        last: None,
    }));
    let function = |name: &str, arguments, read: fn(&TraceItem, usize) -> String| {
        let items = Arc::clone(&items);
        connection.create_scalar_function(
            name,
            arguments,
            FunctionFlags::default(),
            move |context| {
                let seq: i64 = context.get(0)?;
                let line: i64 = if context.len() > 1 {
                    context.get(1)?
                } else {
                    0
                };
                let line = usize::try_from(line).unwrap_or(0);
                let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(items.with(seq.cast_unsigned(), |item| read(item, line)))
            },
        )
    };
    function(MESSAGE, 2, |item, line| {
        let row = Row::all(item).nth(line);
        row.map(|row| row.message().into_owned())
            .unwrap_or_default()
    })?;
    function(FIELDS, 2, |item, line| {
        let fields = Row::all(item)
            .nth(line)
            .and_then(|row| row.objects().next());
        serde_json::Value::from(fields.unwrap_or_default()).to_string()
    })?;
    function(ID, 1, |item, _| item.invocation_id.clone())
}
