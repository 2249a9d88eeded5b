//! What a Worker does with its bindings.

use crate::exchange::Exchange;
use crate::platform::taffrail::workers::analytics::{DataPoint, write_data_point};
use crate::platform::taffrail::workers::{dispatch, loader, services};
use crate::platform::wasi::http::outgoing_handler;
use crate::platform::wasi::http::types::{
    Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use crate::platform::wasi::io::streams::StreamError;
use crate::platform::wasi::keyvalue::store;

pub fn run(behaviour: &str, argument: &str, mut exchange: Exchange) {
    let said = match behaviour {
        "load" => load(argument, &mut exchange),
        "dispatch" => dispatch_to(argument),
        "fetch" => fetch(argument),
        "fetch-early" => fetch_early(argument),
        "fetch-stuck" => fetch_stuck(argument),
        "keep" => keep(argument),
        "open" => store::open(argument)
            .map(|_| "opened".to_owned())
            .map_err(|error| format!("{error:?}")),
        "point" => point(argument),
        other => panic!("no such behaviour: {other}"),
    };
    exchange.respond(200, &said.unwrap_or_else(|error| error));
}

/// Loads the component in the request under an id, and tells what it answers
/// and records.
fn load(binding: &str, exchange: &mut Exchange) -> Result<String, String> {
    let mut component = Vec::new();
    loop {
        match exchange.receive() {
            piece if piece.is_empty() => break,
            piece => component.extend(piece),
        }
    }
    let source = if component.starts_with(b"export") {
        let text = String::from_utf8(component).expect("a text");
        loader::Source::Script(loader::Script {
            main_module: "main.js".to_owned(),
            modules: vec![("main.js".to_owned(), text)],
        })
    } else {
        loader::Source::Component(component)
    };
    if loader::find(binding, "one")?.is_none() {
        let code = loader::Code {
            source,
            vars: vec![("GREETING".to_owned(), "\"hi\"".to_owned())],
            tails: vec![r#"{"of":"one"}"#.to_owned()],
            cpu_ms: Some(500),
            subrequests: Some(0),
            outbound: loader::Outbound::None,
        };
        loader::load(binding, Some("one"), &code)?;
    }
    let worker = loader::find(binding, "one")?.expect("it was loaded");
    let observed = worker.fetch_observed(request(), None);
    let (sent, records) = observed.map_err(|code| format!("{code:?}"))?;
    let answer = answer(&sent)?;
    let mut entries = Vec::new();
    while let Some(entry) = records.next(5000) {
        entries.push(entry);
    }
    Ok(format!("{answer}{}", entries.join("\n")))
}

fn request() -> OutgoingRequest {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request.set_authority(Some("callee")).expect("an authority");
    request
        .set_path_with_query(Some("/status?200"))
        .expect("a path");
    request
}

/// What the user Worker of this name answers.
fn dispatch_to(name: &str) -> Result<String, String> {
    let limits = dispatch::CallLimits {
        cpu_ms: Some(50),
        subrequests: None,
    };
    let parameters = r#"{"customer":"somebody"}"#;
    let user = dispatch::get("DISPATCHER", name, limits, parameters)?;
    let sent = user
        .fetch(request(), None)
        .map_err(|code| format!("{code:?}"))?;
    answer(&sent)
}

/// What the Worker of a binding answers.
fn fetch(binding: &str) -> Result<String, String> {
    let sent = services::fetch(binding, request(), None).map_err(|code| format!("{code:?}"))?;
    answer(&sent)
}

/// What an authority, or else the Worker of a binding, answers before the body of the request is
/// written, which it is then.
fn fetch_early(to: &str) -> Result<String, String> {
    let request = request();
    let outgoing = request.body().expect("the body is taken once");
    if !to.contains(':') {
        request.set_method(&Method::Post).expect("a method");
    }
    let answer = answer(&send(to, request)?)?;
    let stream = outgoing.write().expect("the stream is taken once");
    stream
        .blocking_write_and_flush(b"late")
        .map_err(|error| format!("the body is not taken: {error:?}"))?;
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(|code| format!("{code:?}"))?;
    Ok(answer)
}

/// Sends the first half of a body to an authority or the Worker of a binding, and computes without
/// an end.
fn fetch_stuck(to: &str) -> Result<String, String> {
    let request = request();
    request.set_method(&Method::Post).expect("a method");
    let outgoing = request.body().expect("the body is taken once");
    let sent = send(to, request)?;
    let stream = outgoing.write().expect("the stream is taken once");
    stream.blocking_write_and_flush(b"half").expect("a reader");
    sent.subscribe().block();
    loop {
        std::hint::black_box(&sent);
    }
}

/// Sends a request to an authority, or else to the Worker of a binding.
fn send(to: &str, request: OutgoingRequest) -> Result<FutureIncomingResponse, String> {
    let sent = if to.contains(':') {
        request.set_authority(Some(to)).expect("an authority");
        outgoing_handler::handle(request, None)
    } else {
        services::fetch(to, request, None)
    };
    sent.map_err(|code| format!("{code:?}"))
}

fn answer(sent: &FutureIncomingResponse) -> Result<String, String> {
    sent.subscribe().block();
    let response = sent.get().expect("it is there").expect("it is taken once");
    let response = response.map_err(|code| format!("{code:?}"))?;
    let status = response.status();
    let body = response.consume().expect("the body is taken once");
    Ok(format!("{status} {}", text(&body)))
}

fn text(body: &IncomingBody) -> String {
    let stream = body.stream().expect("the stream is taken once");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(piece) => bytes.extend(piece),
            Err(StreamError::Closed) => return String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => panic!("the body breaks off: {error:?}"),
        }
    }
}

/// Goes through all that a bucket can do.
fn keep(binding: &str) -> Result<String, String> {
    let said = |error: store::Error| format!("{error:?}");
    let bucket = store::open(binding).map_err(said)?;
    let before = bucket.get("key").map_err(said)?;
    bucket.set("key", b"value").map_err(said)?;
    let after = bucket.get("key").map_err(said)?.unwrap_or_default();
    bucket.set("other", b"").map_err(said)?;
    let keys = bucket.list_keys(None).map_err(said)?.keys;
    bucket.delete("other").map_err(said)?;
    let exists = bucket.exists("other").map_err(said)?;
    let long = bucket.set(&"k".repeat(513), b"").expect_err("a limit");
    Ok(format!(
        "{} {} {keys:?} {exists} {long:?}",
        before.is_some(),
        String::from_utf8_lossy(&after)
    ))
}

fn point(binding: &str) -> Result<String, String> {
    let point = |blobs| DataPoint {
        blobs: vec![Some("blob".to_owned()); blobs],
        doubles: vec![1.0],
        indexes: vec![None],
    };
    write_data_point(binding, &point(1))?;
    write_data_point(binding, &point(21))?;
    Ok("written".to_owned())
}
