//! The accepted items of one segment.

use crate::database::{self, Layout, Trouble};
use crate::entry::{Entry, leave_out};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::time::Duration;
use taffrail_trace::{EpochMs, TraceItem};

const LAYOUT: Layout = Layout {
    first: 1,
    changes: &["ALTER TABLE items ADD COLUMN keeps_spans INTEGER NOT NULL DEFAULT 0"],
    create: "
        CREATE TABLE items (
            seq INTEGER PRIMARY KEY,
            ended INTEGER NOT NULL,  -- milliseconds since 1970
            cpu_us INTEGER NOT NULL,
            wall_us INTEGER NOT NULL,
            sample_interval REAL,    -- null: its logs are not searched
            shows_invocation INTEGER NOT NULL,
            tails TEXT,              -- JSON array of targets, or null
            depth INTEGER NOT NULL,
            item TEXT NOT NULL
        );",
};

/// An item as it is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) seq: u64,
    pub(crate) cpu_us: u64,
    pub(crate) wall_us: u64,
    pub(crate) sample_interval: Option<f64>,
    pub(crate) shows_invocation: bool,
    pub(crate) keeps_spans: bool,
    pub(crate) depth: u32,
    pub(crate) json: String,
}

impl Kept {
    /// Returns what is searched of the item, or nothing if it is only for tails. Its times are in
    /// microseconds.
    pub(crate) fn searched(&self) -> Option<TraceItem> {
        let keeps_logs = self.sample_interval.is_some();
        if !keeps_logs && !self.keeps_spans {
            return None;
        }
        // What is kept was made from an item, so that nothing fails.
        let mut item: TraceItem = serde_json::from_str(&self.json).ok()?;
        item.cpu_time = Duration::from_micros(self.cpu_us);
        item.wall_time = Duration::from_micros(self.wall_us);
        leave_out(&mut item, keeps_logs, self.keeps_spans);
        Some(item)
    }
}

/// The items of one segment.
pub(crate) struct Outbox {
    file: PathBuf,
    connection: Connection,
}

impl Outbox {
    pub(crate) fn open(file: &Path) -> Result<Self, Trouble> {
        let connection = database::open(file, &LAYOUT)?;
        Ok(Self {
            file: file.to_owned(),
            connection,
        })
    }

    pub(crate) fn open_to_read(file: &Path) -> Result<Self, Trouble> {
        let connection = database::open_to_read(file, &LAYOUT)?;
        Ok(Self {
            file: file.to_owned(),
            connection,
        })
    }

    /// Sees the items as they are now from here on, without a lock for each that is read.
    pub(crate) fn stand_still(&self) -> Result<(), Trouble> {
        let begun = self.connection.execute_batch("BEGIN");
        begun.map_err(|error| Trouble::new(&self.file, error))
    }

