//! The data that a script and its host exchange for one event: the bodies of the request and the
//! response, and the messages of sessions with other scripts.
//!
//! A script waits for the host by making a request to it, since the engine can wait only for
//! requests and timers.

use crate::channels::call::SessionSpans;
use crate::channels::dynamic::Reservation;
use crate::channels::failed::CallFailed;
use crate::delivery::TailStream;
use crate::event::Respond;
use crate::invocation::encoding::Encoding;
use crate::invocation::held::{HostMemory, HostMemoryExceeded};
use crate::invocation::session;
use crate::script::stream_lines::Lines;
use crate::script::token::Token;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{Notify, mpsc};
use wasmtime_wasi_http::{Error, WasiBody};

/// Chunks of a response body that wait for the client. The engine makes chunks of up to 64 KiB.
const CHUNKS: usize = 16;

/// The exchange for one event.
#[derive(Default)]
pub(crate) struct Exchange(Mutex<Event>);

#[derive(Default)]
struct Event {
    request: Option<WasiBody>,
    respond: Option<Respond>,
    body: Option<mpsc::Sender<Bytes>>,
    /// Sessions with other scripts, by the numbers that the script gave them. The session of the
    /// event itself has number 0.
    sessions: HashMap<u32, Session>,
    /// Streams for the records of callees that have not been called yet.
    live: HashMap<u32, session::Sender>,
    /// Response bodies that the script has received, by number. A body that the script does not
    /// read to its end would otherwise stay until it is garbage collected.
    leased: Vec<(u32, Lease)>,
    /// The number of response bodies so far.
    leases: u32,
    /// Dynamic Workers that the script must still provide code for, by binding and id.
    reservations: HashMap<(String, String), Reservation>,
}

/// A session with another script.
struct Session {
    sender: session::Sender,
    /// The spans that end with it, if the script has begun it.
    spans: Option<Arc<SessionSpans>>,
}

/// The most streams for records that wait for their calls.
const LIVE: usize = 64;

/// Reports to a script that it waits for nothing else.
#[derive(Default)]
pub(crate) struct Idle {
    raised: Arc<Notify>,
    waited_for: AtomicBool,
}

impl Idle {
    /// Whether the guest asked for this report since the last call.
    pub(crate) fn take(&self) -> bool {
        self.waited_for.swap(false, Relaxed)
    }

    /// Reports to the guest that it waits for nothing else.
    pub(crate) fn raise(&self) {
        self.raised.notify_one();
    }

    /// Answers the guest once it waits for nothing else.
    pub(crate) fn answer(&self) -> Answer {
        self.waited_for.store(true, Relaxed);
        let raised = Arc::clone(&self.raised);
        Box::pin(async move {
            raised.notified().await;
            Response::new(empty())
        })
    }
}

type Lease = Arc<Mutex<Option<Lent>>>;

/// A body that the script has not read to its end.
struct Lent {
    body: WasiBody,
    /// The encoding to be decoded once the script begins to read.
    encoding: Option<Encoding>,
    /// Whether the script waits for the next piece.
    is_awaited: bool,
}

/// The name of the header in which a response carries the number of its body.
const BODY: &str = "body";

/// A pending answer to a script.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<WasiBody>> + Send>>;

impl Exchange {
    /// Creates the exchange of a fetch event. The response is sent to `respond`.
    pub(crate) fn of_request(body: WasiBody, respond: Respond) -> Self {
        Self(Mutex::new(Event {
            request: Some(body),
            respond: Some(respond),
            ..Event::default()
        }))
    }

    /// Creates the exchange of a session event.
    pub(crate) fn of_session(end: session::End) -> Self {
        let messages = end.receiver.map_err(|never| match never {});
        Self(Mutex::new(Event {
            request: Some(messages.boxed_unsync()),
            sessions: HashMap::from([(
                0,
                Session {
                    sender: end.sender,
                    spans: None,
                },
            )]),
            ..Event::default()
        }))
    }

    /// Creates the exchange of a streaming tail event, whose body is the stream.
    pub(crate) fn of_stream(stream: TailStream) -> Self {
        let lines = Lines::new(stream).map_err(|never| match never {});
        Self(Mutex::new(Event {
            request: Some(lines.boxed_unsync()),
            ..Event::default()
        }))
    }

