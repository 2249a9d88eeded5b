//! Events as the engine component is told of them, in JSON.

use crate::event::QueueMessage;
use crate::invocation::Invocation;
use crate::script::byte_string;
use crate::script::source::Source;
use crate::script::token::Token;
use crate::settings::egress::Egress;
use crate::settings::{Binding, Target};
use http::Method;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http_body::Body;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_trace::{EventInfo, Json, RequestData, TraceItem};
use wasmtime_wasi_http::WasiBody;

/// One event.
#[derive(Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Event<'a> {
    /// A request. Its body does not come with it.
    Fetch {
        method: &'a str,
        url: String,
        headers: Vec<(&'a str, String)>,
        /// Whether it has a body.
        body: bool,
        cf: Option<&'a Json>,
    },
    /// Trace items, and for each the unredacted request if it has one.
    Tail {
        events: Vec<&'a TraceItem>,
        raw: Vec<Option<&'a RequestData>>,
    },
    /// A cron trigger, due at `scheduled_time` in milliseconds since 1970.
    Scheduled { cron: &'a str, scheduled_time: u64 },
    /// A session with another script.
    Session,
    /// The alarm of a Durable Object. It was due at `scheduled_time`, in
    /// milliseconds since 1970.
    Alarm {
        scheduled_time: u64,
        retry_count: u32,
    },
    /// A batch of messages.
    Queue {
        queue: &'a str,
        messages: &'a [QueueMessage],
    },
}

/// Whether a request has a body, be it an empty one that it tells of.
fn has_body(head: &Parts, body: &WasiBody) -> bool {
    let told =
        head.headers.contains_key(CONTENT_LENGTH) || head.headers.contains_key(TRANSFER_ENCODING);
    head.method != Method::HEAD && (told || !body.is_end_stream())
}

impl<'a> Event<'a> {
    /// The event of a request.
    pub(crate) fn fetch(head: &'a Parts, body: &WasiBody, cf: Option<&'a Json>) -> Self {
        let headers = head.headers.iter();
        Self::Fetch {
            method: head.method.as_str(),
            url: head.uri.to_string(),
            headers: headers
                .map(|(name, value)| (name.as_str(), byte_string::text(value)))
                .collect(),
            body: has_body(head, body),
            cf,
        }
    }

    /// An event that no client waits for.
    pub(crate) fn of(event: &'a crate::event::Event) -> Self {
        match event {
            crate::event::Event::Scheduled {
                cron,
                scheduled_time,
            } => Self::Scheduled {
                cron,
                scheduled_time: *scheduled_time,
            },
            crate::event::Event::Queue { queue, messages } => Self::Queue { queue, messages },
            crate::event::Event::Tail(items) => Self::tail(items),
        }
    }

    fn tail(items: &'a [Arc<TraceItem>]) -> Self {
        let events: Vec<_> = items.iter().map(AsRef::as_ref).collect();
        let raw = events
            .iter()
            .map(|item| match &item.event {
                Some(EventInfo::Fetch { request, .. }) => Some(request.unredacted()),
                _ => None,
            })
            .collect();
        Self::Tail { events, raw }
    }

    /// How many things it has its Worker handle in one.
    pub(super) fn items(&self) -> u32 {
        match self {
            Self::Tail { events, .. } => u32::try_from(events.len()).unwrap_or(u32::MAX),
            _ => 1,
        }
    }

    /// The event with the entrypoint that is to handle it.
    pub(crate) fn to_json(&self, invocation: &Invocation) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Entry<'a> {
            #[serde(flatten)]
            event: &'a Event<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            entrypoint: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            props: Option<&'a Map<String, Value>>,
            /// What is in `env` for this event alone.
            #[serde(skip_serializing_if = "Option::is_none")]
            parameters: Option<&'a Map<String, Value>>,
        }
        let target = invocation.via.target.as_deref();
        serde_json::to_string(&Entry {
            event: self,
            entrypoint: invocation.via.entrypoint(),
            props: target.map(|target| &target.props),
            parameters: invocation.via.parameters.as_deref(),
        })
    }
}

/// What a script is told when it starts.
pub(crate) fn setup(invocation: &Invocation, source: &Source, token: &Token) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Setup<'a> {
        token: &'a str,
        vars: &'a BTreeMap<String, Value>,
        /// What the ids of its classes of Durable Objects are made of.
        name: String,
        bindings: BTreeMap<&'a String, Kind>,
        service_worker: bool,
        /// Whether there is somebody who can answer in the Worker's place.
        has_origin: bool,
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
    };
    // Maps with text as keys always have a JSON form.
    serde_json::to_string(&setup).unwrap_or_default()
}

/// What the engine makes an object of for `env`.
#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    /// What the ids of a class of Durable Objects are made of: wrangler's
    /// unique key.
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
