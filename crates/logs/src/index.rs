//! What is needed to find the items of one segment.

use crate::database::{self, Layout, Trouble};
use crate::outbox::Kept;
use crate::rollup::{Invocation, Rollup};
use crate::row::{Part, Row, event_type, is_failure, status};
use crate::spans::SpanRow;
use crate::terms::{Terms, level_name};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::path::{Path, PathBuf};
use taffrail_trace::TraceItem;

/// The columns of invocations and of lines are those that `taffrail_logs::tables` documents.
pub(crate) const LAYOUT: Layout = Layout {
    // An index of an earlier layout is made again, from the items.
    first: 3,
    changes: &[],
    create: r#"
        -- One row: the last item that is indexed, and fields of logs that are not.
        CREATE TABLE progress (indexed INTEGER NOT NULL, dropped_fields INTEGER NOT NULL);
        INSERT INTO progress VALUES (0, 0);

        CREATE TABLE invocations (
            seq INTEGER PRIMARY KEY,
            started INTEGER NOT NULL,
            worker TEXT NOT NULL,
            entrypoint TEXT,
            event TEXT NOT NULL,
            outcome TEXT NOT NULL,
            status INTEGER,
            failed INTEGER NOT NULL,
            cpu_us INTEGER NOT NULL,
            wall_us INTEGER NOT NULL,
            memory INTEGER NOT NULL,
            sample_interval REAL NOT NULL,
            shown INTEGER NOT NULL
        );

        -- Logs and exceptions.
        CREATE TABLE lines (
            seq INTEGER NOT NULL,
            line INTEGER NOT NULL,
            time INTEGER NOT NULL,
            worker TEXT NOT NULL,
            event TEXT NOT NULL,
            level TEXT NOT NULL,
            is_exception INTEGER NOT NULL,
            sample_interval REAL NOT NULL
        );

        -- Runs of items, so that a range of time is found without reading them.
        CREATE TABLE runs (
            first INTEGER PRIMARY KEY,
            last INTEGER NOT NULL,
            earliest INTEGER NOT NULL,
            latest INTEGER NOT NULL
        );

        -- The text has been divided into words.
        CREATE VIRTUAL TABLE terms USING fts5(
            text, content = '', detail = none, columnsize = 0, tokenize = 'ascii'
        );
        -- One batch becomes one part of the index, and parts are merged sixteen at a time.
        INSERT INTO terms (terms, rank) VALUES ('hashsize', 16777216), ('automerge', 16);

        -- Times are in microseconds since 1970. The span of the invocation has the number 0.
        CREATE TABLE spans (
            seq INTEGER NOT NULL,
            number INTEGER NOT NULL,
            started INTEGER NOT NULL,
            ended INTEGER NOT NULL,
            worker TEXT NOT NULL,
            entrypoint TEXT,
            event TEXT NOT NULL,
            name TEXT NOT NULL,
            outcome TEXT NOT NULL,
            trace TEXT NOT NULL,
            span TEXT NOT NULL,
            parent TEXT
        );

        -- Invocations of each minute since 1970.
        CREATE TABLE counts (
            minute INTEGER, worker TEXT, outcome TEXT,
            count INTEGER NOT NULL, failed INTEGER NOT NULL,
            PRIMARY KEY (minute, worker, outcome)
        ) WITHOUT ROWID;

        -- Their times, by the minute, and once more by the hour.
        CREATE TABLE times (
            minutes INTEGER, first INTEGER, worker TEXT,
            cpu BLOB NOT NULL, wall BLOB NOT NULL,
            PRIMARY KEY (minutes, first, worker)
        ) WITHOUT ROWID;
    "#,
};

/// The index of one segment.
pub(crate) struct Index {
    file: PathBuf,
    connection: Connection,
}

impl Index {
    pub(crate) fn open(file: &Path) -> Result<Self, Trouble> {
        let connection = database::open(file, &LAYOUT)?;
        Ok(Self {
            file: file.to_owned(),
            connection,
        })
    }

    /// Returns the number of the last item that is indexed, and 0 if none is.
    pub(crate) fn indexed(&self) -> Result<u64, Trouble> {
        indexed(&self.connection).map_err(|error| Trouble::new(&self.file, error))
    }

    /// Adds items, which follow those that are indexed.
    pub(crate) fn add(&mut self, items: &[Kept]) -> Result<(), Trouble> {
        let mut add = || {
            let change = self.connection.transaction()?;
            add(&change, items)?;
            change.commit()
        };
        add().map_err(|error| Trouble::new(&self.file, error))
    }
}

/// Returns the number of the last item that a database indexes.
pub(crate) fn indexed(connection: &Connection) -> rusqlite::Result<u64> {
    let indexed: i64 =
        connection.query_row("SELECT indexed FROM progress", [], |row| row.get(0))?;
    Ok(indexed.cast_unsigned())
}

