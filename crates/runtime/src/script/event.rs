//! Events in the JSON form in which the engine component receives them.

use crate::event::{Alarm, Event, Fetch, Queue, Scheduled};
use crate::invocation::Invocation;
use crate::script::byte_string;
use crate::script::exchange::Exchange;
use crate::script::source::Source;
use crate::script::token::Token;
use crate::script::user_spans::EventSpan;
use crate::settings::egress::Egress;
use crate::settings::{Binding, Target};
use http::Method;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body::Body;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_trace::{EventInfo, Json, RequestData, TraceItem};
use wasmtime_wasi_http::WasiBody;

/// An event, as a script receives it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum EventJson<'a> {
    Fetch(Request<'a>),
    Tail(Items<'a>),
    Scheduled(&'a Scheduled),
    Queue(&'a Queue),
    Alarm(&'a Alarm),
    Session {},
    TailStream {},
}

/// A request. Its body is sent separately.
#[derive(Serialize)]
struct Request<'a> {
    method: &'a str,
    url: String,
    headers: Vec<(&'a str, String)>,
    /// Whether the request has a body.
    body: bool,
    cf: Option<&'a Json>,
}

/// Trace items, with the unredacted request of each that has one.
#[derive(Serialize)]
struct Items<'a> {
    events: Vec<&'a TraceItem>,
    raw: Vec<Option<&'a RequestData>>,
}

impl<'a> EventJson<'a> {
    fn of(event: &'a Event) -> Self {
        match event {
            Event::Fetch(fetch) => Self::Fetch(Request::of(fetch)),
            Event::Tail(items) => Self::Tail(Items::of(items)),
            Event::Scheduled(event) => Self::Scheduled(event),
            Event::Queue(event) => Self::Queue(event),
            Event::Alarm(event) => Self::Alarm(event),
            Event::Session(_) => Self::Session {},
            Event::TailStream(_) => Self::TailStream {},
        }
    }
}

impl<'a> Request<'a> {
    fn of(fetch: &'a Fetch) -> Self {
        let request = &fetch.request;
        let headers = request.headers().iter();
        Self {
            method: request.method().as_str(),
            url: request.uri().to_string(),
            headers: headers
                .map(|(name, value)| (name.as_str(), byte_string::text(value)))
                .collect(),
            body: has_body(request),
            cf: fetch.cf.as_ref(),
        }
    }
}

/// Whether a request has a body, or headers that announce an empty one.
fn has_body(request: &http::Request<WasiBody>) -> bool {
    let headers = request.headers();
    let announced = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    request.method() != Method::HEAD && (announced || !request.body().is_end_stream())
}

impl<'a> Items<'a> {
    fn of(items: &'a [Arc<TraceItem>]) -> Self {
        let events: Vec<_> = items.iter().map(AsRef::as_ref).collect();
        let raw = events
            .iter()
            .map(|item| match &item.event {
                Some(EventInfo::Fetch { request, .. }) => Some(request.unredacted()),
                _ => None,
            })
            .collect();
        Self { events, raw }
    }
}

/// Returns an event as JSON, with the entrypoint that handles it.
pub(super) fn to_json(event: &Event, invocation: &Invocation) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Entry<'a> {
        #[serde(flatten)]
        event: EventJson<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        entrypoint: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        props: Option<&'a Map<String, Value>>,
        /// Additional values in `env` for this event.
        #[serde(skip_serializing_if = "Option::is_none")]
        parameters: Option<&'a Map<String, Value>>,
        /// Present if spans are recorded.
        #[serde(skip_serializing_if = "Option::is_none")]
        span: Option<EventSpan>,
    }
    let target = invocation.origin.target.as_deref();
    serde_json::to_string(&Entry {
        event: EventJson::of(event),
        entrypoint: invocation.origin.entrypoint(),
        props: target.map(|target| &*target.props),
        parameters: invocation.origin.parameters.as_deref(),
        span: EventSpan::of(invocation),
    })
}

/// Returns the exchange of the event between script and host.
pub(super) fn exchange(event: Event) -> Exchange {
    match event {
        Event::Fetch(fetch) => Exchange::of_request(fetch.request.into_body(), fetch.respond),
        Event::Session(session) => Exchange::of_session(session.end),
        Event::TailStream(stream) => Exchange::of_stream(stream),
        Event::Tail(_) | Event::Scheduled(_) | Event::Queue(_) | Event::Alarm(_) => {
            Exchange::default()
        }
    }
}

/// Returns the data that a script receives when it starts, as JSON.
pub(crate) fn setup(invocation: &Invocation, source: &Source, token: &Token) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Setup<'a> {
        token: &'a str,
        vars: &'a BTreeMap<String, Value>,
        /// The prefix from which the ids of the Worker's own Durable Object classes are derived.
        name: String,
        bindings: BTreeMap<&'a String, Kind>,
        service_worker: bool,
        /// Whether there is an origin that can respond in the Worker's place.
        has_origin: bool,
        /// Whether the script is evaluated ahead of its first event. The result of that is the
        /// names of its handlers.
        is_ahead: bool,
    }
    let settings = &invocation.worker.settings;
    let setup = Setup {
        token: token.as_str(),
        vars: &settings.vars,
        bindings: settings
            .bindings
            .iter()
            .map(|(name, binding)| (name, Kind::of(binding)))
            .collect(),
        name: invocation.worker.id.to_string(),
        service_worker: source.is_service_worker(),
        has_origin: matches!(settings.egress, Egress::Worker(_)),
        is_ahead: !invocation.has_event(),
    };
    // Maps with text keys always have a JSON form.
    serde_json::to_string(&setup).unwrap_or_default()
}

/// The kind of a binding, from which the engine makes the object in `env`.
#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    /// The key from which the ids of a Durable Object class are derived: wrangler's unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Kind {
    fn of(binding: &Binding) -> Self {
        let (kind, key) = match binding {
            Binding::Service(_) => ("service", None),
            Binding::Loader => ("loader", None),
            Binding::Dispatch(_) => ("dispatch", None),
            Binding::Kv(_) => ("kv", None),
            Binding::AnalyticsEngine(_) => ("analytics", None),
            Binding::AnalyticsSql => ("sql", None),
            Binding::DurableObject(Target {
                worker, entrypoint, ..
            }) => {
                let class = entrypoint.as_deref().unwrap_or("default");
                ("object", Some(format!("{worker}-{class}")))
            }
        };
        Self { kind, key }
    }
}
