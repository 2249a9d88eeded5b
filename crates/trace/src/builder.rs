//! Recording one invocation within a budget.

use crate::held;
use crate::item::{
    DiagnosticsChannelEvent, DroppedEntries, EpochMs, ErrorInfo, EventInfo, ExceededLimit,
    LogLevel, Script, TailResponse, TraceException, TraceItem, TraceLog,
};
use crate::json::Json;
use crate::outcome::Outcome;
use crate::request::{RequestData, TailRequest};
use crate::span::{Attribute, EpochUs, SpanContext, SpanId, SpanName, cut};
use crate::spans::Spans;
use serde_json::value::to_raw_value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many bytes one invocation may record, all kinds of entries together.
///
/// It is the limit of Workers, so a Tail Worker sees the same cut at the same
/// place. It also bounds what the host holds on behalf of a guest: an item stays
/// in memory until every Tail Worker has received it.
pub const MAX_TRACE_BYTES: usize = 262_144;

/// The cost of each entry beside its text. The numbers are workerd's: they stand
/// for the memory of the entry itself, and bound the number of empty entries.
const LOG_BYTES: usize = 80;
const EXCEPTION_BYTES: usize = 128;
const DIAGNOSTICS_CHANNEL_EVENT_BYTES: usize = 56;

/// The longest message of an exception, in characters. As on Workers, a longer
/// one is cut and its stack, which repeats the message, is dropped.
const MAX_EXCEPTION_MESSAGE_CHARS: usize = 4096;

/// The longest name in an item: of a Worker, an entrypoint, a queue, an RPC method
/// and the like. Cloudflare's own names are at most a quarter of that.
const MAX_NAME_BYTES: usize = 1024;

const EVENT_LIMIT_MESSAGE: &str = "Trace resource limit exceeded; could not capture event info.";
const LOG_LIMIT_MESSAGE: &str = "Log size limit exceeded: More than 256KB of data (across \
    console.log statements, exception, request metadata and headers) was logged during a single \
    request. Subsequent data for this request will not be recorded in logs, appear when tailing \
    this Worker's logs, or in Tail Workers.";
const EXCEPTION_LIMIT_MESSAGE: &str =
    "Trace resource limit exceeded; subsequent exceptions not recorded.";
const DIAGNOSTICS_LIMIT_CHANNEL: &str = "workerd.LimitExceeded";

/// Records one invocation, entry by entry, and gives its [`TraceItem`].
///
/// Entries share a budget of [`MAX_TRACE_BYTES`]. The first entry of a kind
/// (log, exception, diagnostics channel event) that does not fit is replaced by
/// a marker, which costs nothing, and every later entry of that kind is dropped,
/// even if it would fit. The other kinds continue. Dropped entries are counted in
/// [`TraceItem::dropped`].
///
/// ```
/// use taffrail_trace::{End, EventInfo, LogLevel, Outcome, Script, TraceBuilder};
///
/// let event = EventInfo::Rpc { rpc_method: "add".to_owned() };
/// let mut trace = TraceBuilder::new(Script::default(), event, 1_000, "0".repeat(32));
/// let message = serde_json::value::to_raw_value("adding")?;
/// trace.log(1_001, LogLevel::Log, vec![message], None);
///
/// let item = trace.finish(End {
///     outcome: Outcome::Ok,
///     ..End::default()
/// });
/// assert_eq!(item.logs[0].message[0].get(), r#""adding""#);
/// assert!(!item.truncated);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug)]
pub struct TraceBuilder {
    item: TraceItem,
    budget: Budget,
    dropped: DroppedEntries,
    spans: Spans,
}

