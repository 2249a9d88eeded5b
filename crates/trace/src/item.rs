//! The trace item: plain data with workerd's names.

use crate::attribute::AttributeValue;
use crate::json::Json;
use crate::outcome::Outcome;
use crate::request::TailRequest;
use crate::span::{Attribute, Span, SpanId, TraceId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type EpochMs = u64;

/// The record of one invocation of a Worker.
///
/// It serialises to the JSON that `JSON.stringify(item)` gives on Workers, with
/// the request redacted and absent fields left out, plus Taffrail's own fields
/// `invocationId`, `requestId`, `parentInvocationId`, `traceId`, `spanId`,
/// `parentSpanId`, `spanAttributes`, `spans`, `peakMemory`, `exceededLimit`,
/// `dropped` and `lostItems`.
///
/// It can be read back from that JSON: the request stays redacted, times are in
/// whole milliseconds, and a TCP connection, which has no key in JSON, becomes
/// an event of another kind.
///
/// `R` is the request of a fetch event, as the holder of the item has it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceItem<R = TailRequest> {
    /// Time from the event to the end of everything it caused; whole
    /// milliseconds in JSON.
    #[serde(with = "whole_milliseconds")]
    pub wall_time: Duration,
    /// CPU time used, without time spent waiting; whole milliseconds in JSON.
    #[serde(with = "whole_milliseconds")]
    pub cpu_time: Duration,
    /// Whether entries were dropped because the invocation recorded too much.
    pub truncated: bool,
    /// The Worker and the entrypoint that ran.
    #[serde(flatten)]
    pub script: Script,
    /// The outcome.
    pub outcome: Outcome,
    /// The diagnostics channel messages, in order.
    pub diagnostics_channel_events: Vec<DiagnosticsChannelEvent>,
    /// The uncaught failures, in order.
    pub exceptions: Vec<TraceException>,
    /// The console calls, in order.
    pub logs: Vec<TraceLog>,
    /// When it started.
    pub event_timestamp: Option<EpochMs>,
    /// The event that started it.
    pub event: Option<EventInfo<R>>,
    /// Names this invocation: 32 hexadecimal digits.
    pub invocation_id: String,
    /// The id of the invocation with which the request began that this one is
    /// a part of: its own, unless another Worker called.
    pub request_id: String,
    /// The id of the invocation that called, if another Worker called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_invocation_id: Option<String>,
    /// The trace that it is part of. Absent in items of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// Its own span in that trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<SpanId>,
    /// The span of the caller, which may be another process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<SpanId>,
    /// What the Worker set on its own span, in the order in which it was set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub span_attributes: Vec<Attribute>,
    /// Its operations, in the order in which they ended. Recorded if a consumer
    /// wants them and the trace is sampled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// Whether its trace is recorded. Not part of the JSON.
    #[serde(skip)]
    pub trace_sampled: bool,
    /// The most bytes of memory, tables included, that its instance had at a
    /// time, and with them the most that the host held for it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub peak_memory: u64,
    /// The limit that it met, if it met one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exceeded_limit: Option<ExceededLimit>,
    /// The number of dropped entries, if it is `truncated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<DroppedEntries>,
    /// How many earlier items for the Tail Worker that this copy goes to were
    /// lost since the last one it received.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_items: u64,
    /// How many calls and tails led to the invocation, one after the other. Not
    /// part of the JSON.
    #[serde(skip)]
    pub depth: u32,
    /// The share of requests that are kept as logs, as the Worker set it with which the request
    /// began. Not part of the JSON.
    #[serde(skip, default = "all")]
    pub log_sampling_rate: f64,
    /// The approximate size in memory. Not part of the JSON.
    #[serde(skip)]
    pub held_bytes: usize,
}

/// The Worker and the entrypoint of an invocation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    /// The name of the Worker.
    pub script_name: Option<String>,
    /// The entrypoint that ran, absent for the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// The version of the Worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script_version: Option<ScriptVersion>,
    /// The tags of the Worker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub script_tags: Vec<String>,
    /// The dispatch namespace it was found in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatch_namespace: Option<String>,
    /// Attributes attached to the Worker for its tails.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tail_attributes: BTreeMap<String, AttributeValue>,
    /// The preview that ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// The id of the Durable Object: 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durable_object_id: Option<String>,
    /// What kind of instance ran it.
    pub execution_model: ExecutionModel,
}

/// The deployed version of a Worker.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct ScriptVersion {
    /// The version's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tag it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The message it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The preview deployment of a Worker.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Preview {
    /// The preview's id.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// What kind of instance ran an invocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExecutionModel {
    /// An ordinary Worker.
    #[default]
    Stateless,
    /// A Durable Object.
    DurableObject,
    /// A Workflow.
    Workflow,
}

