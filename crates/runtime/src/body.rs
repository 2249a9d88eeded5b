//! The body of a response on its way to the client.

use crate::ending::Response;
use crate::invocation::Invocation;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use wasmtime_wasi_http::WasiBody;

/// The body of a guest's response.
///
/// Read it to its end, or drop it to say that the client is gone.
pub struct ResponseBody {
    inner: WasiBody,
    invocation: Arc<Invocation>,
    status: u16,
    reader: Reader,
    /// Bytes that were announced and have not come yet.
    expected: Option<u64>,
    ended: bool,
    /// What it breaks off with, at the next poll.
    error: Option<BodyError>,
}

/// Who reads a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A client, who is gone when it does not read on.
    Client,
    /// Another Worker, which reads as much as it likes.
    Worker,
    /// Nobody: it answers a HEAD request, or has the status 204 or 304.
    Nobody,
}

/// The guest stopped before the end of its response body.
#[derive(Debug)]
pub struct BodyError(String);

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response body broke off: {}", self.0)
    }
}

impl std::error::Error for BodyError {}

impl ResponseBody {
    /// Attaches the body of a guest's response to its invocation.
    pub(crate) fn attach(
        response: http::Response<WasiBody>,
        invocation: Arc<Invocation>,
        reader: Reader,
    ) -> http::Response<Self> {
        let status = response.status().as_u16();
        let expected = response
            .headers()
            .get(http::header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        response.map(|inner| Self {
            inner,
            invocation,
            status,
            reader: match status {
                204 | 304 => Reader::Nobody,
                _ => reader,
            },
            expected,
            ended: false,
            error: None,
        })
    }

    fn end(&mut self, response: Response) {
        self.ended = true;
        self.invocation.response(response);
    }

    /// Breaks off, but only after an HTTP server had the chance to send what
    /// it has, which it drops when it meets an error.
    fn broken_off(
        &mut self,
        cx: &mut Context<'_>,
        error: String,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.error = Some(BodyError(error));
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let (Some(expected), Some(data)) = (&mut self.expected, frame.data_ref()) {
                    *expected = expected.saturating_sub(data.len() as u64);
                    if *expected == 0 {
                        let complete = Response::Complete(self.status);
                        self.end(complete);
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                let broken = Response::Broken(self.status);
                self.end(broken);
                self.broken_off(cx, error.to_string())
            }
            // A guest that was cut off takes its end of the body with it, and
            // that looks like an end.
            None if !self.ended && self.invocation.response_is_broken() => {
                self.ended = true;
                self.broken_off(cx, "the Worker was stopped".to_owned())
            }
            None => {
                if !self.ended {
                    let complete = Response::Complete(self.status);
                    self.end(complete);
                }
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.expected == Some(0) || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // An HTTP server reads no further than it has to.
        if self.expected == Some(0) || self.inner.is_end_stream() {
            self.end(Response::Complete(self.status));
            return;
        }
        match self.reader {
            Reader::Client => self.invocation.client_left(),
            Reader::Worker => self.end(Response::Unread),
            Reader::Nobody => {
                self.end(Response::Complete(self.status));
                discard(std::mem::take(&mut self.inner));
            }
        }
    }
}

/// Reads the body that a guest sends although nobody wants it, so that the
/// guest does not take the answer to a HEAD request for a lost client.
fn discard(mut body: WasiBody) {
    if let Ok(tokio) = Handle::try_current() {
        tokio.spawn(async move { while let Some(Ok(_)) = body.frame().await {} });
    }
}