impl TraceBuilder {
    /// Starts the record of an invocation.
    ///
    /// The URL, headers and `cf` of a request count towards the budget. If they
    /// alone exceed it, only the method is kept, and a log entry says so. Names,
    /// such as those of the Worker, of a queue or of an RPC method, count for
    /// nothing, as on Workers, and are cut after 1,024 bytes.
    #[must_use]
    pub fn new(
        script: Script,
        event: EventInfo,
        event_timestamp: EpochMs,
        invocation_id: String,
    ) -> Self {
        let mut builder = Self {
            item: TraceItem {
                wall_time: Duration::ZERO,
                cpu_time: Duration::ZERO,
                peak_memory: 0,
                exceeded_limit: None,
                truncated: false,
                script: Script::default(),
                outcome: Outcome::Unknown,
                diagnostics_channel_events: Vec::new(),
                exceptions: Vec::new(),
                logs: Vec::new(),
                event_timestamp: Some(event_timestamp),
                event: None,
                request_id: invocation_id.clone(),
                invocation_id,
                parent_invocation_id: None,
                trace_id: None,
                span_id: None,
                parent_span_id: None,
                span_attributes: Vec::new(),
                spans: Vec::new(),
                trace_sampled: false,
                dropped: None,
                lost_items: 0,
                depth: 0,
                log_sampling_rate: 1.0,
                held_bytes: 0,
            },
            budget: Budget { used: 0 },
            dropped: DroppedEntries::default(),
            spans: Spans::default(),
        };
        builder.set_script(script);
        builder.set_event(event, event_timestamp);
        builder
    }

    /// Sets the caller, and the invocation with which the request began.
    #[must_use]
    pub fn called_by(mut self, parent_invocation_id: String, request_id: String) -> Self {
        self.item.parent_invocation_id = Some(parent_invocation_id);
        self.item.request_id = request_id;
        self
    }

    /// Sets the number of calls and tails that led to this invocation.
    #[must_use]
    pub fn at_depth(mut self, depth: u32) -> Self {
        self.item.depth = depth;
        self
    }

    /// Sets the share of requests that are kept as logs.
    #[must_use]
    pub fn sampled_at(mut self, rate: f64) -> Self {
        self.item.log_sampling_rate = rate;
        self
    }

    /// Sets the span of the invocation, and the one that it is a part of.
    #[must_use]
    pub fn in_trace(mut self, span: SpanContext, parent: Option<SpanId>) -> Self {
        self.item.trace_id = Some(span.trace_id);
        self.item.span_id = Some(span.span_id);
        self.item.parent_span_id = parent;
        self.item.trace_sampled = span.sampled;
        self
    }

    fn set_event(&mut self, mut event: EventInfo, timestamp: EpochMs) {
        self.item.truncated |= cut_names(&mut event);
        if let EventInfo::Fetch { request, .. } = &mut event
            && !self.budget.take(request_bytes(request.unredacted()))
        {
            *request = method_alone(request.unredacted());
            self.item.truncated = true;
            self.item.logs.push(warning(timestamp, EVENT_LIMIT_MESSAGE));
        }
        self.item.event = Some(event);
    }

    /// Sets the names of the Worker. A caller may have chosen some of them.
    fn set_script(&mut self, mut script: Script) {
        let texts = [
            &mut script.script_name,
            &mut script.entrypoint,
            &mut script.dispatch_namespace,
            &mut script.durable_object_id,
        ];
        for text in texts.into_iter().flatten() {
            self.item.truncated |= cut(text, MAX_NAME_BYTES);
        }
        self.item.script = script;
    }

    /// Records a console call: one JSON value an argument, and one slot an
    /// argument for the true name, message and stack of an error object. Missing
    /// slots are filled up, and those without an argument are ignored.
    pub fn log(
        &mut self,
        timestamp: EpochMs,
        level: LogLevel,
        message: Vec<Json>,
        mut error_info: Option<Vec<Option<ErrorInfo>>>,
    ) {
        if let Some(slots) = &mut error_info {
            // Slots cost nothing, so their number must not be the guest's choice.
            slots.resize(message.len(), None);
        }
        let log = TraceLog {
            timestamp,
            level,
            message,
            error_info,
        };
        match self.budget.admit(log_bytes(&log), &mut self.dropped.logs) {
            Admission::Kept => self.item.logs.push(log),
            Admission::FirstDropped => self.item.logs.push(warning(timestamp, LOG_LIMIT_MESSAGE)),
            Admission::Dropped => {}
        }
    }

    /// Whether every further console call is dropped. Then there is no need to
    /// make entries of them, but only to [count](Self::drop_logs) them.
    #[must_use]
    pub fn logs_are_full(&self) -> bool {
        self.dropped.logs > 0
    }

    /// Counts console calls that were made when the logs were full.
    pub fn drop_logs(&mut self, count: u64) {
        self.dropped.logs = self.dropped.logs.saturating_add(count);
    }

