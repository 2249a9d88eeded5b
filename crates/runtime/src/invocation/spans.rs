//! The spans of an invocation, and its place in a trace.

use crate::clock;
use crate::invocation::Invocation;
use crate::invocation::observer::Record;
use crate::invocation::origin::TraceParent;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use taffrail_trace::{
    Attribute, AttributeValue, MAX_TRACE_BYTES, Outcome, SpanContext, SpanId, SpanName,
};

/// An operation of an invocation. It ends when this is dropped, as canceled unless
/// [`end`](Self::end) was called. If nothing records spans, it does nothing.
pub(crate) struct Span {
    recorded: Option<Arc<Invocation>>,
    id: SpanId,
    /// Recorded together at its end, as on Workers.
    attributes: Mutex<Attributes>,
    outcome: Outcome,
}

/// The attributes of a span that has not ended.
#[derive(Default)]
struct Attributes {
    attributes: Vec<Attribute>,
    bytes: usize,
    dropped: u64,
}

/// The most attributes of one span, which is the default of OpenTelemetry.
pub(crate) const MAX_ATTRIBUTES: usize = 128;

impl Attributes {
    /// Sets an attribute in place of an earlier one of that name. If there is no room for it, it
    /// is counted. `held` is what all open spans of the invocation hold.
    fn set(&mut self, attribute: Attribute, held: &mut usize) {
        let bytes = attribute.held_bytes();
        if *held + bytes > MAX_TRACE_BYTES {
            self.dropped += 1;
            return;
        }
        let present = (self.attributes.iter()).position(|present| present.name == attribute.name);
        match present {
            Some(index) => self.attributes[index].value = attribute.value,
            None if self.attributes.len() < MAX_ATTRIBUTES => self.attributes.push(attribute),
            None => {
                self.dropped += 1;
                return;
            }
        }
        self.bytes += bytes;
        *held += bytes;
    }
}

impl Span {
    /// Sets attributes, which are made only if the span is recorded.
    pub(crate) fn set(&self, attributes: impl FnOnce() -> Vec<Attribute>) {
        if let Some(invocation) = &self.recorded {
            let mut own = self.attributes();
            let mut recording = invocation.recording();
            for attribute in attributes() {
                own.set(attribute, &mut recording.attribute_bytes);
            }
        }
    }

    /// Sets one attribute.
    pub(crate) fn set_one(&self, name: &'static str, value: impl Into<AttributeValue>) {
        self.set(|| vec![Attribute::new(name, value)]);
    }

    /// Ends the span. `ok` is false if the operation failed.
    pub(crate) fn end(mut self, ok: bool) {
        self.outcome = match ok {
            true => Outcome::Ok,
            false => Outcome::Exception,
        };
    }

    /// Begins a span within this one.
    pub(crate) fn span(&self, name: impl Into<SpanName>) -> Self {
        begin(self.recorded.as_ref(), self.id, name)
    }

    fn attributes(&self) -> MutexGuard<'_, Attributes> {
        self.attributes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the span, or of the one that it would be part of if it is not recorded.
    pub(crate) fn id(&self) -> SpanId {
        self.id
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(invocation) = &self.recorded else {
            return;
        };
        let attributes = std::mem::take(&mut *self.attributes());
        let mut recording = invocation.recording();
        recording.attribute_bytes -= attributes.bytes;
        if !attributes.attributes.is_empty() || attributes.dropped > 0 {
            recording.observers.record(Record::SpanAttributes {
                id: self.id,
                attributes: attributes.attributes,
                dropped: attributes.dropped,
            });
        }
        recording.observers.record(Record::SpanClose {
            id: self.id,
            outcome: self.outcome,
            end: clock::epoch_us(),
        });
    }
}

/// Begins a span within `parent`, if the invocation records spans.
fn begin(invocation: Option<&Arc<Invocation>>, parent: SpanId, name: impl Into<SpanName>) -> Span {
    let id = match invocation {
        Some(invocation) => {
            let id = SpanId::new(rand::random());
            invocation.recording().observers.record(Record::SpanOpen {
                id,
                parent,
                name: taffrail_trace::span_name(name.into()),
                start: clock::epoch_us(),
            });
            id
        }
        None => parent,
    };
    Span {
        recorded: invocation.cloned(),
        id,
        attributes: Mutex::default(),
        outcome: Outcome::Canceled,
    }
}

impl Invocation {
    /// Begins a span within the one in which the guest works.
    pub(crate) fn begin_span(self: &Arc<Self>, name: impl Into<SpanName>) -> Span {
        if self.is_traced {
            let parent = self.recording().observers.span;
            begin(Some(self), parent, name)
        } else {
            begin(None, self.span.span_id, name)
        }
    }

    /// Whether spans are recorded.
    pub(crate) fn is_traced(&self) -> bool {
        self.is_traced
    }

    /// Returns the span in which the guest works.
    pub(crate) fn current_span(&self) -> SpanId {
        self.recording().observers.span
    }

    /// Records a span that has already ended.
    /// Of its attributes, `dropped` are already missing.
    pub(crate) fn record_span(&self, span: taffrail_trace::Span, dropped: u64) {
        if !self.is_traced {
            return;
        }
        let id = span.span_id;
        let observers = &mut self.recording().observers;
        observers.record(Record::SpanOpen {
            id,
            parent: span.parent_span_id,
            name: span.name,
            start: span.start,
        });
        if !span.attributes.is_empty() || dropped > 0 {
            observers.record(Record::SpanAttributes {
                id,
                attributes: span.attributes,
                dropped,
            });
        }
        observers.record(Record::SpanClose {
            id,
            outcome: span.outcome,
            end: span.end,
        });
    }

    /// Sets the span in which the guest works from now on. `None` is that of the invocation.
    pub(crate) fn enter_span(&self, span: Option<SpanId>) {
        self.recording().observers.span = span.unwrap_or(self.span.span_id);
    }

    /// Returns the span that the span of the invocation is a part of.
    pub(crate) fn parent_span(&self) -> Option<SpanId> {
        self.origin.trace.as_ref().map(|parent| parent.span.span_id)
    }

    /// Returns the cause of an event that this invocation causes within `span`.
    pub(crate) fn trace_parent(&self, span: &Span) -> TraceParent {
        let parent = self.origin.trace.as_ref();
        match parent {
            // Nothing is known here about its own span, so what was received is passed on.
            Some(parent) if parent.is_received && !self.is_traced => parent.clone(),
            _ => TraceParent {
                span: SpanContext {
                    span_id: span.id(),
                    ..self.span
                },
                state: parent.and_then(|parent| parent.state.clone()),
                is_received: false,
            },
        }
    }
}
