//! Recorded items on their way to the terminal or into a file.

use crate::args::Format;
use crate::pretty::Pretty;
use jiff::tz::TimeZone;
use std::io::{self, Write};
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
    items: SyncSender<Arc<TraceItem>>,
    left_out: Arc<AtomicU64>,
}

/// The end of a [`Printer`]: joins its thread once all senders are gone.
pub(crate) struct Printing(JoinHandle<()>);

impl Printer {
    pub(crate) fn start(format: Format) -> (Arc<Self>, Printing) {
        let (items, receiver) = sync_channel(WAITING_ITEMS);
        let left_out = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&left_out);
        let thread = thread::spawn(move || print_all(&receiver, format, &count));
        (Arc::new(Self { items, left_out }), Printing(thread))
    }
}

impl Printing {
    /// Waits until everything is printed.
    pub(crate) fn finish(self) {
        _ = self.0.join();
    }
}

impl TailConsumer for Printer {
    fn deliver(&self, item: &Arc<TraceItem>) {
        if self.items.try_send(Arc::clone(item)).is_err() {
            self.left_out.fetch_add(1, Relaxed);
        }
    }
}

fn print_all(items: &Receiver<Arc<TraceItem>>, format: Format, left_out: &AtomicU64) {
    let zone = TimeZone::system();
    let mut out = anstream::stdout().lock();
    while let Ok(first) = items.recv() {
        let waiting = std::iter::once(first).chain(items.try_iter());
        // A closed stdout is no reason to stop serving.
        let printed = waiting
            .into_iter()
            .try_for_each(|item| print_item(&mut out, &item, format, &zone))
            .and_then(|()| out.flush());
        let missing = left_out.swap(0, Relaxed);
        if missing > 0 {
            tracing::warn!("{missing} item(s) not printed: the output is too slow");
        }
        if let Err(error) = printed {
            tracing::debug!("cannot print: {error}");
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
