//! Items as a small shop would make them.

use serde_json::json;
use std::sync::Arc;
use taffrail_logs::Entry;
use taffrail_trace::TraceItem;

/// Lines of one item.
pub(crate) const LINES: u64 = 3;

/// When the first item starts, and the time between two items, in milliseconds.
pub(crate) const START: u64 = 1_800_000_000_000;
pub(crate) const STEP_MS: u64 = 25;

/// A word of every item, and one of an item in 100,000.
pub(crate) const COMMON: &str = "request";
pub(crate) const RARE: &str = "needle";

/// Words that lines are made of.
const WORDS: u64 = 5_000;

/// The bytes of a line.
const LINE_BYTES: usize = 200;

/// Makes items, always the same ones.
pub(crate) struct Items {
    number: u64,
    state: u64,
    bytes: u64,
}

impl Items {
    pub(crate) fn new() -> Self {
        Self {
            number: 0,
            state: 1,
            bytes: 0,
        }
    }

    /// Returns the bytes of the items so far in JSON.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn next_entry(&mut self) -> Entry {
        let mut item = self.next_item();
        item.held_bytes = 2_000;
        Entry {
            item: Arc::new(item),
            sample_interval: Some(1.0),
            keeps_spans: false,
            shows_invocation: true,
            tails: Vec::new(),
            privacy: Arc::default(),
        }
    }

    pub(crate) fn next_item(&mut self) -> TraceItem {
        let number = self.number;
        self.number += 1;
        let at = START + number * STEP_MS;
        let user = format!("u{}", self.random() % 1000);
        let rare = if number % 100_000 == 50_000 { RARE } else { "" };
        let lines = [
            json!(format!("{COMMON} {number} {rare} {}", self.line())),
            json!({ "user": user, "n": number % 100, "text": self.line() }),
            json!(self.line()),
        ];
        let levels = ["log", "info", "warn"];
        let logs = lines.iter().zip(levels);
        let logs: Vec<_> = logs
            .map(|(line, level)| json!({ "timestamp": at, "level": level, "message": [line] }))
            .collect();
        let failed = self.random().is_multiple_of(50);
        let item = json!({
            "wallTime": 0, "cpuTime": 0, "truncated": false,
            "scriptName": format!("worker-{}", self.random() % 10),
            "executionModel": "stateless",
            "outcome": if failed { "exception" } else { "ok" },
            "diagnosticsChannelEvents": [], "exceptions": [], "logs": logs,
            "eventTimestamp": at,
            "event": {
                "request": { "url": format!("http://shop.example/{}", self.random() % 100), "method": "GET", "headers": {} },
                "response": { "status": if failed { 500 } else { 200 } },
            },
            "invocationId": format!("{number:032x}"), "requestId": format!("{number:032x}"),
        });
        let text = item.to_string();
        self.bytes += text.len() as u64;
        let mut item: TraceItem = serde_json::from_str(&text).unwrap();
        item.cpu_time = std::time::Duration::from_micros(100 + self.random() % 5000);
        item.wall_time = item.cpu_time * 2;
        item
    }

    /// A line of words, of which some are more frequent than others.
    fn line(&mut self) -> String {
        let mut line = String::new();
        while line.len() < LINE_BYTES {
            let word = (self.random() % WORDS) * (self.random() % WORDS) / WORDS;
            line.push_str(if word.is_multiple_of(97) {
                "checkout"
            } else {
                "w"
            });
            line.push_str(&word.to_string());
            line.push(' ');
        }
        line
    }

    /// A linear congruential generator (Knuth, MMIX).
    fn random(&mut self) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }
}
