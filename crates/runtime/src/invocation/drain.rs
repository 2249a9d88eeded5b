//! Bodies whose writer must not notice that the reader stopped reading.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::runtime::Handle;
use wasmtime_wasi_http::{Error, WasiBody};

struct DrainOnDrop(WasiBody);

/// Returns a body that is still read to its end after it is dropped.
pub(crate) fn drain_on_drop(body: WasiBody) -> WasiBody {
    if body.is_end_stream() {
        return body;
    }
    DrainOnDrop(body).boxed_unsync()
}

/// Reads a body to its end, in a new task if the end has yet to come. The task ends when the
/// writer does.
pub(crate) fn drain(body: &mut WasiBody) {
    if body.is_end_stream() {
        return;
    }
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(&mut cx) {
        if !matches!(frame, Some(Ok(_))) {
            return;
        }
    }
    let empty = Empty::new().map_err(|never| match never {});
    let mut body = std::mem::replace(body, empty.boxed_unsync());
    if let Ok(tokio) = Handle::try_current() {
        tokio.spawn(async move { while let Some(Ok(_)) = body.frame().await {} });
    }
}

impl Body for DrainOnDrop {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for DrainOnDrop {
    fn drop(&mut self) {
        drain(&mut self.0);
    }
}
