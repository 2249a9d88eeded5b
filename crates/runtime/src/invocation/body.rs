//! The bodies of a request and of its response.

use crate::invocation::Invocation;
use crate::invocation::drain::drain;
use crate::invocation::ending::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use wasmtime_wasi_http::WasiBody;

/// The body of a guest's response.
///
/// Read it to its end, or drop it to signal that the client has disconnected. The response to a
/// HEAD request has a body too. It is not sent, but it is read so that the guest can end.
pub struct ResponseBody {
    inner: WasiBody,
    invocation: Arc<Invocation>,
    status: u16,
    reader: Reader,
    /// Announced bytes that have not come yet.
    expected: Option<u64>,
    ended: bool,
    /// The error that the next poll returns.
    error: Option<BodyError>,
}

/// Keeps an invocation from ending until all of its response is sent.
pub struct Receipt(Arc<Invocation>);

impl Receipt {
    /// Records that the client disconnected before the whole response was sent.
    pub fn lost(self) {
        self.0.response_lost();
    }
}

/// The reader of a response body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A client, which has disconnected if it stops reading.
    Client,
    /// Another Worker, which may stop reading at any point.
    Worker,
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
    /// Attaches the body of a guest's response to its invocation. `head` is true in response to a
    /// HEAD request.
    pub(crate) fn attach(
        mut response: http::Response<WasiBody>,
        invocation: Arc<Invocation>,
        reader: Reader,
        head: bool,
    ) -> http::Response<Self> {
        let status = response.status().as_u16();
        let announced = content_length(response.headers_mut());
        let expected = match status {
            _ if head => None,
            204 | 304 => None,
            _ => announced.or_else(|| response.body().size_hint().exact()),
        };
        response.map(|inner| Self {
            inner,
            invocation,
            status,
            reader,
            expected,
            ended: false,
            error: None,
        })
    }

    /// Returns the id of the invocation, by which its trace item can be found.
    #[must_use]
    pub fn invocation_id(&self) -> String {
        self.invocation.id.to_string()
    }

    /// Returns a receipt, to be kept until the body has been sent.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        Receipt(Arc::clone(&self.invocation))
    }

    fn end(&mut self, response: Response) {
        self.ended = true;
        self.invocation.response(response);
    }

    fn fail(
        &mut self,
        cx: &mut Context<'_>,
        error: String,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.end(Response::Broken(self.status));
        self.fail_later(cx, error)
    }

    /// Ends the body with an error, one poll late. An HTTP server discards buffered data when it
    /// meets an error, so it first gets the chance to send it.
    fn fail_later(
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
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                let left = match self.expected {
                    Some(expected) => expected.checked_sub(length),
                    None => return Poll::Ready(Some(Ok(frame))),
                };
                let Some(left) = left else {
                    let problem = "it is longer than its `content-length`";
                    return self.fail(cx, problem.to_owned());
                };
                self.expected = Some(left);
                if left == 0 && !self.ended {
                    let complete = Response::Complete(self.status);
                    self.end(complete);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // The writing end was dropped together with a guest that was cut off. For a guest of
            // WASI 0.3 that looks like a regular end.
            None | Some(Err(_)) if !self.ended && self.invocation.response_is_broken() => {
                self.ended = true;
                self.fail_later(cx, "the Worker was stopped".to_owned())
            }
            Some(Err(error)) => self.fail(cx, error.to_string()),
            None if !self.ended && self.expected.is_some_and(|left| left > 0) => {
                let problem = "it is shorter than its `content-length`";
                self.fail(cx, problem.to_owned())
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
        match self.expected {
            Some(left) => left == 0,
            // A guest that was cut off leaves what looks like the end.
            None => self.inner.is_end_stream() && !self.invocation.response_is_broken(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.expected {
            Some(expected) => SizeHint::with_exact(expected),
            None => self.inner.size_hint(),
        }
    }
}

/// Returns the length that a response announces. An invalid length is removed from the headers.
fn content_length(headers: &mut HeaderMap) -> Option<u64> {
    let lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut lengths = lengths.map(|length| {
        let text = length.to_str().ok()?;
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().ok())?
    });
    let first = lengths.next()?;
    let same = first.filter(|_| lengths.all(|length| length == first));
    let count = headers.get_all(CONTENT_LENGTH).iter().count();
    match same {
        None => _ = headers.remove(CONTENT_LENGTH),
        Some(length) if count > 1 => _ = headers.insert(CONTENT_LENGTH, length.into()),
        Some(_) => {}
    }
    same
}

/// Wraps the body of a request, so that the invocation is informed if it breaks off.
pub(crate) fn received(body: WasiBody, invocation: &Arc<Invocation>) -> WasiBody {
    if body.is_end_stream() {
        return body;
    }
    // The body may outlive its event.
    let informed = Arc::downgrade(invocation);
    let body = body.map_err(move |error| {
        if let Some(invocation) = informed.upgrade() {
            invocation.request_broke_off();
        }
        error
    });
    // Until it has been read, the guest holds a part of its event.
    match invocation.host_memory().charge(0) {
        Ok(charge) => charge.with_body(body.boxed_unsync()),
        Err(_) => body.boxed_unsync(),
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if self.ended {
            // An HTTP server drops a body with the last announced byte, before the guest has
            // ended the body.
            if self.expected == Some(0) {
                drain(&mut self.inner);
            }
            return;
        }
        // An HTTP server does not poll a body further than it has to.
        if self.is_end_stream() {
            self.end(Response::Complete(self.status));
            return;
        }
        match self.reader {
            Reader::Client => self.invocation.client_left(),
            Reader::Worker => self.end(Response::Unread),
        }
    }
}
