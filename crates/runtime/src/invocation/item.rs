//! The observer that builds the trace item.

use crate::invocation::destination::Destination;
use crate::invocation::observer::{Observer, Onset, Record};
use std::sync::Arc;
use taffrail_trace::{Attribute, EpochMs, SpanId, TraceBuilder};

/// Collects the records of an invocation, and delivers the item after the last one.
pub(crate) struct ItemObserver {
    /// Present between the onset and the outcome.
    trace: Option<TraceBuilder>,
    destination: Arc<Destination>,
    wants_spans: bool,
    /// The span of the invocation.
    own: Option<SpanId>,
}

impl ItemObserver {
    pub(crate) fn new(destination: &Arc<Destination>, wants_spans: bool) -> Self {
        Self {
            trace: None,
            destination: Arc::clone(destination),
            wants_spans,
            own: None,
        }
    }

    /// Whether attributes are those of an RPC call that the item has as its event.
    fn are_known(&self, id: SpanId, attributes: &[Attribute]) -> bool {
        let mut names = attributes.iter().map(|attribute| &*attribute.name);
        self.own == Some(id) && names.all(|name| name == "jsrpc.method")
    }
}

fn builder(onset: Onset) -> TraceBuilder {
    let Onset {
        id,
        timestamp,
        script,
        event,
        depth,
        parent,
        log_sampling_rate,
        span,
        parent_span,
    } = onset;
    let trace = TraceBuilder::new(script, event, timestamp, id.to_string())
        .at_depth(depth)
        .sampled_at(log_sampling_rate)
        .in_trace(span, parent_span);
    match parent {
        Some(parent) => trace.called_by(parent.invocation.to_string(), parent.request.to_string()),
        None => trace,
    }
}

impl Observer for ItemObserver {
    /// Does nothing: this is the last observer, so it takes all records by value.
    fn observe(&mut self, _: &Record, _: SpanId) {}

    fn take(&mut self, record: Record, _: SpanId) {
        if let Record::SpanAttributes { id, attributes, .. } = &record
            && self.are_known(*id, attributes)
        {
            return;
        }
        if let Record::Onset(onset) = record {
            self.own = Some(onset.span.span_id);
            let trace = self.trace.insert(builder(*onset));
            self.destination.begin(|| trace.so_far());
            return;
        }
        let Some(trace) = &mut self.trace else {
            return;
        };
        match record {
            Record::Onset(_) | Record::Return(_) => {}
            Record::Log {
                timestamp,
                level,
                message,
                errors,
            } => trace.log(timestamp, level, message, errors),
            Record::LogsDropped(count) => trace.drop_logs(count),
            Record::Exception(exception) => trace.exception(exception),
            Record::Diagnostics(event) => trace.diagnostics_channel_event(event),
            Record::SpanOpen {
                id,
                parent,
                name,
                start,
            } if self.wants_spans => trace.open_span(id, parent, name, start),
            Record::SpanAttributes {
                id,
                attributes,
                dropped,
            } if self.wants_spans => trace.span_attributes(id, attributes, dropped),
            Record::SpanClose { id, outcome, end } if self.wants_spans => {
                trace.close_span(id, outcome, end);
            }
            Record::SpanOpen { .. } | Record::SpanAttributes { .. } | Record::SpanClose { .. } => {}
            Record::Response(response) => trace.set_response(response),
            Record::Outcome(end) => {
                if let Some(trace) = self.trace.take() {
                    self.destination.deliver(trace.finish(end));
                }
            }
        }
    }

    fn wants_spans(&self) -> bool {
        self.wants_spans
    }

    fn refuses_log(&mut self, timestamp: EpochMs, argument_bytes: usize) -> bool {
        let trace = self.trace.as_mut();
        trace.is_none_or(|trace| trace.refuses_log(timestamp, argument_bytes))
    }

    fn logs_are_full(&self) -> bool {
        self.trace.as_ref().is_none_or(TraceBuilder::logs_are_full)
    }
}
