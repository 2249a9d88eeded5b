//! Indexes accepted items, behind those who append them.

use crate::database::Trouble;
use crate::folder::{self, Segment};
use crate::index::Index;
use crate::outbox::Outbox;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// The bytes of items that are indexed in one transaction.
const BATCH_BYTES: usize = 2 << 20;

/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Indexes what a folder has, each time that there is more. Ends with the sender, once everything
/// is indexed or an attempt fails.
pub(crate) fn run(folder: PathBuf, more: &Receiver<()>) {
    let mut indexer = Indexer { folder, open: None };
    let mut has_failed = false;
    let mut is_last = false;
    loop {
        match indexer.catch_up() {
            Ok(()) => has_failed = false,
            Err(trouble) => {
                if !has_failed {
                    tracing::warn!("new items cannot be found yet, but are kept: {trouble}");
                }
                has_failed = true;
                indexer.open = None;
            }
        }
        if is_last {
            return;
        }
        let signal = match has_failed {
            true => more.recv_timeout(PAUSE),
            false => more.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        is_last = signal == Err(RecvTimeoutError::Disconnected);
    }
}

/// Indexes everything that a folder has.
pub(crate) fn catch_up(folder: &Path) -> Result<(), Trouble> {
    let folder = folder.to_owned();
    Indexer { folder, open: None }.catch_up()
}

struct Indexer {
    folder: PathBuf,
    /// The last segment.
    open: Option<Open>,
}

struct Open {
    segment: Segment,
    outbox: Outbox,
    index: Index,
    indexed: u64,
}

impl Indexer {
    fn catch_up(&mut self) -> Result<(), Trouble> {
        let from = self.open.as_ref().map_or(0, |open| open.segment.first);
        // A folder that cannot be read has nothing to be indexed now.
        let segments = folder::segments(&self.folder).unwrap_or_default();
        for segment in segments.into_iter().filter(|segment| segment.first >= from) {
            let open = match self.open.take() {
                Some(open) if open.segment == segment && segment.index.exists() => open,
                _ => Open::new(segment)?,
            };
            self.open.insert(open).catch_up()?;
        }
        Ok(())
    }
}

impl Open {
    fn new(segment: Segment) -> Result<Self, Trouble> {
        let opened = Index::open(&segment.index).and_then(|index| {
            let indexed = index.indexed()?;
            Ok((index, indexed))
        });
        let (index, indexed) = match opened {
            // All that it has is made from the items.
            Err(trouble @ (Trouble::Damaged(_) | Trouble::Earlier(_))) => {
                tracing::warn!("{trouble}, and is made again");
                let file = &segment.index;
                if let Err(error) = folder::remove_database(file) {
                    tracing::warn!("`{}` cannot be removed: {error}", file.display());
                }
                (Index::open(file)?, 0)
            }
            opened => opened?,
        };
        Ok(Self {
            outbox: Outbox::open_to_read(&segment.items)?,
            segment,
            index,
            indexed,
        })
    }

    fn catch_up(&mut self) -> Result<(), Trouble> {
        loop {
            let items = self.outbox.after(self.indexed, BATCH_BYTES)?;
            let Some(last) = items.last() else {
                return Ok(());
            };
            self.index.add(&items)?;
            self.indexed = last.seq;
        }
    }
}
