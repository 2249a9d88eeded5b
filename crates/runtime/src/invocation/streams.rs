//! The observer that streams records to streaming tails.

use crate::clock;
use crate::delivery::StreamSender;
use crate::invocation::id::InvocationId;
use crate::invocation::observer::{Observer, Onset, Record};
use std::sync::Arc;
use taffrail_trace::{
    Diagnostic, End, EpochMs, EventInfo, EventSpan, Json, LogMessage, MAX_EVENT_BYTES, OnsetEvent,
    OnsetScript, OutcomeEvent, ReturnInfo, SpanId, StreamEvent, TailEvent, TraceId,
};

/// Sends each record to the streaming tails of an invocation.
pub(crate) struct Streams {
    streams: Vec<Stream>,
    invocation_id: Arc<str>,
    trace_id: TraceId,
    /// The number of the next event.
    sequence: u64,
    /// Whether there is room again only at the end of each turn of the guest. So what a script
    /// loses does not depend on how busy its tails are, as on workerd.
    works_in_turns: bool,
}

struct Stream {
    sender: StreamSender,
    dropped: u64,
}

impl Streams {
    /// Returns an observer for an invocation of this trace.
    pub(crate) fn new(senders: Vec<StreamSender>, id: InvocationId, trace_id: TraceId) -> Self {
        let streams = senders.into_iter();
        Self {
            streams: streams
                .map(|sender| Stream { sender, dropped: 0 })
                .collect(),
            invocation_id: id.to_string().into(),
            trace_id,
            sequence: 0,
            works_in_turns: false,
        }
    }

    fn event(
        &mut self,
        timestamp: EpochMs,
        span_id: Option<SpanId>,
        event: StreamEvent,
    ) -> Arc<TailEvent> {
        let sequence = self.sequence;
        self.sequence += 1;
        Arc::new(TailEvent {
            span_context: EventSpan {
                trace_id: self.trace_id,
                span_id,
            },
            invocation_id: Arc::clone(&self.invocation_id),
            timestamp,
            sequence,
            event,
        })
    }

    /// Makes room where the tails have received events.
    fn make_room(&mut self) {
        for stream in &mut self.streams {
            stream.sender.make_room();
        }
    }

    /// Sends an event that is dropped where it does not fit.
    fn send(&mut self, timestamp: EpochMs, span: SpanId, event: StreamEvent) {
        if !self.works_in_turns {
            self.make_room();
        }
        let event = self.event(timestamp, Some(span), event);
        let bytes = event.held_bytes();
        let is_too_large = bytes > MAX_EVENT_BYTES && !is_cut(&event.event);
        for stream in &mut self.streams {
            let is_dropped = is_too_large || stream.sender.send(&event, bytes).is_err();
            stream.dropped += u64::from(is_dropped);
        }
    }

    /// Sends an event that is never dropped.
    fn send_always(&mut self, timestamp: EpochMs, span: Option<SpanId>, event: StreamEvent) {
        let event = self.event(timestamp, span, event);
        let bytes = event.held_bytes();
        for stream in &mut self.streams {
            stream.sender.send_always(&event, bytes);
        }
    }

    fn onset(&mut self, onset: &Onset) {
        let event = StreamEvent::Onset(Box::new(OnsetEvent {
            script: OnsetScript(onset.script.clone()),
            span_id: onset.span.span_id,
            info: onset.event.clone(),
        }));
        // Of a call by a Worker, as on workerd: other events have no caller, whatever caused them.
        let is_called = onset.parent.is_some()
            && matches!(
                onset.event,
                EventInfo::Fetch { .. } | EventInfo::Rpc { .. } | EventInfo::Connect {}
            );
        let caller = onset.parent_span.filter(|_| is_called);
        self.send_always(onset.timestamp, caller, event);
    }

    /// Sends the last event, and before it to each stream the number of events that it missed.
    fn outcome(&mut self, end: &End, span: SpanId) {
        let now = clock::epoch_ms();
        if self.streams.iter().any(|stream| stream.dropped > 0) {
            let sequence = self.sequence;
            self.sequence += 1;
            for at in 0..self.streams.len() {
                let count = self.streams[at].dropped;
                if count > 0 {
                    self.sequence = sequence;
                    let diagnostic = Diagnostic::DroppedEvents { count };
                    let event = StreamEvent::StreamDiagnostic { diagnostic };
                    let event = self.event(now, Some(span), event);
                    let bytes = event.held_bytes();
                    self.streams[at].sender.send_always(&event, bytes);
                }
            }
        }
        let event = StreamEvent::Outcome(OutcomeEvent {
            outcome: end.outcome,
            cpu_time: end.cpu_time,
            wall_time: end.wall_time,
        });
        self.send_always(now, Some(span), event);
        // The streams end here.
        self.streams.clear();
    }
}