    /// Drops a console call for which there is no room, given a lower bound of
    /// the bytes of its arguments in JSON. Returns false, and records nothing, if
    /// there may be room.
    pub fn refuses_log(&mut self, timestamp: EpochMs, argument_bytes: usize) -> bool {
        let bytes = LOG_BYTES.saturating_add(argument_bytes);
        if !self.logs_are_full() && self.budget.has(bytes) {
            return false;
        }
        let dropped = self.budget.admit(bytes, &mut self.dropped.logs);
        if matches!(dropped, Admission::FirstDropped) {
            self.item.logs.push(warning(timestamp, LOG_LIMIT_MESSAGE));
        }
        true
    }

    /// Records a failure that nothing in the Worker caught. A message of more
    /// than 4,096 characters is cut, and then the stack is dropped.
    pub fn exception(&mut self, mut exception: TraceException) {
        cap_message(&mut exception);
        let bytes = exception_bytes(&exception);
        match self.budget.admit(bytes, &mut self.dropped.exceptions) {
            Admission::Kept => self.item.exceptions.push(exception),
            Admission::FirstDropped => self.item.exceptions.push(TraceException {
                timestamp: exception.timestamp,
                name: "Error".to_owned(),
                message: EXCEPTION_LIMIT_MESSAGE.to_owned(),
                stack: None,
            }),
            Admission::Dropped => {}
        }
    }

    /// Records a message published on a diagnostics channel.
    pub fn diagnostics_channel_event(&mut self, event: DiagnosticsChannelEvent) {
        let dropped = &mut self.dropped.diagnostics_channel_events;
        let events = &mut self.item.diagnostics_channel_events;
        match self.budget.admit(diagnostics_bytes(&event), dropped) {
            Admission::Kept => events.push(event),
            Admission::FirstDropped => events.push(DiagnosticsChannelEvent {
                timestamp: event.timestamp,
                channel: DIAGNOSTICS_LIMIT_CHANNEL.to_owned(),
                message: None,
            }),
            Admission::Dropped => {}
        }
    }

    /// Records the start of a span. Spans have a budget of their own, of 256 KiB: a
    /// span or an attribute that does not fit is dropped and counted.
    pub fn open_span(&mut self, id: SpanId, parent: SpanId, name: SpanName, start: EpochUs) {
        self.spans.open(id, parent, name, start);
    }

    /// Adds attributes to an open span or to that of the invocation. `dropped` are already
    /// missing.
    pub fn span_attributes(&mut self, id: SpanId, attributes: Vec<Attribute>, dropped: u64) {
        let own = (self.item.span_id == Some(id)).then_some(&mut self.item.span_attributes);
        self.spans.attributes(id, own, attributes, dropped);
    }

    /// Records the end of a span.
    pub fn close_span(&mut self, id: SpanId, outcome: Outcome, end: EpochUs) {
        self.spans.close(id, outcome, end);
    }

    /// Records the response of a fetch event. Does nothing for other events.
    pub fn set_response(&mut self, response: TailResponse) {
        if let Some(EventInfo::Fetch {
            response: place, ..
        }) = &mut self.item.event
        {
            *place = Some(response);
        }
    }

    /// Returns what is recorded so far, as an item with the outcome `unknown`.
    #[must_use]
    pub fn so_far(&self) -> TraceItem {
        self.item.clone()
    }

    /// Ends the record. A span that is still open ends with it, as canceled.
    #[must_use]
    pub fn finish(mut self, end: End) -> TraceItem {
        let started = self.item.event_timestamp.unwrap_or(0).saturating_mul(1000);
        let ended = started.saturating_add(end.wall_time.as_micros() as u64);
        self.item.spans = self.spans.finish(&mut self.dropped, ended);
        self.item.outcome = end.outcome;
        self.item.cpu_time = end.cpu_time;
        self.item.wall_time = end.wall_time;
        self.item.peak_memory = end.peak_memory;
        self.item.exceeded_limit = end.exceeded_limit;
        self.item.truncated |= self.dropped != DroppedEntries::default();
        self.item.dropped = self.item.truncated.then_some(self.dropped);
        self.item.held_bytes = held::bytes(&self.item);
        self.item
    }
}

/// The outcome of an invocation and its use of resources.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// CPU time used, without time spent waiting.
    pub cpu_time: Duration,
    /// Time from the event to the end of everything it caused.
    pub wall_time: Duration,
    /// The most bytes of memory in use at a time.
    pub peak_memory: u64,
    /// The limit it met, if it met one.
    pub exceeded_limit: Option<ExceededLimit>,
}

