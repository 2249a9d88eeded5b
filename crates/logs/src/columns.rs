//! The tables for SQL, by the names and types that Cloudflare gives them, and some more columns.
//!
//! <https://developers.cloudflare.com/analytics/sql-api/>

use std::ops::RangeInclusive;
use std::sync::Arc;
use taffrail_sql::{Column, Parts, Table, Type};

/// The functions that read a part of a row from its item: what is not in the index. They take the
/// number of the item, and that of the row in it.
pub(crate) const MESSAGE: &str = "kept_message";
pub(crate) const FIELDS: &str = "kept_fields";
pub(crate) const ATTRIBUTES: &str = "kept_attributes";
pub(crate) const ID: &str = "kept_id";

/// The views over the rows and the spans of all segments.
pub(crate) const ROWS: &str = "kept_rows";
pub(crate) const SPANS: &str = "kept_spans";

/// The columns of both.
pub(crate) const ROW_COLUMNS: &[&str] = &[
    "seq",
    "line",
    "time",
    "worker",
    "type",
    "event",
    "level",
    "is_exception",
    "outcome",
    "entrypoint",
    "status",
    "cpu_us",
    "wall_us",
    "memory",
    "sample_interval",
];
pub(crate) const SPAN_COLUMNS: &[&str] = &[
    "seq",
    "number",
    "started",
    "ended",
    "worker",
    "entrypoint",
    "event",
    "name",
    "outcome",
    "trace",
    "span",
    "parent",
];

/// A zero with the affinity of a column of integers.
const ZERO: &str = "CAST(0 AS INTEGER)";

/// Selects no rows of these columns.
pub(crate) fn none(columns: &[&str]) -> String {
    let columns: Vec<_> = columns.iter().map(|name| format!("'' AS {name}")).collect();
    format!("SELECT {} WHERE 0", columns.join(", "))
}

/// Selects the rows of one segment, or of ranges of its items and of their lines: invocations, and
/// below each its logs and exceptions.
///
/// Both have the same affinities, so that SQLite reads their tables itself, and only the columns
/// that a query names.
pub(crate) fn rows_of(
    database: &str,
    ranges: Option<(&RangeInclusive<i64>, &RangeInclusive<i64>)>,
) -> String {
    let within = |column: &str, range: &RangeInclusive<i64>| {
        format!("{column} BETWEEN {} AND {}", range.start(), range.end())
    };
    let (items, lines) = match ranges {
        Some((items, lines)) => (within("seq", items), within("rowid", lines)),
        None => ("true".to_owned(), "true".to_owned()),
    };
    format!(
        "SELECT seq, {ZERO} AS line, started AS time, worker, 'cf-worker-event' AS type, event,
            iif(failed, 'error', 'info') AS level, {ZERO} AS is_exception, outcome,
            coalesce(entrypoint, '') AS entrypoint, coalesce(status, 0) AS status,
            cpu_us, wall_us, memory, sample_interval
         FROM {database}.invocations WHERE shown AND {items}
         UNION ALL
         SELECT seq, line, time, worker, 'cf-worker', event, iif(level = 'log', '', level),
            is_exception, CAST('' AS TEXT), '', 0, {ZERO}, {ZERO}, {ZERO}, sample_interval
         FROM {database}.lines WHERE {lines}"
    )
}

/// Selects the spans of one segment.
pub(crate) fn spans_of(database: &str) -> String {
    format!(
        "SELECT seq, number, started, ended, worker, coalesce(entrypoint, '') AS entrypoint, event,
            name, outcome, trace, span, coalesce(parent, '') AS parent
         FROM {database}.spans"
    )
}

/// The table `logs.workersLogs`.
pub(crate) fn workers_logs(parts: Arc<dyn Parts>) -> Table {
    let message = format!("{MESSAGE}(seq, line)");
    let error = format!("iif(is_exception, {message}, '')");
    Table {
        names: names("workersLogs"),
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
            column("invocationId", Type::String, &format!("{ID}(seq, line)")),
            attributes(&format!("{FIELDS}(seq, line)")),
        ],
        parts: Some(parts),
        source: ROWS.to_owned(),
        reads: [ROWS, "invocations", "lines"]
            .map(ToOwned::to_owned)
            .to_vec(),
    }
}

/// The table `logs.traces`.
pub(crate) fn traces() -> Table {
    let kind = "iif(number = 0, 'invocation', 'operation')";
    Table {
        names: names("traces"),
        columns: vec![
            column("startTime", Type::DateTime64(None), "started / 1000"),
            column("endTime", Type::DateTime64(None), "ended / 1000"),
            column("durationMs", Type::Float64, "(ended - started) / 1000.0"),
            column("traceId", Type::String, "trace"),
            column("spanId", Type::String, "span"),
            column("parentSpanId", Type::String, "parent"),
            column("name", Type::String, "name"),
            column("spanType", Type::String, kind),
            column("outcome", Type::String, "outcome"),
            column("scriptName", Type::String, "worker"),
            column("entrypoint", Type::String, "entrypoint"),
            column("invocationType", Type::String, "event"),
            column("accountTag", Type::String, "''"),
            column("invocationId", Type::String, &format!("{ID}(seq, number)")),
            attributes(&format!("{ATTRIBUTES}(seq, number)")),
        ],
        parts: None,
        source: SPANS.to_owned(),
        reads: [SPANS, "spans"].map(ToOwned::to_owned).to_vec(),
    }
}

fn names(name: &str) -> Vec<String> {
    vec![format!("logs.{name}"), name.to_owned()]
}

fn column(name: &str, ty: Type, expression: &str) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        nullable: false,
        hidden: false,
        expression: expression.to_owned(),
    }
}

fn attributes(expression: &str) -> Column {
    Column {
        hidden: true,
        ..column("attributes", Type::Json, expression)
    }
}
