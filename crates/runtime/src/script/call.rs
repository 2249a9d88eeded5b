//! A script's calls of other Workers.

use crate::event::{Event, QueueMessage};
use crate::invocation::Invocation;
use crate::service::{self, CallFailed};
use crate::settings::Target;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, request};
use http_body_util::{BodyExt, Empty, Full};
use serde::Deserialize;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};
use std::sync::Arc;
use taffrail_trace::Json;
use wasmtime_wasi_http::WasiBody;

/// Where a script says what it calls, in JSON.
const CALL: &str = "taffrail-call";

/// Where the host says that the call failed, in JSON.
const FAILED: &str = "taffrail-failed";

/// A call as the script writes it.
#[derive(Deserialize)]
struct Call {
    #[serde(flatten)]
    callee: Callee,
    #[serde(flatten)]
    with: With,
}

/// What a script calls with.
#[derive(Deserialize)]
#[serde(untagged)]
enum With {
    /// A request, whose body is that of the script's request to its host.
    Request {
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        cf: Option<Value>,
    },
    /// An event, which is the body.
    Event {
        #[serde(rename = "event")]
        _event: bool,
    },
}

/// An event as a script writes it.
#[derive(Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
enum Called {
    Scheduled {
        cron: String,
        scheduled_time: u64,
    },
    Queue {
        queue: String,
        messages: Vec<Message>,
    },
}

#[derive(Deserialize)]
struct Message {
    id: String,
    timestamp: u64,
    attempts: u32,
    body: Value,
}

/// Whom a script calls.
#[derive(Deserialize)]
#[serde(untagged)]
enum Callee {
    /// The Worker of a binding.
    Binding { binding: String },
    /// An export of its own.
    Export {
        export: String,
        #[serde(default)]
        props: Map<String, Value>,
    },
}

/// Makes the call that a script's request to its host describes.
pub(crate) async fn fetch(
    invocation: &Arc<Invocation>,
    request: Request<WasiBody>,
) -> Response<WasiBody> {
    match answered(invocation, request).await {
        Ok(response) => response,
        Err(failed) => failure(&failed),
    }
}

async fn answered(
    invocation: &Arc<Invocation>,
    request: Request<WasiBody>,
) -> Result<Response<WasiBody>, CallFailed> {
    if let Err(refusal) = invocation.subrequest() {
        return Err(CallFailed::new(refusal.to_string()));
    }
    let call: Call = request
        .headers()
        .get(CALL)
        .and_then(|call| serde_json::from_slice(call.as_bytes()).ok())
        .ok_or_else(|| CallFailed::new("the call is malformed"))?;
    let target = call.callee.target(invocation)?;
    match call.with {
        With::Request {
            method,
            url,
            headers,
            cf,
        } => {
            let head = head(&method, &url, &headers)?;
            let called = Request::from_parts(head, request.into_body());
            let cf = cf.as_ref().map(json).transpose()?;
            service::fetch(invocation, target, called, cf).await
        }
        With::Event { .. } => {
            let event = event(request.into_body()).await?;
            let result = service::dispatch(invocation, target, event).await?;
            let body = Full::from(result.to_string()).map_err(|never| match never {});
            Ok(Response::new(body.boxed_unsync()))
        }
    }
}

fn head(method: &str, url: &str, pairs: &[(String, String)]) -> Result<request::Parts, CallFailed> {
    let malformed = |what: &str| CallFailed::new(format!("the request's {what} is malformed"));
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(method.as_bytes()).map_err(|_| malformed("method"))?;
    head.uri = url.parse().map_err(|_| malformed("URL"))?;
    head.headers = headers(pairs).ok_or_else(|| malformed("header"))?;
    // In process a body has no length before its end, as on workerd.
    head.headers.remove(CONTENT_LENGTH);
    Ok(head)
}

/// The event in a body. Its size has the bound of the memory that it was
/// written in.
async fn event(body: WasiBody) -> Result<Event, CallFailed> {
    let malformed = || CallFailed::new("the event is malformed");
    let bytes = body.collect().await.map_err(|_| malformed())?.to_bytes();
    Ok(
        match serde_json::from_slice(&bytes).map_err(|_| malformed())? {
            Called::Scheduled {
                cron,
                scheduled_time,
            } => Event::Scheduled {
                cron,
                scheduled_time,
            },
            Called::Queue { queue, messages } => Event::Queue {
                queue,
                messages: messages
                    .into_iter()
                    .map(message)
                    .collect::<Result<_, _>>()?,
            },
        },
    )
}

fn message(message: Message) -> Result<QueueMessage, CallFailed> {
    Ok(QueueMessage {
        id: message.id,
        timestamp: message.timestamp,
        attempts: message.attempts,
        body: json(&message.body)?,
    })
}

fn json(value: &Value) -> Result<Json, CallFailed> {
    to_raw_value(value).map_err(|error| CallFailed::new(error.to_string()))
}

fn headers(pairs: &[(String, String)]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::try_from(name).ok()?;
        headers.append(name, HeaderValue::from_str(value).ok()?);
    }
    Some(headers)
}

impl Callee {
    fn target(self, invocation: &Invocation) -> Result<Arc<Target>, CallFailed> {
        let settings = &invocation.worker.settings;
        match self {
            Self::Binding { binding } => match settings.services.get(&binding) {
                Some(target) => Ok(Arc::new(target.clone())),
                None => Err(CallFailed::new(format!(
                    "there is no service binding `{binding}`"
                ))),
            },
            Self::Export { export, props } => Ok(Arc::new(Target {
                worker: settings.name.clone(),
                entrypoint: (export != "default").then_some(export),
                props,
            })),
        }
    }
}

/// What the script makes an exception of.
fn failure(failed: &CallFailed) -> Response<WasiBody> {
    let body = Empty::new().map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    let json = serde_json::to_string(failed).unwrap_or_default();
    if let Ok(json) = HeaderValue::from_str(&escaped(&json)) {
        response.headers_mut().insert(FAILED, json);
    }
    response
}

/// JSON in ASCII, as headers have it.
fn escaped(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}
