//! Accepts items on a thread of its own.

use crate::entry::Entry;
use crate::indexer;
use crate::retention::Retention;
use crate::segments::{Segments, WriteError};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

/// The most bytes of items that wait to be accepted.
const WAITING_BYTES: usize = 64 << 20;

/// The most items, and their bytes, of one transaction.
const BATCH_ITEMS: usize = 1000;
const BATCH_BYTES: usize = 4 << 20;

/// The pause before another attempt to write what could not be written.
const PAUSE: Duration = Duration::from_millis(500);

/// Counts what becomes of items.
pub trait Counts: Send + Sync + 'static {
    /// Items were accepted: they outlast this process.
    fn accepted(&self, entries: &[Entry]);

    /// Items are lost. `reason` is a clause such as `the disk is too slow`.
    fn lost(&self, entries: &[Entry], reason: &str);
}

/// Appends items to a store.
///
/// [`push`](Self::push) never blocks. A thread of its own appends the items in batches, and
/// another one indexes them. While the store cannot be written to, items wait, up to 64 MiB of
/// them; writing resumes by itself.
pub struct Writer {
    /// Taken at the end.
    messages: Mutex<Option<Sender<Message>>>,
    shared: Arc<Shared>,
    delivered: Arc<AtomicU64>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

enum Message {
    Entry(Entry),
    /// Dropped once everything before it is accepted.
    Flush(oneshot::Sender<()>),
}

struct Shared {
    waiting: AtomicUsize,
    counts: Box<dyn Counts>,
    /// Whether attempts to write end with the next failure.
    is_ending: AtomicBool,
    /// Why nothing can be written at present.
    trouble: Mutex<Option<String>>,
}

/// Says why nothing can be written, if so.
impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trouble = self.shared.trouble();
        f.debug_struct("Writer")
            .field("trouble", &trouble)
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts to write to a folder, which is created if necessary.
    ///
    /// # Errors
    ///
    /// Fails if another process writes to it, if it cannot be created or read, and if a later
    /// version of Taffrail has written to it.
    pub fn start(
        folder: PathBuf,
        retention: Retention,
        counts: Box<dyn Counts>,
    ) -> Result<Self, WriteError> {
        let delivered = Arc::new(AtomicU64::new(u64::MAX));
        let mut segments = Segments::new(folder.clone(), retention, Arc::clone(&delivered));
        segments.prepare()?;
        let (messages, receiver) = mpsc::channel();
        let (more, is_more) = mpsc::sync_channel(1);
        let (ending, ended) = oneshot::channel();
        let shared = Arc::new(Shared {
            waiting: AtomicUsize::new(0),
            counts,
            is_ending: AtomicBool::new(false),
            trouble: Mutex::new(None),
        });
        let failed = |source: io::Error| WriteError::Folder {
            folder: folder.clone(),
            source,
        };
        let indexed = folder.clone();
        let indexing = thread::Builder::new()
            .name("taffrail-index".to_owned())
            .spawn(move || indexer::run(indexed, &is_more))
            .map_err(failed)?;
        let mut thread = Thread {
            segments,
            messages: receiver,
            more,
            shared: Arc::clone(&shared),
        };
        thread::Builder::new()
            .name("taffrail-logs".to_owned())
            .spawn(move || {
                thread.run();
                thread.end(indexing);
                drop(ending);
            })
            .map_err(failed)?;
        Ok(Self {
            messages: Mutex::new(Some(messages)),
            shared,
            delivered,
            ended: Mutex::new(Some(ended)),
        })
    }

