//! One invocation while it runs: everything that is found out about it, and
//! the trace item that comes of it.

use crate::clock;
use crate::ending::{self, Call, Ending, Response};
use crate::limits::CpuMeter;
use crate::lines::{LineBuffer, PanicWatch};
use crate::output::Stream;
use crate::worker::Worker;
use serde_json::value::to_raw_value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use taffrail_trace::{
    EventInfo, Json, LogLevel, Outcome, TailResponse, TraceBuilder, TraceException,
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
    pub(crate) worker: Arc<Worker>,
    pub(crate) cpu: CpuMeter,
    started: Instant,
    recording: Mutex<Recording>,
    client_left: Notify,
    /// Keeps the runtime from counting as idle. Dropped after the item has
    /// been handed to the tails.
    _running: TaskTrackerToken,
}

struct Recording {
    /// Taken when the invocation is over.
    trace: Option<TraceBuilder>,
    stdout: LineBuffer,
    stderr: LineBuffer,
    panics: PanicWatch,
    ending: Ending,
}

impl Invocation {
    pub(crate) fn start(worker: &Arc<Worker>, event: EventInfo, response: Response) -> Arc<Self> {
        let id = format!("{:032x}", rand::random::<u128>());
        let trace = TraceBuilder::new(worker.script(), event, clock::epoch_ms(), id.clone());
        Arc::new(Self {
            id,
            cpu: CpuMeter::new(worker.settings.limits.cpu),
            started: clock::instant(),
            recording: Mutex::new(Recording {
                trace: Some(trace),
                stdout: LineBuffer::default(),
                stderr: LineBuffer::default(),
                panics: PanicWatch::default(),
                ending: Ending {
                    call: Call::Unfinished,
                    response,
                    cpu_exceeded: false,
                    memory_refused: false,
                    uncaught: false,
                    panic: None,
                },
            }),
            client_left: Notify::new(),
            _running: worker.tracker.token(),
            worker: Arc::clone(worker),
        })
    }

    /// Records what the guest wrote to one of its output streams.
    pub(crate) fn write(&self, stream: Stream, bytes: &[u8]) {
        self.recording().write(stream, bytes);
    }

    /// Records a console call.
    pub(crate) fn log(&self, level: LogLevel, message: Vec<Json>) {
        self.recording().log(level, message);
    }

    /// Records a console call with one string.
    pub(crate) fn log_text(&self, level: LogLevel, text: &str) {
        self.recording().log_text(level, text);
    }

    /// Records an exception that the guest tells of. `uncaught` ones decide
    /// the outcome.
    pub(crate) fn exception(&self, failure: ending::Failure, uncaught: bool) {
        let mut recording = self.recording();
        recording.exception(failure);
        recording.ending.uncaught |= uncaught;
    }

    /// Records that the guest has been called and how that ended. Nothing that
    /// the guest does comes after it.
    pub(crate) fn ended(&self, call: Call, memory_refused: bool) {
        let mut recording = self.recording();
        recording.ending.call = call;
        recording.ending.memory_refused = memory_refused;
        recording.ending.cpu_exceeded = self.cpu.exceeded();
        recording.close_output();
    }

    /// Records what becomes of the response.
    pub(crate) fn response(&self, response: Response) {
        self.recording().ending.response = response;
    }

    /// Records that the guest was stopped with its response body still open.
    pub(crate) fn response_cut_off(&self) {
        let mut recording = self.recording();
        if matches!(recording.ending.response, Response::Streaming(_)) {
            recording.ending.response = Response::Broken;
        }
    }

    /// Whether the run ended in a way that leaves the response body without
    /// its rest.
    pub(crate) fn response_is_broken(&self) -> bool {
        self.recording().ending.response == Response::Broken
    }

    /// Records that the client went away in the middle of the response.
    pub(crate) fn client_left(&self) {
        let mut recording = self.recording();
        if matches!(recording.ending.response, Response::Streaming(_)) {
            recording.ending.response = Response::Abandoned;
        }
        drop(recording);
        self.client_left.notify_one();
    }

    /// Waits until the client goes away in the middle of the response.
    pub(crate) async fn until_client_left(&self) {
        self.client_left.notified().await;
    }

    /// How the invocation ended, for the client that gets no response.
    pub(crate) fn verdict(&self) -> (Outcome, Option<TraceException>) {
        let (outcome, failure) = ending::decide(&self.recording().ending);
        (outcome, failure.map(at_now))
    }

    fn recording(&self) -> MutexGuard<'_, Recording> {
        self.recording
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
            self.log(level, vec![json]);
        }
    }

    fn log(&mut self, level: LogLevel, message: Vec<Json>) {
        if let Some(trace) = &mut self.trace {
            trace.log(clock::epoch_ms(), level, message, None);
        }
    }

    fn exception(&mut self, failure: ending::Failure) {
        if let Some(trace) = &mut self.trace {
            trace.exception(at_now(failure));
        }
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        let recording = self
            .recording
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        recording.close_output();
        let (outcome, failure) = ending::decide(&recording.ending);
        if let Some(failure) = failure {
            recording.exception(failure);
        }
        let Some(mut trace) = recording.trace.take() else {
            return;
        };
        if let Response::Complete(status) = recording.ending.response {
            trace.set_response(TailResponse { status });
        }
        let item = trace.finish(outcome, self.cpu.used(), self.started.elapsed());
        self.worker.deliver(item);
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
