//! Responses to the client.

use crate::outgoing::Made;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{Either, Full};
use taffrail_runtime::FetchResult;
use taffrail_runtime::trace::Outcome;

/// A Worker's response, or the server's in its place.
pub(crate) type Response = http::Response<Made>;

/// The headers about a connection, which the server sets: RFC 9110, section
/// 7.6.1.
const OF_THE_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

pub(crate) fn from_result(result: FetchResult, show_failures: bool) -> Response {
    match result {
        FetchResult::Response(mut response) => {
            for name in &OF_THE_CONNECTION {
                response.headers_mut().remove(name);
            }
            response.map(Either::Left)
        }
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

/// The client took too long to send its request.
pub(crate) fn too_slow() -> Response {
    let mut response = failure(StatusCode::REQUEST_TIMEOUT);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

pub(crate) fn bad_request(problem: &'static str) -> Response {
    plain(StatusCode::BAD_REQUEST, format!("{problem}\n"))
}

/// A response without details and, like workerd's, without a content type.
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
        // The client is connected, so the request is malformed.
        Outcome::Canceled => StatusCode::BAD_REQUEST,
        Outcome::Ok
        | Outcome::Exception
        | Outcome::ResponseStreamDisconnected
        | Outcome::InternalError
        | Outcome::DaemonDown
        | Outcome::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
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
