//! The storage of Durable Objects: `ctx.storage`.

use crate::channels::Channels;
use crate::invocation::Invocation;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_store::{Listing, ObjectError, ObjectKey, Storage};
use taffrail_trace::iso8601_string;

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

impl Request {
    fn span_name(&self) -> &'static str {
        match self {
            Self::Get(_) => "durable_object_storage_get",
            Self::Put(_) => "durable_object_storage_put",
            Self::Delete(_) => "durable_object_storage_delete",
            Self::List(_) => "durable_object_storage_list",
            Self::DeleteAll {} => "durable_object_storage_deleteAll",
            Self::GetAlarm {} => "durable_object_storage_getAlarm",
            Self::SetAlarm(Some(_)) => "durable_object_storage_setAlarm",
            Self::SetAlarm(None) => "durable_object_storage_deleteAlarm",
        }
    }
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
pub(super) async fn answer(
    channels: &dyn Channels,
    caller: &Arc<Invocation>,
    object: &ObjectKey,
    request: &str,
) -> String {
    let request: Request = match serde_json::from_str(request) {
        Ok(request) => request,
        Err(error) => return failed(&format!("the request is malformed: {error}")),
    };
    let mut span = caller.begin_span(caller.current_span(), request.span_name());
    if let Request::SetAlarm(Some(time)) = request {
        span.set_one(
            "cloudflare.durable_object.alarm.scheduled_time",
            iso8601_string(time),
        );
    }
    let sets_alarm = matches!(request, Request::SetAlarm(_));
    let storage = channels.storage();
    let answered = answered(storage, object.clone(), request).await;
    span.end(answered.is_ok());
    let answer = match answered {
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
