//! What Durable Objects keep: `ctx.storage`.

use super::ObjectKey;
use crate::invocation::Invocation;
use crate::platform::Platform;
use crate::store::{Listing, ObjectFailed, StoredObject};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

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
pub(super) fn answer(invocation: &Invocation, key: &ObjectKey, request: &str) -> String {
    let Some(platform) = invocation.worker.platform.upgrade() else {
        return failed("the runtime is ending");
    };
    let request: Request = match serde_json::from_str(request) {
        Ok(request) => request,
        Err(error) => return failed(&format!("the request is malformed: {error}")),
    };
    let object = StoredObject {
        worker: invocation.worker.id.clone(),
        key: key.clone(),
    };
    match answered(&platform, &object, request) {
        Ok(answer) => json!({ "ok": answer }).to_string(),
        Err(error) => failed(&error),
    }
}

fn answered(
    platform: &Arc<Platform>,
    object: &StoredObject,
    request: Request,
) -> Result<Value, ObjectFailed> {
    let store = &platform.store;
    Ok(match request {
        Request::Get(keys) => json!(store.object_get(object, &keys)?),
        Request::Put(entries) => json!(store.object_put(object, &entries)?),
        Request::Delete(keys) => json!(store.object_delete(object, &keys)?),
        Request::List(listing) => json!(store.object_list(object, &listing)?),
        Request::DeleteAll {} => json!(store.object_delete_all(object)?),
        Request::GetAlarm {} => json!(store.alarm(object)?),
        Request::SetAlarm(time) => json!(platform.set_alarm(object, time)?),
    })
}

fn failed(message: &str) -> String {
    json!({ "error": message }).to_string()
}
