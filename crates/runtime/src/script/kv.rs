//! A script's requests to its KV namespaces.

use crate::channels::Channels;
use crate::channels::failed::CallFailed;
use crate::channels::spans::kv_span;
use crate::clock;
use crate::invocation::Invocation;
use crate::invocation::held::CannotCollect;
use crate::script::token::Token;
use crate::settings::Binding;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value, json};
use std::sync::Arc;
use taffrail_store::{Entry, KvError, Listed, Page, Put, Storage, VALUE_BYTES};
use taffrail_trace::SpanId;
use wasmtime_wasi_http::WasiBody;

/// A request, as sent by the script.
#[derive(Deserialize)]
pub(super) struct Request {
    kv: String,
    #[serde(flatten)]
    operation: Operation,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Operation {
    Get(String),
    /// The value is the body of the request.
    Put(PutJson),
    Delete(String),
    List(ListJson),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutJson {
    key: String,
    metadata: Option<Value>,
    /// In seconds since 1970.
    expiration: Option<Number>,
    /// In seconds from now.
    expiration_ttl: Option<Number>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListJson {
    prefix: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// The name of the header that holds the metadata of a value, as JSON.
const METADATA: &str = "metadata";

/// The default number of listed keys, which is Cloudflare's.
const LISTED: usize = 1000;

pub(super) async fn answer(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    within: SpanId,
    token: &Token,
    request: Request,
    body: WasiBody,
) -> Result<Response<WasiBody>, CallFailed> {
    let operation = request.operation.span_name();
    let key = request.operation.key();
    let span = kv_span(caller, within, operation, &request.kv, key);
    let answered = answered(channels, caller, token, request, body).await;
    span.end(answered.is_ok());
    answered
}

async fn answered(
    channels: &dyn Channels,
    caller: &Invocation,
    token: &Token,
    request: Request,
    body: WasiBody,
) -> Result<Response<WasiBody>, CallFailed> {
    let Some(Binding::Kv(namespace)) = caller.worker.settings.bindings.get(&request.kv) else {
        return Err(CallFailed::new(format!(
            "there is no KV namespace `{}`",
            request.kv
        )));
    };
    let namespace = namespace.clone();
    let value = match &request.operation {
        // One byte above the limit, so that a longer value is noticed.
        Operation::Put(_) => match caller.collect(body, VALUE_BYTES + 1).await {
            Err(CannotCollect::TooLong) => return Err(too_large()),
            value => value?,
        },
        Operation::Get(_) | Operation::Delete(_) | Operation::List(_) => Bytes::new(),
    };
    let name = request.operation.name();
    let storage = channels.storage();
    let done = request
        .operation
        .run(storage, namespace, value, token)
        .await;
    let response = done.map_err(|Refused { status, reason }| {
        CallFailed::new(format!("KV {name} failed: {status} {reason}"))
    })?;
    // Charged at once: so there are never more uncharged values than turns of Workers.
    let charge = caller.host_memory().charge(response.body().len());
    let charge = caller.charged(charge)?;
    Ok(response.map(|value| body_of(charge.bytes(value))))
}

/// Why an operation was refused.
struct Refused {
    status: u16,
    reason: String,
}

impl From<KvError> for Refused {
    fn from(error: KvError) -> Self {
        Self {
            status: error.status(),
            reason: error.to_string(),
        }
    }
}

fn body_of(value: Bytes) -> WasiBody {
    Full::from(value)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn too_large() -> CallFailed {
    let limit = VALUE_BYTES;
    CallFailed::new(format!(
        "KV PUT failed: 413 Value length exceeds limit of {limit}."
    ))
}

impl Operation {
    fn span_name(&self) -> &'static str {
        match self {
            Self::Get(_) => "kv_get",
            Self::Put(_) => "kv_put",
            Self::Delete(_) => "kv_delete",
            Self::List(_) => "kv_list",
        }
    }

    fn key(&self) -> Option<&str> {
        match self {
            Self::Get(key) | Self::Delete(key) | Self::Put(PutJson { key, .. }) => Some(key),
            Self::List(_) => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Get(_) => "GET",
            Self::Put(_) => "PUT",
            Self::Delete(_) => "DELETE",
            Self::List(_) => "GET",
        }
    }

    async fn run(
        self,
        storage: &Storage,
        namespace: String,
        value: Bytes,
        token: &Token,
    ) -> Result<Response<Vec<u8>>, Refused> {
        let now = clock::epoch_ms() / 1000;
        match self {
            Self::Get(key) => Ok(match storage.kv_get(namespace, key, now).await? {
                None => {
                    let mut missing = Response::new(Vec::new());
                    *missing.status_mut() = StatusCode::NOT_FOUND;
                    missing
                }
                Some(entry) => found(entry, token),
            }),
            Self::Put(put) => {
                let put_as = Put {
                    value,
                    expiration: put.expires(now)?,
                    metadata: put.metadata.map(|metadata| metadata.to_string()),
                };
                storage.kv_put(namespace, put.key, put_as, now).await?;
                Ok(Response::new(Vec::new()))
            }
            Self::Delete(key) => {
                storage.kv_delete(namespace, key).await?;
                Ok(Response::new(Vec::new()))
            }
            Self::List(list) => {
                let prefix = list.prefix.unwrap_or_default();
                let limit = list.limit.unwrap_or(LISTED);
                let page = storage.kv_list(namespace, prefix, list.cursor, limit, now);
                Ok(listing(page.await?))
            }
        }
    }
}

fn found(entry: Entry, token: &Token) -> Response<Vec<u8>> {
    let mut found = Response::new(entry.value);
    if let Some(metadata) = entry.metadata {
        token.say(METADATA, &metadata, found.headers_mut());
    }
    found
}

fn listing(page: Page) -> Response<Vec<u8>> {
    let keys: Vec<Value> = page.keys.into_iter().map(key).collect();
    let is_last = page.cursor.is_none();
    let mut listing = json!({ "keys": keys, "list_complete": is_last, "cacheStatus": null });
    if let Some(cursor) = page.cursor {
        listing["cursor"] = cursor.into();
    }
    Response::new(listing.to_string().into_bytes())
}

impl PutJson {
    /// Returns the time of expiry, in seconds since 1970. The wording of errors is Cloudflare's.
    fn expires(&self, now: u64) -> Result<Option<u64>, Refused> {
        let refused = |key: &str, number: &Number, rule: &str| Refused {
            status: 400,
            reason: format!("Invalid {key} of {number}. Please specify integer {rule}."),
        };
        match (&self.expiration, &self.expiration_ttl) {
            (Some(number), _) => match number.as_u64() {
                Some(seconds) => Ok(Some(seconds)),
                None => Err(refused(
                    "expiration",
                    number,
                    "greater than the current number of seconds since the UNIX epoch",
                )),
            },
            (None, Some(number)) => {
                let seconds = number.as_u64().filter(|seconds| *seconds > 0);
                match seconds.and_then(|seconds| now.checked_add(seconds)) {
                    Some(expires) => Ok(Some(expires)),
                    None => Err(refused("expiration_ttl", number, "greater than 0")),
                }
            }
            (None, None) => Ok(None),
        }
    }
}

fn key(listed: Listed) -> Value {
    let mut key = json!({ "name": listed.name });
    if let Some(expiration) = listed.expiration {
        key["expiration"] = expiration.into();
    }
    if let Some(metadata) = listed.metadata
        && let Ok(metadata) = serde_json::from_str::<Box<RawValue>>(&metadata)
    {
        key["metadata"] = json!(metadata);
    }
    key
}
