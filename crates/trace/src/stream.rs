//! The events of a streaming tail: an invocation as it happens.

use crate::date::{iso8601, iso8601_string};
use crate::item::{
    EpochMs, ErrorInfo, EventInfo, ExecutionModel, LogLevel, Script, WebSocketEvent,
};
use crate::json::Json;
use crate::outcome::Outcome;
use crate::span::{Attribute, SpanId, SpanName, TraceId};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of one event. A longer log message becomes one text that is cut to this length.
pub const MAX_EVENT_BYTES: usize = 262_144;

/// One event in the life of an invocation, as a streaming tail receives it.
///
/// It serialises to the JSON that `JSON.stringify(event)` gives on Workers, with the request
/// redacted, and with whole numbers where workerd has a `BigInt`, which JSON cannot hold.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TailEvent {
    /// The span in which it happened.
    pub span_context: EventSpan,
    /// Names the invocation: 32 hexadecimal digits.
    #[serde(serialize_with = "text")]
    pub invocation_id: Arc<str>,
    /// When it happened, as an ISO 8601 date in JSON.
    #[serde(serialize_with = "iso8601")]
    pub timestamp: EpochMs,
    /// Its number among the events of the invocation, from 0. Where numbers are missing, events
    /// were dropped.
    pub sequence: u64,
    /// The event.
    pub event: StreamEvent,
}

/// The span of an event.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventSpan {
    /// The trace.
    pub trace_id: TraceId,
    /// The span. That of an onset is the caller's, and absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_id: Option<SpanId>,
}

/// An event in the life of an invocation. The names are workerd's.
#[derive(Clone, Debug, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum StreamEvent {
    /// The first one.
    Onset(Box<OnsetEvent>),
    /// A console call.
    Log {
        /// Which method was called.
        level: LogLevel,
        /// The arguments, or a text if it is truncated.
        message: LogMessage,
        /// Present when an argument was an error object: one slot an argument.
        #[serde(skip_serializing_if = "Option::is_none")]
        error_info: Option<Vec<Option<ErrorInfo>>>,
        /// Whether the message was cut.
        #[serde(skip_serializing_if = "is_false")]
        truncated: bool,
    },
    /// A failure that nothing in the Worker caught.
    Exception {
        /// The kind of failure.
        name: String,
        /// What went wrong.
        message: String,
        /// The frames, innermost first, one a line.
        #[serde(skip_serializing_if = "Option::is_none")]
        stack: Option<String>,
    },
    /// A message on a diagnostics channel.
    DiagnosticChannel {
        /// The name of the channel.
        channel: String,
        /// The message, absent when it was `undefined`.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<Json>,
    },
    /// The start of a span.
    SpanOpen {
        /// What it does.
        name: SpanName,
        /// Names the span. It is part of the span of the event.
        span_id: SpanId,
    },
    /// Facts about the span of the event.
    Attributes {
        /// The facts.
        info: Vec<Attribute>,
    },
    /// The end of the span of the event.
    SpanClose {
        /// How it ended.
        outcome: Outcome,
    },
    /// The handler has returned, and its response has been sent.
    Return {
        /// The response, if the event has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        info: Option<ReturnInfo>,
    },
    /// Something about the stream itself.
    StreamDiagnostic {
        /// What there is to say.
        diagnostic: Diagnostic,
    },
    /// The last one.
    Outcome(OutcomeEvent),
}

/// The message of a log event.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum LogMessage {
    /// The arguments, one JSON value each.
    Arguments(Vec<Json>),
    /// The beginning of what they were as JSON.
    Text(String),
}

/// The start of an invocation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnsetEvent {
    /// The Worker and the entrypoint that run.
    #[serde(flatten)]
    pub script: OnsetScript,
    /// The span of the invocation.
    pub span_id: SpanId,
    /// The event that started it, redacted in JSON.
    #[serde(serialize_with = "info")]
    pub info: EventInfo,
}

/// The Worker of an onset, of which absent fields are left out.
#[derive(Clone, Debug)]
pub struct OnsetScript(pub Script);

