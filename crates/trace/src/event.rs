//! Reading an event, whose kind its keys tell.

use crate::date::parse_iso8601;
use crate::item::{ConsumedEvent, EpochMs, EventInfo, TailResponse, WebSocketEvent};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The keys of all kinds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys<R> {
    request: Option<R>,
    response: Option<TailResponse>,
    rpc_method: Option<String>,
    cron: Option<String>,
    scheduled_time: Option<Time>,
    queue: Option<String>,
    batch_size: Option<u32>,
    mail_from: Option<String>,
    rcpt_to: Option<String>,
    raw_size: Option<u64>,
    consumed_events: Option<Vec<ConsumedEvent>>,
    get_web_socket_event: Option<WebSocketEvent>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Epoch(EpochMs),
    Date(String),
}

impl<'de, R: Deserialize<'de>> Deserialize<'de> for EventInfo<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Keys {
            request,
            response,
            rpc_method,
            cron,
            scheduled_time,
            queue,
            batch_size,
            mail_from,
            rcpt_to,
            raw_size,
            consumed_events,
            get_web_socket_event,
        } = Keys::deserialize(deserializer)?;
        if let Some(request) = request {
            return Ok(Self::Fetch { request, response });
        }
        if let Some(rpc_method) = rpc_method {
            return Ok(Self::Rpc { rpc_method });
        }
        if let (Some(queue), Some(batch_size)) = (queue, batch_size) {
            return Ok(Self::Queue { queue, batch_size });
        }
        if let (Some(mail_from), Some(rcpt_to), Some(raw_size)) = (mail_from, rcpt_to, raw_size) {
            return Ok(Self::Email {
                mail_from,
                rcpt_to,
                raw_size,
            });
        }
        if let Some(consumed_events) = consumed_events {
            return Ok(Self::Tail { consumed_events });
        }
        if let Some(get_web_socket_event) = get_web_socket_event {
            return Ok(Self::HibernatableWebSocket {
                get_web_socket_event,
            });
        }
        match (cron, scheduled_time) {
            (Some(cron), Some(Time::Epoch(scheduled_time))) => Ok(Self::Scheduled {
                cron,
                scheduled_time,
            }),
            (None, Some(Time::Date(date))) => match parse_iso8601(&date) {
                Some(scheduled_time) => Ok(Self::Alarm { scheduled_time }),
                None => Err(D::Error::custom(format!("`{date}` is no ISO 8601 date"))),
            },
            (None, None) => Ok(Self::Custom {}),
            _ => Err(D::Error::custom(
                "`scheduledTime` is a number beside `cron`, and else an ISO 8601 date",
            )),
        }
    }
}
