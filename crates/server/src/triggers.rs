//! Events that a developer starts with a request.

use crate::response::{self, Response};
use http::{StatusCode, Uri};
use taffrail_runtime::trace::Outcome;
use taffrail_runtime::{Event, Runtime};

/// The event that a request for `uri` starts, if it starts one.
pub(crate) fn event(uri: &Uri) -> Option<Event> {
    if uri.path() != "/cdn-cgi/handler/scheduled" {
        return None;
    }
    let query = uri.query().unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let time = value("time").and_then(|time| time.parse().ok());
    Some(Event::scheduled(value("cron").unwrap_or_default(), time))
}

/// Dispatches the event and answers with its outcome.
pub(crate) async fn fire(runtime: &Runtime, worker: &str, event: Event) -> Response {
    match runtime.dispatch(worker, event).await {
        Ok(outcome) => {
            let status = match outcome {
                Outcome::Ok => StatusCode::OK,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            response::plain(status, outcome.to_string())
        }
        Err(error) => {
            tracing::error!("{error}");
            response::failure(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
