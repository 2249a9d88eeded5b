//! A Tail Worker that logs what it was told: a line for each invocation, then
//! its exceptions and its logs.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "taffrail:workers/tail-worker",
    generate_all,
});

use std::fmt::Debug;

use exports::taffrail::workers::tail::{Guest, TraceItem};
use taffrail::workers::types::EventInfo;

struct TailLog;

export!(TailLog);

impl Guest for TailLog {
    fn tail(events: Vec<TraceItem>) {
        for item in &events {
            let worker = item.script_name.as_deref().unwrap_or("?");
            let (event, outcome) = (event(item), case(item.outcome));
            let (logs, cpu, wall) = (item.logs.len(), item.cpu_time, item.wall_time);
            println!("{worker} {event}: {outcome}, {logs} logs, cpu {cpu} ms, wall {wall} ms");
            for exception in &item.exceptions {
                println!("  {}: {}", exception.name, exception.message);
            }
            for log in &item.logs {
                println!("  ({}) {}", case(log.level), log.message.join(" "));
            }
        }
    }
}

fn event(item: &TraceItem) -> String {
    match &item.event {
        Some(EventInfo::Fetch(fetch)) => {
            let status = fetch.response.map(|response| response.status.to_string());
            let status = status.as_deref().unwrap_or("no response");
            format!("{} {} -> {status}", fetch.request.method, fetch.request.url)
        }
        Some(EventInfo::Tail(tail)) => format!("tail of {}", tail.consumed_events.len()),
        other => format!("{other:?}"),
    }
}

/// `ExceededCpu` for `Outcome::ExceededCpu`.
fn case(value: impl Debug) -> String {
    let name = format!("{value:?}");
    name.rsplit("::").next().unwrap_or(&name).to_owned()
}
