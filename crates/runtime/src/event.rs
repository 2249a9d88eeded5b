//! The events that no client waits for.

use crate::clock;
use std::sync::Arc;
use taffrail_trace::{ConsumedEvent, EventInfo, Json, TraceItem};

/// An event that no client waits for.
#[derive(Clone, Debug)]
pub enum Event {
    /// A cron trigger.
    Scheduled {
        /// The cron expression that fired.
        cron: String,
        /// When it was due, in milliseconds since 1970.
        scheduled_time: u64,
    },
    /// A batch of messages of a queue.
    Queue {
        /// The name of the queue.
        queue: String,
        /// The messages.
        messages: Vec<QueueMessage>,
    },
    /// What happened in invocations of other Workers.
    Tail(Vec<Arc<TraceItem>>),
}

/// One message of a queue.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub struct QueueMessage {
    /// Its id.
    pub id: String,
    /// When it was sent, in milliseconds since 1970.
    pub timestamp: u64,
    /// How often it has been delivered, this time included.
    pub attempts: u32,
    /// The message itself.
    pub body: Json,
}

impl Event {
    /// A cron trigger that was due at `time`, in milliseconds since 1970, or is
    /// due now.
    #[must_use]
    pub fn scheduled(cron: impl Into<String>, time: Option<u64>) -> Self {
        Self::Scheduled {
            cron: cron.into(),
            scheduled_time: time.unwrap_or_else(clock::epoch_ms),
        }
    }

    /// What is recorded of it.
    pub(crate) fn info(&self) -> EventInfo {
        match self {
            Self::Scheduled {
                cron,
                scheduled_time,
            } => EventInfo::Scheduled {
                cron: cron.clone(),
                scheduled_time: *scheduled_time,
            },
            Self::Queue { queue, messages } => EventInfo::Queue {
                queue: queue.clone(),
                batch_size: u32::try_from(messages.len()).unwrap_or(u32::MAX),
            },
            Self::Tail(items) => EventInfo::Tail {
                consumed_events: items
                    .iter()
                    .map(|item| ConsumedEvent {
                        script_name: item.script.script_name.clone(),
                    })
                    .collect(),
            },
        }
    }

    /// The name of its handler.
    pub(crate) fn handler(&self) -> &'static str {
        match self {
            Self::Scheduled { .. } => "scheduled",
            Self::Queue { .. } => "queue",
            Self::Tail(_) => "tail",
        }
    }
}
