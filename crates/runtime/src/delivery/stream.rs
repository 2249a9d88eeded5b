//! The events of one invocation on their way to one streaming tail.

use crate::delivery::waiting;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use taffrail_trace::TailEvent;
use tokio::sync::{mpsc, watch};

/// The most bytes of events that wait for a streaming tail. That of workerd is just below
/// (SEMANTICS R75).
pub(crate) const QUEUED_BYTES: usize = 4 << 20;

/// The most bytes that all streams to one Tail Worker hold: as many as its queue of items may.
pub(super) const HELD_BYTES: usize = waiting::QUEUED_BYTES;

/// Bytes that a stream holds beside its events.
const STREAM_BYTES: usize = 4 << 10;

/// The bytes that all streams to one Tail Worker hold.
#[derive(Default)]
pub(super) struct Held(AtomicUsize);

impl Held {
    /// Charges a stream, unless too much is held.
    pub(super) fn open(self: &Arc<Self>) -> Option<Charge> {
        self.has_room(STREAM_BYTES)
            .then(|| Charge::new(self, STREAM_BYTES))
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.0.load(Relaxed).saturating_add(bytes) <= HELD_BYTES
    }
}

/// Some of the held bytes, until this is dropped.
pub(super) struct Charge {
    held: Arc<Held>,
    bytes: usize,
}

impl Charge {
    fn new(held: &Arc<Held>, bytes: usize) -> Self {
        held.0.fetch_add(bytes, Relaxed);
        Self {
            held: Arc::clone(held),
            bytes,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.bytes, Relaxed);
    }
}

/// Returns the two ends of a stream whose events count as `held`.
pub(super) fn stream(held: &Arc<Held>) -> (StreamSender, TailStream) {
    let (sender, events) = mpsc::unbounded_channel();
    let (is_open, ended) = watch::channel(());
    let received = Arc::new(AtomicUsize::new(0));
    let sender = StreamSender {
        events: sender,
        held: Arc::clone(held),
        queued: 0,
        received: Arc::clone(&received),
        _is_open: is_open,
    };
    let stream = TailStream {
        events,
        received,
        ended,
    };
    (sender, stream)
}

/// The end of the invocation, which never waits.
pub(crate) struct StreamSender {
    events: mpsc::UnboundedSender<(Arc<TailEvent>, Charge)>,
    held: Arc<Held>,
    /// Bytes that were sent, less those that are known to be received.
    queued: usize,
    /// Bytes that were received, and are not known to be.
    received: Arc<AtomicUsize>,
    /// Dropped with the sender, which ends the stream.
    _is_open: watch::Sender<()>,
}

/// There is no room for an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl StreamSender {
    /// Sends an event of this many bytes, unless too many wait.
    pub(crate) fn send(&mut self, event: &Arc<TailEvent>, bytes: usize) -> Result<(), Full> {
        if !self.has_room(bytes) {
            return Err(Full);
        }
        self.send_always(event, bytes);
        Ok(())
    }

    /// Sends an event that is never dropped. There are few of them.
    pub(crate) fn send_always(&mut self, event: &Arc<TailEvent>, bytes: usize) {
        self.queued = self.queued.saturating_add(bytes);
        // Without a receiver, the tail wants no more.
        let charge = Charge::new(&self.held, bytes);
        _ = self.events.send((Arc::clone(event), charge));
    }

    /// Whether there is room for an event of this many bytes.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.queued.saturating_add(bytes) <= QUEUED_BYTES && self.held.has_room(bytes)
    }

    /// Makes room where events were received.
    pub(crate) fn make_room(&mut self) {
        let received = self.received.swap(0, Relaxed);
        self.queued = self.queued.saturating_sub(received);
    }

    /// Whether the tail receives no more.
    pub(crate) fn is_closed(&self) -> bool {
        self.events.is_closed()
    }
}

/// The end of the streaming tail.
pub struct TailStream {
    events: mpsc::UnboundedReceiver<(Arc<TailEvent>, Charge)>,
    received: Arc<AtomicUsize>,
    ended: watch::Receiver<()>,
}

impl TailStream {
    /// Waits for the next event. Returns `None` after the outcome.
    pub(crate) async fn next(&mut self) -> Option<Arc<TailEvent>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Polls for the next event. The result is `None` after the outcome.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<TailEvent>>> {
        self.events.poll_recv(cx).map(|received| {
            let (event, charge) = received?;
            self.received.fetch_add(charge.bytes, Relaxed);
            Some(event)
        })
    }

    /// Completes once the invocation has ended, whether or not all of its events were received.
    pub(crate) fn until_ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut ended = self.ended.clone();
        async move { while ended.changed().await.is_ok() {} }
    }
}
