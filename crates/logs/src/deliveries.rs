//! Items that wait for their durable delivery.

use crate::database::{self, Layout, Trouble};
use crate::folder;
use crate::outbox::Outbox;
use crate::reader::ReadError;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;
use taffrail_trace::TraceItem;

const FILE: &str = "deliveries.sqlite";

const LAYOUT: Layout = Layout {
    first: 1,
    changes: &[],
    create: "
        -- How far the delivery to a target has come.
        CREATE TABLE cursors (target TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;",
};

/// Items that have been accepted for targets, and how far their delivery has come.
///
/// An item is delivered once it is [done](Self::done). Until then it is among the
/// [next](Self::next) ones above the [cursor](Self::cursor), also for later processes.
pub struct Deliveries {
    folder: PathBuf,
    cursors: Connection,
}

/// An item that waits.
#[derive(Debug)]
pub struct Undelivered {
    /// The number of the item.
    pub number: u64,
    /// The item, in the form in which it was kept.
    pub item: TraceItem,
}

impl Deliveries {
    /// Opens the deliveries of a store. To be done by the process that writes to it.
    ///
    /// # Errors
    ///
    /// Fails if the database of the deliveries cannot be opened.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let folder = folder.into();
        let file = folder.join(FILE);
        let cursors = match database::open(&file, &LAYOUT) {
            Err(Trouble::Damaged(_)) => {
                let aside = folder::set_aside(&file).map_err(|source| ReadError::Folder {
                    folder: folder.clone(),
                    source,
                })?;
                tracing::warn!(
                    "`{}` is damaged, and items that are still kept are delivered again; it is now `{}`",
                    file.display(),
                    aside.display()
                );
                database::open(&file, &LAYOUT)?
            }
            opened => opened?,
        };
        Ok(Self { folder, cursors })
    }

    /// Returns the next items for a target above a number, in order, at most this many, and the
    /// number up to which there are no others.
    ///
    /// # Errors
    ///
    /// Fails if a database cannot be read.
    pub fn next(
        &self,
        target: &str,
        after: u64,
        items: usize,
    ) -> Result<(Vec<Undelivered>, u64), ReadError> {
        let outboxes = self.outboxes(after)?;
        // Read first: an item that is accepted meanwhile has a higher number.
        let last = match outboxes.last() {
            Some(outbox) => outbox.last()?.unwrap_or(after).max(after),
            None => after,
        };
        let mut next: Vec<Undelivered> = Vec::new();
        for outbox in outboxes {
            let kept = outbox.for_tail(target, after, items - next.len())?;
            next.extend(kept.into_iter().filter_map(|kept| {
                let mut item: TraceItem = serde_json::from_str(&kept.json).ok()?;
                item.depth = kept.depth;
                Some(Undelivered {
                    number: kept.seq,
                    item,
                })
            }));
            if next.len() == items {
                break;
            }
        }
        let through = next.last().map_or(last, |waiting| waiting.number);
        Ok((next, through))
    }

    /// Returns how many items wait for a target.
    ///
    /// # Errors
    ///
    /// Fails if a database cannot be read.
    pub fn count(&self, target: &str) -> Result<u64, ReadError> {
        let after = self.cursor(target)?;
        let outboxes = self.outboxes(after)?;
        let counts = outboxes
            .iter()
            .map(|outbox| outbox.count_for_tail(target, after));
        Ok(counts.sum::<Result<u64, _>>()?)
    }

    /// Remembers that the items up to this number are delivered to a target, or given up.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be written to.
    pub fn done(&self, target: &str, number: u64) -> Result<(), ReadError> {
        let sql = "INSERT OR REPLACE INTO cursors VALUES (?1, ?2)";
        self.cursors
            .execute(sql, params![target, number.cast_signed()])?;
        Ok(())
    }

    /// Returns the number of the last item that is delivered to a target, and 0 if none is.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be read.
    pub fn cursor(&self, target: &str) -> Result<u64, ReadError> {
        let sql = "SELECT seq FROM cursors WHERE target = ?1";
        let seq = self
            .cursors
            .query_row(sql, [target], |row| row.get::<_, i64>(0));
        Ok(seq.optional()?.map_or(0, i64::cast_unsigned))
    }

    /// Opens the segments that have items after a number.
    fn outboxes(&self, after: u64) -> Result<Vec<Outbox>, ReadError> {
        let segments = folder::segments(&self.folder).map_err(|source| ReadError::Folder {
            folder: self.folder.clone(),
            source,
        })?;
        folder::above(&segments, after)
            .map(|segment| Ok(Outbox::open_to_read(&segment.items)?))
            .collect()
    }
}
