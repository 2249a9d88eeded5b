//! Bodies of responses that are read ahead of the Worker that called.
//!
//! Between the Workers of a network a short response is over for the callee
//! once it is sent. In process it would be once it is read, and a caller that
//! waits for the callee's item before it reads on would wait for itself.

use crate::invocation::body::{BodyError, ResponseBody};
use crate::invocation::held::HostMemory;
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use wasmtime_wasi_http::{Error, WasiBody};

/// Pieces that are read ahead.
const PIECES: usize = 16;

type Piece = Result<Frame<Bytes>, Error>;

/// A body that is read ahead, at the cost of `account`. A task is spawned only
/// for what has yet to come.
pub(crate) fn prefetch(mut body: ResponseBody, account: &Arc<HostMemory>) -> WasiBody {
    if body.is_end_stream() {
        return body.map_err(failed).boxed_unsync();
    }
    let (sender, pieces) = channel(PIECES);
    if !send_ready(&mut body, &sender, account) {
        tokio::spawn(send_rest(body, sender, Arc::clone(account)));
    }
    Pieces(pieces).boxed_unsync()
}

fn failed(error: BodyError) -> Error {
    Error::InternalError(Some(error.to_string()))
}

/// Sends the pieces that are there already. True if that was all.
fn send_ready(body: &mut ResponseBody, sender: &Sender<Piece>, account: &Arc<HostMemory>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    while let Ok(place) = sender.try_reserve() {
        match Pin::new(&mut *body).poll_frame(&mut cx) {
            Poll::Ready(Some(frame)) => {
                let piece = charged(frame, account);
                let is_last = piece.is_err();
                place.send(piece);
                if is_last {
                    return true;
                }
            }
            Poll::Ready(None) => return true,
            Poll::Pending => return false,
        }
    }
    false
}

/// Sends the pieces that come, until the caller drops the body.
async fn send_rest(mut body: ResponseBody, sender: Sender<Piece>, account: Arc<HostMemory>) {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = sender.closed() => return,
        };
        let Some(frame) = frame else {
            return;
        };
        let piece = charged(frame, &account);
        let is_last = piece.is_err();
        if sender.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// A piece that its reader is charged for until it is gone.
fn charged(frame: Result<Frame<Bytes>, BodyError>, account: &Arc<HostMemory>) -> Piece {
    let frame = frame.map_err(failed)?;
    let Some(data) = frame.data_ref() else {
        return Ok(frame);
    };
    match account.charge(data.len()) {
        Ok(charge) => Ok(frame.map_data(|data| charge.bytes(data))),
        Err(refusal) => Err(Error::InternalError(Some(refusal.to_string()))),
    }
}

struct Pieces(Receiver<Piece>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.0.poll_recv(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_closed() && self.0.is_empty()
    }
}