/// Returns how many items satisfy a query of FTS5.
pub(crate) fn count(connection: &Connection, query: &str) -> rusqlite::Result<u64> {
    let term = query.trim_matches(['(', ')', '"']);
    let is_term = term.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let found: Option<i64> = if is_term {
        // Counted without passing the items one by one.
        connection.execute_batch(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab(main, terms, row)",
        )?;
        let mut select = connection.prepare("SELECT doc FROM temp.vocabulary WHERE term = ?1")?;
        select.query_row([term], |row| row.get(0)).optional()?
    } else {
        let mut select = connection.prepare("SELECT count(*) FROM terms WHERE terms MATCH ?1")?;
        Some(select.query_row([query], |row| row.get(0))?)
    };
    Ok(found.unwrap_or(0).cast_unsigned())
}

fn add(change: &Transaction<'_>, items: &[Kept]) -> rusqlite::Result<()> {
    let Some(last) = items.last() else {
        return Ok(());
    };
    let mut rollup = Rollup::default();
    let mut dropped = 0;
    let mut started = Vec::with_capacity(items.len());
    for kept in items {
        let Some(item) = kept.searched() else {
            continue;
        };
        let at = item.event_timestamp.unwrap_or(0);
        started.push(at);
        if kept.keeps_spans {
            insert_spans(change, kept.seq, &item)?;
        }
        let Some(sample_interval) = kept.sample_interval else {
            insert_terms(change, kept.seq, &Terms::of_spans(&item))?;
            continue;
        };
        let terms = Terms::of(&item);
        dropped += terms.dropped_fields;
        insert_terms(change, kept.seq, &terms)?;
        insert(change, kept, &item, sample_interval)?;
        rollup.add(Invocation {
            started: at,
            worker: item.script.script_name.as_deref().unwrap_or_default(),
            outcome: item.outcome.to_string(),
            has_failed: is_failure(&item),
            cpu_us: kept.cpu_us,
            wall_us: kept.wall_us,
            weight: (sample_interval.round() as u64).max(1),
        });
    }
    rollup.write(change)?;
    if let (Some(earliest), Some(latest)) = (started.iter().min(), started.iter().max()) {
        change
            .prepare_cached("INSERT INTO runs VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                items[0].seq.cast_signed(),
                last.seq.cast_signed(),
                earliest.cast_signed(),
                latest.cast_signed(),
            ])?;
    }
    change
        .prepare_cached("UPDATE progress SET indexed = ?1, dropped_fields = dropped_fields + ?2")?
        .execute(params![last.seq.cast_signed(), dropped.cast_signed()])?;
    Ok(())
}

fn insert_terms(change: &Transaction<'_>, seq: u64, terms: &Terms) -> rusqlite::Result<()> {
    change
        .prepare_cached("INSERT INTO terms (rowid, text) VALUES (?1, ?2)")?
        .execute(params![seq.cast_signed(), terms.text])?;
    Ok(())
}

fn insert_spans(change: &Transaction<'_>, seq: u64, item: &TraceItem) -> rusqlite::Result<()> {
    let Some(trace) = item.trace_id else {
        return Ok(());
    };
    let trace = trace.to_string();
    let worker = item.script.script_name.as_deref().unwrap_or_default();
    let mut insert = change.prepare_cached(
        "INSERT INTO spans VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    for (number, span) in (0_i64..).zip(SpanRow::all(item)) {
        insert.execute(params![
            seq.cast_signed(),
            number,
            span.start.cast_signed(),
            span.end.cast_signed(),
            worker,
            item.script.entrypoint,
            event_type(item),
            span.name,
            span.outcome.to_string(),
            trace,
            span.id.to_string(),
            span.parent.map(|parent| parent.to_string()),
        ])?;
    }
    Ok(())
}

fn insert(
    change: &Transaction<'_>,
    kept: &Kept,
    item: &TraceItem,
    sample_interval: f64,
) -> rusqlite::Result<()> {
    let seq = kept.seq.cast_signed();
    let worker = item.script.script_name.as_deref().unwrap_or_default();
    let event = event_type(item);
    change
        .prepare_cached(
            "INSERT INTO invocations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            seq,
            item.event_timestamp.unwrap_or(0).cast_signed(),
            worker,
            item.script.entrypoint,
            event,
            item.outcome.to_string(),
            status(item),
            is_failure(item),
            kept.cpu_us.cast_signed(),
            kept.wall_us.cast_signed(),
            item.peak_memory.cast_signed(),
            sample_interval,
            kept.shows_invocation,
        ])?;
    let mut lines =
        change.prepare_cached("INSERT INTO lines VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for (line, row) in (0_i64..).zip(Row::all(item)).skip(1) {
        lines.execute(params![
            seq,
            line,
            row.timestamp().unwrap_or(0).cast_signed(),
            worker,
            event,
            level_name(row.level()),
            matches!(row.part, Part::Exception(_)),
            sample_interval,
        ])?;
    }
    Ok(())
}
