//! Items as spans.

use super::attributes::{attribute, exception_attributes, of_span};
use super::by_script::by_script;
use super::event::{self, EventSpan};
use super::resource::{Resources, SCHEMA_URL, scope};
use crate::clock::nanoseconds;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::{Event, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use std::borrow::Cow;
use taffrail_trace::{
    AttributeValue, EventInfo, Outcome, SpanId, TraceException, TraceId, TraceItem,
};

/// The bits of a span's flags: it is sampled, and whether its parent is in another process is
/// known, and so.
const SAMPLED: u32 = 0x1;
const KNOWS_IF_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The spans in which an invocation waits for another one, or for a server.
const CALLS: [&str; 6] = [
    "connect",
    "durable_object_subrequest",
    "fetch",
    "jsRpcCall",
    "queue",
    "scheduled",
];

/// How the names of accesses to the storage of a Durable Object begin.
const STORAGE: &str = "durable_object_storage_";

/// Returns how many spans an item is.
pub(crate) fn count(item: &TraceItem) -> u64 {
    match item.trace_id.zip(item.span_id) {
        Some(_) => 1 + item.spans.len() as u64,
        None => 0,
    }
}

/// Returns the spans of items, those of one Worker together.
pub(crate) fn request(
    items: &[Cow<'_, TraceItem>],
    resources: &Resources,
) -> ExportTraceServiceRequest {
    let by_script = by_script(items);
    let resource_spans = by_script.into_iter().map(|(script, items)| ResourceSpans {
        resource: Some(resources.of_script(script)),
        scope_spans: vec![ScopeSpans {
            scope: Some(scope()),
            spans: items.into_iter().flat_map(spans).collect(),
            schema_url: SCHEMA_URL.to_owned(),
        }],
        schema_url: SCHEMA_URL.to_owned(),
    });
    ExportTraceServiceRequest {
        resource_spans: resource_spans.collect(),
    }
}

fn spans(item: &TraceItem) -> Vec<Span> {
    let Some((trace, id)) = item.trace_id.zip(item.span_id) else {
        return Vec::new();
    };
    let children = item.spans.iter().map(|span| child(span, trace));
    std::iter::once(root(item, trace, id))
        .chain(children)
        .collect()
}

/// The span of the invocation.
fn root(item: &TraceItem, trace: TraceId, id: SpanId) -> Span {
    let start = nanoseconds(item.event_timestamp.unwrap_or(0));
    let wall_time = u64::try_from(item.wall_time.as_nanos()).unwrap_or(u64::MAX);
    let last = item.spans.iter().map(|span| span.end).max().unwrap_or(0);
    let EventSpan {
        name,
        kind,
        mut attributes,
    } = event::span(item.event.as_ref());
    attributes.extend(of_invocation(item));
    attributes.extend(item.span_attributes.iter().map(of_span));
    let status = match failure(item) {
        Some((kind, message)) => {
            attributes.push(attribute("error.type", kind));
            error(message)
        }
        None => Status::default(),
    };
    // A parent that is not a Worker of this process is a client's.
    let is_remote = item.parent_span_id.is_some() && item.parent_invocation_id.is_none();
    let remote = if is_remote { IS_REMOTE } else { 0 };
    Span {
        trace_id: trace.bytes().to_vec(),
        span_id: id.bytes().to_vec(),
        parent_span_id: item
            .parent_span_id
            .map(|parent| parent.bytes().to_vec())
            .unwrap_or_default(),
        flags: SAMPLED | KNOWS_IF_REMOTE | remote,
        name,
        kind: kind.into(),
        start_time_unix_nano: start,
        // The start is in whole milliseconds, so that a child may seem to end later.
        end_time_unix_nano: start
            .saturating_add(wall_time)
            .max(last.saturating_mul(1000)),
        attributes,
        events: item.exceptions.iter().map(exception_event).collect(),
        status: Some(status),
        ..Span::default()
    }
}

/// The facts that every invocation has.
fn of_invocation(item: &TraceItem) -> Vec<KeyValue> {
    let milliseconds =
        |time: std::time::Duration| AttributeValue::Number(time.as_secs_f64() * 1000.0);
    let mut attributes = vec![
        attribute("faas.invocation_id", item.invocation_id.as_str()),
        attribute("cloudflare.outcome", item.outcome.to_string()),
        attribute("cloudflare.cpu_time_ms", milliseconds(item.cpu_time)),
        attribute("cloudflare.wall_time_ms", milliseconds(item.wall_time)),
        attribute("cloudflare.execution_model", execution_model(item)),
        attribute("taffrail.request_id", item.request_id.as_str()),
    ];
    let script = &item.script;
    for (name, text) in [
        ("cloudflare.entrypoint", &script.entrypoint),
        ("taffrail.dispatch_namespace", &script.dispatch_namespace),
        ("cloudflare.durable_object_id", &script.durable_object_id),
    ] {
        if let Some(text) = text {
            attributes.push(attribute(name, text.as_str()));
        }
    }
    if !script.script_tags.is_empty() {
        let tags = script.script_tags.join(",");
        attributes.push(attribute("cloudflare.script_tags", tags));
    }
    if item.peak_memory > 0 {
        attributes.push(attribute("taffrail.peak_memory", item.peak_memory));
    }
    if let Some(limit) = &item.exceeded_limit {
        attributes.push(attribute("taffrail.limit.name", limit.key.as_str()));
        attributes.push(attribute("taffrail.limit.value", limit.value));
    }
    let dropped = item.dropped.unwrap_or_default();
    for (name, count) in [
        ("taffrail.dropped.logs", dropped.logs),
        ("taffrail.dropped.exceptions", dropped.exceptions),
        ("taffrail.dropped.spans", dropped.spans),
        ("taffrail.dropped.span_attributes", dropped.span_attributes),
    ] {
        if count > 0 {
            attributes.push(attribute(name, count));
        }
    }
    attributes
}

fn execution_model(item: &TraceItem) -> &'static str {
    use taffrail_trace::ExecutionModel;
    match item.script.execution_model {
        ExecutionModel::Stateless => "stateless",
        ExecutionModel::DurableObject => "durableObject",
        ExecutionModel::Workflow => "workflow",
    }
}

/// Returns the type and the message of an invocation's failure. A client that leaves is none.
fn failure(item: &TraceItem) -> Option<(String, String)> {
    if let Some(exception) = item.exceptions.first()
        && item.outcome != Outcome::Ok
    {
        return Some((exception.name.clone(), exception.message.clone()));
    }
    match (item.outcome, &item.event) {
        (
            Outcome::Ok | Outcome::Canceled,
            Some(EventInfo::Fetch {
                response: Some(response),
                ..
            }),
        ) if response.status >= 500 => Some((response.status.to_string(), String::new())),
        (Outcome::Ok | Outcome::Canceled, _) => None,
        (outcome, _) => Some((outcome.to_string(), String::new())),
    }
}

fn error(message: String) -> Status {
    Status {
        message,
        code: StatusCode::Error.into(),
    }
}

/// A span within an invocation.
fn child(span: &taffrail_trace::Span, trace: TraceId) -> Span {
    let mut attributes: Vec<_> = span.attributes.iter().map(of_span).collect();
    let of = |name: &str| {
        let found = span.attributes.iter().find(|other| other.name == name);
        found.map(|found| &found.value)
    };
    let is_call = CALLS.contains(&&*span.name)
        || span.name.starts_with(STORAGE)
        || of("db.system.name").is_some();
    let kind = match is_call {
        true => SpanKind::Client,
        false => SpanKind::Internal,
    };
    let refused = match of("http.response.status_code") {
        Some(AttributeValue::Integer(status)) if *status >= 400 => Some(status.to_string()),
        _ => None,
    };
    let failed = match span.outcome {
        Outcome::Ok | Outcome::Canceled => refused,
        outcome => Some(outcome.to_string()),
    };
    let status = match failed {
        Some(kind) => {
            if of("error.type").is_none() {
                attributes.push(attribute("error.type", kind));
            }
            error(String::new())
        }
        None => Status::default(),
    };
    if span.outcome == Outcome::Canceled {
        attributes.push(attribute("taffrail.canceled", true));
    }
    Span {
        trace_id: trace.bytes().to_vec(),
        span_id: span.span_id.bytes().to_vec(),
        parent_span_id: span.parent_span_id.bytes().to_vec(),
        flags: SAMPLED | KNOWS_IF_REMOTE,
        name: span.name.clone().into_owned(),
        kind: kind.into(),
        start_time_unix_nano: span.start.saturating_mul(1000),
        end_time_unix_nano: span.end.max(span.start).saturating_mul(1000),
        attributes,
        status: Some(status),
        ..Span::default()
    }
}

fn exception_event(exception: &TraceException) -> Event {
    Event {
        time_unix_nano: nanoseconds(exception.timestamp),
        name: "exception".to_owned(),
        attributes: exception_attributes(
            &exception.name,
            &exception.message,
            exception.stack.as_deref(),
        ),
        ..Event::default()
    }
}
