//! What a script and its host exchange for one event: the bodies of request
//! and response, and the messages of sessions with other scripts.
//!
//! What a script has to wait for it asks for by a request, since requests are all
//! that the engine can wait for besides timers.

use crate::channels::dynamic::Reservation;
use crate::channels::failed::CallFailed;
use crate::event::Respond;
use crate::invocation::encoding::Encoding;
use crate::invocation::held::{HostMemory, HostMemoryExceeded};
use crate::invocation::session;
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

/// Chunks of a response body that wait for the client. The engine makes
/// chunks of up to 64 KiB.
const CHUNKS: usize = 16;

/// The host's side of the exchange for one event.
#[derive(Default)]
pub(crate) struct Exchange(Mutex<Event>);

#[derive(Default)]
struct Event {
    request: Option<WasiBody>,
    respond: Option<Respond>,
    body: Option<mpsc::Sender<Bytes>>,
    /// Sessions with other scripts, by the numbers that the script has for
    /// them: 0 is the one of the event itself.
    sessions: HashMap<u32, session::Sender>,
    /// Streams that tell what callees record, for calls that are to come.
    live: HashMap<u32, session::Sender>,
    /// Bodies of responses that the script has received, by number. What it does
    /// not read to its end would stay until it is collected as garbage.
    leased: Vec<(u32, Lease)>,
    /// How many there have been.
    leases: u32,
    /// Dynamic Workers whose code the script has yet to give, by binding and
    /// id.
    reservations: HashMap<(String, String), Reservation>,
}

/// Streams of what callees record that wait for their calls.
const LIVE: usize = 64;

/// How a script hears that it waits for nothing else.
#[derive(Default)]
pub(crate) struct Idle {
    raised: Arc<Notify>,
    waited_for: AtomicBool,
}

impl Idle {
    /// Whether the guest asked to be told once it waits for nothing else. True
    /// once for each time.
    pub(crate) fn take(&self) -> bool {
        self.waited_for.swap(false, Relaxed)
    }

    /// Tells the guest that it waits for nothing else.
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
    /// What is to be decoded once the script begins to read.
    encoding: Option<Encoding>,
    /// The script has asked for the next piece, and has not got it.
    is_awaited: bool,
}

/// How a response says which of the bodies is its own.
const BODY: &str = "body";

/// An answer to a script that waits for it.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response<WasiBody>> + Send>>;

impl Exchange {
    /// That of a fetch event, which is answered by `respond`.
    pub(crate) fn of_request(body: WasiBody, respond: Respond) -> Self {
        Self(Mutex::new(Event {
            request: Some(body),
            respond: Some(respond),
            ..Event::default()
        }))
    }

    /// That of an event that is a session.
    pub(crate) fn of_session(end: session::End) -> Self {
        let messages = end.receiver.map_err(|never| match never {});
        Self(Mutex::new(Event {
            request: Some(messages.boxed_unsync()),
            sessions: HashMap::from([(0, end.sender)]),
            ..Event::default()
        }))
    }

    /// Adds a session that the script has begun.
    pub(crate) fn add_session(&self, number: u32, sender: session::Sender) {
        self.event().sessions.insert(number, sender);
    }

    /// Sends a message, which is one line, in one of the sessions.
    pub(crate) fn send(&self, session: u32, line: Bytes) -> Result<(), session::Full> {
        match self.event().sessions.get(&session) {
            Some(sender) => sender.send(line),
            None => Ok(()),
        }
    }

    /// Ends a session.
    pub(crate) fn hang_up(&self, session: u32) {
        self.event().sessions.remove(&session);
    }

    /// Keeps the duty to make a dynamic Worker until its code is there.
    pub(crate) fn reserve(&self, binding: String, id: String, reservation: Reservation) {
        self.event().reservations.insert((binding, id), reservation);
    }

    /// The duty to make a dynamic Worker whose code is there.
    pub(crate) fn take_reservation(&self, binding: String, id: String) -> Option<Reservation> {
        self.event().reservations.remove(&(binding, id))
    }

    /// Who is to tell what a callee records.
    pub(crate) fn take_live(&self, number: u32) -> Option<session::Sender> {
        self.event().live.remove(&number)
    }

    /// Whether the script waits for a piece of a body. The engine does not survive
    /// that from one event to the next.
    pub(crate) fn awaits_body(&self) -> bool {
        let event = self.event();
        let mut leased = event.leased.iter();
        leased.any(|(_, lease)| locked(lease).as_ref().is_some_and(|lent| lent.is_awaited))
    }

    /// Ends it: the body of the response breaks off unless it was ended.
    pub(crate) fn finish(&self) {
        let ended = std::mem::take(&mut *self.event());
        for (_, lease) in ended.leased {
            // Dropped outside of any lock: this may end another invocation.
            let lent = locked(&lease).take();
            drop(lent);
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
    pub(crate) fn write(&self, chunk: Bytes) -> bool {
        match &self.event().body {
            // It fails when nobody reads on, which `drained` tells, or when the
            // guest does not wait: its own loss.
            Some(body) => body.try_send(chunk).is_ok() && body.capacity() > 0,
            None => true,
        }
    }

    /// The body is complete.
    pub(crate) fn end(&self) {
        self.event().body = None;
    }

    /// A body that lasts no longer than the event.
    pub(crate) fn lease(&self, body: WasiBody) -> WasiBody {
        if body.is_end_stream() {
            // Whoever sent it need not wait until the script drops it.
            return empty();
        }
        let (_, lease) = self.lend(body, None);
        Leased::new(lease, None).boxed_unsync()
    }

    /// A response whose body lasts no longer than the event, and which is
    /// decoded if the script reads it, at the cost of `account`.
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
            // Nobody reads what only this knows of.
            leased.retain(|(_, lease)| Arc::strong_count(lease) > 1);
        }
        leased.push((number, Arc::clone(&lease)));
        (number, lease)
    }

    /// Takes a body back to send it as it came, unless the script has begun to
    /// read it.
    pub(crate) fn unread(&self, number: u32) -> Option<WasiBody> {
        let event = self.event();
        let (_, lease) = event.leased.iter().find(|(own, _)| *own == number)?;
        let lent = locked(lease).take_if(|lent| lent.encoding.is_some())?;
        Some(lent.body)
    }

    /// Whether the body has begun and not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.event().body.is_some()
    }

    /// The body of the request, once.
    pub(crate) fn request(&self) -> WasiBody {
        self.event().request.take().unwrap_or_else(empty)
    }

    /// Answers once there is room for more of the response, or nobody reads it.
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

    /// What the callee of a call that is to come records. The script has a
    /// number for it.
    pub(crate) fn live(&self, number: &str) -> Result<WasiBody, CallFailed> {
        let malformed = |_| CallFailed::new("what is observed has no number");
        let number = number.parse().map_err(malformed)?;
        let (sender, receiver) = session::channel(session::LIVE_BYTES);
        let live = &mut self.event().live;
        if live.len() >= LIVE {
            return Err(CallFailed::new(format!(
                "{LIVE} entrypoints are observed and not called: call them first"
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
    /// Who pays for the decoding, if there is any.
    account: Option<Arc<HostMemory>>,
    /// The script waits for the next piece. If the body is taken back meanwhile it
    /// waits for good, since the engine takes no end then.
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
        // Whoever sent it may end now, not only with the script's own event.
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

#[cfg(test)]
mod tests;
