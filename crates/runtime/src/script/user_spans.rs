//! The spans that a script makes itself.

use crate::invocation::Invocation;
use serde::{Deserialize, Serialize};
use taffrail_trace::{Attribute, AttributeValue, SpanId, TraceId};

/// The value of an attribute, as sent by the script.
#[derive(Deserialize)]
#[serde(untagged)]
enum ValueJson {
    Boolean(bool),
    Number(f64),
    Text(String),
}

impl From<ValueJson> for AttributeValue {
    fn from(value: ValueJson) -> Self {
        match value {
            ValueJson::Boolean(value) => Self::Boolean(value),
            ValueJson::Number(value) => Self::Number(value),
            ValueJson::Text(value) => Self::Text(value),
        }
    }
}

/// Returns the attributes in a JSON list of names and values.
pub(super) fn attributes(json: &str) -> serde_json::Result<Vec<Attribute>> {
    let pairs: Vec<(String, ValueJson)> = serde_json::from_str(json)?;
    let pairs = pairs.into_iter();
    Ok(pairs
        .map(|(name, value)| Attribute::new(name, value))
        .collect())
}

/// The span of an event, for a script whose spans are recorded.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventSpan {
    trace_id: TraceId,
    span_id: SpanId,
    /// The span of the caller, if another Worker called.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_span_id: Option<SpanId>,
}

impl EventSpan {
    /// Returns the span of an invocation, or `None` if its spans are not recorded.
    pub(super) fn of(invocation: &Invocation) -> Option<Self> {
        invocation.is_traced().then(|| Self {
            trace_id: invocation.span.trace_id,
            span_id: invocation.span.span_id,
            caller_span_id: invocation.parent_span(),
        })
    }
}
