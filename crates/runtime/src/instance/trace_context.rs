//! W3C's Trace Context: the trace that a request is part of.

use crate::invocation::Invocation;
use crate::invocation::origin::TraceParent;
use crate::invocation::spans::Span;
use http::{HeaderMap, HeaderName, HeaderValue};
use taffrail_trace::SpanContext;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest `tracestate` that is passed on. The specification wants 512 characters at least.
const MAX_STATE_BYTES: usize = 4096;

/// Returns the span that caused a request, if its headers name one. Several `traceparent` headers,
/// or a malformed one, name none.
pub(crate) fn extract(headers: &HeaderMap) -> Option<TraceParent> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else {
        return None;
    };
    let span: SpanContext = parent.to_str().ok()?.parse().ok()?;
    let states = headers.get_all(TRACESTATE).iter();
    let states: Option<Vec<_>> = states.map(|state| state.to_str().ok()).collect();
    let state = states.map(|states| states.join(","));
    let state = state.filter(|state| !state.is_empty() && state.len() <= MAX_STATE_BYTES);
    Some(TraceParent {
        span,
        state: state.map(Into::into),
        is_received: true,
    })
}

/// Adds the trace to a request that an invocation makes within `span`. A guest that has set a
/// `traceparent` keeps it. Without a recorded span, and without one that was received, there is
/// nothing to add.
pub(crate) fn inject(headers: &mut HeaderMap, invocation: &Invocation, span: &Span) {
    if headers.contains_key(TRACEPARENT) {
        return;
    }
    let parent = invocation.trace_parent(span);
    if !invocation.is_traced() && !parent.is_received {
        return;
    }
    let value = HeaderValue::try_from(parent.span.to_string());
    let state = parent.state.as_deref().map(HeaderValue::try_from);
    // A map has room for 32,768 headers. Without room the trace ends here.
    if let Ok(value) = value
        && headers.try_insert(TRACEPARENT, value).is_ok()
        && let Some(Ok(state)) = state
    {
        _ = headers.try_insert(TRACESTATE, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_received_trace_has_its_state() {
        let received = extract(&headers(&[
            ("traceparent", PARENT),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ]))
        .unwrap();
        assert_eq!(received.span.to_string(), PARENT);
        assert_eq!(received.state.as_deref(), Some("a=1,b=2"));
    }

    #[test]
    fn what_is_malformed_names_no_trace() {
        assert!(extract(&headers(&[])).is_none());
        assert!(extract(&headers(&[("traceparent", "00-1-2-3")])).is_none());
        assert!(
            extract(&headers(&[
                ("traceparent", PARENT),
                ("traceparent", PARENT)
            ]))
            .is_none()
        );
        let long = "s".repeat(MAX_STATE_BYTES + 1);
        let without = extract(&headers(&[("traceparent", PARENT), ("tracestate", &long)]));
        assert!(without.is_some_and(|received| received.state.is_none()));
    }
}
