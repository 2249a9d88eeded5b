//! Two scripts that talk with each other: the messages of an RPC session.

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// Bytes that wait to be read by one side: the limit for one message of RPC
/// on Workers.
const QUEUED_BYTES: usize = 32 << 20;

/// One end of a session.
pub(crate) struct End {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
}

/// The two ends of a new session.
pub(crate) fn pair() -> (End, End) {
    let (to_first, from_second) = channel();
    let (to_second, from_first) = channel();
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

/// One direction.
pub(crate) fn channel() -> (Sender, Receiver) {
    let (messages, received) = mpsc::unbounded_channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        messages,
        queued: Arc::clone(&queued),
    };
    let receiver = Receiver {
        messages: received,
        queued,
    };
    (sender, receiver)
}

/// Sends to the other end, which reads the end once all clones are gone.
#[derive(Clone)]
pub(crate) struct Sender {
    messages: mpsc::UnboundedSender<Bytes>,
    queued: Arc<AtomicUsize>,
}

/// There is no room for a message.
pub(crate) struct Full;

impl Sender {
    /// Sends a message, which is one line. Where nobody listens any more it is
    /// lost: that side has ended, and this one is about to hear of it.
    pub(crate) fn send(&self, message: &str) -> Result<(), Full> {
        let length = message.len() + 1;
        if self.queued.fetch_add(length, Relaxed) + length > QUEUED_BYTES {
            self.queued.fetch_sub(length, Relaxed);
            return Err(Full);
        }
        self.put(message);
        Ok(())
    }

    /// Sends a message for which there is always room, since none follows.
    pub(crate) fn send_last(self, message: &str) {
        self.queued.fetch_add(message.len() + 1, Relaxed);
        self.put(message);
    }

    fn put(&self, message: &str) {
        let mut line = BytesMut::with_capacity(message.len() + 1);
        line.put(message.as_bytes());
        line.put_u8(b'\n');
        _ = self.messages.send(line.freeze());
    }
}

/// What the other end has sent: a body of lines.
pub(crate) struct Receiver {
    messages: mpsc::UnboundedReceiver<Bytes>,
    queued: Arc<AtomicUsize>,
}

impl Receiver {
    /// The next message, none at the end.
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
