//! What Durable Objects keep: `ctx.storage`.

use super::ObjectKey;
use crate::invocation::Invocation;
use crate::objects::{Listing, StoredObject};
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
pub(super) fn answer(invocation: &Invocation, key: &ObjectKey, request: &str) -> String {
    let Some(platform) = invocation.worker.platform.upgrade() else {
        return failed("the runtime is ending");
    };
    let request: Request = match serde_json::from_str(request) {
        Ok(request) => request,
        Err(error) => return failed(&format!("the request is malformed: {error}")),
    };
    let object = StoredObject {
        worker: invocation.worker.settings.name.clone(),
        key: key.clone(),
    };
    let objects = &platform.objects;
    let answer = match request {
        Request::Get(keys) => json!(objects.get(&object, &keys)),
        Request::Put(entries) => match objects.put(&object, entries) {
            Ok(()) => Value::Null,
            Err(error) => return failed(&error),
        },
        Request::Delete(keys) => json!(objects.delete(&object, &keys)),
        Request::List(listing) => json!(objects.list(&object, &listing)),
        Request::DeleteAll {} => {
            objects.delete_all(&object);
            Value::Null
        }
        Request::GetAlarm {} => json!(objects.alarm(&object)),
        Request::SetAlarm(time) => {
            objects.set_alarm(&platform, &object, time);
            Value::Null
        }
    };
    json!({ "ok": answer }).to_string()
}

fn failed(message: &str) -> String {
    json!({ "error": message }).to_string()
}
