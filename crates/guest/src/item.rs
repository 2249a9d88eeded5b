//! Trace items.

use crate::bindings::taffrail::workers::context::events_json;
use crate::bindings::taffrail::workers::types::{self, RawRequest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Deref;
use taffrail_trace as trace;

pub use trace::{
    AttributeValue, ConsumedEvent, DiagnosticsChannelEvent, DroppedEntries, ErrorInfo,
    ExceededLimit, ExecutionModel, Json, LogLevel, Outcome, Preview, RequestData, Script,
    ScriptVersion, TailResponse, TraceException, TraceLog, WebSocketEvent,
};

/// The record of one invocation. Its JSON is that of `JSON.stringify(item)` on Workers.
pub type TraceItem = trace::TraceItem<TailRequest>;

/// What triggered an invocation.
pub type EventInfo = trace::EventInfo<TailRequest>;

/// A request as a Tail Worker sees it: redacted, unless it asks for more.
#[derive(Debug)]
pub struct TailRequest {
    redacted: RequestData,
    raw: Option<RawRequest>,
}

impl TailRequest {
    /// Returns the request as it was received, with the secrets in its URL and its headers, or
    /// nothing if the item was read from JSON.
    #[must_use]
    pub fn unredacted(&self) -> Option<RequestData> {
        let raw = self.raw.as_ref()?.get_unredacted();
        Some(RequestData {
            url: raw.url,
            method: raw.method,
            headers: raw.headers.into_iter().collect(),
            cf: self.redacted.cf.clone(),
        })
    }
}

impl Deref for TailRequest {
    type Target = RequestData;

    fn deref(&self) -> &RequestData {
        &self.redacted
    }
}

impl Serialize for TailRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.redacted.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TailRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let redacted = RequestData::deserialize(deserializer)?;
        Ok(Self {
            redacted,
            raw: None,
        })
    }
}

/// Reads the items of this tail event from their JSON. What has no place in JSON comes from
/// `received`.
pub(crate) fn from_wit(received: Vec<types::TraceItem>) -> serde_json::Result<Vec<TraceItem>> {
    let mut items: Vec<TraceItem> = serde_json::from_str(&events_json())?;
    for (item, received) in items.iter_mut().zip(received) {
        match (&mut item.event, received.event) {
            (Some(EventInfo::Fetch { request, .. }), Some(types::EventInfo::Fetch(fetch))) => {
                request.raw = Some(fetch.raw);
            }
            (event, Some(types::EventInfo::Connect)) => *event = Some(EventInfo::Connect {}),
            _ => {}
        }
    }
    Ok(items)
}