/// The answer to an entry's request for room.
enum Admission {
    Kept,
    FirstDropped,
    Dropped,
}

#[derive(Debug)]
struct Budget {
    used: usize,
}

impl Budget {
    /// Takes `bytes`, or returns false if fewer are left.
    fn take(&mut self, bytes: usize) -> bool {
        let fits = self.has(bytes);
        if fits {
            self.used += bytes;
        }
        fits
    }

    fn has(&self, bytes: usize) -> bool {
        bytes <= MAX_TRACE_BYTES - self.used
    }

    /// Asks for room for an entry of a kind of which `dropped` entries have been
    /// dropped so far: after the first, nothing of that kind gets any.
    fn admit(&mut self, bytes: usize, dropped: &mut u64) -> Admission {
        if *dropped == 0 && self.take(bytes) {
            return Admission::Kept;
        }
        *dropped += 1;
        if *dropped == 1 {
            Admission::FirstDropped
        } else {
            Admission::Dropped
        }
    }
}

/// Cuts the names in an event that are too long, and returns whether it has any.
fn cut_names(event: &mut EventInfo) -> bool {
    match event {
        EventInfo::Rpc { rpc_method: name }
        | EventInfo::Scheduled { cron: name, .. }
        | EventInfo::Queue { queue: name, .. } => cut(name, MAX_NAME_BYTES),
        EventInfo::Email {
            mail_from, rcpt_to, ..
        } => cut(mail_from, MAX_NAME_BYTES) | cut(rcpt_to, MAX_NAME_BYTES),
        // Names of Workers, each cut in the item that it comes from.
        EventInfo::Tail { .. }
        | EventInfo::Fetch { .. }
        | EventInfo::Alarm { .. }
        | EventInfo::HibernatableWebSocket { .. }
        | EventInfo::Connect {}
        | EventInfo::Custom {} => false,
    }
}

fn request_bytes(request: &RequestData) -> usize {
    let headers = request.headers.iter();
    // A method costs nothing, as on Workers.
    request.method.len().saturating_sub(MAX_NAME_BYTES)
        + request.url.len()
        + headers
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
        + request.cf.as_ref().map_or(0, |cf| cf.get().len())
}

fn log_bytes(log: &TraceLog) -> usize {
    let errors = log.error_info.iter().flatten().flatten();
    let error_bytes =
        errors.map(|error| error_text_bytes(&error.name, &error.message, error.stack.as_ref()));
    LOG_BYTES + json_array_bytes(&log.message) + error_bytes.sum::<usize>()
}

/// The length of `[`, the values with a comma between them, and `]`.
fn json_array_bytes(values: &[Json]) -> usize {
    let commas = values.len().saturating_sub(1);
    2 + commas + values.iter().map(|value| value.get().len()).sum::<usize>()
}

fn exception_bytes(exception: &TraceException) -> usize {
    EXCEPTION_BYTES
        + error_text_bytes(
            &exception.name,
            &exception.message,
            exception.stack.as_ref(),
        )
}

fn error_text_bytes(name: &str, message: &str, stack: Option<&String>) -> usize {
    name.len() + message.len() + stack.map_or(0, String::len)
}

fn diagnostics_bytes(event: &DiagnosticsChannelEvent) -> usize {
    let message_bytes = event.message.as_ref().map_or(0, |json| json.get().len());
    DIAGNOSTICS_CHANNEL_EVENT_BYTES + event.channel.len() + message_bytes
}

fn cap_message(exception: &mut TraceException) {
    let message = &mut exception.message;
    if let Some((end, _)) = message.char_indices().nth(MAX_EXCEPTION_MESSAGE_CHARS) {
        message.truncate(end);
        message.shrink_to_fit();
        exception.stack = None;
    }
}

fn method_alone(request: &RequestData) -> TailRequest {
    let mut method = request.method.clone();
    cut(&mut method, MAX_NAME_BYTES);
    TailRequest::new(RequestData {
        url: String::new(),
        method,
        headers: BTreeMap::new(),
        cf: None,
    })
}

fn warning(timestamp: EpochMs, text: &str) -> TraceLog {
    TraceLog {
        timestamp,
        level: LogLevel::Warn,
        message: vec![to_raw_value(text).expect("text has a JSON form")],
        error_info: None,
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
