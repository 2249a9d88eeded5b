//! What a script and its host exchange for a fetch event: the body of the
//! request, and the response.
//!
//! What a script has to wait for it asks for by a request to an address that
//! cannot exist, since requests are all that the engine can wait for besides
//! timers.

use super::Fetch;
use crate::execute::Respond;
use bytes::Bytes;
use http::{Response, StatusCode, Uri};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{Notify, mpsc};
use wasmtime_wasi_http::{Error, WasiBody};

/// Chunks of a response body that wait for the client. The engine makes
/// chunks of up to 64 KiB.
const CHUNKS: usize = 16;

/// The host's side of the exchanges of one isolate.
#[derive(Default)]
pub(crate) struct Exchange {
    event: Mutex<Event>,
    /// Raised when the guest waits for nothing else.
    idle: Arc<Notify>,
    waits_for_idle: AtomicBool,
}

/// What is exchanged for the event that runs.
#[derive(Default)]
struct Event {
    request: Option<WasiBody>,
    respond: Option<Respond>,
    body: Option<mpsc::Sender<Bytes>>,
    /// Bodies of responses that the script has received. What it does not read
    /// to its end would stay until it is collected as garbage.
    leased: Vec<Lease>,
}

type Lease = Arc<Mutex<Option<WasiBody>>>;

/// Whether a request is meant for the host itself.
pub(crate) fn is_for_host(uri: &Uri) -> bool {
    uri.host() == Some("taffrail.invalid")
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<WasiBody>, Error>> + Send>>;

impl Exchange {
    /// Begins the exchange of one fetch event.
    pub(crate) fn begin(&self, fetch: Fetch) {
        *self.event() = Event {
            request: Some(fetch.body),
            respond: Some(fetch.respond),
            ..Event::default()
        };
    }

    /// Ends it: the body of the response breaks off unless it was ended.
    pub(crate) fn finish(&self) {
        let ended = std::mem::take(&mut *self.event());
        for lease in ended.leased {
            // Dropped outside of any lock: this may end another invocation.
            let body = lease.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(body);
        }
    }

    /// Where the response goes, and the body that goes with it; once an
    /// exchange.
    pub(crate) fn respond(&self) -> Option<(Respond, WasiBody)> {
        let mut event = self.event();
        let respond = event.respond.take()?;
        let (sender, receiver) = mpsc::channel(CHUNKS);
        event.body = Some(sender);
        let body = Chunks(receiver).map_err(|never| match never {});
        Some((respond, body.boxed_unsync()))
    }

    /// Adds to the body. False once it is the guest's turn to wait.
    pub(crate) fn write(&self, chunk: Vec<u8>) -> bool {
        match &self.event().body {
            // It fails when nobody reads on, which `drained` tells, or when the
            // guest does not wait: its own loss.
            Some(body) => body.try_send(chunk.into()).is_ok() && body.capacity() > 0,
            None => true,
        }
    }

    /// The body is complete.
    pub(crate) fn end(&self) {
        self.event().body = None;
    }

    /// A body that lasts no longer than the event.
    pub(crate) fn lease(&self, body: WasiBody) -> WasiBody {
        let lease: Lease = Arc::new(Mutex::new(Some(body)));
        self.event().leased.push(Arc::clone(&lease));
        Leased(lease).boxed_unsync()
    }

    /// Whether the body has begun and not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.event().body.is_some()
    }

    /// Tells the guest, if it asked, that it waits for nothing else.
    pub(crate) fn idle(&self) {
        if self.waits_for_idle.swap(false, Relaxed) {
            self.idle.notify_one();
        }
    }

    /// Answers a request of the script to its host.
    pub(crate) fn answer(&self, path: &str) -> Answer {
        match path {
            "/idle" => {
                self.waits_for_idle.store(true, Relaxed);
                let idle = Arc::clone(&self.idle);
                Box::pin(async move {
                    idle.notified().await;
                    Ok(Response::new(empty()))
                })
            }
            "/request" => {
                let body = self.event().request.take().unwrap_or_else(empty);
                Box::pin(async { Ok(Response::new(body)) })
            }
            "/drained" => {
                let body = self.event().body.clone();
                Box::pin(async move {
                    let mut response = Response::new(empty());
                    if let Some(body) = body
                        && body.reserve().await.is_err()
                    {
                        *response.status_mut() = StatusCode::GONE;
                    }
                    Ok(response)
                })
            }
            other => {
                let message = format!("the host has no `{other}`");
                Box::pin(async { Err(Error::InternalError(Some(message))) })
            }
        }
    }

    fn event(&self) -> MutexGuard<'_, Event> {
        self.event.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn empty() -> WasiBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that the host may take back.
struct Leased(Lease);

impl Body for Leased {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut lease = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *lease {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }
}

/// The body of a response as the script writes it.
struct Chunks(mpsc::Receiver<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let chunk = std::task::ready!(self.0.poll_recv(cx));
        Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
