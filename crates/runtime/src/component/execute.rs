//! Runs one invocation in a store of its own.

use crate::channels::Channels;
use crate::component::debug_file::DebugFile;
use crate::component::failure::{call_failed, instantiation_failed};
use crate::component::{Component, Fetch, QueuePre, ScheduledPre, TailPre};
use crate::event::Event;
use crate::instance::state::{Guest, State};
use crate::interfaces::bindings::queue::exports::taffrail::workers::queue::Message;
use crate::interfaces::bindings::taffrail::workers::types;
use crate::interfaces::convert;
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
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HostOutgoingBody;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::{WasiBody, WasiHttpView, p3};

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
    let mut store = State::store(
        component.engine(),
        invocation,
        channels,
        Guest::Component,
        Vec::new(),
    );
    let call = match handler {
        Fetch::P2(pre) => {
            let run = fetch_p2(pre, &mut store, debug, invocation, request, respond);
            guarded(invocation, run).await
        }
        Fetch::P3(pre) => {
            let run = fetch_p3(pre, &mut store, debug, invocation, request, respond);
            guarded(invocation, run).await
        }
    };
    if response_is_cut_off(handler, &mut store, &call) {
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
    let mut store = State::store(
        component.engine(),
        invocation,
        channels,
        Guest::Component,
        events,
    );
    let run = async {
        match (
            event,
            &component.tail,
            &component.scheduled,
            &component.queue,
        ) {
            (Event::Tail(_), Some(pre), ..) => call_tail(pre, &mut store, debug).await,
            (
                Event::Scheduled {
                    cron,
                    scheduled_time,
                },
                _,
                Some(pre),
                _,
            ) => {
                let event = types::ScheduledEvent {
                    cron,
                    scheduled_time,
                };
                call_scheduled(pre, &mut store, debug, event).await
            }
            (Event::Queue { queue, messages }, .., Some(pre)) => {
                let messages: Vec<_> = messages.into_iter().map(convert::queue_message).collect();
                call_queue(pre, &mut store, debug, &queue, &messages).await
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

async fn fetch_p2(
    pre: &ProxyPre<State>,
    store: &mut Store<State>,
    debug: Option<&DebugFile>,
    invocation: &Arc<Invocation>,
    request: Request<WasiBody>,
    respond: Respond,
) -> Call {
    let proxy = match pre.instantiate_async(&mut *store).await {
        Ok(proxy) => proxy,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
    let answered = Arc::clone(invocation);
    let mut http = store.data_mut().http();
    let resources = http
        .new_incoming_request(Scheme::Http, request)
        .and_then(|request| {
            let outparam =
                http.new_response_outparam_from_callback(move |result| match result {
                    Ok(response) => send_response(&answered, response, respond),
                    Err(code) => answered.response(Response::Refused(format!("{code:?}"))),
                })?;
            Ok((request, outparam))
        });
    let (request, outparam) = match resources {
        Ok(resources) => resources,
        Err(error) => return Call::HostFailed(format!("{error:#}")),
    };
    let handler = proxy.wasi_http_incoming_handler();
    match handler.call_handle(&mut *store, request, outparam).await {
        Ok(()) => Call::Returned,
        Err(error) => call_failed(&error, debug),
    }
}

async fn fetch_p3(
    pre: &ServicePre<State>,
    store: &mut Store<State>,
    debug: Option<&DebugFile>,
    invocation: &Arc<Invocation>,
    request: Request<WasiBody>,
    respond: Respond,
) -> Call {
    let service = match pre.instantiate_async(&mut *store).await {
        Ok(service) => service,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
    let (request, sent) = p3::Request::from_http(store.data_mut().http().hooks, request);
    let run = store.run_concurrent(async |accessor| {
        match service.handle(accessor, request).await? {
            Ok(response) => {
                let response = accessor.with(|store| response.into_http(store, sent))?;
                send_response(invocation, response, respond);
            }
            Err(code) => invocation.response(Response::Refused(format!("{code:?}"))),
        }
        // The handler has returned; what it started goes on, body included.
        poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
        wasmtime::error::Ok(())
    });
    match run.await.and_then(|result| result) {
        Ok(()) => Call::Returned,
        Err(error) => call_failed(&error, debug),
    }
}

async fn call_tail(pre: &TailPre, store: &mut Store<State>, debug: Option<&DebugFile>) -> Call {
    let guest = match pre.instantiate_async(&mut *store).await {
        Ok(guest) => guest,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
    let events = match convert::trace_items(store.data_mut()) {
        Ok(events) => events,
        Err(error) => return Call::HostFailed(format!("{error:#}")),
    };
    let tail = guest.taffrail_workers_tail();
    let result = tail.call_tail(&mut *store, &events).await;
    returned(&result, debug)
}

async fn call_scheduled(
    pre: &ScheduledPre,
    store: &mut Store<State>,
    debug: Option<&DebugFile>,
    event: types::ScheduledEvent,
) -> Call {
    let guest = match pre.instantiate_async(&mut *store).await {
        Ok(guest) => guest,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
    let scheduled = guest.taffrail_workers_scheduled();
    let result = scheduled.call_scheduled(&mut *store, &event).await;
    returned(&result, debug)
}

async fn call_queue(
    pre: &QueuePre,
    store: &mut Store<State>,
    debug: Option<&DebugFile>,
    queue: &str,
    messages: &[Message],
) -> Call {
    let guest = match pre.instantiate_async(&mut *store).await {
        Ok(guest) => guest,
        Err(error) => return instantiation_failed(&error, store.data(), debug),
    };
    let consumer = guest.taffrail_workers_queue();
    let result = consumer.call_queue(&mut *store, queue, messages).await;
    returned(&result, debug)
}

fn returned(result: &wasmtime::Result<()>, debug: Option<&DebugFile>) -> Call {
    match result {
        Ok(()) => Call::Returned,
        Err(error) => call_failed(error, debug),
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

/// Whether the guest was stopped with its response body still open.
fn response_is_cut_off(handler: &Fetch, store: &mut Store<State>, call: &Call) -> bool {
    if matches!(call, Call::Returned) {
        return false;
    }
    match handler {
        // `outgoing-body.finish` takes the body out of the table.
        Fetch::P2(_) => store
            .data_mut()
            .table
            .iter_mut()
            .any(|entry| entry.is::<HostOutgoingBody>()),
        // A stream says no more than that its writer is gone.
        Fetch::P3(_) => true,
    }
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
