//! One invocation while it runs: everything that is found out about it, and
//! the trace item that comes of it.

use crate::clock;
use crate::dispatch::Together;
use crate::egress::Egress;
use crate::ending::{self, Call, Cut, Ending, Limit, Response};
use crate::limits::{CpuMeter, MemoryLimiter};
use crate::lines::{LineBuffer, PanicWatch};
use crate::live::Live;
use crate::output::Stream;
use crate::platform::Platform;
use crate::script::Exchange;
use crate::service::CallFailed;
use crate::settings::{EVENT_WALL_TIME, Limits};
use crate::worker::{FetchResult, Via, Worker};
use serde_json::value::to_raw_value;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use taffrail_trace::{
    DiagnosticsChannelEvent, End, ErrorInfo, EventInfo, ExceededLimit, Json, LogLevel, Outcome,
    TailResponse, TraceBuilder, TraceException,
};
use tokio::sync::Notify;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// One invocation of a Worker.
///
/// The run of the guest and the body of its response each hold a reference.
/// When the last one is gone, for whatever reason, the invocation is over:
/// the trace item is completed and delivered. So no way to end, not even a
/// dropped connection, can leave an invocation without its item.
pub(crate) struct Invocation {
    pub(crate) id: String,
    pub(crate) via: Via,
    /// Whether its item is delivered.
    told: bool,
    pub(crate) worker: Arc<Worker>,
    pub(crate) cpu: CpuMeter,
    /// What a script and its host exchange for it.
    pub(crate) exchange: Exchange,
    subrequests_left: AtomicU32,
    data_points_left: AtomicU32,
    /// Where the items of the user Workers that it dispatches to go.
    together: OnceLock<Arc<Together>>,
    started: Instant,
    recording: Mutex<Recording>,
    /// Raised once there is a cut.
    cut: Notify,
    /// Keeps the runtime from counting as idle. Dropped after the item has
    /// been handed to the tails.
    _running: Option<TaskTrackerToken>,
}

struct Recording {
    /// Taken when the invocation is over.
    trace: Option<TraceBuilder>,
    stdout: LineBuffer,
    stderr: LineBuffer,
    panics: PanicWatch,
    ending: Ending,
    peak_memory: usize,
    /// What a script wants to become of an event, as JSON.
    wishes: Option<String>,
    /// Somebody else answered in the Worker's place.
    passed_through: bool,
    not_started: bool,
    /// Who is told while it runs.
    live: Option<Live>,
}

/// The limit of subrequests is reached.
#[derive(Debug)]
pub(crate) struct TooManySubrequests;

/// The wording is Cloudflare's.
const TOO_MANY_SUBREQUESTS: &str = "Too many subrequests by single Worker invocation.";

impl fmt::Display for TooManySubrequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TOO_MANY_SUBREQUESTS)
    }
}

/// Data points of Analytics Engine: Cloudflare's limit for one invocation.
const DATA_POINTS: u32 = 250;

/// Ends a guest from inside. Why, the invocation knows.
#[derive(Debug)]
pub(crate) struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the invocation was cut off")
    }
}

impl std::error::Error for CutOff {}

impl Invocation {
    /// Begins the invocation that an event causes.
    pub(crate) fn start(
        worker: &Arc<Worker>,
        via: Via,
        event: EventInfo,
        response: Response,
    ) -> Arc<Self> {
        let invocation = Self::new(worker, via, event, response, true);
        worker.running.add(&invocation);
        invocation
    }

    /// Begins what no event causes and nobody is told of: the evaluation of a
    /// script ahead of its first event, and what an object does between its
    /// events. It does not keep the runtime from being idle.
    pub(crate) fn rehearsal(worker: &Arc<Worker>) -> Arc<Self> {
        let event = EventInfo::Custom {};
        Self::new(worker, Via::default(), event, Response::NotExpected, false)
    }

