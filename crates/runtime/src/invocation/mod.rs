//! A running invocation: the facts that are recorded about it, and the trace item that is made of
//! them.

pub(crate) mod ahead;
pub(crate) mod body;
pub(crate) mod caught;
pub(crate) mod context;
pub(crate) mod current;
mod cut;
mod destination;
pub(crate) mod drain;
pub(crate) mod encoding;
pub(crate) mod ended_span;
pub(crate) mod ending;
pub(crate) mod fetch_result;
pub(crate) mod held;
pub(crate) mod id;
mod item;
pub(crate) mod lanes;
pub(crate) mod limits;
pub(crate) mod lines;
pub(crate) mod live;
pub(crate) mod observer;
pub(crate) mod origin;
pub(crate) mod panics;
pub(crate) mod running;
pub(crate) mod session;
pub(crate) mod spans;
mod streams;

mod allowance;
mod recording;
mod spending;

pub(crate) use allowance::TooManySubrequests;

use recording::{Recording, at_now};

use crate::clock;
use crate::delivery::{ItemBatch, Measured, NotBegun};
use crate::invocation::allowance::Allowance;
use crate::invocation::caught::Panicked;
use crate::invocation::context::WorkerContext;
use crate::invocation::cut::CutSignal;
use crate::invocation::destination::Destination;
use crate::invocation::ending::{Call, Cut, Failure, Response, Shed};
use crate::invocation::id::InvocationId;
use crate::invocation::item::ItemObserver;
use crate::invocation::limits::{CpuMeter, MemoryLimiter};
use crate::invocation::lines::Stream;
use crate::invocation::live::Live;
use crate::invocation::observer::{Observers, Onset, Record};
use crate::invocation::origin::Origin;
use crate::invocation::running::RunningGuard;
use crate::invocation::streams::Streams;
use crate::places::{NoPlace, Permit, Place, Places, Rank, Refused};
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use taffrail_trace::{
    DiagnosticsChannelEvent, End, ErrorInfo, EventInfo, Json, LogLevel, Outcome, SpanContext,
    TailResponse, TraceException,
};
use tokio::sync::Notify;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// One invocation of a Worker.
///
/// The run of the guest and the body of its response each hold a reference. When the last one is
/// dropped, for whatever reason, the invocation is over, and the trace item is completed and
/// delivered. So no invocation can end without an item, not even by a dropped connection.
pub(crate) struct Invocation {
    pub(crate) id: InvocationId,
    /// Its own span.
    pub(crate) span: SpanContext,
    /// Whether spans are recorded.
    is_traced: bool,
    pub(crate) origin: Origin,
    pub(crate) worker: Arc<WorkerContext>,
    pub(crate) cpu: CpuMeter,
    allowance: Allowance,
    destination: Arc<Destination>,
    started: Instant,
    rank: Rank,
    /// Its permit among the Worker's concurrent invocations.
    permit: OnceLock<Permit>,
    recording: Mutex<Recording>,
    cut: Arc<CutSignal>,
    /// Its entry in the list of the Worker's running invocations.
    running: Option<RunningGuard>,
    /// Raised once the response is over.
    answered: Notify,
    /// Keeps the runtime from counting as idle. Dropped after the item has been queued for the
    /// tails.
    pending: Option<TaskTrackerToken>,
}

/// The wording is Cloudflare's.
const WAIT_UNTIL: &str = "waitUntil() tasks did not complete within the allowed time after invocation end and have been cancelled.";

/// The error that stops a guest from inside. The invocation knows the reason.
#[derive(Debug)]
pub(crate) struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the invocation was cut off")
    }
}

impl std::error::Error for CutOff {}

impl Invocation {
    /// Starts the invocation of an event. `event` describes it for the record, and is called only
    /// if there is an observer.
    pub(crate) fn start(
        worker: &Arc<WorkerContext>,
        mut origin: Origin,
        rank: Rank,
        response: Response,
        event: impl FnOnce() -> EventInfo,
    ) -> Arc<Self> {
        let live = origin.live.take();
        let mut invocation = Self::new(worker, origin, rank, response);
        invocation.running = Some(worker.running.add(&invocation.cut));
        invocation.pending = Some(worker.tracker.token());
        invocation.observe(live, event);
        Arc::new(invocation)
    }

    /// Starts an invocation that no event causes and that has no item: the evaluation of a script
    /// ahead of its first event, or the work of an object between its events. It does not keep
    /// the runtime from being idle, and has no limit of CPU time.
    pub(crate) fn unrecorded(worker: &Arc<WorkerContext>) -> Arc<Self> {
        let origin = Origin::default();
        let mut invocation = Self::new(worker, origin, Rank::Producer, Response::NotExpected);
        invocation.cpu = CpuMeter::new(Duration::MAX);
        Arc::new(invocation)
    }

