//! The SQL API of Analytics Engine: what is answered to
//! `POST /client/v4/accounts/{account}/analytics_engine/sql`, whose body is a query, and to `GET`
//! with the parameter `query`.
//!
//! <https://developers.cloudflare.com/analytics/analytics-engine/sql-api/>

use crate::analytics::Analytics;
use crate::answer::Format;
use crate::error::ErrorKind;
use crate::request::{Params, Request};
use crate::rules::{Cancel, Limits, Rules};
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// Queries that run at the same time, and that may wait for them.
const RUNNING: usize = 2;
const WAITING: usize = 32;

/// Answers queries.
#[derive(Clone, Debug)]
pub struct Endpoint {
    analytics: Analytics,
    limits: Limits,
    running: Arc<Semaphore>,
    /// The places of queries that run or wait.
    accepted: Arc<Semaphore>,
}

/// What is sent to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status of HTTP.
    pub status: u16,
    /// The value of the header `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Endpoint {
    /// An endpoint for these datasets.
    #[must_use]
    pub fn new(analytics: Analytics, limits: Limits) -> Self {
        Self {
            analytics,
            limits,
            running: Arc::new(Semaphore::new(RUNNING)),
            accepted: Arc::new(Semaphore::new(RUNNING + WAITING)),
        }
    }

    /// Answers a query at the time `now`. When the future is dropped, the query ends.
    ///
    /// Two queries run at a time, on threads of their own, and 32 wait for them; what comes then
    /// is told to try again (429).
    pub async fn answer(&self, sql: String, now: Timestamp) -> Response {
        let Ok(_accepted) = self.accepted.try_acquire() else {
            let message = "too many queries at the same time: try again later";
            return Response::plain(429, message);
        };
        // The semaphore is never closed.
        let Ok(running) = self.running.clone().acquire_owned().await else {
            return Response::plain(503, "this endpoint has ended");
        };
        let leaving = Leaving(Cancel::default());
        let (send, answer) = oneshot::channel();
        let (analytics, limits, cancel) = (self.analytics.clone(), self.limits, leaving.0.clone());
        let work = move || {
            let request = Request {
                sql: &sql,
                params: Params::None,
                now,
                rules: Rules::ANALYTICS,
                limits,
            };
            let response = respond(&analytics, &request, &cancel);
            drop(running);
            // The client may have left.
            _ = send.send(response);
        };
        let started = std::thread::Builder::new()
            .name("analytics".to_owned())
            .spawn(work);
        match (started, answer.await) {
            (Ok(_), Ok(response)) => response,
            (Ok(_), Err(_)) => Response::plain(500, "the query ended by a panic"),
            (Err(error), _) => Response::plain(503, &format!("no thread for the query: {error}")),
        }
    }
}

/// Cancels a query when it is dropped.
struct Leaving(Cancel);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn respond(analytics: &Analytics, request: &Request<'_>, cancel: &Cancel) -> Response {
    match analytics.query(request, cancel) {
        Ok(answer) => {
            let format = answer.format.unwrap_or(Format::Json);
            Response {
                status: 200,
                content_type: format.content_type(),
                body: answer.write(format),
            }
        }
        // <https://developers.cloudflare.com/analytics/sql-api/errors/>
        Err(error) => match error.kind() {
            ErrorKind::Invalid => Response::plain(422, &format!("Input was invalid: {error}")),
            ErrorKind::Limit => Response::plain(507, &error.to_string()),
            ErrorKind::Cancelled | ErrorKind::Data => Response::plain(503, &error.to_string()),
        },
    }
}

impl Response {
    fn plain(status: u16, message: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{message}\n"),
        }
    }
}

#[cfg(test)]
mod tests;