    fn new(
        worker: &Arc<Worker>,
        mut via: Via,
        event: EventInfo,
        response: Response,
        told: bool,
    ) -> Arc<Self> {
        let id = format!("{:032x}", rand::random::<u128>());
        let live = via.live.take();
        let terms = via.terms.as_ref();
        let limits = terms.map_or(&worker.settings.limits, |terms| &terms.limits);
        let (cpu, subrequests) = (limits.cpu, limits.subrequests);
        let mut trace =
            TraceBuilder::new(worker.script(&via), event, clock::epoch_ms(), id.clone());
        if let Some(parent) = &via.parent {
            trace = trace.called_by(parent.invocation.clone(), parent.request.clone());
        }
        Arc::new(Self {
            id,
            via,
            told,
            cpu: CpuMeter::new(match told {
                true => cpu,
                false => Duration::MAX,
            }),
            exchange: Exchange::default(),
            subrequests_left: AtomicU32::new(subrequests),
            data_points_left: AtomicU32::new(DATA_POINTS),
            together: OnceLock::new(),
            started: clock::instant(),
            recording: Mutex::new(Recording {
                trace: Some(trace),
                stdout: LineBuffer::default(),
                stderr: LineBuffer::default(),
                panics: PanicWatch::default(),
                ending: Ending {
                    call: Call::Unfinished,
                    response,
                    cut: None,
                    memory_refused: false,
                    subrequest_refused: false,
                    uncaught: None,
                    panic: None,
                },
                peak_memory: 0,
                wishes: None,
                passed_through: false,
                not_started: false,
                live: live.map(Live::new),
            }),
            cut: Notify::new(),
            _running: told.then(|| worker.tracker.token()),
            worker: Arc::clone(worker),
        })
    }

    /// The id of the invocation with which the request began.
    pub(crate) fn request_id(&self) -> &str {
        let parent = self.via.parent.as_ref();
        parent.map_or(&self.id, |parent| &parent.request)
    }

    /// What its Worker is a part of, unless that is ending.
    pub(crate) fn platform(&self) -> Result<Arc<Platform>, CallFailed> {
        let platform = self.worker.platform.upgrade();
        platform.ok_or_else(|| CallFailed::new("the runtime is ending"))
    }