    /// Adds items, the first one under the number `first`. Items that have been added under their
    /// numbers before are left as they are, so this can be repeated after a failure.
    pub(crate) fn append(&mut self, first: u64, entries: &[Entry]) -> Result<(), Trouble> {
        let mut append = || {
            let change = self.connection.transaction()?;
            {
                let mut insert = change.prepare_cached(
                    "INSERT OR IGNORE INTO items VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?;
                for (seq, entry) in (first..).zip(entries) {
                    let item = &entry.item;
                    let tails = (!entry.tails.is_empty())
                        .then(|| serde_json::Value::from(entry.tails.clone()).to_string());
                    insert.execute(params![
                        seq.cast_signed(),
                        ended(item).cast_signed(),
                        micros(item.cpu_time),
                        micros(item.wall_time),
                        entry.sample_interval,
                        entry.shows_invocation,
                        tails,
                        item.depth,
                        entry.json(),
                        entry.keeps_spans,
                    ])?;
                }
            }
            change.commit()
        };
        append().map_err(|error| Trouble::new(&self.file, error))
    }

    /// Returns items after `seq` for a Tail Worker, in order, up to this many.
    pub(crate) fn for_tail(
        &self,
        tail: &str,
        seq: u64,
        items: usize,
    ) -> Result<Vec<Kept>, Trouble> {
        let read = || {
            let mut select = self.connection.prepare_cached(
                "SELECT * FROM items WHERE seq > ?1 AND tails IS NOT NULL
                 AND EXISTS (SELECT 1 FROM json_each(tails) WHERE value = ?2) ORDER BY seq LIMIT ?3",
            )?;
            let limit = i64::try_from(items).unwrap_or(i64::MAX);
            let rows = select.query_map(params![seq.cast_signed(), tail, limit], kept)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| Trouble::new(&self.file, error))
    }

    /// Returns how many items after `seq` are for a Tail Worker.
    pub(crate) fn count_for_tail(&self, tail: &str, seq: u64) -> Result<u64, Trouble> {
        let sql = "SELECT count(*) FROM items WHERE seq > ?1 AND tails IS NOT NULL
            AND EXISTS (SELECT 1 FROM json_each(tails) WHERE value = ?2)";
        let count = self
            .connection
            .query_row(sql, params![seq.cast_signed(), tail], |row| {
                row.get::<_, i64>(0)
            });
        let count = count.map_err(|error| Trouble::new(&self.file, error))?;
        Ok(count.cast_unsigned())
    }

    /// Returns the number of the last item.
    pub(crate) fn last(&self) -> Result<Option<u64>, Trouble> {
        self.query("SELECT max(seq) FROM items")
    }

    /// Returns when its first item ended.
    pub(crate) fn began(&self) -> Result<Option<EpochMs>, Trouble> {
        self.query("SELECT ended FROM items ORDER BY seq LIMIT 1")
    }

    /// Returns when its last item ended.
    pub(crate) fn ended(&self) -> Result<Option<EpochMs>, Trouble> {
        self.query("SELECT ended FROM items ORDER BY seq DESC LIMIT 1")
    }

    fn query(&self, sql: &str) -> Result<Option<u64>, Trouble> {
        let found = self.connection.query_row(sql, [], |row| row.get(0));
        let number: Option<Option<i64>> = found
            .optional()
            .map_err(|error| Trouble::new(&self.file, error))?;
        Ok(number.flatten().map(i64::cast_unsigned))
    }

    /// Returns items after `seq`, in order, until they have this many bytes.
    pub(crate) fn after(&self, seq: u64, bytes: usize) -> Result<Vec<Kept>, Trouble> {
        let read = || {
            let mut select = self
                .connection
                .prepare_cached("SELECT * FROM items WHERE seq > ?1 ORDER BY seq")?;
            let mut rows = select.query([seq.cast_signed()])?;
            let (mut items, mut length) = (Vec::new(), 0);
            while length < bytes
                && let Some(row) = rows.next()?
            {
                let item = kept(row)?;
                length += item.json.len();
                items.push(item);
            }
            Ok(items)
        };
        read().map_err(|error| Trouble::new(&self.file, error))
    }

    /// Returns the item of this number.
    pub(crate) fn get(&self, seq: u64) -> Result<Option<Kept>, Trouble> {
        let get = || {
            let mut select = self
                .connection
                .prepare_cached("SELECT * FROM items WHERE seq = ?1")?;
            select.query_row([seq.cast_signed()], kept).optional()
        };
        get().map_err(|error| Trouble::new(&self.file, error))
    }
}

fn kept(row: &rusqlite::Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        cpu_us: row.get::<_, i64>(2)?.cast_unsigned(),
        wall_us: row.get::<_, i64>(3)?.cast_unsigned(),
        sample_interval: row.get(4)?,
        shows_invocation: row.get(5)?,
        // A database of the first layout that is only read does not have the column.
        keeps_spans: match row.as_ref().column_count() > 9 {
            true => row.get(9)?,
            false => false,
        },
        depth: row.get(7)?,
        json: row.get(8)?,
    })
}

/// Returns when an invocation ended.
fn ended(item: &TraceItem) -> EpochMs {
    let wall_ms = u64::try_from(item.wall_time.as_millis()).unwrap_or(u64::MAX);
    let started = item.event_timestamp.unwrap_or(0);
    started
        .saturating_add(wall_ms)
        .min(i64::MAX.cast_unsigned())
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
