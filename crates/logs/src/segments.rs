//! The segments of a store, as its writer keeps them.

use crate::database::Trouble;
use crate::entry::Entry;
use crate::folder::{self, Lock, Locked, Segment};
use crate::outbox::Outbox;
use crate::retention::Retention;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use taffrail_trace::EpochMs;

/// Fewer bytes than any item has in its database, to reckon how many there can have been.
const LEAST_ITEM_BYTES: u64 = 64;

/// Why a store cannot be written to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Another process writes to the folder.
    #[error("another process{} writes to `{}`", pid.map(|pid| format!(" ({pid})")).unwrap_or_default(), folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process, if it is known.
        pid: Option<u32>,
    },
    /// The folder cannot be created or read.
    #[error("`{}`: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Items that wait for their delivery have twice the size that the folder may have.
    #[error("`{}` is full of items that wait for a durable tail", .0.display())]
    Full(PathBuf),
    /// A database cannot be used.
    #[error("{0}")]
    Database(String),
}

impl From<Trouble> for WriteError {
    fn from(trouble: Trouble) -> Self {
        Self::Database(trouble.to_string())
    }
}

/// The segments, the last of which is written to.
pub(crate) struct Segments {
    folder: PathBuf,
    retention: Retention,
    /// Missing until the first successful use.
    lock: Option<Lock>,
    current: Option<Current>,
    /// The number of the next item.
    next: u64,
    /// The number up to which items need no delivery.
    delivered: Arc<AtomicU64>,
}

/// The segment that is written to.
struct Current {
    segment: Segment,
    outbox: Outbox,
    /// The device and inode of its items.
    identity: Option<(u64, u64)>,
    /// When its first item ended.
    began: Option<EpochMs>,
    bytes: u64,
}

impl Segments {
    pub(crate) fn new(folder: PathBuf, retention: Retention, delivered: Arc<AtomicU64>) -> Self {
        Self {
            delivered,
            folder,
            retention,
            lock: None,
            current: None,
            next: 1,
        }
    }

    /// Prepares the folder, unless that is done: takes its lock, and sets damaged databases
    /// aside.
    pub(crate) fn prepare(&mut self) -> Result<(), WriteError> {
        if self.lock.is_some() {
            return Ok(());
        }
        let failed = |folder: &Path| {
            let folder = folder.to_owned();
            |source| WriteError::Folder { folder, source }
        };
        folder::create(&self.folder).map_err(failed(&self.folder))?;
        let lock = Lock::take(&self.folder).map_err(|locked| match locked {
            Locked::By(pid) => WriteError::InUse {
                folder: self.folder.clone(),
                pid,
            },
            Locked::Failed(source) => failed(&self.folder)(source),
        })?;
        let segments = folder::segments(&self.folder).map_err(failed(&self.folder))?;
        for segment in &segments {
            let bytes = segment.bytes();
            let last = match Outbox::open(&segment.items).and_then(|outbox| outbox.last()) {
                Ok(last) => last.map_or(segment.first, |last| last + 1),
                Err(Trouble::Damaged(_)) => {
                    self.set_aside(segment).map_err(failed(&self.folder))?;
                    segment.first + bytes / LEAST_ITEM_BYTES + 1
                }
                Err(other) => return Err(other.into()),
            };
            self.next = self.next.max(last);
        }
        self.lock = Some(lock);
        Ok(())
    }

    /// Appends items. After an error the same items can be appended again, and are kept once.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<(), WriteError> {
        self.prepare()?;
        let appended = self.append_once(entries);
        if let Err(WriteError::Database(_)) = &appended
            && let Some(current) = self.current.take()
            && matches!(
                Outbox::open(&current.segment.items).and_then(|outbox| outbox.last()),
                Err(Trouble::Damaged(_))
            )
        {
            drop(current.outbox);
            self.next += current.bytes / LEAST_ITEM_BYTES + entries.len() as u64;
            let aside = self.set_aside(&current.segment);
            aside.map_err(|source| WriteError::Folder {
                folder: self.folder.clone(),
                source,
            })?;
            return self.append_once(entries);
        }
        appended
    }

    fn append_once(&mut self, entries: &[Entry]) -> Result<(), WriteError> {
        loop {
            let next = self.next;
            let current = self.current(entries)?;
            current.outbox.append(next, entries)?;
            // What was written to a removed file is gone.
            if current.is_present() {
                break;
            }
            self.current = None;
        }
        self.next += entries.len() as u64;
        Ok(())
    }

    /// Returns the segment for items: the last one, or a new one if there is none or if it is
    /// large or old enough.
    fn current(&mut self, entries: &[Entry]) -> Result<&mut Current, WriteError> {
        let ended = entries
            .iter()
            .filter_map(|entry| entry.item.event_timestamp)
            .max();
        let is_usable = |current: &Current| {
            current.is_present() && !self.retention.is_full(current.bytes, current.began, ended)
        };
        let bytes: usize = entries.iter().map(|entry| entry.item.held_bytes).sum();
        let mut current = match self.current.take().filter(is_usable) {
            Some(current) => current,
            None => self.next_segment(ended)?,
        };
        current.bytes += bytes as u64;
        current.began = current.began.or(ended);
        Ok(self.current.insert(current))
    }

    fn next_segment(&self, ended: Option<EpochMs>) -> Result<Current, WriteError> {
        let folder = |source| WriteError::Folder {
            folder: self.folder.clone(),
            source,
        };
        folder::create(&self.folder).map_err(folder)?;
        let last = folder::segments(&self.folder).map_err(folder)?.pop();
        if let Some(segment) = last {
            let current = Current::open(segment)?;
            if !self.retention.is_full(current.bytes, current.began, ended) {
                return Ok(current);
            }
        }
        let segment = Segment::new(&self.folder, self.next);
        let delivered = self.delivered.load(Relaxed);
        if !self.retention.apply(&self.folder, ended, delivered) {
            return Err(WriteError::Full(self.folder.clone()));
        }
        Ok(Current::open(segment)?)
    }

    fn set_aside(&self, segment: &Segment) -> io::Result<()> {
        let aside = folder::set_aside(&segment.items)?;
        folder::remove_database(&segment.index)?;
        tracing::warn!(
            "`{}` is damaged, and its items cannot be read; it is now `{}`",
            segment.items.display(),
            aside.display()
        );
        Ok(())
    }
}

impl Current {
    fn open(segment: Segment) -> Result<Self, Trouble> {
        let outbox = Outbox::open(&segment.items)?;
        Ok(Self {
            identity: identity(&segment.items),
            began: outbox.began()?,
            bytes: fs::metadata(&segment.items).map_or(0, |metadata| metadata.len()),
            segment,
            outbox,
        })
    }

    /// Whether its file still has its name.
    fn is_present(&self) -> bool {
        self.identity.is_some() && identity(&self.segment.items) == self.identity
    }
}

fn identity(file: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
