//! What a collector says to a message.

use crate::settings::Protocol;
use crate::signal::Signal;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use jiff::fmt::rfc2822;
use prost::Message;
use std::time::Duration;

/// The most characters of a collector's own words in one line of the log.
const SHOWN: usize = 200;

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The collector has it, but for this many records, for which it has a reason.
    Taken { rejected: u64, message: String },
    /// It may be sent again.
    Later {
        reason: Reason,
        message: String,
        /// The pause that the collector wants.
        after: Option<Duration>,
    },
    /// It is not to be sent again.
    Refused { reason: Reason, message: String },
}

/// Why a message is not taken. There are few, so that losses can be counted by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is no connection.
    Unreachable,
    /// There is no answer in time, or the connection broke.
    NoAnswer,
    /// The answer has this status.
    Status(u16),
    /// The answer is none of OTLP.
    NoCollector,
    /// The message cannot be encoded.
    Encoding,
}

impl Reason {
    /// Returns a clause.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Unreachable => "the collector cannot be reached".to_owned(),
            Self::NoAnswer => "the collector does not answer".to_owned(),
            Self::Status(status) => format!("the collector answers with the status {status}"),
            Self::NoCollector => "what answers is no collector".to_owned(),
            Self::Encoding => "it cannot be encoded".to_owned(),
        }
    }
}

/// Reads an answer. `now` is in nanoseconds since 1970.
pub(crate) fn read(
    signal: Signal,
    protocol: Protocol,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: u64,
) -> Answer {
    let reason = Reason::Status(status.as_u16());
    let encoding = Encoding::of(headers, protocol);
    match status.as_u16() {
        200..=299 => match encoding.partial_success(signal, body) {
            Some((rejected, message)) => Answer::Taken {
                rejected,
                message: shown(&message),
            },
            None => Answer::Refused {
                reason: Reason::NoCollector,
                message: shown(&String::from_utf8_lossy(body)),
            },
        },
        429 | 502 | 503 | 504 => Answer::Later {
            reason,
            message: encoding.failure(body),
            after: retry_after(headers, now),
        },
        _ => Answer::Refused {
            reason,
            message: encoding.failure(body),
        },
    }
}

#[derive(Clone, Copy)]
enum Encoding {
    Protobuf,
    Json,
    Text,
}

/// `google.rpc.Status`, as collectors explain failures.
#[derive(Clone, PartialEq, Message)]
struct Failure {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The answers of all signals, which differ in names alone.
#[derive(Clone, PartialEq, Message)]
struct Success {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

impl Encoding {
    /// Answers have the encoding of the message, unless they say otherwise.
    fn of(headers: &HeaderMap, protocol: Protocol) -> Self {
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or("").trim());
        match (kind, protocol) {
            (Some("application/json"), _) | (None, Protocol::Json) => Self::Json,
            (Some("application/x-protobuf" | "application/protobuf"), _)
            | (None, Protocol::Protobuf) => Self::Protobuf,
            (Some(_), _) => Self::Text,
        }
    }

    /// Returns how many records were rejected, and why. `None` if it is no answer of a collector.
    fn partial_success(self, signal: Signal, body: &[u8]) -> Option<(u64, String)> {
        if body.is_empty() {
            return Some((0, String::new()));
        }
        match self {
            Self::Protobuf => {
                let success = Success::decode(body).ok()?;
                let partial = success.partial_success.unwrap_or_default();
                let rejected = u64::try_from(partial.rejected).unwrap_or(0);
                Some((rejected, partial.error_message))
            }
            Self::Json => {
                let json: serde_json::Value = serde_json::from_slice(body).ok()?;
                let partial = &json.as_object()?.get("partialSuccess");
                let key = match signal {
                    Signal::Traces => "rejectedSpans",
                    Signal::Logs => "rejectedLogRecords",
                    Signal::Metrics => "rejectedDataPoints",
                };
                let field = |key| partial.and_then(|partial| partial.get(key));
                let rejected = field(key).and_then(|count| match count {
                    serde_json::Value::String(text) => text.parse().ok(),
                    number => number.as_u64(),
                });
                let message = field("errorMessage").and_then(|message| message.as_str());
                Some((rejected.unwrap_or(0), message.unwrap_or("").to_owned()))
            }
            Self::Text => None,
        }
    }