    /// Passes an item on to be accepted.
    pub fn push(&self, entry: Entry) {
        let bytes = entry.item.held_bytes;
        let waiting = self.shared.waiting.fetch_add(bytes, Relaxed) + bytes;
        if waiting > WAITING_BYTES {
            self.shared.waiting.fetch_sub(bytes, Relaxed);
            let trouble = self.shared.trouble();
            let reason = trouble.as_deref().unwrap_or("the disk is too slow");
            return self.shared.counts.lost(&[entry], reason);
        }
        let messages = self.messages.lock();
        let messages = messages.unwrap_or_else(PoisonError::into_inner);
        let unsent = match &*messages {
            Some(messages) => messages
                .send(Message::Entry(entry))
                .err()
                .map(|error| error.0),
            None => Some(Message::Entry(entry)),
        };
        if let Some(Message::Entry(entry)) = unsent {
            self.shared.counts.lost(&[entry], "the store was closed");
        }
    }

    /// Waits until all items that were pushed before are accepted or lost.
    pub async fn flush(&self) {
        let (flushing, flushed) = oneshot::channel();
        {
            let messages = self.messages.lock();
            let messages = messages.unwrap_or_else(PoisonError::into_inner);
            let Some(messages) = &*messages else { return };
            _ = messages.send(Message::Flush(flushing));
        }
        // Fails when the other end is dropped.
        _ = flushed.await;
    }

    /// Lets items up to this number be removed when they are old, and none above.
    pub fn keep_above(&self, number: u64) {
        self.delivered.store(number, Relaxed);
    }

    /// Waits until all items that were pushed before are accepted and indexed. Items that cannot
    /// be written now are lost, and so are those that are pushed later.
    pub async fn finish(&self) {
        self.shared.is_ending.store(true, Relaxed);
        let messages = self.messages.lock();
        drop(messages.unwrap_or_else(PoisonError::into_inner).take());
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ended) = ended {
            // Fails when the thread that appends has ended.
            _ = ended.await;
        }
    }
}

impl Shared {
    fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// The state of the thread that appends.
struct Thread {
    segments: Segments,
    messages: Receiver<Message>,
    more: SyncSender<()>,
    shared: Arc<Shared>,
}

impl Thread {
    fn run(&mut self) {
        while let Ok(first) = self.messages.recv() {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            let mut flushing = Vec::new();
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Entry(entry) => {
                        bytes += entry.item.held_bytes;
                        batch.push(entry);
                    }
                    Message::Flush(flushed) => flushing.push(flushed),
                }
                let has_room = batch.len() < BATCH_ITEMS && bytes < BATCH_BYTES;
                next = has_room.then(|| self.messages.try_recv().ok()).flatten();
            }
            if !batch.is_empty() {
                let appended = catch_unwind(AssertUnwindSafe(|| self.append(&batch)));
                if appended.is_err() {
                    self.shared.counts.lost(&batch, "Taffrail failed");
                }
                self.shared.waiting.fetch_sub(bytes, Relaxed);
            }
            drop(flushing);
        }
    }

    /// Waits until everything is indexed, and closes the databases. The one that writes goes last,
    /// since only it can leave a database without files beside it.
    fn end(self, indexing: JoinHandle<()>) {
        let Self { segments, more, .. } = self;
        drop(more);
        // It fails if the thread has panicked. Then the next process indexes the rest.
        _ = indexing.join();
        drop(segments);
    }

    /// Appends a batch, as often as it takes.
    fn append(&mut self, batch: &[Entry]) {
        while let Err(error) = self.segments.append(batch) {
            let trouble = format!("the store cannot be written to: {error}");
            if self.shared.trouble().as_ref() != Some(&trouble) {
                tracing::warn!("{trouble}; items wait until it can be");
                self.shared.set_trouble(Some(trouble.clone()));
            }
            if self.shared.is_ending.load(Relaxed) {
                return self.shared.counts.lost(batch, &trouble);
            }
            thread::park_timeout(PAUSE);
        }
        if self.shared.trouble().is_some() {
            tracing::warn!("the store can be written to again");
            self.shared.set_trouble(None);
        }
        self.shared.counts.accepted(batch);
        // If there is a signal already, the items are part of what it announces.
        _ = self.more.try_send(());
    }
}
