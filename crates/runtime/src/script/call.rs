//! A script's calls of other Workers.

use crate::invocation::Invocation;
use crate::service::{self, CallFailed};
use crate::settings::Target;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use serde::Deserialize;
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
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    cf: Option<Json>,
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
    let malformed = |what: &str| CallFailed::new(format!("the request's {what} is malformed"));
    let uri: Uri = call.url.parse().map_err(|_| malformed("URL"))?;
    let mut called = Request::new(request.into_body());
    *called.method_mut() =
        Method::from_bytes(call.method.as_bytes()).map_err(|_| malformed("method"))?;
    *called.uri_mut() = uri;
    *called.headers_mut() = headers(&call.headers).ok_or_else(|| malformed("header"))?;
    // In process a body has no length before its end, as on workerd.
    called.headers_mut().remove(CONTENT_LENGTH);
    service::fetch(invocation, target, called, call.cf).await
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