impl Serialize for OnsetScript {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Script {
            script_name,
            entrypoint,
            script_version,
            script_tags,
            dispatch_namespace,
            durable_object_id,
            execution_model,
            tail_attributes: _,
            preview: _,
        } = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry::<_, ExecutionModel>("executionModel", execution_model)?;
        map.serialize_entry("scriptTags", script_tags)?;
        let texts = [
            ("scriptName", script_name),
            ("entrypoint", entrypoint),
            ("dispatchNamespace", dispatch_namespace),
            ("durableObjectId", durable_object_id),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                map.serialize_entry(key, text)?;
            }
        }
        if let Some(version) = script_version {
            map.serialize_entry("scriptVersion", version)?;
        }
        map.end()
    }
}

/// The response of a handler that has returned.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ReturnInfo {
    /// The response to a request.
    Fetch {
        /// The HTTP status.
        status_code: u16,
    },
}

/// Something about the stream itself.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "diagnosticsType", rename_all = "camelCase")]
pub enum Diagnostic {
    /// Events that did not fit were dropped.
    DroppedEvents {
        /// How many.
        count: u64,
    },
}

/// The end of an invocation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeEvent {
    /// How it ended.
    pub outcome: Outcome,
    /// CPU time used; whole milliseconds in JSON.
    #[serde(serialize_with = "milliseconds")]
    pub cpu_time: Duration,
    /// Time from the event to the end of everything it caused; whole milliseconds in JSON.
    #[serde(serialize_with = "milliseconds")]
    pub wall_time: Duration,
}

impl TailEvent {
    /// The approximate size in memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.event {
                StreamEvent::Onset(onset) => {
                    size_of::<OnsetEvent>() + crate::held::event(&onset.info)
                }
                StreamEvent::Log {
                    message,
                    error_info,
                    ..
                } => {
                    let errors = error_info.iter().flatten();
                    let message = match message {
                        LogMessage::Arguments(arguments) => crate::held::jsons(arguments),
                        LogMessage::Text(text) => text.len(),
                    };
                    message + errors.map(crate::held::error).sum::<usize>()
                }
                StreamEvent::Exception {
                    name,
                    message,
                    stack,
                } => name.len() + message.len() + stack.as_ref().map_or(0, String::len),
                StreamEvent::DiagnosticChannel { channel, message } => {
                    channel.len() + message.as_ref().map_or(0, |message| message.get().len())
                }
                StreamEvent::SpanOpen { name, .. } => name.len(),
                StreamEvent::Attributes { info } => info.iter().map(Attribute::held_bytes).sum(),
                StreamEvent::SpanClose { .. }
                | StreamEvent::Return { .. }
                | StreamEvent::StreamDiagnostic { .. }
                | StreamEvent::Outcome(_) => 0,
            }
    }
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// An event as onsets show it, with workerd's names, which are not those of items.
fn info<S: Serializer>(event: &EventInfo, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    match event {
        EventInfo::Fetch { request, .. } => {
            let request = request.redacted();
            map.serialize_entry("type", "fetch")?;
            map.serialize_entry("method", &request.method)?;
            map.serialize_entry("url", &request.url)?;
            if let Some(cf) = &request.cf {
                map.serialize_entry("cfJson", cf)?;
            }
            map.serialize_entry("headers", &Headers(request.headers.iter().collect()))?;
        }
        EventInfo::Rpc { .. } => map.serialize_entry("type", "jsrpc")?,
        EventInfo::Scheduled {
            cron,
            scheduled_time,
        } => {
            map.serialize_entry("type", "scheduled")?;
            map.serialize_entry("scheduledTime", &iso8601_string(*scheduled_time))?;
            map.serialize_entry("cron", cron)?;
        }
        EventInfo::Alarm { scheduled_time } => {
            map.serialize_entry("type", "alarm")?;
            map.serialize_entry("scheduledTime", &iso8601_string(*scheduled_time))?;
        }
        EventInfo::Queue { queue, batch_size } => {
            map.serialize_entry("type", "queue")?;
            map.serialize_entry("queueName", queue)?;
            map.serialize_entry("batchSize", batch_size)?;
        }
        EventInfo::Email {
            mail_from,
            rcpt_to,
            raw_size,
        } => {
            map.serialize_entry("type", "email")?;
            map.serialize_entry("mailFrom", mail_from)?;
            map.serialize_entry("rcptTo", rcpt_to)?;
            map.serialize_entry("rawSize", raw_size)?;
        }
        EventInfo::Tail { consumed_events } => {
            map.serialize_entry("type", "trace")?;
            map.serialize_entry("traces", consumed_events)?;
        }
        EventInfo::HibernatableWebSocket {
            get_web_socket_event,
        } => {
            map.serialize_entry("type", "hibernatableWebSocket")?;
            map.serialize_entry("info", &SocketInfo(get_web_socket_event))?;
        }
        EventInfo::Connect {} => map.serialize_entry("type", "connect")?,
        EventInfo::Custom {} => map.serialize_entry("type", "custom")?,
    }
    map.end()
}

