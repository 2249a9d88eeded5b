//! What Durable Objects keep: `ctx.storage`.

use crate::channels::Channels;
use crate::invocation::Invocation;
use crate::script::ObjectKey;
use crate::store::{Listing, ObjectFailed, StoredObject};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request as the script writes it. Values are text that the script made of
/// them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Request {
    Get(Vec<String>),
    Put(BTreeMap<String, String>),
    Delete(Vec<String>),
    List(Listing),
    DeleteAll {},
    GetAlarm {},
    /// In milliseconds since 1970, null for none.
    SetAlarm(Option<u64>),
}

/// Answers a request of an object, both in JSON.
pub(super) async fn answer(
    channels: &dyn Channels,
    invocation: &Invocation,
    key: &ObjectKey,
    request: &str,
) -> String {
    let request: Request = match serde_json::from_str(request) {
        Ok(request) => request,
        Err(error) => return failed(&format!("the request is malformed: {error}")),
    };
    let object = StoredObject {
        worker: invocation.worker.id.clone(),
        key: key.clone(),
    };
    match answered(channels, invocation, object, request).await {
        Ok(answer) => json!({ "ok": answer }).to_string(),
        Err(error) => failed(&error),
    }
}

async fn answered(
    channels: &dyn Channels,
    invocation: &Invocation,
    object: StoredObject,
    request: Request,
) -> Result<Value, ObjectFailed> {
    let storage = &invocation.worker.storage;
    Ok(match request {
        Request::Get(keys) => json!(storage.object_get(object, keys).await?),
        Request::Put(entries) => json!(storage.object_put(object, entries).await?),
        Request::Delete(keys) => json!(storage.object_delete(object, keys).await?),
        Request::List(listing) => json!(storage.object_list(object, listing).await?),
        Request::DeleteAll {} => json!(storage.object_delete_all(object).await?),
        Request::GetAlarm {} => json!(storage.alarm(object).await?),
        Request::SetAlarm(time) => {
            storage.set_alarm(object, time).await?;
            channels.ring_alarms().map_err(|failed| failed.message)?;
            Value::Null
        }
    })
}

fn failed(message: &str) -> String {
    json!({ "error": message }).to_string()
}
