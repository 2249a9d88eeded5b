//! What SQL reads: the indices of segments, and functions for what is in their items alone.

use crate::columns::{ATTRIBUTES, FIELDS, ID, MESSAGE};
use crate::database;
use crate::folder::Segment;
use crate::index::LAYOUT;
use crate::outbox::Outbox;
use crate::row::Row;
use crate::spans::SpanRow;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use std::sync::{Arc, Mutex, PoisonError};
use taffrail_sql::uri;
use taffrail_trace::TraceItem;

/// The name of the index of a segment as it is attached.
pub(crate) fn name(segment: usize) -> String {
    format!("s{segment}")
}

/// Attaches the indices of segments.
pub(crate) fn attach_all(connection: &Connection, segments: &[Segment]) -> rusqlite::Result<()> {
    for (number, segment) in segments.iter().enumerate() {
        let attach = format!("ATTACH ?1 AS {}", name(number));
        let attached = connection.execute(&attach, [uri(&segment.index, "mode=ro")]);
        if attached.is_err() {
            // As in a folder that cannot be written to.
            connection.execute(&attach, [uri(&segment.index, "immutable=1")])?;
        }
    }
    Ok(())
}

/// Whether a segment has an index that can be read.
pub(crate) fn is_readable(segment: &Segment) -> bool {
    if !segment.index.exists() {
        return false;
    }
    match database::open_to_read(&segment.index, &LAYOUT) {
        Ok(_) => true,
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
            _ => {
                let outbox = Outbox::open_to_read(&segment.items).ok()?;
                outbox.stand_still().ok()?;
                outbox
            }
        };
        let (_, outbox) = self.open.insert((segment.first, outbox));
        outbox.get(seq).ok()??.searched()
    }
}

/// Adds the functions that read items.
pub(crate) fn register(connection: &Connection, segments: Vec<Segment>) -> rusqlite::Result<()> {
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