    /// Records what the guest wrote to one of its output streams.
    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) {
        self.recording().write(stream, bytes);
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

    /// Records a message on a diagnostics channel.
    pub(crate) fn diagnostics(&self, channel: String, message: Option<Json>) {
        if let Some(trace) = &mut self.recording().trace {
            trace.diagnostics_channel_event(DiagnosticsChannelEvent {
                timestamp: clock::epoch_ms(),
                channel,
                message,
            });
        }
    }

    /// Records a console call with one string.
    pub(crate) fn log_text(&self, level: LogLevel, text: &str) {
        self.recording().log_text(level, text);
    }

    /// Records an exception that the guest tells of. `uncaught` ones decide
    /// the outcome.
    pub(crate) fn exception(&self, failure: ending::Failure, uncaught: bool) {
        let mut recording = self.recording();
        if uncaught {
            recording.ending.uncaught.get_or_insert(failure.clone());
        }
        recording.exception(failure);
    }

    /// Records that the response is that of the Worker's origin.
    pub(crate) fn passed_through(&self) {
        self.recording().passed_through = true;
    }

    /// Records that the code could not be started.
    pub(crate) fn not_started(&self) {
        self.recording().not_started = true;
    }

    /// How it ended, for those who wait for a response or a session.
    pub(crate) fn failed(&self) -> FetchResult {
        let (outcome, exception) = self.verdict();
        FetchResult::Failed {
            outcome,
            exception,
            started: !self.recording().not_started,
        }
    }

    /// Keeps what a script wants to become of the event, as JSON.
    pub(crate) fn settle(&self, wishes: String) {
        self.recording().wishes = Some(wishes);
    }

    /// What the script wanted to become of the event.
    pub(crate) fn wishes(&self) -> Option<String> {
        self.recording().wishes.take()
    }

    /// Records that the guest has been called and how that ended. Nothing that
    /// the guest does comes after it.
    pub(crate) fn ended(&self, call: Call) {
        let mut recording = self.recording();
        recording.not_started |= matches!(call, Call::NotStarted(_));
        recording.ending.call = call;
        recording.close_output();
    }

    /// Records what became of the guest's memory.
    pub(crate) fn memory(&self, limiter: &MemoryLimiter) {
        let mut recording = self.recording();
        recording.ending.memory_refused = limiter.refused();
        recording.peak_memory = limiter.peak();
    }

    /// Counts a request that the guest wants to make, or refuses it.
    pub(crate) fn subrequest(&self) -> Result<(), TooManySubrequests> {
        let left = &self.subrequests_left;
        if left
            .try_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_ok()
        {
            return Ok(());
        }
        // Guests tend to say no more than that the request failed.
        self.log_text(LogLevel::Warn, TOO_MANY_SUBREQUESTS);
        self.recording().ending.subrequest_refused = true;
        Err(TooManySubrequests)
    }

    /// Where the items of the user Workers that it dispatches to go.
    pub(crate) fn together(&self) -> Arc<Together> {
        let together = self.together.get_or_init(|| Together::new(&self.worker));
        Arc::clone(together)
    }

    /// What it may use.
    pub(crate) fn limits(&self) -> &Limits {
        let terms = self.via.terms.as_ref();
        terms.map_or(&self.worker.settings.limits, |terms| &terms.limits)
    }

    /// Where its requests go.
    pub(crate) fn egress(&self) -> &Egress {
        let terms = self.via.terms.as_ref();
        let given = terms.and_then(|terms| terms.egress.as_ref());
        given.unwrap_or(&self.worker.settings.egress)
    }

    /// Counts a data point that the guest wants to write, or refuses it.
    pub(crate) fn data_point(&self) -> Result<(), String> {
        self.data_points_left
            .try_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .map(|_| ())
            .map_err(|_| {
                format!(
                    "writeDataPoint(): Maximum of {DATA_POINTS} data points for one invocation."
                )
            })
    }

    /// Has the guest ended as soon as it can be. The first reason counts.
    pub(crate) fn cut(&self, reason: Cut) {
        self.recording().ending.cut.get_or_insert(reason);
        self.cut.notify_waiters();
    }

    /// Whether and why the guest is to end.
    pub(crate) fn is_cut(&self) -> Option<Cut> {
        self.recording().ending.cut
    }

    /// Fails once the guest is to end: the error that stops it where it is.
    pub(crate) fn go_on(&self) -> Result<(), CutOff> {
        match self.is_cut() {
            None => Ok(()),
            Some(_) => Err(CutOff),
        }
    }

    /// How long the invocation may take, waiting included.
    pub(crate) fn wall_time_limit(&self) -> Option<Duration> {
        let limit = self.worker.settings.limits.wall_time;
        let has_client = self.recording().ending.response != Response::NotExpected;
        limit.or((!has_client).then_some(EVENT_WALL_TIME))
    }

    /// Waits until the guest is to end.
    pub(crate) async fn until_cut(&self) {
        // A notification after this line is received, one before it has left
        // its reason.
        let notified = self.cut.notified();
        if self.is_cut().is_none() {
            notified.await;
        }
    }

    /// Records what becomes of the response.
    pub(crate) fn response(&self, response: Response) {
        self.recording().ending.response = response;
    }

    /// Records that the guest was stopped with its response body still open.
    pub(crate) fn response_cut_off(&self) {
        let mut recording = self.recording();
        if let Response::Streaming(status) = recording.ending.response {
            recording.ending.response = Response::Broken(status);
        }
    }

    /// Whether the run ended in a way that leaves the response body without
    /// its rest.
    pub(crate) fn response_is_broken(&self) -> bool {
        matches!(self.recording().ending.response, Response::Broken(_))
    }

    /// Records that the client went away in the middle of the response.
    pub(crate) fn client_left(&self) {
        let mut recording = self.recording();
        if matches!(recording.ending.response, Response::Streaming(_)) {
            recording.ending.response = Response::Abandoned;
        }
        drop(recording);
        self.cut(Cut::ClientLeft);
    }

    /// How the invocation ended, for the client that gets no response.
    pub(crate) fn verdict(&self) -> (Outcome, Option<TraceException>) {
        let recording = self.recording();
        let verdict = ending::decide(&recording.ending);
        let failure = verdict.failure.or(recording.ending.uncaught.clone());
        (verdict.outcome, failure.map(at_now))
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Invocation {
    /// The limit by its key in the configuration.
    fn exceeded(&self, limit: Limit) -> ExceededLimit {
        let limits = self.limits();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (key, value) = match limit {
            Limit::Cpu => ("limits.cpu_ms", milliseconds(limits.cpu)),
            Limit::Subrequests => ("limits.subrequests", limits.subrequests.into()),
            Limit::Memory => ("taffrail.memory_mb", (limits.memory >> 20) as u64),
            Limit::WallTime => {
                let time = limits.wall_time.unwrap_or(EVENT_WALL_TIME);
                ("taffrail.wall_ms", milliseconds(time))
            }
            Limit::Instances => ("taffrail.instances", limits.instances as u64),
        };
        ExceededLimit {
            key: key.to_owned(),
            value,
        }
    }
}

impl Recording {
    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let (buffer, level) = match stream {
            Stream::Stdout => (&mut self.stdout, LogLevel::Log),
            Stream::Stderr => (&mut self.stderr, LogLevel::Error),
        };
        let mut lines = Vec::new();
        buffer.write(bytes, |line| lines.push(line));
        for line in lines {
            self.line(level, &line);
        }
    }

    fn line(&mut self, level: LogLevel, line: &str) {
        if level == LogLevel::Error {
            self.panics.line(line);
        }
        self.log_text(level, line);
    }

    fn close_output(&mut self) {
        if let Some(line) = self.stdout.finish() {
            self.line(LogLevel::Log, &line);
        }
        if let Some(line) = self.stderr.finish() {
            self.line(LogLevel::Error, &line);
        }
        if let Some(panic) = self.panics.take() {
            self.ending.panic = Some(panic);
        }
    }

    fn log_text(&mut self, level: LogLevel, text: &str) {
        // A string always has a JSON form.
        if let Ok(json) = to_raw_value(text) {
            self.log(level, vec![json], None);
        }
    }

    fn log(&mut self, level: LogLevel, message: Vec<Json>, errors: Option<Vec<Option<ErrorInfo>>>) {
        let timestamp = clock::epoch_ms();
        if let Some(live) = &mut self.live {
            live.log(timestamp, level, &message);
        }
        if let Some(trace) = &mut self.trace {
            trace.log(timestamp, level, message, errors);
        }
    }

    fn exception(&mut self, failure: ending::Failure) {
        let exception = at_now(failure);
        if let Some(live) = &mut self.live {
            live.exception(&exception);
        }
        if let Some(trace) = &mut self.trace {
            trace.exception(exception);
        }
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        if !self.told {
            return;
        }
        let recording = self
            .recording
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        recording.close_output();
        if std::thread::panicking() && matches!(recording.ending.call, Call::Unfinished) {
            recording.ending.call = Call::HostFailed("it panicked".to_owned());
        }
        let verdict = ending::decide(&recording.ending);
        if let Some(failure) = verdict.failure {
            recording.exception(failure);
        }
        if let Some(live) = recording.live.take() {
            live.end(verdict.outcome);
        }
        let Some(mut trace) = recording.trace.take() else {
            return;
        };
        match recording.ending.response {
            _ if recording.passed_through => {}
            Response::Complete(status) => trace.set_response(TailResponse { status }),
            // SEMANTICS R46: its status went out, and nothing else is at fault.
            Response::Broken(status) if verdict.outcome == Outcome::ResponseStreamDisconnected => {
                trace.set_response(TailResponse { status });
            }
            _ => {}
        }
        let item = trace.finish(End {
            outcome: verdict.outcome,
            cpu_time: self.cpu.used(),
            wall_time: self.started.elapsed(),
            peak_memory: recording.peak_memory as u64,
            exceeded_limit: verdict.limit.map(|limit| self.exceeded(limit)),
        });
        self.worker.running.remove(self);
        self.worker
            .deliver(item, self.via.terms.as_ref(), self.together.get());
    }
}

fn at_now(failure: ending::Failure) -> TraceException {
    TraceException {
        timestamp: clock::epoch_ms(),
        name: failure.name,
        message: failure.message,
        stack: failure.stack,
    }
}
