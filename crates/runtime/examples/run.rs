//! Runs a component: sends it one request and prints the response.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use http_body_util::{BodyExt, Empty};
use taffrail_runtime::{FetchResult, Runtime, WorkerSettings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let component = std::env::args().nth(1).ok_or("usage: run COMPONENT")?;

    let runtime = Runtime::builder().instances(16).build()?;
    let code = runtime.compiler().compile(&std::fs::read(component)?)?;
    let settings = WorkerSettings {
        vars: [("GREETING".to_owned(), "Good morning".into())].into(),
        ..WorkerSettings::new("hello")
    };
    runtime.deploy(settings, code)?;

    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::get("http://localhost/there").body(body)?;
    match runtime.fetch("hello", request, None).await? {
        FetchResult::Response(response) => {
            println!("{}", response.status());
            let body = response.into_body().collect().await?.to_bytes();
            print!("{}", String::from_utf8_lossy(&body));
        }
        FetchResult::Failed { outcome, .. } => println!("no response: {outcome:?}"),
    }
    Ok(())
}
