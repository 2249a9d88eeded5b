//! The facts about an invocation, recorded as they happen.

use crate::clock;
use crate::invocation::ended_span::{Attributes, Ended};
use crate::invocation::ending;
use crate::invocation::ending::{Ending, Response};
use crate::invocation::lines::{LineBuffer, Stream};
use crate::invocation::observer::{Observers, Record};
use crate::invocation::panics::PanicWatch;
use serde_json::value::to_raw_value;
use taffrail_trace::{ErrorInfo, Json, LogLevel, Outcome, SpanId, TraceException};

pub(super) struct Recording {
    pub(super) observers: Observers,
    pub(super) stdout: LineBuffer,
    pub(super) stderr: LineBuffer,
    pub(super) panics: PanicWatch,
    /// The output of the JavaScript engine itself.
    pub(super) engine: LineBuffer,
    pub(super) ending: Ending,
    pub(super) peak_memory: usize,
    /// The result that a script's handler returned, as JSON.
    pub(super) result: Option<String>,
    /// The response came from the origin instead of the Worker.
    pub(super) passed_through: bool,
    /// Whether an exception was recorded.
    pub(super) has_exceptions: bool,
    pub(super) not_started: bool,
    /// What the attributes of open spans take.
    pub(super) attribute_bytes: usize,
    /// Whether an instance was made for the invocation.
    pub(super) is_cold_start: bool,
    /// Whether the return of the handler was recorded.
    pub(super) has_returned: bool,
    /// The guest's turn, if it works in turns.
    pub(super) turn: Option<Turn>,
    /// Spans whose ends are recorded after the return of the handler.
    pub(super) ended_last: Vec<Ended>,
}

/// Spans whose ends are recorded at the end of a turn of the guest.
#[derive(Default)]
pub(super) struct Turn {
    /// They ended before the turn, so that the guest has their results in it.
    had: Vec<Ended>,
    /// They ended since it began, beside the guest.
    pub(super) ended: Vec<Ended>,
}

impl Turn {
    pub(super) fn begin(&mut self) {
        self.had.append(&mut self.ended);
    }
}

impl Recording {
    pub(super) fn new(response: Response, span: SpanId) -> Self {
        Self {
            observers: Observers::new(span),
            stdout: LineBuffer::default(),
            stderr: LineBuffer::default(),
            panics: PanicWatch::default(),
            engine: LineBuffer::default(),
            ending: Ending::new(response),
            peak_memory: 0,
            result: None,
            passed_through: false,
            has_exceptions: false,
            not_started: false,
            attribute_bytes: 0,
            is_cold_start: false,
            has_returned: false,
            turn: None,
            ended_last: Vec::new(),
        }
    }

    /// Returns the status of the response, if the item has one.
    pub(super) fn recorded_status(&self, outcome: Outcome) -> Option<u16> {
        match self.ending.response {
            _ if self.passed_through => None,
            Response::Complete(status) => Some(status),
            // SEMANTICS R46: the status was sent, and only the stream broke.
            Response::Broken(status) if outcome == Outcome::ResponseStreamDisconnected => {
                Some(status)
            }
            _ => None,
        }
    }

