//! Runs a component with limits, and prints how its invocation ends.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use http_body_util::{BodyExt, Empty};
use std::time::Duration;
use taffrail_runtime::{FetchResult, Limits, Runtime, WorkerSettings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(component), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: limits COMPONENT PATH".into());
    };

    let runtime = Runtime::builder().instances(16).build()?;
    let code = runtime.compiler().compile(&std::fs::read(component)?)?;
    let settings = WorkerSettings {
        limits: Limits {
            cpu: Duration::from_millis(50),
            memory: 32 << 20,
            wall_time: Some(Duration::from_secs(10)),
            ..Limits::default()
        },
        ..WorkerSettings::new("worker")
    };
    runtime.deploy(settings, code)?;

    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::get(format!("http://localhost{path}")).body(body)?;
    match runtime.fetch("worker", request, None).await? {
        FetchResult::Response(response) => println!("{}", response.status()),
        FetchResult::Failed {
            outcome, exception, ..
        } => {
            println!("{outcome:?}");
            if let Some(exception) = exception {
                println!("{}: {}", exception.name, exception.message);
            }
        }
    }
    Ok(())
}
