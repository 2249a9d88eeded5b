//! The body of a request, whose client may leave in the middle of it, or never
//! complete it.

use crate::patience::Patience;
use crate::places::{Place, Wanted};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use taffrail_runtime::RequestBodyError;
use tokio::sync::oneshot;

/// A body that reports when the connection ends before the body does, and when
/// its client is too slow.
///
/// The Worker would only see a body that breaks off, and fail. So the error is
/// held back until the connection's task has dropped the work for the client, and
/// with it the Worker's invocation, unless that continues after the response.
pub(crate) struct Upload {
    body: Incoming,
    place: Arc<Place>,
    patience: Patience,
    /// Receives `TooSlow`, as long as the client has no response.
    too_slow: Option<oneshot::Sender<TooSlow>>,
    cut_off: Option<CutOff>,
}

/// The client did not send its request in time.
pub(crate) struct TooSlow;

struct CutOff {
    error: Option<RequestBodyError>,
    connection_gone: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Upload {
    /// Also returns the receiver of `TooSlow`, if the body has one.
    pub(crate) fn new(
        body: Incoming,
        place: Arc<Place>,
        patience: Patience,
    ) -> (Self, Option<oneshot::Receiver<TooSlow>>) {
        let (too_slow, told) = match body.is_end_stream() {
            true => (None, None),
            false => {
                let (sender, receiver) = oneshot::channel();
                (Some(sender), Some(receiver))
            }
        };
        let upload = Self {
            body,
            place,
            patience,
            too_slow,
            cut_off: None,
        };
        (upload, told)
    }

    fn cut_off(&self, error: RequestBodyError) -> CutOff {
        let place = Arc::clone(&self.place);
        CutOff {
            error: Some(error),
            connection_gone: Box::pin(async move { place.gone().await }),
        }
    }

    /// Once the client has a response, the only way to report it is to end the
    /// connection.
    fn is_too_slow(&mut self) {
        let told = self.too_slow.take();
        if told.is_none_or(|told| told.send(TooSlow).is_err()) {
            self.place.want(Wanted::End);
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        loop {
            if let Some(cut_off) = &mut self.cut_off {
                ready!(cut_off.connection_gone.as_mut().poll(cx));
                return Poll::Ready(cut_off.error.take().map(Err));
            }
            // When the response is complete, hyper reports the end of a body only
            // at the end of the connection.
            if self.body.is_end_stream() {
                return Poll::Ready(None);
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    ready!(self.patience.poll_wait(cx));
                    self.is_too_slow();
                    let error = RequestBodyError::ConnectionReadTimeout;
                    self.cut_off = Some(self.cut_off(error));
                }
                Poll::Ready(Some(Err(error))) if is_end_of_connection(&error) => {
                    self.place.want(Wanted::End);
                    self.cut_off = Some(self.cut_off(error.into()));
                }
                Poll::Ready(frame) => {
                    if let Some(Ok(frame)) = &frame {
                        self.patience.moved(frame.data_ref().map_or(0, Bytes::len));
                    }
                    return Poll::Ready(frame.map(|frame| frame.map_err(RequestBodyError::from)));
                }
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