    pub(super) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let mut buffer = std::mem::take(self.buffer(stream));
        let mut dropped = 0;
        buffer.write(bytes, |line| {
            if !self.line(stream, line) {
                dropped += 1;
            }
        });
        *self.buffer(stream) = buffer;
        if dropped > 0 {
            self.observers.record(Record::LogsDropped(dropped));
        }
    }

    /// The engine prints one line of this kind when it aborts.
    pub(super) fn engine_output(&mut self, bytes: &[u8]) {
        let crash = &mut self.ending.crash;
        self.engine.write(bytes, |line| {
            if let Some(reason) = line.strip_prefix(b"Hit MOZ_CRASH(") {
                let reason = String::from_utf8_lossy(reason);
                let reason = reason
                    .rsplit_once(") at ")
                    .map_or(&*reason, |(reason, _)| reason);
                *crash = Some(reason.to_owned());
            }
        });
    }

    fn buffer(&mut self, stream: Stream) -> &mut LineBuffer {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// Records a line and returns true. If its text is not needed any more, returns false, and
    /// the caller counts it.
    fn line(&mut self, stream: Stream, line: &[u8]) -> bool {
        if stream == Stream::Stderr && self.panics.wants(line) {
            self.panics.line(&String::from_utf8_lossy(line));
        }
        self.ending.memory_error |= stream == Stream::Stderr && line.starts_with(b"MemoryError");
        if self.observers.logs_are_full() {
            return false;
        }
        let level = match stream {
            Stream::Stdout => LogLevel::Log,
            Stream::Stderr => LogLevel::Error,
        };
        self.log_text(level, &String::from_utf8_lossy(line));
        true
    }

    pub(super) fn close_output(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(line) = self.buffer(stream).finish()
                && !self.line(stream, &line)
            {
                self.observers.record(Record::LogsDropped(1));
            }
        }
        if let Some(panic) = self.panics.take() {
            self.ending.panic = Some(panic);
        }
    }

    pub(super) fn log_text(&mut self, level: LogLevel, text: &str) {
        if self.refuses_log(text.len()) {
            return;
        }
        // Every string has a JSON form.
        if let Ok(json) = to_raw_value(text) {
            self.log(level, vec![json], None);
        }
    }

    /// Drops and counts a console call whose arguments, which have at least this many bytes, do
    /// not fit.
    pub(super) fn refuses_log(&mut self, argument_bytes: usize) -> bool {
        self.observers.refuse_log(clock::epoch_ms(), argument_bytes)
    }

    pub(super) fn log(
        &mut self,
        level: LogLevel,
        message: Vec<Json>,
        errors: Option<Vec<Option<ErrorInfo>>>,
    ) {
        self.observers.record(Record::Log {
            timestamp: clock::epoch_ms(),
            level,
            message,
            errors,
        });
    }

    /// Records that the handler has returned.
    pub(super) fn returned(&mut self, status: Option<u16>) {
        if !std::mem::replace(&mut self.has_returned, true) {
            self.record_waiting();
            self.observers.record(Record::Return(status));
        }
    }

    pub(super) fn record_ended(&mut self, ended: Ended) {
        let Ended {
            id,
            attributes:
                Attributes {
                    attributes,
                    bytes,
                    dropped,
                },
            outcome,
            end,
        } = ended;
        self.attribute_bytes -= bytes;
        if !attributes.is_empty() || dropped > 0 {
            self.observers.record(Record::SpanAttributes {
                id,
                attributes,
                dropped,
            });
        }
        self.observers
            .record(Record::SpanClose { id, outcome, end });
    }

    /// Records the ends of spans whose results the guest has had.
    pub(super) fn record_had(&mut self) {
        let had = self.turn.as_mut().map(|turn| std::mem::take(&mut turn.had));
        for ended in had.into_iter().flatten() {
            self.record_ended(ended);
        }
    }

    /// Records the ends of all spans that have waited for the guest.
    pub(super) fn record_waiting(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.begin();
        }
        self.record_had();
    }

    /// Records the ends that wait for the return of the handler.
    pub(super) fn record_ended_last(&mut self) {
        for ended in std::mem::take(&mut self.ended_last) {
            self.record_ended(ended);
        }
    }

    pub(super) fn exception(&mut self, failure: ending::Failure) {
        self.has_exceptions = true;
        self.observers.record(Record::Exception(at_now(failure)));
    }
}

pub(super) fn at_now(failure: ending::Failure) -> TraceException {
    TraceException {
        timestamp: clock::epoch_ms(),
        name: failure.name,
        message: failure.message,
        stack: failure.stack,
    }
}
