//! The attributes of spans of requests. The names are those of workerd, which are the stable ones
//! of OpenTelemetry.

use crate::invocation::Invocation;
use crate::invocation::spans::Span;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request, Response};
use http_body::Body;
use std::sync::Arc;
use taffrail_trace::{Attribute, SpanId, redact_url};

/// Returns the attributes of a request. The URL is redacted.
pub(crate) fn request<B: Body>(request: &Request<B>) -> Vec<Attribute> {
    let mut attributes = vec![
        Attribute::new("network.protocol.name", "http"),
        Attribute::new("network.protocol.version", "HTTP/1.1"),
        Attribute::new("http.request.method", request.method().as_str()),
        Attribute::new("url.full", redact_url(&request.uri().to_string())),
    ];
    if let Some(value) = request.headers().get(CONTENT_TYPE) {
        let value = String::from_utf8_lossy(value.as_bytes());
        attributes.push(Attribute::new("http.request.header.content-type", value));
    }
    if let Some(size) = size(request.headers(), request.body()).filter(|size| *size > 0) {
        attributes.push(Attribute::new("http.request.body.size", size));
    }
    attributes
}

/// Returns the attributes of a response.
pub(crate) fn response<B: Body>(response: &Response<B>) -> Vec<Attribute> {
    let status = u64::from(response.status().as_u16());
    let mut attributes = vec![Attribute::new("http.response.status_code", status)];
    if let Some(size) = size(response.headers(), response.body()) {
        attributes.push(Attribute::new("http.response.body.size", size));
    }
    attributes
}

/// Begins the span, in another one, of an operation on a KV namespace, such as `kv_get`.
pub(crate) fn kv_span(
    caller: &Arc<Invocation>,
    within: SpanId,
    operation: &'static str,
    binding: &str,
    key: Option<&str>,
) -> Span {
    let span = caller.begin_span_in(within, operation);
    span.set(|| {
        let name = operation.trim_start_matches("kv_");
        let mut attributes = vec![
            Attribute::new("db.system.name", "cloudflare-workers-kv"),
            Attribute::new("db.operation.name", name),
            Attribute::new("cloudflare.binding.name", binding),
            Attribute::new("cloudflare.binding.type", "kv"),
        ];
        if let Some(key) = key {
            attributes.push(Attribute::new("cloudflare.kv.query.keys", key));
        }
        attributes
    });
    span
}

/// Begins the span, in another one, of an operation on a Worker loader, such as `loader_get`.
pub(crate) fn loader_span(
    caller: &Arc<Invocation>,
    within: SpanId,
    operation: &'static str,
    binding: &str,
    id: Option<&str>,
) -> Span {
    let span = caller.begin_span_in(within, operation);
    span.set(|| {
        let mut attributes = vec![
            Attribute::new("cloudflare.binding.name", binding),
            Attribute::new("cloudflare.binding.type", "worker_loader"),
        ];
        if let Some(id) = id {
            attributes.push(Attribute::new("cloudflare.worker_loader.id", id));
        }
        attributes
    });
    span
}

/// Returns the number of bytes of a body, if it is known before the body is read.
fn size<B: Body>(headers: &HeaderMap, body: &B) -> Option<u64> {
    let announced = || headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    body.size_hint().exact().or_else(announced)
}
