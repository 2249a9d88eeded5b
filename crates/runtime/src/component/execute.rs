//! Runs one invocation in a store of its own.

use crate::channels::Channels;
use crate::component::Component;
use crate::component::handlers::{queue, scheduled, tail};
use crate::event::Event;
use crate::instance::state::State;
use crate::invocation::Invocation;
use crate::invocation::ending::{Call, Cut, Response};
use crate::invocation::limits::CpuExceeded;
use http::Request;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use taffrail_trace::LogLevel;
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

/// Where the guest's response goes as soon as it is set.
pub(crate) type Respond = oneshot::Sender<http::Response<WasiBody>>;

/// Runs the fetch handler to its end.
pub(crate) async fn fetch(
    component: &Component,
    invocation: &Arc<Invocation>,
    channels: &Arc<dyn Channels>,
    request: Request<WasiBody>,
    respond: Respond,
) {
    let Some(handler) = &component.fetch else {
        let call = log_missing_handler(invocation, "fetch");
        return invocation.ended(call);
    };
    let debug = component.debug.as_ref();
    let _awake = component.keep_awake();
    let mut store = State::store(component.engine(), invocation, channels, Vec::new());
    let run = handler.call(&mut store, debug, invocation, request, respond);
    let call = guarded(invocation, run).await;
    if handler.response_is_cut_off(&mut store, &call) {
        invocation.response_cut_off();
    }
    invocation.memory(&store.data().memory);
    invocation.ended(call);
}

/// Runs the handler of an event that no client waits for to its end.
pub(crate) async fn dispatch(
    component: &Component,
    invocation: &Arc<Invocation>,
    channels: &Arc<dyn Channels>,
    event: Event,
) {
    let handler = event.handler();
    let events = match &event {
        Event::Tail(items) => items.clone(),
        Event::Scheduled { .. } | Event::Queue { .. } => Vec::new(),
    };
    let debug = component.debug.as_ref();
    let _awake = component.keep_awake();
    let mut store = State::store(component.engine(), invocation, channels, events);
    let run = async {
        match (
            event,
            &component.tail,
            &component.scheduled,
            &component.queue,
        ) {
            (Event::Tail(_), Some(pre), ..) => tail::call(pre, &mut store, debug).await,
            (
                Event::Scheduled {
                    cron,
                    scheduled_time,
                },
                _,
                Some(pre),
                _,
            ) => scheduled::call(pre, &mut store, debug, cron, scheduled_time).await,
            (Event::Queue { queue, messages }, .., Some(pre)) => {
                queue::call(pre, &mut store, debug, &queue, messages).await
            }
            _ => log_missing_handler(invocation, handler),
        }
    };
    let call = guarded(invocation, run).await;
    invocation.memory(&store.data().memory);
    invocation.ended(call);
}

/// Runs the guest under its limits of time, and only as long as nobody wants
/// it to end.
pub(crate) async fn guarded(invocation: &Invocation, guest: impl Future<Output = Call>) -> Call {
    let mut guest = pin!(invocation.cpu.measure(guest));
    let mut turn = tokio::select! {
        biased;
        // First, so that a guest does not hear of a client that left.
        () = invocation.until_cut() => Poll::Pending,
        turn = &mut guest => Poll::Ready(turn),
        () = wall_time_is_up(invocation) => {
            invocation.cut(Cut::WallTime);
            Poll::Pending
        }
    };
    // A guest that is cut off has one more turn, in which it traps where it is,
    // so that there is a stack to record. If it does not, it waits in the host.
    // That a client left is nothing to record a stack for.
    if turn.is_pending() && invocation.is_cut() != Some(Cut::ClientLeft) {
        turn = poll_once(guest.as_mut()).await;
    }
    match turn {
        Poll::Ready(Ok(call)) => call,
        Poll::Ready(Err(CpuExceeded)) => {
            invocation.cut(Cut::Cpu);
            Call::Unfinished
        }
        Poll::Pending => Call::Unfinished,
    }
}

pub(crate) async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

pub(crate) async fn wall_time_is_up(invocation: &Invocation) {
    match invocation.wall_time_limit() {
        Some(limit) => tokio::time::sleep(limit).await,
        None => pending().await,
    }
}

pub(crate) fn send_response(
    invocation: &Invocation,
    response: http::Response<WasiBody>,
    respond: Respond,
) {
    let status = response.status();
    if status.is_informational() {
        return invocation.response(Response::Informational(status.as_u16()));
    }
    invocation.response(Response::Streaming(status.as_u16()));
    // Nobody is there to receive it only if the client left, and then the
    // invocation is being dropped.
    _ = respond.send(response);
}

/// What workerd logs when an event meets a Worker without its handler.
pub(crate) fn log_missing_handler(invocation: &Invocation, handler: &'static str) -> Call {
    let text = match handler {
        "fetch" => {
            "Received a FetchEvent but we lack a handler for FetchEvents. Did you remember to export a fetch() function?"
        }
        "tail" => {
            "Attempted to send events but we lack a handler, did you remember to export a tail() function?"
        }
        "scheduled" => {
            "Received a ScheduledEvent but we lack a handler for ScheduledEvents (a.k.a. Cron Triggers). Did you remember to export a scheduled() function?"
        }
        _ => {
            "Received a QueueEvent but we lack a handler for QueueEvents. Did you remember to export a queue() function?"
        }
    };
    invocation.log_text(LogLevel::Warn, text);
    Call::NoHandler(handler)
}
