//! What is recorded of an invocation: a sequence of records, from its onset to
//! its outcome, that its observers receive.

use crate::invocation::id::InvocationId;
use crate::invocation::origin::Parent;
use taffrail_trace::{
    DiagnosticsChannelEvent, End, EpochMs, ErrorInfo, EventInfo, Json, LogLevel, Script,
    TailResponse, TraceException,
};

/// One thing that is recorded of an invocation.
pub(crate) enum Record {
    /// The first one.
    Onset(Box<Onset>),
    Log {
        timestamp: EpochMs,
        level: LogLevel,
        message: Vec<Json>,
        errors: Option<Vec<Option<ErrorInfo>>>,
    },
    /// Console calls that were made when no observer had room for them.
    LogsDropped(u64),
    Exception(TraceException),
    Diagnostics(DiagnosticsChannelEvent),
    Response(TailResponse),
    /// The last one.
    Outcome(End),
}

/// How an invocation begins.
pub(crate) struct Onset {
    pub(crate) id: InvocationId,
    pub(crate) timestamp: EpochMs,
    pub(crate) script: Script,
    pub(crate) event: EventInfo,
    pub(crate) depth: u32,
    pub(crate) parent: Option<Parent>,
}

/// Receives the records of one invocation, in their order.
pub(crate) trait Observer: Send {
    fn observe(&mut self, record: &Record);

    /// Receives a record that no other observer needs any more.
    fn take(&mut self, record: Record) {
        self.observe(&record);
    }

    /// Whether there is no room for a console call whose arguments have at least
    /// so many bytes. Then it is not recorded, and the observer has counted it.
    fn refuses_log(&mut self, timestamp: EpochMs, argument_bytes: usize) -> bool;

    /// Whether there is no room for any further console call.
    fn logs_are_full(&self) -> bool;
}

/// The observers of one invocation. Without any, nothing is made into records.
#[derive(Default)]
pub(crate) struct Observers(Vec<Box<dyn Observer>>);

impl Observers {
    /// Adds an observer. The one that is added last takes the records.
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

    /// Whether no observer has room for a console call. With several, each
    /// decides when it receives the call.
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