    /// Adds a session that the script has begun.
    pub(crate) fn add_session(
        &self,
        number: u32,
        sender: session::Sender,
        spans: Arc<SessionSpans>,
    ) {
        let spans = Some(spans);
        let session = Session { sender, spans };
        self.event().sessions.insert(number, session);
    }

    /// Sends a message, which is one line, in a session.
    pub(crate) fn send(&self, session: u32, line: Bytes) -> Result<(), session::Full> {
        match self.event().sessions.get(&session) {
            Some(session) => session.sender.send(line),
            None => Ok(()),
        }
    }

    /// Ends a session.
    pub(crate) fn hang_up(&self, session: u32) {
        let ended = self.event().sessions.remove(&session);
        if let Some(spans) = ended.and_then(|session| session.spans) {
            spans.end(true);
        }
    }

    /// Keeps the reservation of a dynamic Worker until the script provides its code.
    pub(crate) fn reserve(&self, binding: String, id: String, reservation: Reservation) {
        self.event().reservations.insert((binding, id), reservation);
    }

    /// Takes the reservation of a dynamic Worker whose code has arrived.
    pub(crate) fn take_reservation(&self, binding: String, id: String) -> Option<Reservation> {
        self.event().reservations.remove(&(binding, id))
    }

    /// Takes the sender for the records of a callee.
    pub(crate) fn take_live(&self, number: u32) -> Option<session::Sender> {
        self.event().live.remove(&number)
    }

    /// Whether the script waits for a piece of a body. The engine cannot be reused for another
    /// event in that state.
    pub(crate) fn awaits_body(&self) -> bool {
        let event = self.event();
        let mut leased = event.leased.iter();
        leased.any(|(_, lease)| locked(lease).as_ref().is_some_and(|lent| lent.is_awaited))
    }

    /// Ends the exchange. A response body that has not ended breaks off.
    pub(crate) fn finish(&self) {
        let ended = std::mem::take(&mut *self.event());
        for (_, lease) in ended.leased {
            // Dropped outside of any lock, since this may end another invocation.
            let lent = locked(&lease).take();
            drop(lent);
        }
    }

    /// Takes the sender of the response, and the response body. Returns `None` the second time.
    pub(crate) fn respond(&self) -> Option<(Respond, WasiBody)> {
        let mut event = self.event();
        let respond = event.respond.take()?;
        let (sender, receiver) = mpsc::channel(CHUNKS);
        event.body = Some(sender);
        let body = Chunks(receiver).map_err(|never| match never {});
        Some((respond, body.boxed_unsync()))
    }

    /// Writes to the response body. Returns false if the guest must wait before it writes more.
    pub(crate) fn write(&self, chunk: Bytes) -> bool {
        match &self.event().body {
            // Fails if nothing reads the body any more, which `drained` reports, or if the guest
            // did not wait, in which case the chunk is lost.
            Some(body) => body.try_send(chunk).is_ok() && body.capacity() > 0,
            None => true,
        }
    }

    /// Ends the response body.
    pub(crate) fn end(&self) {
        self.event().body = None;
    }

    /// Returns a body that lasts no longer than the event.
    pub(crate) fn lease(&self, body: WasiBody) -> WasiBody {
        if body.is_end_stream() {
            // The sender need not wait until the script drops the body.
            return empty();
        }
        let (_, lease) = self.lend(body, None);
        Leased::new(lease, None).boxed_unsync()
    }

    /// Returns a response whose body lasts no longer than the event. It is decoded if the script
    /// reads it, and `account` is charged for that.
    pub(crate) fn lease_response(
        &self,
        response: Response<WasiBody>,
        token: &Token,
        account: &Arc<HostMemory>,
    ) -> Response<WasiBody> {
        let encoding = Encoding::of(response.headers());
        let (mut head, body) = response.into_parts();
        if encoding.is_none() || body.is_end_stream() {
            return Response::from_parts(head, self.lease(body));
        }
        let (number, lease) = self.lend(body, encoding);
        token.say(BODY, &number.to_string(), &mut head.headers);
        let account = Some(Arc::clone(account));
        Response::from_parts(head, Leased::new(lease, account).boxed_unsync())
    }

