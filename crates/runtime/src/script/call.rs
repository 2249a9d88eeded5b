//! A script's calls of other Workers.

use crate::channels::Channels;
use crate::channels::call as service;
use crate::channels::dispatch;
use crate::channels::dispatch::Dispatch;
use crate::channels::failed::CallFailed;
use crate::event::{Event, Purpose, Queue, Scheduled};
use crate::invocation::Invocation;
use crate::script::callee::{Callee, Referred};
use crate::script::run::Run;
use crate::script::token::Token;
use crate::script::{byte_string, kv, load, sql};
use crate::settings::ObjectId;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, request};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::to_raw_value;
use taffrail_trace::SpanId;
use wasmtime_wasi_http::WasiBody;

/// The header of a host request that holds the arguments, as JSON.
const ARGUMENTS: &str = "arguments";

/// A call, as sent by the script.
#[derive(Deserialize)]
struct Call {
    #[serde(flatten)]
    callee: CalledBy,
    object: Option<ObjectId>,
    /// The number of the stream for the callee's records.
    live: Option<u32>,
    #[serde(flatten)]
    way: Way,
}

/// The kind of a call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Way {
    /// With a request.
    Request(Head),
    /// With an event, which is the body of the request.
    Event {},
    /// As an RPC session.
    Rpc(Session),
    /// As a session for the bytes of a connection.
    Connect(Session),
}

/// A session, as sent by the script that begins it.
#[derive(Deserialize)]
struct Session {
    /// The script's number for the session.
    session: u32,
    /// The method that is called, for the record.
    #[serde(default)]
    method: String,
}

/// The head of a request. The body is that of the host request.
#[derive(Deserialize)]
struct Head {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    /// A `Value`, since raw JSON cannot be part of an untagged enum.
    cf: Option<Value>,
}

/// An event, as sent by a script.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Called {
    Scheduled(Scheduled),
    Queue(Queue),
}

impl From<Called> for Event {
    fn from(called: Called) -> Self {
        match called {
            Called::Scheduled(event) => Self::Scheduled(event),
            Called::Queue(event) => Self::Queue(event),
        }
    }
}

/// How a script identifies the Worker that it calls.
#[derive(Deserialize)]
#[serde(untagged)]
enum CalledBy {
    Dispatch(Dispatch),
    Callee(Callee),
}

/// Answers a script's request to its host. Any component may be an engine, so the request may be
/// anything.
pub(crate) async fn answer(
    channels: &dyn Channels,
    run: &Run,
    within: SpanId,
    token: &Token,
    request: Request<WasiBody>,
) -> Result<Response<WasiBody>, CallFailed> {
    let invocation = &run.invocation;
    match request.uri().path() {
        "/load" => {
            let load = arguments(invocation, &request)?;
            // The limit is that of the memory from which it was written.
            let code = invocation.collect(request.into_body(), usize::MAX).await?;
            let _parsed = invocation.charge_parsing(&code)?;
            let worker = load::answer(channels, run, within, load, &code).await?;
            Ok(json(&worker))
        }
        "/kv" => {
            let operation = arguments(invocation, &request)?;
            let body = request.into_body();
            kv::answer(channels, invocation, within, token, operation, body).await
        }
        "/sql" => {
            let query = arguments(invocation, &request)?;
            sql::answer(channels, invocation, query, request.into_body()).await
        }
        "/call" => {
            let call = arguments(invocation, &request)?;
            make(channels, run, within, call, request.into_body()).await
        }
        other => Err(CallFailed::new(format!(
            "the host does not support `{other}`"
        ))),
    }
}

/// Parses the arguments of a host request, which counts as a subrequest.
fn arguments<T: DeserializeOwned>(
    invocation: &Invocation,
    request: &Request<WasiBody>,
) -> Result<T, CallFailed> {
    invocation.subrequest()?;
    let arguments = request
        .headers()
        .get(ARGUMENTS)
        .map_or(&[][..], HeaderValue::as_bytes);
    let malformed = |error| CallFailed::new(format!("the call is malformed: {error}"));
    serde_json::from_slice(arguments).map_err(malformed)
}

