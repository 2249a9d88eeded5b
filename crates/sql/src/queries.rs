//! Queries of those who cannot be trusted to ask few at a time.

use crate::answer::Answer;
use crate::error::{Error, ErrorKind};
use crate::request::{Params, Request};
use crate::rules::{Cancel, Limits, Rules};
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};

/// How many queries may wait for those that run.
pub(crate) const WAITING: usize = 32;

/// What runs a query.
type Source = dyn Fn(&Request<'_>, &Cancel) -> Result<Answer, Error> + Send + Sync;

/// Runs queries on threads of their own, so many at a time. 32 wait for them, and further ones are
/// refused.
#[derive(Clone)]
pub struct Queries {
    source: Arc<Source>,
    pub(crate) limits: Limits,
    pub(crate) running: Arc<Semaphore>,
    /// The places of queries that run or wait.
    pub(crate) accepted: Arc<Semaphore>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Query {
    /// The text.
    pub sql: String,
    /// The values of parameters.
    pub params: Params,
    /// What `now()` is.
    pub now: Timestamp,
    /// What the text may consist of.
    pub rules: Rules,
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queries").finish_non_exhaustive()
    }
}

impl Queries {
    /// Queries that `source` runs, so many at a time, each within these limits.
    pub fn new(
        running: usize,
        limits: Limits,
        source: impl Fn(&Request<'_>, &Cancel) -> Result<Answer, Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            source: Arc::new(source),
            limits,
            running: Arc::new(Semaphore::new(running)),
            accepted: Arc::new(Semaphore::new(running + WAITING)),
        }
    }

    /// Runs a query. When the future is dropped, the query ends.
    ///
    /// # Errors
    ///
    /// As [`query()`](crate::query()), and with [`ErrorKind::Busy`] if too many are waiting.
    pub async fn run(&self, query: Query) -> Result<Answer, Error> {
        let busy = |_| {
            let message = "too many queries at the same time: try again later";
            Error::new(ErrorKind::Busy, message)
        };
        let _accepted = self.accepted.try_acquire().map_err(busy)?;
        // The semaphore is never closed.
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_| Error::data("the queries have ended"))?;
        let leaving = Leaving(Cancel::default());
        let (send, answer) = oneshot::channel();
        let (source, limits, cancel) = (Arc::clone(&self.source), self.limits, leaving.0.clone());
        let work = move || {
            let request = Request {
                sql: &query.sql,
                params: query.params,
                now: query.now,
                rules: query.rules,
                limits,
            };
            let answer = source(&request, &cancel);
            drop(running);
            // Whoever asked may have left.
            _ = send.send(answer);
        };
        let started = std::thread::Builder::new()
            .name("queries".to_owned())
            .spawn(work);
        started.map_err(|error| Error::data(format!("no thread for the query: {error}")))?;
        let panicked = |_| Error::data("the query ended by a panic");
        answer.await.map_err(panicked)?
    }
}

/// Cancels a query when it is dropped.
struct Leaving(Cancel);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
