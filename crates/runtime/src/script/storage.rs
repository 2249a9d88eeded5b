//! The storage of Durable Objects: `ctx.storage`.

use crate::channels::Channels;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use taffrail_store::{Listing, ObjectError, ObjectKey, Storage};

/// A request, as sent by the script. Values are texts that the script has serialized.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Request {
    Get(Vec<String>),
    Put(BTreeMap<String, String>),
    Delete(Vec<String>),
    List(ListJson),
    DeleteAll {},
    GetAlarm {},
    /// In milliseconds since 1970. `null` removes the alarm.
    SetAlarm(Option<u64>),
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListJson {
    start: Option<String>,
    start_after: Option<String>,
    end: Option<String>,
    prefix: Option<String>,
    reverse: bool,
    limit: Option<u32>,
}

impl From<ListJson> for Listing {
    fn from(json: ListJson) -> Self {
        Self {
            start: json.start,
            start_after: json.start_after,
            end: json.end,
            prefix: json.prefix,
            reverse: json.reverse,
            limit: json.limit,
        }
    }
}

/// Answers a request of an object. Request and answer are JSON.
pub(super) async fn answer(channels: &dyn Channels, object: &ObjectKey, request: &str) -> String {
    let request: Request = match serde_json::from_str(request) {
        Ok(request) => request,
        Err(error) => return failed(&format!("the request is malformed: {error}")),
    };
    let sets_alarm = matches!(request, Request::SetAlarm(_));
    let storage = channels.storage();
    let answer = match answered(storage, object.clone(), request).await {
        Ok(answer) => answer,
        Err(error) => return failed(&error.to_string()),
    };
    if sets_alarm && let Err(error) = channels.ring_alarms() {
        return failed(&error.message);
    }
    json!({ "ok": answer }).to_string()
}

async fn answered(
    storage: &Storage,
    object: ObjectKey,
    request: Request,
) -> Result<Value, ObjectError> {
    Ok(match request {
        Request::Get(keys) => json!(storage.object_get(object, keys).await?),
        Request::Put(entries) => json!(storage.object_put(object, entries).await?),
        Request::Delete(keys) => json!(storage.object_delete(object, keys).await?),
        Request::List(listing) => json!(storage.object_list(object, listing.into()).await?),
        Request::DeleteAll {} => json!(storage.object_delete_all(object).await?),
        Request::GetAlarm {} => json!(storage.alarm(object).await?),
        Request::SetAlarm(time) => json!(storage.set_alarm(object, time).await?),
    })
}

fn failed(message: &str) -> String {
    json!({ "error": message }).to_string()
}
