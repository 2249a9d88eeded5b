//! How long items are kept.

use crate::folder;
use crate::outbox::Outbox;
use std::path::Path;
use std::time::Duration;
use taffrail_trace::EpochMs;

/// How many segments the whole size and the whole time make. Both together are at most ten, the
/// databases that SQLite can attach to one connection.
const BY_SIZE: u64 = 5;
const BY_AGE: u64 = 4;

/// How long items are kept, and how many bytes all files may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Items of invocations that ended earlier before the last one are removed.
    pub age: Duration,
    /// The most bytes of all files.
    pub bytes: u64,
}

impl Default for Retention {
    /// 7 days, as on Cloudflare, and 4 GiB.
    fn default() -> Self {
        Self {
            age: Duration::from_secs(7 * 24 * 60 * 60),
            bytes: 4 << 30,
        }
    }
}

impl Retention {
    /// Whether a segment is complete whose items have this many bytes, and of which the first one
    /// ended at `began`.
    pub(crate) fn is_full(&self, bytes: u64, began: Option<EpochMs>, now: Option<EpochMs>) -> bool {
        // The index takes some half of the items.
        let is_large = bytes + bytes / 2 >= self.bytes / BY_SIZE;
        let age = now.zip(began).map(|(now, began)| now.saturating_sub(began));
        is_large || age.is_some_and(|age| age >= self.age_ms() / BY_AGE)
    }

    /// Removes segments from the oldest one on, until there is room for a further one and none is
    /// too old. A segment that cannot be removed is reported and stays.
    ///
    /// Segments with items above `delivered` are kept, since these wait for their delivery. Returns
    /// false if such items leave no room for others: if all have twice the size that they may have.
    pub(crate) fn apply(&self, folder: &Path, now: Option<EpochMs>, delivered: u64) -> bool {
        let Ok(mut segments) = folder::segments(folder) else {
            return true;
        };
        let firsts = segments.iter().map(|segment| segment.first).skip(1);
        let firsts: Vec<_> = firsts.collect();
        // Read once: the files of segments that are being indexed grow.
        let sizes: Vec<_> = segments.iter().map(folder::Segment::bytes).collect();
        let mut total: u64 = sizes.iter().sum();
        // The last one is written to.
        segments.pop();
        for ((segment, next), bytes) in segments.into_iter().zip(firsts).zip(sizes) {
            let ended = Outbox::open_to_read(&segment.items).and_then(|outbox| outbox.ended());
            let ended = ended.ok().flatten();
            let is_old = now
                .zip(ended)
                .is_some_and(|(now, ended)| now.saturating_sub(ended) > self.age_ms());
            if next > delivered.saturating_add(1) {
                return total / 2 <= self.bytes;
            }
            if !is_old && total + self.bytes / BY_SIZE <= self.bytes {
                break;
            }
            total -= bytes;
            if let Err(error) = segment.remove() {
                let file = segment.items.display();
                tracing::warn!("`{file}` is too old, and cannot be removed: {error}");
            }
        }
        true
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.age.as_millis()).unwrap_or(u64::MAX)
    }
}
