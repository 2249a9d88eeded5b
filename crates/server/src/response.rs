//! What the client gets.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{Either, Full};
use taffrail_runtime::trace::Outcome;
use taffrail_runtime::{FetchResult, ResponseBody};

/// A Worker's response, or one that the server made in its place.
pub(crate) type Response = http::Response<Either<ResponseBody, Full<Bytes>>>;

pub(crate) fn from_result(result: FetchResult, show_failures: bool) -> Response {
    match result {
        FetchResult::Response(response) => response.map(Either::Left),
        FetchResult::Failed {
            outcome, exception, ..
        } => {
            let status = status(outcome);
            let mut response = match exception {
                Some(exception) if show_failures => plain(
                    status,
                    format!("{}: {}\n", exception.name, exception.message),
                ),
                _ => failure(status),
            };
            if outcome == Outcome::LoadShed {
                // Seconds: an invocation may well be over by then.
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            response
        }
    }
}

pub(crate) fn bad_request(problem: &'static str) -> Response {
    plain(StatusCode::BAD_REQUEST, format!("{problem}\n"))
}

/// Says no more than that something went wrong, and like workerd not even of
/// which type the text is.
pub(crate) fn failure(status: StatusCode) -> Response {
    let reason = status.canonical_reason().unwrap_or("Error");
    let mut response = plain(status, reason.to_owned());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

/// The status for an invocation that set no response: 503 where Cloudflare
/// answers with its error 1102, 500 where it does with 1101.
fn status(outcome: Outcome) -> StatusCode {
    match outcome {
        Outcome::ExceededCpu
        | Outcome::ExceededMemory
        | Outcome::LoadShed
        | Outcome::KillSwitch
        | Outcome::Aborted
        | Outcome::ScriptNotFound => StatusCode::SERVICE_UNAVAILABLE,
        Outcome::ExceededWallTime => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

pub(crate) fn plain(status: StatusCode, text: String) -> Response {
    let mut response = http::Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain;charset=UTF-8"),
    );
    response
}
