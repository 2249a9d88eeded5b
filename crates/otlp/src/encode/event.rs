//! The span of an invocation, as the kind of its event has it.

use super::attributes::attribute;
use http::Uri;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use taffrail_trace::{EventInfo, RequestData, WebSocketEvent, iso8601_string};

/// The methods that are told apart: those of RFC 9110, RFC 5789 and QUERY.
const METHODS: [&str; 10] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
];

/// What the event contributes to the span of its invocation.
pub(super) struct EventSpan {
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) attributes: Vec<KeyValue>,
}

impl EventSpan {
    fn new(name: &str, kind: SpanKind, trigger: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            attributes: vec![attribute("faas.trigger", trigger)],
        }
    }

    /// The handler has the name of the span.
    fn internal(handler: &str, trigger: &str) -> Self {
        Self::new(handler, SpanKind::Internal, trigger).handler(handler)
    }

    fn handler(self, handler: &str) -> Self {
        self.with("cloudflare.handler_type", handler)
    }

    fn with(mut self, name: &str, value: impl Into<taffrail_trace::AttributeValue>) -> Self {
        self.attributes.push(attribute(name, value));
        self
    }
}

pub(super) fn span(event: Option<&EventInfo>) -> EventSpan {
    match event {
        None | Some(EventInfo::Custom {}) => EventSpan::internal("custom", "other"),
        Some(EventInfo::Fetch { request, response }) => {
            let span = of_request(&request.redacted());
            match response {
                Some(response) => {
                    let status = i64::from(response.status);
                    span.with("http.response.status_code", status)
                }
                None => span,
            }
        }
        Some(EventInfo::Rpc { rpc_method }) => {
            EventSpan::new(rpc_method, SpanKind::Server, "other")
                .handler("rpc")
                .with("cloudflare.jsrpc.method", rpc_method.as_str())
        }
        Some(EventInfo::Scheduled {
            cron,
            scheduled_time,
        }) => EventSpan::internal("scheduled", "timer")
            .with("faas.cron", cron.as_str())
            .with("cloudflare.scheduled_time", iso8601_string(*scheduled_time)),
        Some(EventInfo::Alarm { scheduled_time }) => EventSpan::internal("alarm", "timer")
            .with("cloudflare.scheduled_time", iso8601_string(*scheduled_time)),
        Some(EventInfo::Queue { queue, batch_size }) => {
            EventSpan::new(&format!("process {queue}"), SpanKind::Consumer, "pubsub")
                .handler("queue")
                .with("cloudflare.queue.name", queue.as_str())
                .with("cloudflare.queue.batch_size", i64::from(*batch_size))
        }
        Some(EventInfo::Email {
            mail_from,
            rcpt_to,
            raw_size,
        }) => EventSpan::internal("email", "other")
            .with("cloudflare.email.from", mail_from.as_str())
            .with("cloudflare.email.to", rcpt_to.as_str())
            .with("cloudflare.email.size", *raw_size),
        Some(EventInfo::Tail { consumed_events }) => {
            let count = consumed_events.len() as u64;
            EventSpan::internal("tail", "other").with("cloudflare.trace.count", count)
        }
        Some(EventInfo::HibernatableWebSocket {
            get_web_socket_event: event,
        }) => {
            let name = match event {
                WebSocketEvent::Message => "webSocketMessage",
                WebSocketEvent::Close { .. } => "webSocketClose",
                WebSocketEvent::Error => "webSocketError",
            };
            EventSpan::new(name, SpanKind::Internal, "other").handler("hibernatableWebSocket")
        }
        Some(EventInfo::Connect {}) => {
            EventSpan::new("connect", SpanKind::Server, "other").handler("connect")
        }
    }
}

/// Without a route the name is the method: paths would be ever new names.
fn of_request(request: &RequestData) -> EventSpan {
    let method = request.method.as_str();
    let is_known = METHODS.contains(&method);
    let name = if is_known { method } else { "HTTP" };
    let shown = if is_known { method } else { "_OTHER" };
    let mut span = EventSpan::new(name, SpanKind::Server, "http")
        .handler("fetch")
        .with("http.request.method", shown);
    if !is_known {
        span = span.with("http.request.method_original", method);
    }
    span = span.with("url.full", request.url.as_str());
    if let Some(agent) = request.headers.get("user-agent") {
        span = span.with("user_agent.original", agent.as_str());
    }
    // A redacted URL need not be one any more.
    if let Ok(url) = request.url.parse::<Uri>() {
        if let Some(scheme) = url.scheme_str() {
            span = span.with("url.scheme", scheme);
        }
        span = span.with("url.path", url.path());
        if let Some(query) = url.query() {
            span = span.with("url.query", query);
        }
        if let Some(host) = url.host() {
            span = span.with("server.address", host);
        }
        if let Some(port) = url.port_u16() {
            span = span.with("server.port", i64::from(port));
        }
    }
    span
}
