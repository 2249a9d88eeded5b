//! Queries of Workers in SQL.

use crate::channels::future::BoxFuture;
use crate::settings::identity::WorkerId;

/// Answers the queries of Workers that have the binding
/// [`AnalyticsSql`](crate::Binding::AnalyticsSql). What a query may read is for it to decide.
pub trait Queries: Send + Sync {
    /// Answers a query of `worker`: JSON with `query`, and perhaps `params`. The answer is JSON,
    /// which the Worker receives as a value.
    ///
    /// The future is dropped if the Worker stops waiting.
    fn answer<'a>(
        &'a self,
        worker: &'a WorkerId,
        query: String,
    ) -> BoxFuture<'a, Result<String, QueryError>>;
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// The message of the error that the Worker receives.
    pub message: String,
    /// Whether the same query may have an answer later.
    pub is_retryable: bool,
}