    /// Returns the explanation of a failure.
    fn failure(self, body: &[u8]) -> String {
        let message = match self {
            Self::Protobuf => Failure::decode(body).ok().map(|failure| failure.message),
            Self::Json => serde_json::from_slice::<serde_json::Value>(body)
                .ok()
                .and_then(|json| Some(json.get("message")?.as_str()?.to_owned())),
            Self::Text => None,
        };
        shown(&message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()))
    }
}

/// Shortens a text for the log, without what moves a cursor.
fn shown(text: &str) -> String {
    let characters = text.trim().chars().take(SHOWN);
    characters
        .map(|character| match character.is_control() {
            true => ' ',
            false => character,
        })
        .collect()
}

/// Reads `Retry-After`: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let nanoseconds = u64::try_from(date.as_nanosecond()).ok()?;
    Some(Duration::from_nanos(nanoseconds.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        // 2015-10-21T07:28:00Z
        let now = 1_445_412_480_000_000_000;
        let protocol = Protocol::Protobuf;
        read(Signal::Logs, protocol, status, &headers, body, now)
    }

    fn taken(rejected: u64, message: &str) -> Answer {
        Answer::Taken {
            rejected,
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_partial_success_is_read_in_both_encodings() {
        assert_eq!(answer(200, &[], b""), taken(0, ""));
        assert_eq!(
            answer(204, &[("content-type", "text/plain")], b""),
            taken(0, "")
        );
        let partial = Success {
            partial_success: Some(PartialSuccess {
                rejected: 3,
                error_message: "too\u{1b}[2Jold".to_owned(),
            }),
        };
        let body = partial.encode_to_vec();
        assert_eq!(answer(200, &[], &body), taken(3, "too [2Jold"));
        let json = [("content-type", "application/json; charset=utf-8")];
        let body = br#"{"partialSuccess":{"rejectedLogRecords":"4","errorMessage":"x"}}"#;
        assert_eq!(answer(200, &json, body), taken(4, "x"));
        let body = br#"{"partialSuccess":{"rejectedLogRecords":5}}"#;
        assert_eq!(answer(200, &json, body), taken(5, ""));
        assert_eq!(answer(200, &json, b"{}"), taken(0, ""));
        // A number that cannot be is none.
        let minus = Success {
            partial_success: Some(PartialSuccess {
                rejected: -1,
                error_message: String::new(),
            }),
        };
        assert_eq!(answer(200, &[], &minus.encode_to_vec()), taken(0, ""));
    }

    #[test]
    fn an_answer_that_is_none_of_otlp_is_no_success() {
        let page = b"<!DOCTYPE html><title>Sign in</title>";
        for headers in [
            &[("content-type", "text/html")][..],
            &[("content-type", "application/json")],
            &[],
        ] {
            let Answer::Refused { reason, message } = answer(200, headers, page) else {
                panic!("{headers:?}");
            };
            assert_eq!(reason, Reason::NoCollector);
            assert!(message.contains("Sign in"));
        }
    }

    #[test]
    fn what_may_be_sent_again_is_told_from_what_may_not() {
        for status in [429, 502, 503, 504] {
            let later = answer(status, &[], b"");
            assert!(matches!(later, Answer::Later { after: None, .. }));
        }
        for status in [301, 400, 401, 404, 413, 500, 501] {
            let refused = answer(status, &[("retry-after", "1")], b"");
            assert!(matches!(refused, Answer::Refused { .. }), "{status}");
        }
        let failure = Failure {
            code: 3,
            message: "no such tenant".to_owned(),
        };
        assert_eq!(
            answer(400, &[], &failure.encode_to_vec()),
            Answer::Refused {
                reason: Reason::Status(400),
                message: "no such tenant".to_owned()
            }
        );
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |text: &str| match answer(503, &[("retry-after", text)], b"") {
            Answer::Later { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        let date = "Wed, 21 Oct 2015 07:28:30 GMT";
        assert_eq!(after(date), Some(Duration::from_secs(30)));
        let past = "Wed, 21 Oct 2015 07:00:00 GMT";
        assert_eq!(after(past), Some(Duration::ZERO));
        for text in ["soon", "-1", "99999999999999999999999"] {
            assert_eq!(after(text), None, "{text}");
        }
    }
}
