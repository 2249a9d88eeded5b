//! The events that a Worker handles.

use crate::clock;
use crate::delivery::TailStream;
use crate::invocation::Invocation;
use crate::invocation::body::received;
use crate::invocation::ending::Response;
use crate::invocation::session;
use crate::places::Rank;
use http::Request;
use percent_encoding::{CONTROLS, utf8_percent_encode};
use std::sync::Arc;
use taffrail_trace::{ConsumedEvent, EventInfo, Json, RequestData, TailRequest, TraceItem};
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

/// An event that a Worker handles.
#[non_exhaustive]
pub enum Event {
    /// A request, made by [`Runtime::fetch`](crate::Runtime::fetch).
    Fetch(Fetch),
    /// The trace items of other Workers.
    Tail(Vec<Arc<TraceItem>>),
    /// A cron trigger, made by [`scheduled`](Self::scheduled).
    Scheduled(Scheduled),
    /// A batch of messages, made by [`queue`](Self::queue).
    Queue(Queue),
    /// The alarm of a Durable Object.
    Alarm(Alarm),
    /// A session with another script.
    Session(Session),
    /// The events of an invocation of another Worker, as they happen.
    TailStream(TailStream),
}

/// A fetch event.
pub struct Fetch {
    pub(crate) request: Request<WasiBody>,
    /// The `request.cf` properties.
    pub(crate) cf: Option<Json>,
    pub(crate) respond: Respond,
}

/// Receives the response as soon as it is set.
pub(crate) type Respond = oneshot::Sender<http::Response<WasiBody>>;

/// A cron trigger.
#[derive(serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduled {
    pub(crate) cron: String,
    /// When the trigger was due, in milliseconds since 1970.
    pub(crate) scheduled_time: u64,
}

/// A batch of messages of a queue.
#[derive(serde::Deserialize, serde::Serialize)]
pub struct Queue {
    pub(crate) queue: String,
    pub(crate) messages: Vec<QueueMessage>,
}

/// One message of a queue.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub struct QueueMessage {
    /// The id of the message.
    pub id: String,
    /// When the message was sent, in milliseconds since 1970.
    pub timestamp: u64,
    /// How often the message has been delivered, including this time.
    pub attempts: u32,
    /// The content of the message.
    pub body: Json,
}

/// The alarm of a Durable Object.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alarm {
    /// When the alarm was due, in milliseconds since 1970.
    pub(crate) scheduled_time: u64,
    pub(crate) retry_count: u32,
}

/// A session with another script.
pub struct Session {
    pub(crate) purpose: Purpose,
    pub(crate) end: session::End,
}

/// The purpose of a session.
pub(crate) enum Purpose {
    /// A call of the method with this name.
    Rpc(String),
    /// The bytes of a connection.
    Connect,
}

impl Event {
    /// Returns a cron trigger that was due at `time`, in milliseconds since 1970. Without a time,
    /// it is due now.
    #[must_use]
    pub fn scheduled(cron: impl Into<String>, time: Option<u64>) -> Self {
        Self::Scheduled(Scheduled {
            cron: cron.into(),
            scheduled_time: time.unwrap_or_else(clock::epoch_ms),
        })
    }

    /// Returns a batch of messages of a queue.
    #[must_use]
    pub fn queue(queue: impl Into<String>, messages: Vec<QueueMessage>) -> Self {
        Self::Queue(Queue {
            queue: queue.into(),
            messages,
        })
    }

    /// Returns the event as a trace item records it.
    pub(crate) fn info(&self) -> EventInfo {
        match self {
            Self::Fetch(Fetch { request, cf, .. }) => EventInfo::Fetch {
                request: TailRequest::new(request_data(request, cf.clone())),
                response: None,
            },
            Self::Tail(items) => EventInfo::Tail {
                consumed_events: items
                    .iter()
                    .map(|item| ConsumedEvent {
                        script_name: item.script.script_name.clone(),
                    })
                    .collect(),
            },
            // What workerd records of it.
            Self::TailStream(_) => EventInfo::Tail {
                consumed_events: Vec::new(),
            },
            Self::Scheduled(event) => EventInfo::Scheduled {
                cron: event.cron.clone(),
                scheduled_time: event.scheduled_time,
            },
            Self::Queue(Queue { queue, messages }) => EventInfo::Queue {
                queue: queue.clone(),
                batch_size: u32::try_from(messages.len()).unwrap_or(u32::MAX),
            },
            Self::Alarm(Alarm { scheduled_time, .. }) => EventInfo::Alarm {
                scheduled_time: *scheduled_time,
            },
            Self::Session(Session { purpose, .. }) => match purpose {
                Purpose::Rpc(method) => EventInfo::Rpc {
                    rpc_method: method.clone(),
                },
                Purpose::Connect => EventInfo::Connect {},
            },
        }
    }

    /// Returns the rank that decides which places the instance may take.
    pub(crate) fn rank(&self) -> Rank {
        match self {
            Self::Tail(_) | Self::TailStream(_) => Rank::Tail,
            Self::Fetch(_)
            | Self::Scheduled(_)
            | Self::Queue(_)
            | Self::Alarm(_)
            | Self::Session(_) => Rank::Producer,
        }
    }

    /// Returns the initial state of the response.
    pub(crate) fn response(&self) -> Response {
        match self {
            Self::Fetch(_) => Response::Unset,
            Self::Tail(_)
            | Self::Scheduled(_)
            | Self::Queue(_)
            | Self::Alarm(_)
            | Self::Session(_)
            | Self::TailStream(_) => Response::NotExpected,
        }
    }

    /// Returns the items of a tail event.
    pub(crate) fn tail_items(&self) -> &[Arc<TraceItem>] {
        match self {
            Self::Tail(items) => items,
            Self::Fetch(_)
            | Self::Scheduled(_)
            | Self::Queue(_)
            | Self::Alarm(_)
            | Self::Session(_)
            | Self::TailStream(_) => &[],
        }
    }

    /// How many items the event carries. Other events than tail events count as one.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.tail_items().len().max(1)).unwrap_or(u32::MAX)
    }

    /// Whether the event counts towards the Worker's limit of concurrent invocations.
    pub(crate) fn is_limited(&self, by_worker: bool) -> bool {
        match self {
            Self::Fetch(_) | Self::Alarm(_) | Self::Session(_) => true,
            // Few of these come from outside.
            Self::Scheduled(_) | Self::Queue(_) => by_worker,
            // Tail events have places of their own.
            Self::Tail(_) | Self::TailStream(_) => false,
        }
    }

    /// Wraps the request body, if there is one, so that `invocation` is informed if it breaks
    /// off.
    pub(crate) fn received(self, invocation: &Arc<Invocation>) -> Self {
        match self {
            Self::Fetch(fetch) => Self::Fetch(Fetch {
                request: fetch.request.map(|body| received(body, invocation)),
                ..fetch
            }),
            Self::Tail(_)
            | Self::Scheduled(_)
            | Self::Queue(_)
            | Self::Alarm(_)
            | Self::Session(_)
            | Self::TailStream(_) => self,
        }
    }
}

fn request_data(request: &Request<WasiBody>, cf: Option<Json>) -> RequestData {
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    let uri = match request.uri().to_string() {
        uri if uri.is_ascii() => uri,
        // Some clients send other characters unescaped.
        uri => utf8_percent_encode(&uri, CONTROLS).to_string(),
    };
    RequestData::new(request.method().as_str(), uri, headers, cf)
}
