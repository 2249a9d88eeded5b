//! Bodies that a script sends and that nobody has to read.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;
use wasmtime_wasi_http::{Error, WasiBody};

/// A body that is read to its end by whoever drops it: StarlingMonkey aborts
/// when it cannot write what it wants to send. With the script ends its body.
struct Unread(WasiBody);

pub(crate) fn unread(body: WasiBody) -> WasiBody {
    if body.is_end_stream() {
        return body;
    }
    Unread(body).boxed_unsync()
}

impl Body for Unread {
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

impl Drop for Unread {
    fn drop(&mut self) {
        if self.0.is_end_stream() {
            return;
        }
        let nothing = Empty::new().map_err(|never| match never {});
        let mut body = std::mem::replace(&mut self.0, nothing.boxed_unsync());
        if let Ok(tokio) = Handle::try_current() {
            tokio.spawn(async move { while let Some(Ok(_)) = body.frame().await {} });
        }
    }
}
