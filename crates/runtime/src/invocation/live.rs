//! The observer that streams records to the caller.

use crate::invocation::observer::{Observer, Record};
use crate::invocation::session::Sender;
use serde::Serialize;
use serde_json::json;
use taffrail_trace::{EpochMs, Json, LogLevel, SpanId};

/// Sends each record to the caller, as one line of JSON.
pub(crate) struct Live {
    sender: Sender,
    /// Entries that did not fit.
    lost: u64,
}

#[derive(Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Entry<'a> {
    Log {
        timestamp: u64,
        level: LogLevel,
        message: &'a [Json],
    },
    Exception {
        timestamp: u64,
        name: &'a str,
        message: &'a str,
        stack: Option<&'a str>,
    },
}

impl Live {
    pub(crate) fn new(sender: Sender) -> Self {
        Self { sender, lost: 0 }
    }

    fn send(&mut self, entry: &Entry<'_>) {
        let sent = serde_json::to_vec(entry).is_ok_and(|mut line| {
            line.push(b'\n');
            self.sender.send(line.into()).is_ok()
        });
        if !sent {
            self.lost += 1;
        }
    }
}

impl Observer for Live {
    fn observe(&mut self, record: &Record, _: SpanId) {
        match record {
            Record::Log {
                timestamp,
                level,
                message,
                errors: _,
            } => {
                let arguments = message.iter().map(|json| json.get().len());
                if !self.sender.has_room(arguments.sum()) {
                    self.lost += 1;
                    return;
                }
                self.send(&Entry::Log {
                    timestamp: *timestamp,
                    level: *level,
                    message,
                });
            }
            Record::LogsDropped(count) => self.lost += count,
            Record::Exception(exception) => self.send(&Entry::Exception {
                timestamp: exception.timestamp,
                name: &exception.name,
                message: &exception.message,
                stack: exception.stack.as_deref(),
            }),
            Record::Outcome(end) => {
                let outcome = end.outcome;
                let end = json!({ "type": "outcome", "outcome": outcome, "lost": self.lost });
                self.sender.clone().send_last(&end.to_string());
            }
            Record::Onset(_)
            | Record::Diagnostics(_)
            | Record::SpanOpen { .. }
            | Record::SpanAttributes { .. }
            | Record::SpanClose { .. }
            | Record::Return(_)
            | Record::Response(_) => {}
        }
    }

    fn wants_spans(&self) -> bool {
        false
    }

    fn refuses_log(&mut self, _: EpochMs, argument_bytes: usize) -> bool {
        let refuses = !self.sender.has_room(argument_bytes);
        self.lost += u64::from(refuses);
        refuses
    }

    fn logs_are_full(&self) -> bool {
        false
    }
}