/// The console method that wrote a log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// `console.debug`
    Debug,
    /// `console.info`
    Info,
    /// `console.log`, and every line on stdout.
    Log,
    /// `console.warn`
    Warn,
    /// `console.error`, and every line on stderr.
    Error,
}

/// One console call.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceLog {
    /// When it was made.
    pub timestamp: EpochMs,
    /// Which method was called.
    pub level: LogLevel,
    /// The arguments, one JSON value each.
    pub message: Vec<Json>,
    /// Present when an argument was an error object: one slot an argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_info: Option<Vec<Option<ErrorInfo>>>,
}

/// The true name, message and stack of an error object that was logged.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ErrorInfo {
    /// The class of the error.
    pub name: String,
    /// Its message.
    pub message: String,
    /// Its stack without the leading `name: message` line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// A failure that nothing in the Worker caught.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct TraceException {
    /// When it was recorded.
    pub timestamp: EpochMs,
    /// The kind of failure.
    pub name: String,
    /// What went wrong.
    pub message: String,
    /// The frames, innermost first, one a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

/// One message published on a diagnostics channel.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct DiagnosticsChannelEvent {
    /// When it was published.
    pub timestamp: EpochMs,
    /// The name of the channel.
    pub channel: String,
    /// The message, absent when it was `undefined`.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub message: Option<Json>,
}

/// What triggered an invocation. The JSON has no tag: the kinds differ by
/// their keys, as on Workers.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum EventInfo<R = TailRequest> {
    /// An HTTP request.
    Fetch {
        /// The request; redacted wherever it is shown.
        request: R,
        /// Absent when the invocation produced no complete response.
        #[serde(skip_serializing_if = "Option::is_none")]
        response: Option<TailResponse>,
    },
    /// A method call from another Worker.
    Rpc {
        /// The method or property that was asked for.
        rpc_method: String,
    },
    /// A cron trigger.
    Scheduled {
        /// The cron expression that fired.
        cron: String,
        /// When it was due.
        scheduled_time: EpochMs,
    },
    /// A Durable Object alarm.
    Alarm {
        /// When it was due, as an ISO 8601 date in JSON.
        #[serde(serialize_with = "crate::date::iso8601")]
        scheduled_time: EpochMs,
    },
    /// A batch of queue messages.
    Queue {
        /// The name of the queue.
        queue: String,
        /// How many messages the batch held.
        batch_size: u32,
    },
    /// An incoming mail.
    Email {
        /// The envelope sender.
        mail_from: String,
        /// The envelope recipient.
        rcpt_to: String,
        /// The size of the whole message in bytes.
        raw_size: u64,
    },
    /// A tail event.
    Tail {
        /// One entry for each item it was given.
        consumed_events: Vec<ConsumedEvent>,
    },
    /// Something that happened on a hibernatable WebSocket.
    HibernatableWebSocket {
        /// What happened. The key is workerd's.
        get_web_socket_event: WebSocketEvent,
    },
    /// A TCP connection.
    Connect {},
    /// An event of another kind.
    Custom {},
}

/// The response to a fetch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TailResponse {
    /// The HTTP status.
    pub status: u16,
}

/// A Worker whose item a Tail Worker consumed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumedEvent {
    /// The name of that Worker.
    pub script_name: Option<String>,
}

/// What happened on a hibernatable WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(
    tag = "webSocketEventType",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum WebSocketEvent {
    /// A message arrived.
    Message,
    /// The socket was closed.
    Close {
        /// The close code.
        code: u16,
        /// Whether the closing handshake was completed.
        was_clean: bool,
    },
    /// The socket failed.
    Error,
}

/// A limit that an invocation met.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct ExceededLimit {
    /// The key in the Worker's configuration that sets it, such as
    /// `limits.cpu_ms`.
    pub key: String,
    /// Its value, in the unit of that key.
    pub value: u64,
}

/// How many entries an item lost to the size limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DroppedEntries {
    /// Log entries.
    pub logs: u64,
    /// Exceptions.
    pub exceptions: u64,
    /// Diagnostics channel events.
    pub diagnostics_channel_events: u64,
    /// Spans.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spans: u64,
    /// Attributes of spans.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub span_attributes: u64,
}

/// A value that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

mod whole_milliseconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        Ok(Duration::from_millis(u64::deserialize(deserializer)?))
    }
}

fn all() -> f64 {
    1.0
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests;
