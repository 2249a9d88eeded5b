//! The messages of an RPC session between two scripts.

use bytes::Bytes;
use http_body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use taffrail_trace::MAX_TRACE_BYTES;
use tokio::sync::mpsc;

/// The limit of bytes that wait to be read by one side. On Workers this is the limit of one RPC
/// message.
const QUEUED_BYTES: usize = 32 << 20;

/// The limit of bytes of a callee's records that wait for its caller: four times the size of an
/// item.
pub(crate) const LIVE_BYTES: usize = 4 * MAX_TRACE_BYTES;

/// One end of a session.
pub(crate) struct End {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
}

/// Creates a session and returns its two ends.
pub(crate) fn pair() -> (End, End) {
    let (to_first, from_second) = channel(QUEUED_BYTES);
    let (to_second, from_first) = channel(QUEUED_BYTES);
    let first = End {
        sender: to_second,
        receiver: from_second,
    };
    let second = End {
        sender: to_first,
        receiver: from_first,
    };
    (first, second)
}

/// Creates one direction of a session, with room for `limit` bytes.
pub(crate) fn channel(limit: usize) -> (Sender, Receiver) {
    let (messages, received) = mpsc::unbounded_channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        messages,
        queued: Arc::clone(&queued),
        limit,
    };
    let receiver = Receiver {
        messages: received,
        queued,
    };
    (sender, receiver)
}

/// Sends to the other end, which sees the end of the stream once all clones are dropped.
#[derive(Clone)]
pub(crate) struct Sender {
    messages: mpsc::UnboundedSender<Bytes>,
    queued: Arc<AtomicUsize>,
    limit: usize,
}

/// Returns a message in the form in which it is sent.
pub(crate) fn line(message: &str) -> Vec<u8> {
    let mut line = Vec::with_capacity(message.len() + 1);
    line.extend_from_slice(message.as_bytes());
    line.push(b'\n');
    line
}

/// There is no room for the message.
pub(crate) struct Full;

impl Sender {
    /// Sends a [line](line()). It is lost if the other side has already ended, in which case this
    /// side is about to be told.
    pub(crate) fn send(&self, line: Bytes) -> Result<(), Full> {
        let length = line.len();
        if self.queued.fetch_add(length, Relaxed) + length > self.limit {
            self.queued.fetch_sub(length, Relaxed);
            return Err(Full);
        }
        _ = self.messages.send(line);
        Ok(())
    }

    /// Whether there is room for a line of this many bytes.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.queued.load(Relaxed).saturating_add(bytes) <= self.limit
    }

    /// Sends the last message, for which there is always room.
    pub(crate) fn send_last(self, message: &str) {
        let line = Bytes::from(line(message));
        self.queued.fetch_add(line.len(), Relaxed);
        _ = self.messages.send(line);
    }
}

/// The messages from the other end, as a body of lines.
pub(crate) struct Receiver {
    messages: mpsc::UnboundedReceiver<Bytes>,
    queued: Arc<AtomicUsize>,
}

impl Receiver {
    /// Returns the next message, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let line = self.messages.recv().await?;
        self.queued.fetch_sub(line.len(), Relaxed);
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

impl Body for Receiver {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let line = ready!(self.messages.poll_recv(cx));
        Poll::Ready(line.map(|line| {
            self.queued.fetch_sub(line.len(), Relaxed);
            Ok(Frame::data(line))
        }))
    }
}
