//! Finds kept items.

use crate::database::{self, Trouble};
use crate::filter::Filter;
use crate::folder::{self, Segment};
use crate::index::{self, LAYOUT};
use crate::indexer;
use crate::outbox::{Kept, Outbox};
use rusqlite::{Connection, params};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use taffrail_trace::{EpochMs, TraceItem};

/// The bytes of items that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Kept items cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing was kept in the folder.
    #[error("there are no logs in `{}`", .0.display())]
    Nothing(PathBuf),
    /// The folder cannot be read.
    #[error("`{}`: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A database cannot be read.
    #[error("{0}")]
    Database(String),
    /// SQL fails.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

impl From<Trouble> for ReadError {
    fn from(trouble: Trouble) -> Self {
        Self::Database(trouble.to_string())
    }
}

/// A kept item.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its number: items are numbered in the order in which they were accepted.
    pub number: u64,
    /// How many invocations it stands for, itself included. Missing if its logs are not kept: such
    /// an item is found by [its id](Filter::id) alone.
    pub sample_interval: Option<f64>,
    /// Whether the invocation itself is shown, beside its logs and exceptions.
    pub shows_invocation: bool,
    /// The item. Its times are in microseconds.
    pub item: TraceItem,
}

/// The kept items of a folder, also while another process writes to it.
pub struct Reader {
    pub(crate) folder: PathBuf,
}

/// Returns the segments in a folder.
pub(crate) fn segments(folder: &Path) -> Result<Vec<Segment>, ReadError> {
    folder::segments(folder).map_err(|source| ReadError::Folder {
        folder: folder.to_owned(),
        source,
    })
}

