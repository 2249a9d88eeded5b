//! A Worker with the SDK that answers requests, logs and fails as the path says, and compares the
//! items that it receives with their JSON.

use std::hint::black_box;
use taffrail::{Body, Context, Error, EventInfo, Request, Response, StatusCode, TraceItem};
use wstd::runtime::spawn;

#[taffrail::fetch]
async fn fetch(request: Request<Body>) -> Result<Response<Body>, Error> {
    match request.uri().path() {
        "/echo" => {
            let headers = [request.method().as_str(), &request.uri().to_string()].join(" ");
            let response = Response::builder()
                .status(StatusCode::CREATED)
                .header("x-request", headers);
            return Ok(response.body(request.into_body())?);
        }
        "/log" => {
            log::trace!("a trace");
            log::debug!("a debug");
            log::info!("an info");
            log::warn!(order = 7, color = "grün"; "a {}", "warning");
            log::error!(target: "shop", "an error");
        }
        "/tracing" => {
            tracing::trace!("a trace");
            tracing::debug!("a debug");
            tracing::info!("an info");
            let outer = tracing::info_span!("outer", order = 7, depth = 1).entered();
            let inner = tracing::info_span!("inner", depth = 2).entered();
            tracing::warn!(ok = true, share = 0.5, "a {}", "warning");
            drop((inner, outer));
            let error = "x".parse::<u8>().context("no number");
            let error = error.expect_err("it is none");
            tracing::error!(target: "shop", error = AsRef::<dyn std::error::Error>::as_ref(&error), "an error");
        }
        "/error" => {
            let number = "x".parse::<u8>().context("the order")?;
            log::info!("{number}");
        }
        "/panic" => panic!("no such order"),
        "/panic-in-a-task" => spawn(async { panic!("no such order") }).await,
        "/exit" => std::process::exit(3),
        "/abort" => std::process::abort(),
        "/memory" => {
            let mut held = Vec::new();
            loop {
                held.push(black_box(vec![1_u8; 1 << 20]));
            }
        }
        "/overflow" => log::info!("{}", overflow(1)),
        "/refused" => {
            let request = Request::get("http://127.0.0.1:1/").body(())?;
            taffrail::fetch(request).await?;
        }
        path => return Ok(Response::new(format!("Hello from {path}\n").into())),
    }
    Ok(Response::new(Body::empty()))
}

#[expect(unconditional_recursion, reason = "its stack overflows")]
fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    overflow(frame[1] + 1) + black_box(frame)[0]
}

#[taffrail::tail]
fn tail(events: Vec<TraceItem>) -> Result<(), serde_json::Error> {
    let json = taffrail::context::events_json();
    println!("{}", serde_json::to_string(&events)? == json);
    let read: Vec<TraceItem> = serde_json::from_str(&json)?;
    for (item, read) in events.iter().zip(&read) {
        let name = item.script.script_name.as_deref().unwrap_or_default();
        println!("{name} {} {}", item.outcome, item.logs.len());
        if let (
            Some(EventInfo::Fetch { request, .. }),
            Some(EventInfo::Fetch { request: shown, .. }),
        ) = (&item.event, &read.event)
        {
            let of =
                |request: &taffrail::RequestData| request.headers.get("authorization").cloned();
            let raw = request.unredacted();
            println!("{:?} {:?}", of(request), raw.as_ref().and_then(of));
            println!("{}", shown.unredacted().is_none());
        }
    }
    serde_json::from_str("no JSON")
}
