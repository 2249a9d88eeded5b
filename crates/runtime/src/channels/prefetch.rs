//! Reads response bodies ahead of a calling Worker that is late to read them.
//!
//! Over a network, a short response is complete for the callee once it is sent. In process it
//! would be complete only once it is read, and a caller that waits for the callee's item before
//! it reads the body would deadlock. The body is not read ahead at once: if the caller drops it
//! unread, the callee's item has no response, as on workerd.

use crate::invocation::body::{BodyError, ResponseBody};
use crate::invocation::held::HostMemory;
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use wasmtime_wasi_http::{Error, WasiBody};

/// Time in which the caller may begin to read. After that, the body is read ahead.
const PREFETCH_DELAY: Duration = Duration::from_millis(100);

/// The number of pieces that are read ahead.
const PIECES: usize = 16;

type Piece = Result<Frame<Bytes>, Error>;

enum Prefetch {
    /// The flag says whether the caller has begun to read.
    Direct(ResponseBody, bool),
    ReadAhead(mpsc::Receiver<Piece>),
}

/// Returns a body that is read ahead if its reader is late. `account` is charged for the pieces.
pub(crate) fn prefetch(body: ResponseBody, account: &Arc<HostMemory>) -> WasiBody {
    if body.is_end_stream() {
        return body.map_err(failed).boxed_unsync();
    }
    let body = Arc::new(Mutex::new(Prefetch::Direct(body, false)));
    tokio::spawn(read_ahead(Arc::downgrade(&body), Arc::clone(account)));
    PrefetchedBody(body).boxed_unsync()
}

fn failed(error: BodyError) -> Error {
    Error::InternalError(Some(error.to_string()))
}

async fn read_ahead(late: Weak<Mutex<Prefetch>>, account: Arc<HostMemory>) {
    tokio::time::sleep(PREFETCH_DELAY).await;
    let Some((mut body, pieces)) = late.upgrade().and_then(|late| take_unread(&late)) else {
        return;
    };
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = pieces.closed() => return,
        };
        let Some(frame) = frame else {
            return;
        };
        let piece = frame
            .map_err(failed)
            .and_then(|frame| charged(frame, &account));
        let is_last = piece.is_err();
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// Charges the account for a piece until the piece is dropped.
fn charged(frame: Frame<Bytes>, account: &Arc<HostMemory>) -> Piece {
    let Some(data) = frame.data_ref() else {
        return Ok(frame);
    };
    match account.charge(data.len()) {
        Ok(charge) => Ok(frame.map_data(|data| charge.bytes(data))),
        Err(refusal) => Err(Error::InternalError(Some(refusal.to_string()))),
    }
}

/// Returns the body and a sender for its pieces, unless the caller has begun to read.
fn take_unread(late: &Mutex<Prefetch>) -> Option<(ResponseBody, mpsc::Sender<Piece>)> {
    let mut ahead = late.lock().unwrap_or_else(PoisonError::into_inner);
    if !matches!(*ahead, Prefetch::Direct(_, false)) {
        return None;
    }
    let (sender, pieces) = mpsc::channel(PIECES);
    match std::mem::replace(&mut *ahead, Prefetch::ReadAhead(pieces)) {
        Prefetch::Direct(body, _) => Some((body, sender)),
        Prefetch::ReadAhead(_) => None,
    }
}

struct PrefetchedBody(Arc<Mutex<Prefetch>>);

impl Body for PrefetchedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *ahead {
            Prefetch::Direct(body, begun) => {
                *begun = true;
                let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(failed)))
            }
            Prefetch::ReadAhead(pieces) => pieces.poll_recv(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        let ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*ahead {
            Prefetch::Direct(body, _) => body.is_end_stream(),
            Prefetch::ReadAhead(_) => false,
        }
    }
}
