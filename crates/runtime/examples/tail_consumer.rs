//! Attaches a native tail consumer, which prints a line for each trace item.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use http_body_util::{BodyExt, Empty};
use std::sync::Arc;
use taffrail_runtime::trace::TraceItem;
use taffrail_runtime::{FetchResult, Runtime, TailConsumer, WorkerSettings};

struct Printer;

impl TailConsumer for Printer {
    /// Must not block: longer work belongs on a task or thread of its own.
    fn deliver(&self, item: &Arc<TraceItem>) {
        let worker = item.script.script_name.as_deref().unwrap_or_default();
        let (outcome, logs) = (item.outcome, item.logs.len());
        println!("{worker}: {outcome:?}, {logs} logs");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(producer), Some(tail)) = (arguments.next(), arguments.next()) else {
        return Err("usage: tail_consumer PRODUCER TAIL".into());
    };

    let runtime = Runtime::builder()
        .tail_consumer(Arc::new(Printer))
        .instances(16)
        .build()?;

    // The native consumer receives all items; this Tail Worker those of `producer`.
    let code = runtime.compiler().compile(&std::fs::read(tail)?)?;
    runtime.deploy(WorkerSettings::new("tail"), code)?;
    let code = runtime.compiler().compile(&std::fs::read(producer)?)?;
    let settings = WorkerSettings {
        tail_consumers: vec!["tail".into()],
        ..WorkerSettings::new("producer")
    };
    runtime.deploy(settings, code)?;

    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::get("http://localhost/").body(body)?;
    if let FetchResult::Response(response) = runtime.fetch("producer", request, None).await? {
        // The invocation lasts as long as its response: to drop it here would cancel it.
        response.into_body().collect().await?;
    }
    // Until every item is delivered.
    runtime.idle().await;
    Ok(())
}
