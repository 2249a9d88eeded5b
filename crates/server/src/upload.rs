//! The body of a request, whose client may go away in the middle of it.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::watch;

/// A body that says when the connection ends before it does.
///
/// The Worker would see no more than a body that breaks off, and fail by it.
/// So it is not told until whoever listens has dropped what the client left
/// behind, and with it the Worker's invocation, unless that goes on after the
/// response.
pub(crate) struct Upload {
    body: Incoming,
    client_left: watch::Sender<bool>,
    cut_off: Option<CutOff>,
}

struct CutOff {
    error: Option<hyper::Error>,
    nobody_listens: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Upload {
    pub(crate) fn new(body: Incoming, client_left: watch::Sender<bool>) -> Self {
        Self {
            body,
            client_left,
            cut_off: None,
        }
    }

    fn cut_off(&self, error: hyper::Error) -> CutOff {
        let client_left = self.client_left.clone();
        CutOff {
            error: Some(error),
            nobody_listens: Box::pin(async move {
                client_left.send_replace(true);
                client_left.closed().await;
            }),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            if let Some(cut_off) = &mut self.cut_off {
                ready!(cut_off.nobody_listens.as_mut().poll(cx));
                return Poll::Ready(cut_off.error.take().map(Err));
            }
            // When the response is complete, hyper does not tell the end of a
            // body until the connection ends.
            if self.body.is_end_stream() {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Err(error)) if is_end_of_connection(&error) => {
                    self.cut_off = Some(self.cut_off(error));
                }
                frame => return Poll::Ready(frame),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// As opposed to a body that is malformed.
fn is_end_of_connection(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| {
        matches!(
            cause.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
        )
    })
}
