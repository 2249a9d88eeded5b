//! A script's queries in SQL.

use crate::channels::Channels;
use crate::channels::failed::CallFailed;
use crate::channels::queries::QueryError;
use crate::invocation::Invocation;
use crate::invocation::held::CannotCollect;
use crate::settings::Binding;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use std::sync::Arc;
use wasmtime_wasi_http::WasiBody;

/// The bytes of a query with its parameters.
const QUERY_BYTES: usize = 256 << 10;

/// A request, as sent by the script. The query is its body.
#[derive(Deserialize)]
pub(super) struct Request {
    sql: String,
}

/// Answers a query. A response that is not `ok` has the message of the error as its body, and a
/// status of 503 if the query may have an answer later.
pub(super) async fn answer(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    Request { sql }: Request,
    body: WasiBody,
) -> Result<Response<WasiBody>, CallFailed> {
    let Some(Binding::AnalyticsSql) = caller.worker.settings.bindings.get(&sql) else {
        return Err(CallFailed::new(format!(
            "there is no binding `{sql}` for SQL"
        )));
    };
    // One byte above the limit, so that a longer query is noticed.
    let query = match caller.collect(body, QUERY_BYTES + 1).await {
        Err(CannotCollect::TooLong) => {
            let message = format!("a query has at most {QUERY_BYTES} bytes with its parameters");
            return Err(CallFailed::new(message));
        }
        query => query?,
    };
    let query = String::from_utf8_lossy(&query).into_owned();
    let answered = match channels.queries() {
        Some(queries) => queries.answer(&caller.worker.id, query).await,
        None => Err(QueryError {
            message: "nothing is kept that could be queried".to_owned(),
            is_retryable: false,
        }),
    };
    let (status, text) = match answered {
        Ok(json) => (StatusCode::OK, json),
        Err(error) if error.is_retryable => (StatusCode::SERVICE_UNAVAILABLE, error.message),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.message),
    };
    let charge = caller.charged(caller.host_memory().charge(text.len()))?;
    let body = Full::from(charge.bytes(Bytes::from(text)))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    Ok(response)
}
