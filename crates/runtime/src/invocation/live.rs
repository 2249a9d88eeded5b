//! What is recorded of an invocation, as it happens, for the one who called.

use crate::invocation::session::Sender;
use serde::Serialize;
use serde_json::json;
use taffrail_trace::{Json, LogLevel, Outcome, TraceException};

/// Sends what is recorded on, one JSON object a line.
pub(crate) struct Live {
    sender: Sender,
    /// Entries for which there was no room.
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

    pub(crate) fn log(&mut self, timestamp: u64, level: LogLevel, message: &[Json]) {
        let arguments = message.iter().map(|json| json.get().len());
        if !self.sender.has_room(arguments.sum()) {
            self.lost += 1;
            return;
        }
        self.send(&Entry::Log {
            timestamp,
            level,
            message,
        });
    }

    pub(crate) fn exception(&mut self, exception: &TraceException) {
        self.send(&Entry::Exception {
            timestamp: exception.timestamp,
            name: &exception.name,
            message: &exception.message,
            stack: exception.stack.as_deref(),
        });
    }

    /// The last entry.
    pub(crate) fn end(self, outcome: Outcome) {
        let end = json!({ "type": "outcome", "outcome": outcome, "lost": self.lost });
        self.sender.send_last(&end.to_string());
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
