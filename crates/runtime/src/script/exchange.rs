//! What a script and its host exchange for a fetch event: the body of the
//! request, and the response.
//!
//! What a script has to wait for it asks for by a request to an address that
//! cannot exist, since requests are all that the engine can wait for besides
//! timers.

use super::Fetch;
use crate::execute::Respond;
use bytes::Bytes;
use http::{Response, Uri};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use std::future::pending;
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
}

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
            body: None,
        };
    }

    /// Ends it: the body of the response breaks off unless it was ended.
    pub(crate) fn finish(&self) {
        *self.event() = Event::default();
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
            Some(body) => {
                // It fails when the client is gone, which ends the guest
                // elsewhere, or when the guest does not wait: its own loss.
                _ = body.try_send(chunk.into());
                body.capacity() > 0
            }
            None => true,
        }
    }

    /// The body is complete.
    pub(crate) fn end(&self) {
        self.event().body = None;
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
                    match body {
                        // It fails when the client is gone; the guest is ended.
                        Some(body) => _ = body.reserve().await,
                        None => pending().await,
                    }
                    Ok(Response::new(empty()))
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
