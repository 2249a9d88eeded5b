//! A script's requests to its KV namespaces.

use crate::clock;
use crate::held::CannotCollect;
use crate::invocation::Invocation;
use crate::platform::Platform;
use crate::service::CallFailed;
use crate::settings::Binding;
use crate::store::{KvFailed, Listed, Put, VALUE_BYTES};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use wasmtime_wasi_http::WasiBody;

/// A request as the script writes it.
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
    /// The value is the body.
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
    expiration: Option<u64>,
    /// In seconds from now.
    expiration_ttl: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListJson {
    prefix: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Where the metadata of a value stands, in JSON and in ASCII.
const METADATA: &str = "taffrail-metadata";

/// Cloudflare's default.
const LISTED: usize = 1000;

pub(super) async fn answer(
    caller: &Invocation,
    request: Request,
    body: WasiBody,
) -> Result<Response<WasiBody>, CallFailed> {
    let Some(Binding::Kv(namespace)) = caller.worker.settings.bindings.get(&request.kv) else {
        return Err(CallFailed::new(format!(
            "there is no KV namespace `{}`",
            request.kv
        )));
    };
    let platform = caller.platform()?;
    let namespace = namespace.clone();
    let value = match &request.operation {
        // One byte more is enough to be refused.
        Operation::Put(_) => match caller.collect(body, VALUE_BYTES + 1).await {
            Err(CannotCollect::TooLong) => return Err(too_large()),
            value => value?,
        },
        Operation::Get(_) | Operation::Delete(_) | Operation::List(_) => Bytes::new(),
    };
    let name = request.operation.name();
    let account = Arc::clone(caller.host_memory());
    let work = move || {
        let response = request.operation.run(&platform, &namespace, value)?;
        // At once, so that no more than one value waits without its charge.
        let charge = account.charge(response.body().len());
        Ok((response, charge))
    };
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| CallFailed::new(error.to_string()))?;
    let (response, charge) = done.map_err(|failed: KvFailed| {
        CallFailed::new(format!(
            "KV {name} failed: {} {}",
            failed.status, failed.reason
        ))
    })?;
    let charge = caller.charged(charge)?;
    Ok(response.map(|value| body_of(charge.bytes(value))))
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
    fn name(&self) -> &'static str {
        match self {
            Self::Get(_) => "GET",
            Self::Put(_) => "PUT",
            Self::Delete(_) => "DELETE",
            Self::List(_) => "GET",
        }
    }

    fn run(
        self,
        platform: &Arc<Platform>,
        namespace: &str,
        value: Bytes,
    ) -> Result<Response<Vec<u8>>, KvFailed> {
        let now = clock::epoch_ms() / 1000;
        let store = &platform.store;
        match self {
            Self::Get(key) => Ok(match store.kv_get(namespace, &key, now)? {
                None => {
                    let mut missing = Response::new(Vec::new());
                    *missing.status_mut() = StatusCode::NOT_FOUND;
                    missing
                }
                Some(entry) => {
                    let mut found = Response::new(entry.value);
                    if let Some(metadata) = entry.metadata
                        && let Ok(metadata) =
                            HeaderValue::from_str(&super::call::escaped(&metadata))
                    {
                        found.headers_mut().insert(METADATA, metadata);
                    }
                    found
                }
            }),
            Self::Put(put) => {
                let expiration = put
                    .expiration
                    .or(put.expiration_ttl.map(|seconds| now + seconds));
                let put_as = Put {
                    value,
                    metadata: put.metadata.map(|metadata| metadata.to_string()),
                    expiration,
                };
                store.kv_put(namespace, &put.key, &put_as, now)?;
                Ok(Response::new(Vec::new()))
            }
            Self::Delete(key) => {
                store.kv_delete(namespace, &key)?;
                Ok(Response::new(Vec::new()))
            }
            Self::List(list) => {
                let (keys, has_more) = store.kv_list(
                    namespace,
                    list.prefix.as_deref().unwrap_or_default(),
                    // The cursor is the last key that was listed.
                    list.cursor.as_deref().unwrap_or_default(),
                    list.limit.unwrap_or(LISTED),
                    now,
                )?;
                let cursor = keys.last().map(|key| key.name.clone());
                let keys: Vec<Value> = keys.into_iter().map(key).collect();
                let mut listing = json!({
                    "keys": keys, "list_complete": !has_more, "cacheStatus": null
                });
                if has_more {
                    listing["cursor"] = json!(cursor);
                }
                Ok(Response::new(listing.to_string().into_bytes()))
            }
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
