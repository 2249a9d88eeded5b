//! Recorded items on their way to the terminal or into a file.

use crate::args::Format;
use crate::pretty::Pretty;
use jiff::tz::TimeZone;
use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use taffrail_runtime::TailConsumer;
use taffrail_trace::TraceItem;

/// Items that may wait for a slow terminal.
const WAITING_ITEMS: usize = 4096;

/// Prints items on stdout from a thread of its own. When stdout is slower than
/// the Workers, items are left out and counted.
pub(crate) struct Printer {
    items: SyncSender<Message>,
    left_out: Arc<AtomicU64>,
}

enum Message {
    Item(Arc<TraceItem>),
    End,
}

/// The end of a [`Printer`].
pub(crate) struct Printing {
    items: SyncSender<Message>,
    thread: JoinHandle<()>,
}

impl Printer {
    pub(crate) fn start(format: Format) -> (Arc<Self>, Printing) {
        let (items, receiver) = sync_channel(WAITING_ITEMS);
        let left_out = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&left_out);
        let thread = thread::spawn(move || print_all(&receiver, format, &count));
        let printing = Printing {
            items: items.clone(),
            thread,
        };
        (Arc::new(Self { items, left_out }), printing)
    }
}

impl Printing {
    /// Waits until everything that came so far is printed, and stops.
    pub(crate) fn finish(self) {
        if self.items.send(Message::End).is_ok() {
            _ = self.thread.join();
        }
    }
}

impl TailConsumer for Printer {
    fn deliver(&self, item: &Arc<TraceItem>) {
        let message = Message::Item(Arc::clone(item));
        if self.items.try_send(message).is_err() {
            self.left_out.fetch_add(1, Relaxed);
        }
    }
}

fn print_all(messages: &Receiver<Message>, format: Format, left_out: &AtomicU64) {
    let zone = TimeZone::system();
    let mut out = BufWriter::new(anstream::stdout().lock());
    // What waits is printed in one go; what stdout does not take is lost with
    // it, and no reason to stop serving.
    while let Ok(first) = messages.recv() {
        for message in std::iter::once(first).chain(messages.try_iter()) {
            let Message::Item(item) = message else {
                _ = out.flush();
                return;
            };
            _ = print_item(&mut out, &item, format, &zone);
        }
        _ = out.flush();
        let missing = left_out.swap(0, Relaxed);
        if missing > 0 {
            tracing::warn!("{missing} item(s) not printed: the output is too slow");
        }
    }
}

fn print_item(
    out: &mut impl Write,
    item: &TraceItem,
    format: Format,
    zone: &TimeZone,
) -> io::Result<()> {
    match format {
        Format::Pretty => write!(out, "{}", Pretty { item, zone }),
        Format::Json => json_line(out, item),
        Format::None => Ok(()),
    }
}

/// Writes an item as one line of JSON.
pub(crate) fn json_line(out: &mut impl Write, item: &TraceItem) -> io::Result<()> {
    serde_json::to_writer(&mut *out, item)?;
    out.write_all(b"\n")
}

/// Keeps all items.
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