impl Reader {
    /// Opens a folder.
    ///
    /// # Errors
    ///
    /// Fails if nothing was kept there, or if it cannot be read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let reader = Self {
            folder: folder.into(),
        };
        if reader.segments()?.is_empty() {
            return Err(ReadError::Nothing(reader.folder));
        }
        // When a writer was killed, the last items may not be indexed. Where it cannot be done,
        // those are read one by one.
        if let Ok(_lock) = folder::Lock::take(&reader.folder) {
            _ = indexer::catch_up(&reader.folder);
        }
        Ok(reader)
    }

    pub(crate) fn segments(&self) -> Result<Vec<Segment>, ReadError> {
        segments(&self.folder)
    }

    /// Passes matching items to `each`, the latest first, until it returns false.
    ///
    /// # Errors
    ///
    /// Fails if a database cannot be read. Damaged ones are skipped with a warning.
    pub fn latest(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Found) -> bool,
    ) -> Result<(), ReadError> {
        for segment in self.segments()?.iter().rev() {
            match OpenSegment::open(segment) {
                Ok(open) => {
                    if !open.latest(filter, &mut each)? {
                        return Ok(());
                    }
                }
                Err(Trouble::Damaged(file)) => {
                    tracing::warn!("`{}` is damaged, and is skipped", file.display());
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    /// Passes matching items with numbers above `after` to `each`, in order. Returns the last
    /// number that was read.
    ///
    /// # Errors
    ///
    /// Fails if a database cannot be read.
    pub fn after(
        &self,
        after: u64,
        filter: &Filter,
        mut each: impl FnMut(Found),
    ) -> Result<u64, ReadError> {
        let segments = self.segments()?;
        let mut last = after;
        for segment in folder::above(&segments, after) {
            let outbox = Outbox::open_to_read(&segment.items)?;
            loop {
                let items = outbox.after(last, READ_BYTES)?;
                let Some(kept) = items.last() else {
                    break;
                };
                last = kept.seq;
                let found = items.iter().filter_map(|kept| found(kept, filter));
                found
                    .filter(|found| filter.matches(&found.item))
                    .for_each(&mut each);
            }
        }
        Ok(last)
    }

    /// Returns the number of the last item.
    ///
    /// # Errors
    ///
    /// Fails if a database cannot be read.
    pub fn last(&self) -> Result<u64, ReadError> {
        let segments = self.segments()?;
        let Some(segment) = segments.last() else {
            return Ok(0);
        };
        let last = Outbox::open_to_read(&segment.items)?.last()?;
        Ok(last.unwrap_or(segment.first.saturating_sub(1)))
    }

    /// Returns how many items match, using all processors.
    ///
    /// # Errors
    ///
    /// Fails if a database cannot be read.
    pub fn count(&self, filter: &Filter) -> Result<u64, ReadError> {
        let segments = self.segments()?;
        let counts = thread::scope(|scope| {
            let threads: Vec<_> = segments
                .iter()
                .map(|segment| scope.spawn(move || OpenSegment::open(segment)?.count(filter)))
                .collect();
            let counts = threads.into_iter().map(|thread| {
                let failed = || Err(ReadError::Database("a count broke off".to_owned()));
                thread.join().unwrap_or_else(|_| failed())
            });
            counts.collect::<Result<Vec<u64>, ReadError>>()
        });
        Ok(counts?.iter().sum())
    }
}

/// The databases of one segment.
pub(crate) struct OpenSegment {
    outbox: Outbox,
    /// Missing if nothing is indexed yet.
    index: Option<Connection>,
    /// The number of the last item that is indexed. The index is seen as it was when this was
    /// opened, so that what is indexed later is read as not indexed.
    pub(crate) indexed: u64,
}

impl OpenSegment {
    pub(crate) fn open(segment: &Segment) -> Result<Self, Trouble> {
        let outbox = Outbox::open_to_read(&segment.items)?;
        let index = match segment.index.exists() {
            // Until it is made again, all items are read.
            true => match database::open_to_read(&segment.index, &LAYOUT) {
                Err(Trouble::Damaged(_) | Trouble::Earlier(_)) => None,
                opened => Some(opened?),
            },
            false => None,
        };
        let indexed = match &index {
            Some(index) => index
                .execute_batch("BEGIN")
                .and_then(|()| index::indexed(index))
                .map_err(|error| Trouble::new(&segment.index, error))?,
            None => 0,
        };
        Ok(Self {
            outbox,
            index,
            indexed,
        })
    }

    /// Returns whether the items of earlier segments are wanted too.
    pub(crate) fn latest(
        &self,
        filter: &Filter,
        each: &mut impl FnMut(Found) -> bool,
    ) -> Result<bool, ReadError> {
        for found in self.unindexed(filter)?.into_iter().rev() {
            if filter.matches(&found.item) && !each(found) {
                return Ok(false);
            }
        }
        let mut goes_on = true;
        self.candidates(filter, "ORDER BY 1 DESC", |number| {
            let kept = self.outbox.get(number)?;
            if let Some(found) = kept.and_then(|kept| found(&kept, filter))
                && filter.matches_but_for_words(&found.item)
            {
                goes_on = each(found);
            }
            Ok(goes_on)
        })?;
        Ok(goes_on)
    }

    pub(crate) fn count(&self, filter: &Filter) -> Result<u64, ReadError> {
        let unindexed = self.unindexed(filter)?;
        let unindexed = unindexed.iter().filter(|found| filter.matches(&found.item));
        let mut count = unindexed.count() as u64;
        if let (true, Some(query), Some(index)) = (filter.is_covered(), filter.query(), &self.index)
        {
            return Ok(count + index::count(index, &query)?);
        }
        self.candidates(filter, "", |number| {
            let kept = self.outbox.get(number)?;
            let found = kept.and_then(|kept| found(&kept, filter));
            count +=
                u64::from(found.is_some_and(|found| filter.matches_but_for_words(&found.item)));
            Ok(true)
        })?;
        Ok(count)
    }

    /// Returns the items that are not indexed yet.
    fn unindexed(&self, filter: &Filter) -> Result<Vec<Found>, ReadError> {
        let mut found_items = Vec::new();
        let mut last = self.indexed;
        loop {
            let items = self.outbox.after(last, READ_BYTES)?;
            let Some(kept) = items.last() else {
                return Ok(found_items);
            };
            last = kept.seq;
            found_items.extend(items.iter().filter_map(|kept| found(kept, filter)));
        }
    }

    /// Passes the numbers of items that can match to `each`, until it returns false.
    fn candidates(
        &self,
        filter: &Filter,
        order: &str,
        mut each: impl FnMut(u64) -> Result<bool, ReadError>,
    ) -> Result<(), ReadError> {
        let Some(index) = &self.index else {
            return Ok(());
        };
        let Some((first, last)) = range(index, filter.since, filter.until)? else {
            return Ok(());
        };
        let query = filter.query();
        let from = match query {
            Some(_) => "SELECT rowid FROM terms WHERE terms MATCH ?3 AND rowid",
            None => "SELECT seq FROM invocations WHERE ?3 IS NULL AND seq",
        };
        let mut select = index.prepare(&format!("{from} BETWEEN ?1 AND ?2 {order}"))?;
        let mut rows = select.query(params![first, last, query])?;
        while let Some(row) = rows.next()? {
            if !each(row.get::<_, i64>(0)?.cast_unsigned())? {
                break;
            }
        }
        Ok(())
    }
}

/// Returns the first and the last number of items that can have started in a range of time.
fn range(
    index: &Connection,
    since: Option<EpochMs>,
    until: Option<EpochMs>,
) -> Result<Option<(i64, i64)>, ReadError> {
    let sql = "SELECT min(first), max(last) FROM runs WHERE latest >= ?1 AND earliest <= ?2";
    let since = since.unwrap_or(0).min(i64::MAX.cast_unsigned());
    let until = until.unwrap_or(u64::MAX).min(i64::MAX.cast_unsigned());
    let range = index.query_row(
        sql,
        params![since.cast_signed(), until.cast_signed()],
        |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)),
    )?;
    Ok(range.0.zip(range.1))
}

/// Reads an item that a search may find.
fn found(kept: &Kept, filter: &Filter) -> Option<Found> {
    if kept.sample_interval.is_none() && filter.id.is_none() {
        return None;
    }
    Some(Found {
        number: kept.seq,
        sample_interval: kept.sample_interval,
        shows_invocation: kept.shows_invocation,
        item: kept.searched()?,
    })
}
