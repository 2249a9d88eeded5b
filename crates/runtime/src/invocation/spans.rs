//! The spans of an invocation, and its place in a trace.

use crate::clock;
use crate::invocation::Invocation;
use crate::invocation::ended_span::{Attributes, Ended};
use crate::invocation::observer::Record;
use crate::invocation::origin::TraceParent;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use taffrail_trace::{Attribute, AttributeValue, Outcome, SpanContext, SpanId, SpanName};
use wasmtime_wasi_http::{Error, WasiBody};

/// An operation of an invocation. It ends when this is dropped, as canceled unless
/// [`end`](Self::end) was called. If nothing records spans, it does nothing.
pub(crate) struct Span {
    recorded: Option<Arc<Invocation>>,
    id: SpanId,
    /// Recorded at the end, in one piece.
    attributes: Attributes,
    outcome: Outcome,
    recorded_at: RecordedAt,
}

/// When the end of a span is recorded. Its time is that of the end itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RecordedAt {
    /// At once.
    Once,
    /// When the script has done what it does with the result and waits again, as on workerd.
    Turn,
    /// After the return of the handler, as on workerd.
    End,
}

impl Span {
    /// Sets attributes, which are made only if the span is recorded.
    pub(crate) fn set(&mut self, attributes: impl FnOnce() -> Vec<Attribute>) {
        if let Some(invocation) = &self.recorded {
            let mut recording = invocation.recording();
            for attribute in attributes() {
                self.attributes
                    .set(attribute, &mut recording.attribute_bytes);
            }
        }
    }

    /// Sets one attribute.
    pub(crate) fn set_one(&mut self, name: &'static str, value: impl Into<AttributeValue>) {
        self.set(|| vec![Attribute::new(name, value)]);
    }

    /// Ends the span. `ok` is false if the operation failed.
    pub(crate) fn end(mut self, ok: bool) {
        self.outcome = match ok {
            true => Outcome::Ok,
            false => Outcome::Exception,
        };
    }

    /// Ends the span of something that the guest waits for.
    pub(crate) fn end_with_result(mut self, ok: bool) {
        self.recorded_at = RecordedAt::Turn;
        self.end(ok);
    }

    /// Ends the span with a body, or when that is dropped.
    pub(crate) fn until_end_of(mut self, body: WasiBody) -> WasiBody {
        if self.recorded.is_none() {
            return body;
        }
        self.outcome = Outcome::Ok;
        self.recorded_at = RecordedAt::End;
        let span = Some(self);
        Spanned { inner: body, span }.boxed_unsync()
    }

    /// Begins a span within this one.
    pub(crate) fn span(&self, name: impl Into<SpanName>) -> Self {
        begin(self.recorded.as_ref(), self.id, name)
    }

    /// The id of the span, or of the one that it would be part of if it is not recorded.
    pub(crate) fn id(&self) -> SpanId {
        self.id
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(invocation) = &self.recorded {
            let ended = Ended {
                id: self.id,
                attributes: std::mem::take(&mut self.attributes),
                outcome: self.outcome,
                end: clock::epoch_us(),
            };
            let mut recording = invocation.recording();
            match (self.recorded_at, &mut recording.turn) {
                (RecordedAt::Turn, Some(turn)) => turn.ended.push(ended),
                (RecordedAt::End, _) => recording.ended_last.push(ended),
                (RecordedAt::Once | RecordedAt::Turn, _) => recording.record_ended(ended),
            }
        }
    }
}

/// A body with the span that ends with it.
struct Spanned {
    inner: WasiBody,
    span: Option<Span>,
}

impl Body for Spanned {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if let Some(Err(_)) = &frame
            && let Some(span) = self.span.take()
        {
            span.end(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Begins a span within `parent`, if the invocation records spans.
fn begin(invocation: Option<&Arc<Invocation>>, parent: SpanId, name: impl Into<SpanName>) -> Span {
    let id = match invocation {
        Some(invocation) => invocation.open_span(parent, name),
        None => parent,
    };
    Span {
        recorded: invocation.cloned(),
        id,
        attributes: Attributes::default(),
        outcome: Outcome::Canceled,
        recorded_at: RecordedAt::Once,
    }
}

impl Invocation {
    /// Begins a span within `parent`.
    pub(crate) fn begin_span(self: &Arc<Self>, parent: SpanId, name: impl Into<SpanName>) -> Span {
        let recorded = self.is_traced.then_some(self);
        begin(recorded, parent, name)
    }

    /// Returns the span in which the guest works, to begin others in it.
    pub(crate) fn current_span(&self) -> SpanId {
        match self.is_traced {
            true => self.recording().observers.span,
            false => self.span.span_id,
        }
    }

    /// Records the start of a span, and returns its id. A caller without a [`Span`] must record
    /// the end as well.
    pub(crate) fn open_span(&self, parent: SpanId, name: impl Into<SpanName>) -> SpanId {
        let id = SpanId::new(rand::random());
        self.recording().observers.record(Record::SpanOpen {
            id,
            parent,
            name: taffrail_trace::span_name(name.into()),
            start: clock::epoch_us(),
        });
        id
    }

    /// Records attributes of a span that is open, of which `dropped` are already missing.
    pub(crate) fn span_attributes(&self, id: SpanId, attributes: Vec<Attribute>, dropped: u64) {
        self.recording().observers.record(Record::SpanAttributes {
            id,
            attributes,
            dropped,
        });
    }

    /// Records the end of a span.
    pub(crate) fn close_span(&self, id: SpanId, outcome: Outcome) {
        self.recording().observers.record(Record::SpanClose {
            id,
            outcome,
            end: clock::epoch_us(),
        });
    }

    /// Records a span that has already ended, of whose attributes `dropped` are missing.
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

    /// Tells that the guest works in turns, whose beginnings and ends are told by
    /// [`turn_began`](Self::turn_began) and [`turn_ended`](Self::turn_ended).
    pub(crate) fn works_in_turns(&self) {
        if self.is_traced {
            let mut recording = self.recording();
            recording.turn.get_or_insert_default();
            recording.observers.turn_ended();
        }
    }

    /// Tells that the guest waits, or works for another invocation.
    pub(crate) fn turn_ended(&self) {
        if self.is_traced {
            let mut recording = self.recording();
            recording.record_had();
            recording.observers.turn_ended();
        }
    }

    /// Tells that the guest goes on, with the results of what has ended so far.
    pub(crate) fn turn_began(&self) {
        if self.is_traced
            && let Some(turn) = &mut self.recording().turn
        {
            turn.begin();
        }
    }

    /// Whether spans are recorded.
    pub(crate) fn is_traced(&self) -> bool {
        self.is_traced
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
