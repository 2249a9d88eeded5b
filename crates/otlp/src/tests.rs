//! Tests with a collector.

mod collector;
mod delivery;
mod encoding;
mod load;
mod measures;

use crate::counts::Counts;
use crate::deliver::Pace;
use crate::exporter::Exporter;
use crate::metrics::Group;
use crate::settings::{Config, Settings};
use crate::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use taffrail_trace::TraceItem;

const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const SPAN: &str = "eee19b7ec3c1b174";

/// Counts items as a ledger does.
#[derive(Default)]
struct Items(Mutex<ItemCounts>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ItemCounts {
    produced: u64,
    sent: u64,
    retried: u64,
    lost: BTreeMap<String, u64>,
}

impl Items {
    fn get(&self) -> ItemCounts {
        self.0.lock().unwrap().clone()
    }
}

impl Counts for Items {
    fn produced(&self, _: Signal) {
        self.0.lock().unwrap().produced += 1;
    }

    fn sent(&self, _: Signal, items: u64) {
        self.0.lock().unwrap().sent += items;
    }

    fn retried(&self, _: Signal, items: u64) {
        self.0.lock().unwrap().retried += items;
    }

    fn lost(&self, _: Signal, items: u64, reason: &str) {
        *self
            .0
            .lock()
            .unwrap()
            .lost
            .entry(reason.to_owned())
            .or_default() += items;
    }
}

/// Starts an exporter whose pauses are short.
fn start(
    endpoint: &str,
    variables: &[(&str, &str)],
    measure: impl Fn() -> Vec<Group> + Send + Sync + 'static,
) -> (Exporter, Arc<Items>) {
    start_with(endpoint, 1 << 20, variables, measure)
}

fn start_with(
    endpoint: &str,
    queue_bytes: usize,
    variables: &[(&str, &str)],
    measure: impl Fn() -> Vec<Group> + Send + Sync + 'static,
) -> (Exporter, Arc<Items>) {
    let config = Config {
        endpoint: Some(endpoint.to_owned()),
        ..Config::default()
    };
    let settings = Settings::new(Some(&config), |key| {
        let found = variables.iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| (*value).to_owned())
    });
    let pace = Pace {
        // Tests wait for `flush`, which does not wait for this.
        delay: Duration::from_secs(3600),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(10),
        patience: Duration::from_secs(3600),
    };
    let items = Arc::new(Items::default());
    let counts = Arc::clone(&items);
    let settings = settings.unwrap().unwrap();
    let exporter = Exporter::start_at(pace, queue_bytes, settings, counts, measure).unwrap();
    (exporter, items)
}

/// An item of a sampled trace, with these fields besides.
fn item(fields: Value) -> Arc<TraceItem> {
    let mut json = json!({
        "wallTime": 25, "cpuTime": 3, "truncated": false, "scriptName": "shop",
        "executionModel": "stateless", "outcome": "ok", "diagnosticsChannelEvents": [],
        "exceptions": [], "logs": [], "eventTimestamp": 1_700_000_000_000_u64,
        "event": {"request": {"url": "http://shop.test/cart?id=7", "method": "GET", "headers": {}}},
        "invocationId": "11111111111111111111111111111111",
        "requestId": "11111111111111111111111111111111",
        "traceId": TRACE, "spanId": SPAN,
    });
    let (Value::Object(all), Value::Object(fields)) = (&mut json, fields) else {
        panic!("fields are an object");
    };
    all.extend(fields);
    let mut item: TraceItem = serde_json::from_value(json).unwrap();
    item.trace_sampled = true;
    Arc::new(item)
}
