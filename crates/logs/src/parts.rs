//! The rows of all segments in parts, which all processors read at once.

use crate::columns::{ROWS, rows_of};
use crate::folder::Segment;
use crate::sources;
use rusqlite::{Connection, Result};
use std::ops::RangeInclusive;
use taffrail_sql::Parts;

/// The fewest rows of a part, unless its segment has fewer.
pub(crate) const LEAST: i64 = 50_000;

/// The most parts of a segment.
const MOST: i64 = 16;

/// The parts of all rows.
#[derive(Debug)]
pub(crate) struct RowParts {
    segments: Vec<Segment>,
    parts: Vec<Part>,
}

/// A part of one segment.
#[derive(Debug)]
struct Part {
    segment: usize,
    /// The numbers of its items, and of their lines.
    items: RangeInclusive<i64>,
    lines: RangeInclusive<i64>,
}

impl RowParts {
    /// Divides segments, which are attached to a connection, into parts of this many rows and more.
    pub(crate) fn new(connection: &Connection, segments: &[Segment], least: i64) -> Result<Self> {
        let mut parts = Vec::new();
        for segment in 0..segments.len() {
            let database = sources::name(segment);
            let range = |column: &str, table: &str| {
                // Together, both would be looked for in all rows.
                let table = format!("FROM {database}.{table}");
                let sql = format!(
                    "SELECT coalesce((SELECT min({column}) {table}), 0),
                            coalesce((SELECT max({column}) {table}), -1)"
                );
                connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            };
            let items: (i64, i64) = range("seq", "invocations")?;
            let lines: (i64, i64) = range("rowid", "lines")?;
            let rows = (items.1 - items.0) + (lines.1 - lines.0);
            let count = (rows / least).clamp(1, MOST);
            parts.extend((0..count).map(|part| Part {
                segment,
                items: share(items, part, count),
                lines: share(lines, part, count),
            }));
        }
        let segments = segments.to_vec();
        Ok(Self { segments, parts })
    }
}

/// One of so many shares of a range of numbers.
fn share((first, last): (i64, i64), part: i64, count: i64) -> RangeInclusive<i64> {
    let start = |part| first + (last + 1 - first) * part / count;
    start(part)..=start(part + 1) - 1
}

impl Parts for RowParts {
    fn count(&self) -> usize {
        self.parts.len()
    }

    fn open(&self) -> Result<Connection> {
        let connection = Connection::open_in_memory()?;
        sources::attach_all(&connection, &self.segments)?;
        sources::register(&connection, self.segments.clone())?;
        Ok(connection)
    }

    fn show(&self, connection: &Connection, part: usize) -> Result<()> {
        let part = &self.parts[part];
        let rows = rows_of(
            &sources::name(part.segment),
            Some((&part.items, &part.lines)),
        );
        connection.execute_batch(&format!(
            "DROP VIEW IF EXISTS temp.{ROWS}; CREATE TEMP VIEW {ROWS} AS {rows}"
        ))
    }
}