struct Headers<'a>(Vec<(&'a String, &'a String)>);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Header<'a> {
            name: &'a str,
            value: &'a str,
        }
        let mut headers = serializer.serialize_seq(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            headers.serialize_element(&Header { name, value })?;
        }
        headers.end()
    }
}

struct SocketInfo<'a>(&'a WebSocketEvent);

impl Serialize for SocketInfo<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            WebSocketEvent::Message => map.serialize_entry("type", "message")?,
            WebSocketEvent::Close { code, was_clean } => {
                map.serialize_entry("type", "close")?;
                map.serialize_entry("code", code)?;
                map.serialize_entry("wasClean", was_clean)?;
            }
            WebSocketEvent::Error => map.serialize_entry("type", "error")?,
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{RequestData, TailRequest};
    use serde_json::json;

    fn event(event: StreamEvent) -> TailEvent {
        TailEvent {
            span_context: EventSpan {
                trace_id: TraceId::new(1),
                span_id: None,
            },
            invocation_id: "a".into(),
            timestamp: 1_000,
            sequence: 0,
            event,
        }
    }

    #[test]
    fn an_onset_has_the_names_of_workerd_and_is_redacted() {
        let request = RequestData::new("GET", "http://a/?k=b", [("Authorization", "x")], None);
        let onset = event(StreamEvent::Onset(Box::new(OnsetEvent {
            script: OnsetScript(Script {
                script_name: Some("w".to_owned()),
                ..Script::default()
            }),
            span_id: SpanId::new(2),
            info: EventInfo::Fetch {
                request: TailRequest::new(request),
                response: None,
            },
        })));
        assert_eq!(
            serde_json::to_value(onset).unwrap(),
            json!({
                "spanContext": { "traceId": format!("{:032x}", 1) },
                "invocationId": "a",
                "timestamp": "1970-01-01T00:00:01.000Z",
                "sequence": 0,
                "event": {
                    "type": "onset",
                    "executionModel": "stateless",
                    "scriptName": "w",
                    "scriptTags": [],
                    "spanId": "0000000000000002",
                    "info": {
                        "type": "fetch",
                        "method": "GET",
                        "url": "http://a/?k=b",
                        "headers": [{ "name": "authorization", "value": "REDACTED" }],
                    },
                },
            })
        );
    }

    #[test]
    fn attributes_are_values_that_json_can_hold() {
        let attributes = event(StreamEvent::Attributes {
            info: vec![
                Attribute::new("n", 200_i64),
                Attribute::new("f", 1.5),
                Attribute::new("b", true),
            ],
        });
        assert_eq!(
            serde_json::to_value(attributes).unwrap()["event"],
            json!({ "type": "attributes", "info": [
                { "name": "n", "value": 200 },
                { "name": "f", "value": 1.5 },
                { "name": "b", "value": true },
            ]})
        );
    }
}
