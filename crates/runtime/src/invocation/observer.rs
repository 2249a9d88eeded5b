//! The records of an invocation, a sequence from onset to outcome, and the observers that receive
//! them.

use crate::invocation::id::InvocationId;
use crate::invocation::origin::Parent;
use taffrail_trace::{
    DiagnosticsChannelEvent, End, EpochMs, ErrorInfo, EventInfo, Json, LogLevel, Script,
    TailResponse, TraceException,
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
}

/// Receives the records of one invocation, in order.
pub(crate) trait Observer: Send {
    fn observe(&mut self, record: &Record);

    /// Receives a record by value, as the last of the observers.
    fn take(&mut self, record: Record) {
        self.observe(&record);
    }

    /// Whether a console call whose arguments have at least this many bytes does not fit. If so,
    /// it is not recorded, and the observer has counted it.
    fn refuses_log(&mut self, timestamp: EpochMs, argument_bytes: usize) -> bool;

    /// Whether no further console call fits.
    fn logs_are_full(&self) -> bool;
}

/// The observers of one invocation. Without any, no records are made.
#[derive(Default)]
pub(crate) struct Observers(Vec<Box<dyn Observer>>);

impl Observers {
    /// Adds an observer. The last one that is added receives records by value.
    pub(crate) fn add(&mut self, observer: impl Observer + 'static) {
        self.0.push(Box::new(observer));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn record(&mut self, record: Record) {
        if let Some((last, others)) = self.0.split_last_mut() {
            for observer in others {
                observer.observe(&record);
            }
            last.take(record);
        }
    }

    /// Whether no observer has room for a console call. If there are several, each decides when
    /// it receives the call.
    pub(crate) fn refuse_log(&mut self, timestamp: EpochMs, argument_bytes: usize) -> bool {
        match self.0.as_mut_slice() {
            [] => true,
            [only] => only.refuses_log(timestamp, argument_bytes),
            _ => false,
        }
    }

    pub(crate) fn logs_are_full(&self) -> bool {
        self.0.iter().all(|observer| observer.logs_are_full())
    }
}
