//! The spans of an item, as people search them.

use crate::row::event_type;
use taffrail_trace::{Attribute, EpochUs, Outcome, SpanId, TraceItem};

/// The span of an invocation, or one of those in it.
pub(crate) struct SpanRow<'a> {
    pub(crate) id: SpanId,
    pub(crate) parent: Option<SpanId>,
    /// The kind of the event, if it is that of the invocation.
    pub(crate) name: &'a str,
    pub(crate) start: EpochUs,
    pub(crate) end: EpochUs,
    pub(crate) outcome: Outcome,
    pub(crate) attributes: &'a [Attribute],
}

impl<'a> SpanRow<'a> {
    /// Returns all spans of an item, that of the invocation first.
    pub(crate) fn all(item: &'a TraceItem) -> impl Iterator<Item = Self> {
        let own = item.span_id.map(|id| Self::of_invocation(item, id));
        let others = item.spans.iter().map(|span| Self {
            id: span.span_id,
            parent: Some(span.parent_span_id),
            name: &span.name,
            start: span.start,
            end: span.end,
            outcome: span.outcome,
            attributes: &span.attributes,
        });
        own.into_iter().chain(others)
    }

    fn of_invocation(item: &'a TraceItem, id: SpanId) -> Self {
        let start = item.event_timestamp.unwrap_or(0).saturating_mul(1000);
        let lasted = u64::try_from(item.wall_time.as_micros()).unwrap_or(u64::MAX);
        // The start is in whole milliseconds, so that another span may seem to end later.
        let last = item.spans.iter().map(|span| span.end).max().unwrap_or(0);
        Self {
            id,
            parent: item.parent_span_id,
            name: event_type(item),
            start,
            end: start.saturating_add(lasted).max(last),
            outcome: item.outcome,
            attributes: &item.span_attributes,
        }
    }

    /// Returns the attributes as an object in JSON. Of those with the same name the last one is
    /// in it.
    pub(crate) fn attributes_in_json(&self) -> String {
        let attributes = self.attributes.iter();
        let fields: serde_json::Map<_, _> = attributes
            .filter_map(|attribute| {
                let value = serde_json::to_value(&attribute.value).ok()?;
                Some((attribute.name.clone().into_owned(), value))
            })
            .collect();
        serde_json::Value::from(fields).to_string()
    }
}
