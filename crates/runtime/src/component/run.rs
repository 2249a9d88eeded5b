//! Runs one invocation of a component.

use crate::component::Component;
use crate::component::handlers::Callee;
use crate::component::instance::Instance;
use crate::event::{Event, Respond};
use crate::invocation::Invocation;
use crate::invocation::ending::{Call, Cut, Response};
use crate::invocation::limits::CpuExceeded;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use wasmtime_wasi_http::WasiBody;

/// Calls an instance of a component to handle an event.
pub(crate) async fn run(
    component: &Component,
    instance: &mut Instance,
    invocation: &Arc<Invocation>,
    event: Event,
) {
    let _awake = component.keep_awake();
    let may_respond = matches!(event, Event::Fetch(_));
    let handlers = &component.handlers;
    let callee = Callee {
        instance,
        pre: component.pre(),
        debug: &component.debug,
        invocation,
    };
    let call = run_with_limits(invocation, handlers.call(callee, event)).await;
    let store = &mut instance.store;
    if may_respond && handlers.response_is_cut_off(store, &call) {
        invocation.response_cut_off();
    }
    invocation.memory(&store.data().memory);
    invocation.ended(call);
}

/// Runs the guest within its limits of time, and until it is cut off.
pub(crate) async fn run_with_limits(
    invocation: &Invocation,
    guest: impl Future<Output = Call>,
) -> Call {
    let mut guest = pin!(invocation.cpu.measure(guest));
    let mut turn = tokio::select! {
        biased;
        // First, so that a guest does not observe the disconnect of its client.
        () = invocation.until_cut() => Poll::Pending,
        turn = &mut guest => Poll::Ready(turn),
        () = wall_time_is_up(invocation) => {
            invocation.cut(Cut::WallTime);
            Poll::Pending
        }
    };
    // A guest that is cut off gets one more turn, in which it traps where it is, so that there is
    // a stack to record. If it does not trap, it is waiting in the host. A client's disconnect
    // needs no stack.
    if turn.is_pending() && invocation.cut_reason() != Some(Cut::ClientLeft) {
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
    // The receiver is gone only if the client has disconnected, and then the invocation is being
    // dropped.
    _ = respond.send(response);
}