    fn new(worker: &Arc<WorkerContext>, origin: Origin, rank: Rank, response: Response) -> Self {
        let dispatch_options = origin.dispatch_options.as_ref();
        let limits = dispatch_options.map_or(&worker.settings.limits, |dispatch_options| {
            &dispatch_options.limits
        });
        let dispatcher =
            dispatch_options.map(|dispatch_options| Arc::clone(&dispatch_options.batch));
        let id = InvocationId::new();
        let span = origin.span(id, worker.settings.trace_sampling_rate);
        Self {
            id,
            span,
            is_traced: false,
            cpu: CpuMeter::new(limits.cpu),
            allowance: Allowance::new(limits),
            destination: Arc::new(Destination::new(worker, dispatcher)),
            started: clock::instant(),
            rank,
            permit: OnceLock::new(),
            recording: Mutex::new(Recording::new(response, span.span_id)),
            cut: Arc::default(),
            answered: Notify::new(),
            running: None,
            pending: None,
            worker: Arc::clone(worker),
            origin,
        }
    }

    /// Adds the observers and records the onset.
    fn observe(&mut self, live: Option<session::Sender>, event: impl FnOnce() -> EventInfo) {
        let has_consumers = self.destination.has_consumers();
        let tails = &self.worker.consumers.tails;
        if live.is_none() && !has_consumers && tails.streaming.is_empty() {
            return;
        }
        let event = event();
        let depth = self.origin.depth - self.origin.claimed;
        let mut observers = Observers::new(self.span.span_id);
        if let Some(live) = live {
            observers.add(Live::new(live));
        }
        let is_tail = matches!(event, EventInfo::Tail { .. });
        // Alarms have no return event on Workers (SEMANTICS R72).
        let returns = !matches!(event, EventInfo::Alarm { .. });
        let streams = tails.streams(depth, is_tail);
        if !streams.is_empty() {
            observers.add(Streams::new(streams, self.id, self.span.trace_id));
        }
        if has_consumers {
            let wants_spans = self.span.sampled && self.destination.want_spans();
            observers.add(ItemObserver::new(&self.destination, wants_spans));
        }
        observers.record(Record::Onset(Box::new(Onset {
            id: self.id,
            timestamp: clock::epoch_ms(),
            script: self.worker.script(&self.origin),
            event,
            depth,
            parent: self.origin.parent,
            log_sampling_rate: self.log_sampling_rate(),
            span: self.span,
            parent_span: self.parent_span(),
        })));
        self.is_traced = observers.want_spans();
        let recording = self.recording.get_mut();
        let recording = recording.unwrap_or_else(PoisonError::into_inner);
        recording.observers = observers;
        recording.has_returned = !returns;
    }

    /// Takes a permit for an instance of this size. Fails, and ends the invocation, if the Worker
    /// may run no more.
    pub(crate) fn admit(&self, size: usize) -> Result<(), Refused> {
        match self.worker.share.admit(size) {
            Ok(permit) => {
                self.permit.get_or_init(|| permit);
                Ok(())
            }
            Err(refused) => {
                self.ended(Call::Shed(match refused {
                    Refused::Own => Shed::Worker,
                    Refused::Parent => Shed::Parent,
                }));
                Err(refused)
            }
        }
    }

    /// Returns places for the instance that runs the invocation.
    pub(crate) async fn place(&self, places: &Places, size: usize) -> Result<Place, Call> {
        let place = tokio::select! {
            biased;
            place = places.take(size, self.rank) => {
                place.map_err(|NoPlace| Call::Shed(Shed::Process))
            }
            () = self.until_cut() => Err(Call::Unfinished),
        };
        self.recording().is_cold_start |= place.is_ok();
        place
    }

    /// Whether an event caused the invocation.
    pub(crate) fn has_event(&self) -> bool {
        self.running.is_some()
    }

    /// Returns the id of the first invocation of the request.
    pub(crate) fn request_id(&self) -> InvocationId {
        self.origin.parent.map_or(self.id, |parent| parent.request)
    }

    /// Returns the share of requests that are kept as logs: for all invocations of a request, that
    /// of the first Worker.
    pub(crate) fn log_sampling_rate(&self) -> f64 {
        let own = self.worker.settings.log_sampling_rate;
        self.origin
            .parent
            .map_or(own, |parent| parent.log_sampling_rate)
    }

