//! Writes items to the terminal or to a file.

use crate::args::Format;
use crate::pretty::Pretty;
use crate::stdout::Output;
use jiff::tz::TimeZone;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use taffrail_runtime::{Ledger, TailConsumer};
use taffrail_trace::TraceItem;
use tokio::sync::oneshot;

/// The most bytes of items that wait for a slow stdout.
const WAITING_BYTES: usize = 64 << 20;

/// The size of one write.
const CHUNK_BYTES: usize = 64 << 10;

/// Prints items to stdout on a thread of its own. If stdout is slower than the Workers, items are
/// dropped and counted.
pub(crate) struct Printer {
    items: Sender<Message>,
    waiting: Arc<AtomicUsize>,
    ledger: Arc<Ledger>,
}

enum Message {
    Item(Arc<TraceItem>),
    End,
}

/// Waits for the end of a [`Printer`].
pub(crate) struct Printing {
    items: Sender<Message>,
    /// Fails once the thread has ended.
    printed: oneshot::Receiver<()>,
    ledger: Arc<Ledger>,
}

impl Printer {
    pub(crate) fn start(format: Format) -> io::Result<(Arc<Self>, Printing)> {
        let (items, messages) = channel();
        let (running, printed) = oneshot::channel();
        let ledger = Ledger::new("stdout");
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut printing = Thread {
            output: Output::new(Arc::clone(&ledger))?,
            waiting: Arc::clone(&waiting),
            format,
            zone: TimeZone::system(),
            _running: running,
        };
        thread::spawn(move || printing.run(&messages));
        let printer = Self {
            items: items.clone(),
            waiting,
            ledger: Arc::clone(&ledger),
        };
        let printing = Printing {
            items,
            printed,
            ledger,
        };
        Ok((Arc::new(printer), printing))
    }
}

impl Printing {
    /// Waits until all earlier items are printed.
    pub(crate) async fn finish(&mut self) {
        _ = self.items.send(Message::End);
        _ = (&mut self.printed).await;
    }

    /// Counts items that are not printed yet as lost.
    pub(crate) fn close(&self) {
        self.ledger.close("Taffrail stopped before it was written");
    }
}

impl TailConsumer for Printer {
    fn deliver(&self, item: &Arc<TraceItem>) {
        self.ledger.produced(1);
        let bytes = item.held_bytes;
        let waiting = self.waiting.fetch_add(bytes, Relaxed) + bytes;
        if waiting > WAITING_BYTES {
            self.waiting.fetch_sub(bytes, Relaxed);
            return self.ledger.lost(1, "stdout is too slow");
        }
        // The thread ends only with the process, and by then the ledger is closed.
        _ = self.items.send(Message::Item(Arc::clone(item)));
    }

    fn ledgers(&self) -> Vec<Arc<Ledger>> {
        vec![Arc::clone(&self.ledger)]
    }
}

/// The state of the printing thread.
struct Thread {
    output: Output,
    waiting: Arc<AtomicUsize>,
    format: Format,
    zone: TimeZone,
    _running: oneshot::Sender<()>,
}

impl Thread {
    fn run(&mut self, messages: &Receiver<Message>) {
        // All waiting items are written at once.
        while let Ok(first) = messages.recv() {
            for message in std::iter::once(first).chain(messages.try_iter()) {
                let Message::Item(item) = message else {
                    return self.output.write();
                };
                self.print(&item);
                self.waiting.fetch_sub(item.held_bytes, Relaxed);
                if self.output.len() >= CHUNK_BYTES {
                    self.output.write();
                }
            }
            self.output.write();
        }
    }

    fn print(&mut self, item: &TraceItem) {
        let zone = &self.zone;
        match self.format {
            Format::Pretty => self
                .output
                .add(|out| write!(out, "{}", Pretty { item, zone })),
            Format::Json => self.output.add(|out| json_line(out, item)),
            Format::None => {}
        }
    }
}

/// Writes an item as one line of JSON.
pub(crate) fn json_line(mut out: impl Write, item: &TraceItem) -> io::Result<()> {
    serde_json::to_writer(&mut out, item)?;
    out.write_all(b"\n")
}

/// A consumer that keeps all items.
#[derive(Default)]
pub(crate) struct Collector(Mutex<Vec<Arc<TraceItem>>>);

impl Collector {
    pub(crate) fn take(&self) -> Vec<Arc<TraceItem>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TailConsumer for Collector {
    fn deliver(&self, item: &Arc<TraceItem>) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(item));
    }
}
