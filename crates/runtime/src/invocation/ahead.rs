//! The beginning of a response body, read before the response is sent.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use wasmtime_wasi_http::{Error, WasiBody};

/// The bytes that are read ahead. More than that would be sent in several packets anyway.
const MOST_BYTES: usize = 8 << 10;

/// The frames that are read ahead, which may be empty.
const MOST_FRAMES: usize = 16;

/// Lets a run go on after its response, for as long as it does not have to wait, and reads what it
/// writes. A short body is then complete, and is sent together with the head of its response.
///
/// Returns the body, and whether the run is over.
pub(crate) async fn read_ahead(
    mut run: Pin<&mut impl Future<Output = ()>>,
    body: WasiBody,
) -> (WasiBody, bool) {
    let mut ahead = Ahead {
        frames: VecDeque::new(),
        has_ended: false,
        rest: body,
    };
    let is_over = poll_fn(|cx| {
        loop {
            let had_some = ahead.read(cx);
            let is_over = run.as_mut().poll(cx).is_ready();
            let has_more = ahead.read(cx);
            if is_over || !(had_some || has_more) || ahead.is_enough() {
                return Poll::Ready(is_over);
            }
        }
    });
    let is_over = is_over.await;
    (ahead.boxed_unsync(), is_over)
}

struct Ahead {
    frames: VecDeque<Result<Frame<Bytes>, Error>>,
    /// Whether the frames are all that there is.
    has_ended: bool,
    rest: WasiBody,
}

impl Ahead {
    /// Reads what is there. Returns whether that is anything.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_read = false;
        while !self.is_enough()
            && let Poll::Ready(frame) = Pin::new(&mut self.rest).poll_frame(cx)
        {
            has_read = true;
            self.has_ended = !matches!(frame, Some(Ok(_)));
            self.frames.extend(frame);
        }
        has_read
    }

    fn is_enough(&self) -> bool {
        self.has_ended || self.frames.len() >= MOST_FRAMES || self.bytes() >= MOST_BYTES
    }

    fn bytes(&self) -> usize {
        let data = self.frames.iter().flatten().filter_map(Frame::data_ref);
        data.map(Bytes::len).sum()
    }
}

impl Body for Ahead {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if self.has_ended => Poll::Ready(None),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    // The end of the rest says nothing of the length: it may be that of a run that was cut off.
    fn size_hint(&self) -> SizeHint {
        let read = self.bytes() as u64;
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::session::channel;
    use std::future::{pending, ready};
    use std::pin::pin;
    use tokio::task::yield_now;

    fn body_of(
        receiver: impl Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
    ) -> WasiBody {
        receiver.map_err(|never| match never {}).boxed_unsync()
    }

    async fn rest_of(body: WasiBody) -> Bytes {
        body.collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn what_a_run_writes_without_waiting_is_read_and_the_run_is_over() {
        let (sender, receiver) = channel(100);
        let run = async move {
            _ = sender.send(Bytes::from_static(b"a"));
            _ = sender.send(Bytes::from_static(b"b"));
        };
        let (body, is_over) = read_ahead(pin!(run), body_of(receiver)).await;
        assert!(is_over);
        assert_eq!(body.size_hint().lower(), 2);
        assert_eq!(rest_of(body).await, "ab");
    }

    #[tokio::test]
    async fn a_run_goes_on_as_its_body_is_read() {
        let (sender, receiver) = channel(100);
        let run = async move {
            for piece in ["a", "b", "c"] {
                _ = sender.send(Bytes::from(piece));
                yield_now().await;
            }
        };
        let (body, is_over) = read_ahead(pin!(run), body_of(receiver)).await;
        assert!(is_over);
        assert_eq!(rest_of(body).await, "abc");
    }

    #[tokio::test]
    async fn a_run_that_waits_is_not_waited_for() {
        let (sender, receiver) = channel(100);
        _ = sender.send(Bytes::from_static(b"a"));
        let (body, is_over) = read_ahead(pin!(pending()), body_of(receiver)).await;
        assert!(!is_over);
        _ = sender.send(Bytes::from_static(b"b"));
        drop(sender);
        assert_eq!(rest_of(body).await, "ab");
    }

    #[tokio::test]
    async fn a_run_that_writes_without_end_is_left_after_some_frames() {
        for piece in [&b""[..], &[0; MOST_BYTES]] {
            let (sender, receiver) = channel(usize::MAX);
            let run = async {
                loop {
                    _ = sender.send(Bytes::from_static(piece));
                    yield_now().await;
                }
            };
            let (_, is_over) = read_ahead(pin!(run), body_of(receiver)).await;
            assert!(!is_over);
        }
    }

    #[tokio::test]
    async fn a_body_that_has_not_begun_comes_later() {
        let (sender, receiver) = channel(100);
        let (body, is_over) = read_ahead(pin!(ready(())), body_of(receiver)).await;
        assert!(is_over && !body.is_end_stream());
        drop(sender);
        assert!(rest_of(body).await.is_empty());
    }
}