/// Whether an event that is too large is cut rather than dropped.
fn is_cut(event: &StreamEvent) -> bool {
    matches!(
        event,
        StreamEvent::Log { .. } | StreamEvent::Exception { .. }
    )
}

/// Returns the message of a log event, and whether it was cut.
fn message(arguments: &[Json]) -> (LogMessage, bool) {
    let bytes = arguments.iter().map(|argument| argument.get().len() + 1);
    if bytes.sum::<usize>() < MAX_EVENT_BYTES {
        return (LogMessage::Arguments(arguments.to_vec()), false);
    }
    let mut text = String::from("[");
    for argument in arguments {
        let argument = argument.get();
        let room = MAX_EVENT_BYTES - text.len();
        text.push_str(&argument[..argument.floor_char_boundary(room)]);
        if text.len() + 1 >= MAX_EVENT_BYTES || argument.len() > room {
            break;
        }
        text.push(',');
    }
    (LogMessage::Text(text), true)
}

impl Observer for Streams {
    fn observe(&mut self, record: &Record, span: SpanId) {
        match record {
            Record::Onset(onset) => self.onset(onset),
            Record::Log {
                timestamp,
                level,
                message: arguments,
                errors,
            } => {
                let (message, truncated) = message(arguments);
                let event = StreamEvent::Log {
                    level: *level,
                    message,
                    error_info: errors.clone(),
                    truncated,
                };
                self.send(*timestamp, span, event);
            }
            Record::LogsDropped(count) => {
                self.sequence += count;
                for stream in &mut self.streams {
                    stream.dropped += count;
                }
            }
            Record::Exception(exception) => {
                let event = StreamEvent::Exception {
                    name: exception.name.clone(),
                    message: exception.message.clone(),
                    stack: exception.stack.clone(),
                };
                self.send(exception.timestamp, span, event);
            }
            Record::Diagnostics(diagnostics) => {
                let event = StreamEvent::DiagnosticChannel {
                    channel: diagnostics.channel.clone(),
                    message: diagnostics.message.clone(),
                };
                self.send(diagnostics.timestamp, span, event);
            }
            Record::SpanOpen {
                id,
                parent,
                name,
                start,
            } => {
                let event = StreamEvent::SpanOpen {
                    name: name.clone(),
                    span_id: *id,
                };
                self.send(start / 1000, *parent, event);
            }
            Record::SpanAttributes { attributes, .. } if attributes.is_empty() => {}
            Record::SpanAttributes { id, attributes, .. } => {
                let event = StreamEvent::Attributes {
                    info: attributes.clone(),
                };
                self.send(clock::epoch_ms(), *id, event);
            }
            Record::SpanClose { id, outcome, end } => {
                let event = StreamEvent::SpanClose { outcome: *outcome };
                self.send(end / 1000, *id, event);
            }
            Record::Return(status) => {
                let info = status.map(|status_code| ReturnInfo::Fetch { status_code });
                self.send_always(clock::epoch_ms(), Some(span), StreamEvent::Return { info });
            }
            Record::Response(_) => {}
            Record::Outcome(end) => self.outcome(end, span),
        }
    }

    fn wants_spans(&self) -> bool {
        true
    }

    fn turn_ended(&mut self) {
        self.works_in_turns = true;
        self.make_room();
    }

    fn refuses_log(&mut self, _: EpochMs, argument_bytes: usize) -> bool {
        if !self.works_in_turns {
            self.make_room();
        }
        let has_room =
            |stream: &Stream| stream.sender.has_room(argument_bytes.min(MAX_EVENT_BYTES));
        if self.streams.iter().any(has_room) {
            return false;
        }
        self.sequence += 1;
        for stream in &mut self.streams {
            stream.dropped += 1;
        }
        true
    }

    /// Also if no tail receives any more: then there is no use for what would be made.
    fn logs_are_full(&self) -> bool {
        self.streams.iter().all(|stream| stream.sender.is_closed())
    }
}
