//! A Tail Worker that logs what it was told: a line for each invocation, then
//! its exceptions and its logs.

use taffrail::{EventInfo, TraceItem};

#[taffrail::tail]
fn tail(events: Vec<TraceItem>) {
    for item in &events {
        let worker = item.script.script_name.as_deref().unwrap_or("?");
        let (event, outcome) = (event(item), item.outcome);
        let (logs, cpu) = (item.logs.len(), item.cpu_time.as_millis());
        let wall = item.wall_time.as_millis();
        println!("{worker} {event}: {outcome}, {logs} logs, cpu {cpu} ms, wall {wall} ms");
        for exception in &item.exceptions {
            println!("  {}: {}", exception.name, exception.message);
        }
        for log in &item.logs {
            let message: Vec<_> = log.message.iter().map(|json| json.get()).collect();
            println!("  ({:?}) {}", log.level, message.join(" "));
        }
    }
}

fn event(item: &TraceItem) -> String {
    match &item.event {
        Some(EventInfo::Fetch { request, response }) => {
            let status = response.map(|response| response.status.to_string());
            let status = status.as_deref().unwrap_or("no response");
            format!("{} {} -> {status}", request.method, request.url)
        }
        Some(EventInfo::Tail { consumed_events }) => format!("tail of {}", consumed_events.len()),
        other => format!("{other:?}"),
    }
}
