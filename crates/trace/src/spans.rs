//! The spans of one item, within their budget.

use crate::item::DroppedEntries;
use crate::outcome::Outcome;
use crate::span::{Attribute, EpochUs, Span, SpanId, SpanName, span_name};

/// How many bytes the spans of one invocation may take, attributes included: as many as its other
/// records.
const MAX_SPANS_BYTES: usize = 262_144;

/// The cost of a span beside its texts.
const SPAN_BYTES: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// Those that have not ended, in the order in which they began.
    open: Vec<Span>,
    closed: Vec<Span>,
    used: usize,
    dropped_spans: u64,
    dropped_attributes: u64,
}

impl Spans {
    pub(crate) fn open(&mut self, id: SpanId, parent: SpanId, name: SpanName, start: EpochUs) {
        let name = span_name(name);
        if !take(&mut self.used, SPAN_BYTES + name.len()) {
            self.dropped_spans += 1;
            return;
        }
        self.open.push(Span {
            span_id: id,
            parent_span_id: parent,
            name,
            start,
            end: start,
            outcome: Outcome::Canceled,
            attributes: Vec::new(),
        });
    }

    /// Adds attributes to those of an open span, or to `own` if they are of the invocation.
    pub(crate) fn attributes(
        &mut self,
        id: SpanId,
        own: Option<&mut Vec<Attribute>>,
        attributes: Vec<Attribute>,
        dropped: u64,
    ) {
        self.dropped_attributes += dropped;
        // The most recent one is likely.
        let open = self.open.iter_mut().rfind(|span| span.span_id == id);
        let Some(present) = own.or(open.map(|span| &mut span.attributes)) else {
            self.dropped_attributes += attributes.len() as u64;
            return;
        };
        for attribute in attributes {
            if take(&mut self.used, attribute.held_bytes()) {
                present.push(attribute);
            } else {
                self.dropped_attributes += 1;
            }
        }
    }

    pub(crate) fn close(&mut self, id: SpanId, outcome: Outcome, end: EpochUs) {
        if let Some(index) = self.open.iter().rposition(|span| span.span_id == id) {
            let mut span = self.open.remove(index);
            span.outcome = outcome;
            span.end = end.max(span.start);
            self.closed.push(span);
        }
    }

    /// Returns all spans, and counts those that were dropped. Those that are open end at `end`.
    pub(crate) fn finish(mut self, dropped: &mut DroppedEntries, end: EpochUs) -> Vec<Span> {
        dropped.spans = self.dropped_spans;
        dropped.span_attributes = self.dropped_attributes;
        for span in &mut self.open {
            span.end = end.max(span.start);
        }
        self.closed.append(&mut self.open);
        self.closed
    }
}

/// Takes bytes of the budget, or returns false if fewer are left.
fn take(used: &mut usize, bytes: usize) -> bool {
    let sum = used.saturating_add(bytes);
    let fits = sum <= MAX_SPANS_BYTES;
    if fits {
        *used = sum;
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(bits: u64) -> SpanId {
        SpanId::new(bits)
    }

    fn finished(spans: Spans) -> (Vec<Span>, DroppedEntries) {
        let mut dropped = DroppedEntries::default();
        let spans = spans.finish(&mut dropped, 9_000);
        (spans, dropped)
    }

    #[test]
    fn spans_end_in_order_and_open_ones_with_the_invocation() {
        let mut spans = Spans::default();
        spans.open(id(2), id(1), "outer".into(), 1_000);
        spans.open(id(3), id(2), "inner".into(), 1_500);
        spans.attributes(id(3), None, vec![Attribute::new("n", 2_i64)], 0);
        spans.close(id(3), Outcome::Ok, 1_700);
        let mut own = Vec::new();
        spans.attributes(id(1), Some(&mut own), vec![Attribute::new("user", "a")], 0);
        assert_eq!(own, [Attribute::new("user", "a")]);
        let (spans, dropped) = finished(spans);
        let ends = spans
            .iter()
            .map(|span| (&*span.name, span.end, span.outcome));
        assert_eq!(
            ends.collect::<Vec<_>>(),
            [
                ("inner", 1_700, Outcome::Ok),
                ("outer", 9_000, Outcome::Canceled)
            ]
        );
        assert_eq!(spans[0].attributes, [Attribute::new("n", 2_i64)]);
        assert_eq!(dropped, DroppedEntries::default());
    }

    #[test]
    fn of_10_000_spans_those_that_fit_are_kept_and_the_others_counted() {
        let mut spans = Spans::default();
        for n in 2..10_002 {
            spans.open(id(n), id(1), "work".into(), n);
            spans.attributes(
                id(n),
                None,
                vec![Attribute::new("text", "a".repeat(100))],
                0,
            );
            spans.close(id(n), Outcome::Ok, n + 1);
        }
        let (spans, dropped) = finished(spans);
        assert_eq!(spans.len() as u64 + dropped.spans, 10_000);
        let attributes = spans.iter().map(|span| span.attributes.len() as u64);
        assert_eq!(attributes.sum::<u64>() + dropped.span_attributes, 10_000);
        assert!(spans.len() > 900);
    }
}
