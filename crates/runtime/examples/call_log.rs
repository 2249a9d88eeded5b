//! Prints what each of two concurrent calls has logged.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use http_body_util::{BodyExt, Empty};
use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use taffrail_runtime::trace::TraceItem;
use taffrail_runtime::{FetchResult, Runtime, TailConsumer, WorkerSettings};
use tokio::sync::watch;

/// The trace items, by the ids of their invocations, until they are taken.
#[derive(Default)]
struct Items(watch::Sender<HashMap<String, Arc<TraceItem>>>);

impl TailConsumer for Items {
    fn deliver(&self, item: &Arc<TraceItem>) {
        self.0.send_modify(|items| {
            items.insert(item.invocation_id.clone(), Arc::clone(item));
        });
    }
}

impl Items {
    /// Waits for the item of an invocation.
    async fn take(&self, invocation: &str) -> Option<Arc<TraceItem>> {
        let mut changes = self.0.subscribe();
        let waited = changes.wait_for(|items| items.contains_key(invocation));
        waited.await.ok()?;
        let mut taken = None;
        self.0.send_modify(|items| taken = items.remove(invocation));
        taken
    }
}

async fn call(runtime: &Runtime, items: &Items, path: &str) -> Result<String, Box<dyn Error>> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::get(format!("http://localhost{path}")).body(body)?;
    let result = runtime.fetch("worker", request, None).await?;
    let invocation = result.invocation_id();
    if let FetchResult::Response(response) = result {
        // The invocation lasts as long as its response.
        response.into_body().collect().await?;
    }
    let item = items.take(&invocation).await.ok_or("it has no item")?;
    let lines = item.logs.iter().map(|log| {
        // The arguments of the console call, each as JSON.
        let arguments: Vec<_> = log.message.iter().map(|json| json.get()).collect();
        format!("{path} {:?} {}\n", log.level, arguments.join(" "))
    });
    Ok(lines.collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let component = std::env::args().nth(1).ok_or("usage: call_log COMPONENT")?;

    let items = Arc::new(Items::default());
    let runtime = Runtime::builder()
        .tail_consumer(items.clone())
        .instances(16)
        .build()?;
    let code = runtime.compiler().compile(&std::fs::read(component)?)?;
    runtime.deploy(WorkerSettings::new("worker"), code)?;

    let calls = tokio::try_join!(
        call(&runtime, &items, "/one"),
        call(&runtime, &items, "/two"),
    );
    let (one, two) = calls?;
    print!("{one}{two}");
    Ok(())
}