    /// Records bytes that the guest wrote to one of its output streams.
    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) {
        self.recording().write(stream, bytes);
    }

    /// Keeps a message of the JavaScript engine that explains why it aborted.
    pub(crate) fn engine_output(&self, bytes: &[u8]) {
        self.recording().engine_output(bytes);
    }

    /// Records a console call.
    pub(crate) fn log(
        &self,
        level: LogLevel,
        message: Vec<Json>,
        errors: Option<Vec<Option<ErrorInfo>>>,
    ) {
        self.recording().log(level, message, errors);
    }

    /// Drops and counts a console call whose arguments do not fit, before they are decoded.
    /// Returns false if they may fit.
    pub(crate) fn refuses_log(&self, arguments: &[String]) -> bool {
        let texts = arguments.iter().map(String::len);
        // Brackets and commas take at least a byte per argument.
        self.recording()
            .refuses_log(arguments.len() + texts.sum::<usize>())
    }

    /// Records a message on a diagnostics channel.
    pub(crate) fn diagnostics(&self, channel: String, message: Option<Json>) {
        let event = DiagnosticsChannelEvent {
            timestamp: clock::epoch_ms(),
            channel,
            message,
        };
        self.recording()
            .observers
            .record(Record::Diagnostics(event));
    }

    /// Records a console call with one string.
    pub(crate) fn log_text(&self, level: LogLevel, text: &str) {
        self.recording().log_text(level, text);
    }

    /// Records an exception that the guest reports without ending.
    pub(crate) fn report(&self, failure: Failure) {
        self.recording().exception(failure);
    }

    /// Records an exception that the guest did not catch. The first one decides the outcome.
    pub(crate) fn uncaught(&self, failure: Failure) {
        let mut recording = self.recording();
        recording.ending.uncaught.get_or_insert(failure.clone());
        recording.exception(failure);
    }

    /// Records that the response came from the origin (`passThroughOnException`).
    pub(crate) fn passed_through(&self) {
        self.recording().passed_through = true;
    }

    /// Records that the code could not be started.
    pub(crate) fn not_started(&self) {
        self.recording().not_started = true;
    }

    /// Whether the code could be started.
    pub(crate) fn has_started(&self) -> bool {
        !self.recording().not_started
    }

    /// Returns why the handler was not called, if so.
    pub(crate) fn not_begun(&self) -> Option<NotBegun> {
        let recording = self.recording();
        match recording.ending.call {
            _ if recording.not_started => Some(NotBegun::NotStarted),
            Call::NotStarted(_) => Some(NotBegun::NotStarted),
            Call::NoScript(_) => Some(NotBegun::NoCode),
            Call::Stopped => Some(NotBegun::Stopped),
            Call::Shed(_) => Some(NotBegun::NoInstance),
            Call::Unfinished
            | Call::Returned
            | Call::Trapped(_)
            | Call::NoHandler(_)
            | Call::HostFailed(_) => None,
        }
    }

    /// Sets the result of the event, as JSON that the script's handler returned.
    pub(crate) fn set_result(&self, result: String) {
        self.recording().result = Some(result);
    }

    /// Takes the result of the event.
    pub(crate) fn take_result(&self) -> Option<String> {
        self.recording().result.take()
    }

    /// Records the result of the call of the guest's handler. The guest does nothing after it.
    pub(crate) fn ended(&self, call: Call) {
        let mut recording = self.recording();
        recording.not_started |= matches!(call, Call::NotStarted(_));
        recording.ending.call = call;
        recording.close_output();
    }

    /// Records the peak of the guest's memory, and whether memory was refused.
    pub(crate) fn memory(&self, limiter: &MemoryLimiter) {
        let mut recording = self.recording();
        recording.ending.memory_refused = limiter.refused();
        recording.peak_memory = limiter.peak();
    }

    /// Returns the batch for the items of the user Workers that this invocation calls as a
    /// dispatcher.
    pub(crate) fn batch(&self) -> Arc<ItemBatch> {
        self.destination.batch()
    }

    /// Stops the guest as soon as possible. The first reason counts.
    pub(crate) fn cut(&self, reason: Cut) {
        self.cut.cut(reason);
    }

    /// Returns the reason to stop the guest, if there is one.
    pub(crate) fn cut_reason(&self) -> Option<Cut> {
        self.cut.reason()
    }

    /// Fails once the guest must stop. The error stops it where it is.
    pub(crate) fn check_cut(&self) -> Result<(), CutOff> {
        match self.cut_reason() {
            None => Ok(()),
            Some(_) => Err(CutOff),
        }
    }

    /// Waits until the response is over and the time that the guest has after it has passed, and
    /// stops the guest. The time of a Durable Object is not limited, as on Workers.
    pub(crate) async fn until_wait_until_ends(&self) {
        if self.origin.object().is_some() {
            return pending().await;
        }
        let notified = self.answered.notified();
        if !self.recording().ending.response.is_over() {
            notified.await;
        }
        tokio::time::sleep(self.limits().wait_until).await;
        self.log_text(LogLevel::Warn, WAIT_UNTIL);
        self.cut(Cut::WaitUntil);
    }

    /// Waits until the guest must stop.
    pub(crate) async fn until_cut(&self) {
        self.cut.raised().await;
    }

    /// Records the state of the response.
    pub(crate) fn response(&self, response: Response) {
        let is_over = response.is_over();
        let mut recording = self.recording();
        if let Response::Complete(status) = response {
            recording.returned(Some(status));
        }
        recording.ending.response = response;
        drop(recording);
        if is_over {
            self.answered.notify_waiters();
        }
    }

    /// Records that the guest was stopped before the end of its response body.
    pub(crate) fn response_cut_off(&self) {
        let mut recording = self.recording();
        if let Response::Streaming(status) = recording.ending.response {
            recording.ending.response = Response::Broken(status);
        }
    }

    /// Whether the event has been answered, with a response or a failure.
    pub(crate) fn is_handled(&self) -> bool {
        let ending = &self.recording().ending;
        ending.response != Response::Unset || ending.uncaught.is_some()
    }

    /// Whether the run ended in the middle of the response body.
    pub(crate) fn response_is_broken(&self) -> bool {
        matches!(self.recording().ending.response, Response::Broken(_))
    }

    /// Records that the client disconnected in the middle of the response.
    pub(crate) fn client_left(&self) {
        self.abandoned(|response| matches!(response, Response::Streaming(_)));
    }

    /// Records that the client disconnected before a complete response was sent.
    pub(crate) fn response_lost(&self) {
        self.abandoned(|response| matches!(response, Response::Complete(_)));
    }

    /// If the guest had already broken off the response, the client is not blamed for its
    /// disconnect.
    fn abandoned(&self, by_client: impl Fn(&Response) -> bool) {
        let mut recording = self.recording();
        let response = &mut recording.ending.response;
        if matches!(response, Response::Broken(_)) {
            return;
        }
        if by_client(response) {
            *response = Response::Abandoned;
        }
        drop(recording);
        self.cut(Cut::ClientLeft);
    }

    /// Records that the request body broke off: it was malformed, or the client disconnected.
    pub(crate) fn request_broke_off(&self) {
        self.recording().ending.request_broke_off = true;
    }

    /// Whether it ended well: with the outcome `ok`, and without an exception.
    pub(crate) fn has_succeeded(&self) -> bool {
        let (outcome, exception) = self.verdict();
        outcome == Outcome::Ok && exception.is_none() && !self.recording().has_exceptions
    }

    /// Returns how the invocation ended, for a client that gets no response.
    pub(crate) fn verdict(&self) -> (Outcome, Option<TraceException>) {
        let mut recording = self.recording();
        recording.ending.cut = self.cut.reason();
        let verdict = ending::decide(&recording.ending);
        let uncaught = || recording.ending.uncaught.clone();
        let failure = verdict.failure.or_else(uncaught);
        (verdict.outcome, failure.map(at_now))
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        let recording = self.recording.get_mut();
        let recording = recording.unwrap_or_else(PoisonError::into_inner);
        let meter = self.worker.consumers.meter.as_ref();
        let meter = meter.filter(|_| self.running.is_some());
        if recording.observers.is_empty() && meter.is_none() {
            return;
        }
        recording.close_output();
        recording.record_waiting();
        if std::thread::panicking() && matches!(recording.ending.call, Call::Unfinished) {
            recording.ending.call = Call::HostFailed(Panicked::MESSAGE.to_owned());
        }
        recording.ending.cut = self.cut.reason();
        let verdict = ending::decide(&recording.ending);
        if let Some(failure) = verdict.failure {
            recording.exception(failure);
        }
        if recording.ending.has_returned() && verdict.outcome == Outcome::Ok {
            recording.returned(None);
        }
        recording.record_ended_last();
        if let Some(status) = recording.recorded_status(verdict.outcome) {
            let response = TailResponse { status };
            recording.observers.record(Record::Response(response));
        }
        let is_cold_start = recording.is_cold_start;
        let end = End {
            outcome: verdict.outcome,
            cpu_time: self.cpu.used(),
            wall_time: self.started.elapsed(),
            peak_memory: (recording.peak_memory + self.allowance.peak_memory()) as u64,
            exceeded_limit: verdict.limit.map(|limit| self.exceeded(limit)),
        };
        if let Some(meter) = meter {
            let measured = Measured {
                outcome: end.outcome,
                cpu_time: end.cpu_time,
                wall_time: end.wall_time,
                peak_memory: end.peak_memory,
                is_cold_start,
            };
            meter.ended(&self.worker.id, measured);
        }
        // Before the item is delivered, so that a consumer does not find this invocation still
        // running.
        drop(self.running.take());
        drop(self.permit.take());
        let recording = self.recording.get_mut();
        let recording = recording.unwrap_or_else(PoisonError::into_inner);
        recording.observers.end(end);
    }
}
