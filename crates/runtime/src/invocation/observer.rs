//! The records of an invocation, a sequence from onset to outcome, and the observers that receive
//! them.

use crate::invocation::id::InvocationId;
use crate::invocation::origin::Parent;
use taffrail_trace::{
    Attribute, DiagnosticsChannelEvent, End, EpochMs, EpochUs, ErrorInfo, EventInfo, Json,
    LogLevel, Outcome, Script, SpanContext, SpanId, SpanName, TailResponse, TraceException,
};

/// One record about an invocation.
pub(crate) enum Record {
    /// The first one.
    Onset(Box<Onset>),
    Log {
        timestamp: EpochMs,
        level: LogLevel,
        message: Vec<Json>,
        errors: Option<Vec<Option<ErrorInfo>>>,
    },
    /// Console calls that were dropped because no observer had room for them.
    LogsDropped(u64),
    Exception(TraceException),
    Diagnostics(DiagnosticsChannelEvent),
    SpanOpen {
        id: SpanId,
        parent: SpanId,
        name: SpanName,
        start: EpochUs,
    },
    SpanAttributes {
        id: SpanId,
        attributes: Vec<Attribute>,
        /// Those that there was no room for.
        dropped: u64,
    },
    SpanClose {
        id: SpanId,
        outcome: Outcome,
        end: EpochUs,
    },
    /// The handler has returned, with this status if it responds to a request.
    Return(Option<u16>),
    Response(TailResponse),
    /// The last one.
    Outcome(End),
}

/// The start of an invocation.
pub(crate) struct Onset {
    pub(crate) id: InvocationId,
    pub(crate) timestamp: EpochMs,
    pub(crate) script: Script,
    pub(crate) event: EventInfo,
    pub(crate) depth: u32,
    pub(crate) parent: Option<Parent>,
    pub(crate) log_sampling_rate: f64,
    /// The span of the invocation.
    pub(crate) span: SpanContext,
    pub(crate) parent_span: Option<SpanId>,
}

/// Receives the records of one invocation, in order.
pub(crate) trait Observer: Send {
    /// Receives a record that was made within `span`.
    fn observe(&mut self, record: &Record, span: SpanId);

    /// Receives a record by value, as the last of the observers.
    fn take(&mut self, record: Record, span: SpanId) {
        self.observe(&record, span);
    }

    /// Whether it receives spans. Without an observer that does, none are recorded.
    fn wants_spans(&self) -> bool;

    /// Tells that a guest that works in turns has ended one, or begins the first.
    fn turn_ended(&mut self) {}

    /// Whether a console call whose arguments have at least this many bytes does not fit. If so,
    /// it is not recorded, and the observer has counted it.
    fn refuses_log(&mut self, timestamp: EpochMs, argument_bytes: usize) -> bool;

    /// Whether no further console call fits.
    fn logs_are_full(&self) -> bool;
}

/// The observers of one invocation. Without any, no records are made.
pub(crate) struct Observers {
    observers: Vec<Box<dyn Observer>>,
    /// The span in which the guest works.
    pub(crate) span: SpanId,
}

impl Observers {
    /// Returns no observers of an invocation with this span.
    pub(crate) fn new(span: SpanId) -> Self {
        Self {
            observers: Vec::new(),
            span,
        }
    }

    /// Adds an observer. The last one that is added receives records by value.
    pub(crate) fn add(&mut self, observer: impl Observer + 'static) {
        self.observers.push(Box::new(observer));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.observers.is_empty()
    }

    pub(crate) fn want_spans(&self) -> bool {
        let mut observers = self.observers.iter();
        observers.any(|observer| observer.wants_spans())
    }

    pub(crate) fn record(&mut self, record: Record) {
        if let Some((last, others)) = self.observers.split_last_mut() {
            for observer in others {
                observer.observe(&record, self.span);
            }
            last.take(record, self.span);
        }
    }

    /// Records the outcome, in reverse order: consumers have the item before a streaming tail
    /// receives the outcome.
    pub(crate) fn end(&mut self, end: End) {
        for observer in self.observers.iter_mut().rev() {
            observer.take(Record::Outcome(end.clone()), self.span);
        }
    }

    pub(crate) fn turn_ended(&mut self) {
        for observer in &mut self.observers {
            observer.turn_ended();
        }
    }

    /// Whether no observer has room for a console call. If there are several, each decides when
    /// it receives the call.
    pub(crate) fn refuse_log(&mut self, timestamp: EpochMs, argument_bytes: usize) -> bool {
        match self.observers.as_mut_slice() {
            [] => true,
            [only] => only.refuses_log(timestamp, argument_bytes),
            _ => false,
        }
    }

    pub(crate) fn logs_are_full(&self) -> bool {
        let mut observers = self.observers.iter();
        observers.all(|observer| observer.logs_are_full())
    }
}