    fn lend(&self, body: WasiBody, encoding: Option<Encoding>) -> (u32, Lease) {
        let lease: Lease = Arc::new(Mutex::new(Some(Lent {
            body,
            encoding,
            is_awaited: false,
        })));
        let mut event = self.event();
        let number = event.leases;
        event.leases = number.wrapping_add(1);
        let leased = &mut event.leased;
        if leased.len() == leased.capacity() {
            // Bodies that are only referred to from this list are removed.
            leased.retain(|(_, lease)| Arc::strong_count(lease) > 1);
        }
        leased.push((number, Arc::clone(&lease)));
        (number, lease)
    }

    /// Takes a body back, to forward it as received. Returns `None` if the script has begun to
    /// read it.
    pub(crate) fn unread(&self, number: u32) -> Option<WasiBody> {
        let event = self.event();
        let (_, lease) = event.leased.iter().find(|(own, _)| *own == number)?;
        let lent = locked(lease).take_if(|lent| lent.encoding.is_some())?;
        Some(lent.body)
    }

    /// Whether the response body has begun and not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.event().body.is_some()
    }

    /// Takes the request body. Returns an empty body the second time.
    pub(crate) fn request(&self) -> WasiBody {
        self.event().request.take().unwrap_or_else(empty)
    }

    /// Answers once there is room for more of the response, or nothing reads it any more.
    pub(crate) fn drained(&self) -> Answer {
        let body = self.event().body.clone();
        Box::pin(async move {
            let mut response = Response::new(empty());
            if let Some(body) = body
                && body.reserve().await.is_err()
            {
                *response.status_mut() = StatusCode::GONE;
            }
            response
        })
    }

    /// Creates the stream for the records of a callee that is yet to be called, under the
    /// script's number for it.
    pub(crate) fn live(&self, number: &str) -> Result<WasiBody, CallFailed> {
        let malformed = |_| CallFailed::new("the observed call has no number");
        let number = number.parse().map_err(malformed)?;
        let (sender, receiver) = session::channel(session::LIVE_BYTES);
        let live = &mut self.event().live;
        if live.len() >= LIVE {
            return Err(CallFailed::new(format!(
                "{LIVE} entrypoints are observed but not called: call them first"
            )));
        }
        live.insert(number, sender);
        Ok(receiver.map_err(|never| match never {}).boxed_unsync())
    }

    fn event(&self) -> MutexGuard<'_, Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn empty() -> WasiBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.finish();
    }
}

fn locked(lease: &Lease) -> MutexGuard<'_, Option<Lent>> {
    lease.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A body that the host may take back.
struct Leased {
    lease: Lease,
    /// The account that is charged for decoding, if it is necessary.
    account: Option<Arc<HostMemory>>,
    /// Whether the script waits for the next piece. If the body is taken back in the meantime,
    /// the script waits forever, since the engine cannot handle an end in that state.
    is_awaited: bool,
}

impl Leased {
    fn new(lease: Lease, account: Option<Arc<HostMemory>>) -> Self {
        Self {
            lease,
            account,
            is_awaited: false,
        }
    }
}

impl Body for Leased {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let account = self.account.take();
        let is_waiting = self.is_awaited;
        let mut lease = locked(&self.lease);
        if let (Some(account), Some(lent)) = (account, &mut *lease)
            && let Err(refusal) = lent.decode(&account)
        {
            return Poll::Ready(Some(Err(Error::InternalError(Some(refusal.to_string())))));
        }
        let Some(Lent {
            body, is_awaited, ..
        }) = &mut *lease
        else {
            return match is_waiting {
                true => Poll::Pending,
                false => Poll::Ready(None),
            };
        };
        let frame = Pin::new(&mut *body).poll_frame(cx);
        *is_awaited = frame.is_pending();
        let frame = match frame {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                drop(lease);
                self.is_awaited = true;
                return Poll::Pending;
            }
        };
        let is_over = !matches!(frame, Some(Ok(_))) || body.is_end_stream();
        // The sender may end now, rather than with the script's event.
        let ended = lease.take_if(|_| is_over);
        drop(lease);
        drop(ended);
        self.is_awaited = false;
        Poll::Ready(frame)
    }
}

impl Lent {
    fn decode(&mut self, account: &Arc<HostMemory>) -> Result<(), HostMemoryExceeded> {
        if let Some(encoding) = self.encoding.take() {
            let encoded = std::mem::replace(&mut self.body, empty());
            self.body = encoding.decoded(encoded, account)?;
        }
        Ok(())
    }
}

/// The response body that the script writes.
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

#[cfg(test)]
mod tests;