/// Makes a call.
async fn make(
    channels: &dyn Channels,
    Run {
        invocation,
        exchange,
    }: &Run,
    within: SpanId,
    call: Call,
    body: WasiBody,
) -> Result<Response<WasiBody>, CallFailed> {
    let target = match call.callee {
        CalledBy::Dispatch(dispatch) => {
            dispatch::callee(channels, invocation, within, dispatch).await?
        }
        CalledBy::Callee(callee) => {
            let object = call.object;
            Referred { callee, object }.into_target(invocation)?.into()
        }
    };
    let target = service::Callee {
        live: call.live.and_then(|live| exchange.take_live(live)),
        ..target
    };
    let (purpose, session) = match call.way {
        Way::Request(head) => {
            let called = Request::from_parts(parts(&head)?, body);
            let cf = head.cf.and_then(|cf| to_raw_value(&cf).ok());
            return service::fetch(channels, invocation, within, target, called, cf).await;
        }
        Way::Event {} => {
            let body = invocation.collect(body, usize::MAX).await?;
            let _parsed = invocation.charge_parsing(&body)?;
            let event = event(&body)?;
            let result = service::dispatch(channels, invocation, within, target, event).await?;
            return Ok(json(&result));
        }
        Way::Rpc(Session { session, method }) => (Purpose::Rpc(method), session),
        Way::Connect(Session { session, .. }) => (Purpose::Connect, session),
    };
    let (end, spans) = service::session(channels, invocation, within, target, purpose)?;
    exchange.add_session(session, end.sender, spans);
    let messages = end.receiver.map_err(|never| match never {});
    Ok(Response::new(messages.boxed_unsync()))
}

fn json(value: &Value) -> Response<WasiBody> {
    let body = Full::from(value.to_string()).map_err(|never| match never {});
    Response::new(body.boxed_unsync())
}

fn parts(head: &Head) -> Result<request::Parts, CallFailed> {
    let malformed = |what: &str| CallFailed::new(format!("the request's {what} is malformed"));
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::from_bytes(head.method.as_bytes()).map_err(|_| malformed("method"))?;
    parts.uri = head.url.parse().map_err(|_| malformed("URL"))?;
    parts.headers = headers(&head.headers).ok_or_else(|| malformed("header"))?;
    Ok(parts)
}

/// Parses the event in a body.
fn event(body: &[u8]) -> Result<Event, CallFailed> {
    let malformed = |_| CallFailed::new("the event is malformed");
    let called: Called = serde_json::from_slice(body).map_err(malformed)?;
    Ok(called.into())
}

fn headers(pairs: &[(String, String)]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::try_from(name).ok()?;
        let value = byte_string::value(value)?;
        headers.try_append(name, value).ok()?;
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::headers;

    #[test]
    fn more_headers_than_there_can_be_are_malformed() {
        let pairs = |count: u32| (0..count).map(|n| (format!("h{n}"), "1".to_owned()));
        let few: Vec<_> = pairs(100).collect();
        let many: Vec<_> = pairs(40_000).collect();
        assert_eq!(headers(&few).map(|headers| headers.len()), Some(100));
        assert!(headers(&many).is_none());
    }
}

#[cfg(test)]
mod properties {
    use super::{Call, Called, Way, parts};
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    /// Generates requests of every shape, including those of the engine.
    fn host_request() -> impl Strategy<Value = Value> {
        const KEYS: &[&str] = &[
            "binding",
            "export",
            "loaded",
            "dispatch",
            "name",
            "props",
            "object",
            "id",
            "live",
            "request",
            "method",
            "url",
            "headers",
            "cf",
            "event",
            "rpc",
            "connect",
            "session",
            "scheduled",
            "cron",
            "queue",
            "messages",
            "timestamp",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            prop::sample::select(KEYS).prop_map(Value::from),
            Just(Value::from("http://a.test:99999/\u{7f}")),
        ];
        leaf.prop_recursive(4, 60, 8, |inner| {
            let key = prop::sample::select(KEYS).prop_map(ToOwned::to_owned);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..8)
                    .prop_map(|entries| Value::from(Map::from_iter(entries))),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn any_host_request_is_a_call_or_an_error(request in host_request()) {
            if let Ok(Call { way: Way::Request(head), .. }) = serde_json::from_value(request.clone()) {
                _ = parts(&head);
            }
            _ = serde_json::from_value::<Called>(request);
        }

        #[test]
        fn any_head_is_a_request_or_an_error(
            method in "\\PC{0,8}",
            url in prop_oneof!["\\PC{0,30}", "https?://[a-z@:/?#\\[\\]\u{0}é]{0,20}"],
            headers in prop::collection::vec(("\\PC{0,8}", ".{0,12}"), 0..5),
        ) {
            _ = parts(&super::Head { method, url, headers, cf: None });
        }
    }
}
