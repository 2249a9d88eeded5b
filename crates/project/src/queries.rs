//! Answers the queries of Workers, over everything that the Workers of a project have left.

use jiff::Timestamp;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use taffrail_logs::Datasets;
use taffrail_runtime::{BoxFuture, QueryError, WorkerId};
use taffrail_sql::Limits;
use tokio::sync::Semaphore;

/// Concurrent queries of all Workers. Each of them can need twice the bytes of a result.
const QUERIES: usize = 2;

/// The status of an answer, and those of queries that may have one later.
const OK: u16 = 200;
const LATER: [u16; 2] = [429, 503];

/// The queries of Workers.
pub(crate) struct Queries {
    all: taffrail_sql::Queries,
    /// One at a time for each Worker, by its id, so that none keeps the others from theirs.
    turns: Mutex<HashMap<WorkerId, Arc<Semaphore>>>,
}

impl Queries {
    /// Queries of the data of Workers in a directory.
    pub(crate) fn new(data: &Path) -> Self {
        let datasets = Datasets::in_directory(data);
        Self {
            all: taffrail_sql::Queries::new(QUERIES, Limits::default(), move |request, cancel| {
                datasets.query(request, cancel)
            }),
            turns: Mutex::default(),
        }
    }

    fn turns(&self, worker: &WorkerId) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = turns.entry(worker.clone());
        Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

impl taffrail_runtime::Queries for Queries {
    fn answer<'a>(
        &'a self,
        worker: &'a WorkerId,
        query: String,
    ) -> BoxFuture<'a, Result<String, QueryError>> {
        Box::pin(async move {
            let turns = self.turns(worker);
            // The semaphore is never closed.
            let _turn = turns.acquire().await;
            let answer = self.all.answer_sql(query, Timestamp::now()).await;
            match answer.status {
                OK => Ok(answer.body),
                status => Err(QueryError {
                    message: answer.body.trim_end().to_owned(),
                    is_retryable: LATER.contains(&status),
                }),
            }
        })
    }
}
