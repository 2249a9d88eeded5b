//! A Worker that makes spans, by path.

use wasi::clocks::wall_clock;
use wasi::keyvalue::store;
use wasi::otel::logs::{self, LogRecord};
use wasi::otel::tracing::{self as otel, SpanData, SpanKind, Status};
use wasi::otel::types::{InstrumentationScope, KeyValue};
use wstd::http::{Body, Client, Request, Response, Result};

wit_bindgen::generate!({
    inline: "
        package taffrail-tests:trace-probe;
        world imports {
            import taffrail:workers/tracing@0.2.0;
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:otel/tracing@0.2.0-rc.2;
            import wasi:otel/logs@0.2.0-rc.2;
        }
    ",
    path: "../../../wit",
    world: "taffrail-tests:trace-probe/imports",
    generate_all,
});

use taffrail::workers::tracing::{Span, SpanValue, current};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>> {
    let body = match request.uri().path() {
        "/spans" => spans(),
        "/otel" => with_otel(),
        "/many" => many(),
        "/kv" => kv(),
        "/fetch" => fetch(request.uri().query().unwrap_or_default()).await?,
        "/within" => {
            let _span = Span::new("within");
            fetch(request.uri().query().unwrap_or_default()).await?
        }
        "/panic" => {
            let _span = Span::new("broken");
            panic!("within a span");
        }
        _ => {
            println!("a line");
            "ok".to_owned()
        }
    };
    Ok(Response::new(body.into()))
}

/// A span with attributes, and in it one that fails.
fn spans() -> String {
    let outer = Span::new("outer");
    outer.set_attribute("text", &SpanValue::Text("a".to_owned()));
    outer.set_attribute("count", &SpanValue::Integer(9_007_199_254_740_993));
    outer.set_attribute("ratio", &SpanValue::Number(0.5));
    outer.set_attribute("flag", &SpanValue::Boolean(true));
    println!("in outer");
    {
        let inner = Span::new("inner");
        inner.failed();
        println!("in inner");
    }
    println!("in outer again");
    let context = current();
    format!(
        "{} {} {} {}",
        context.trace_id,
        context.span_id,
        context.sampled,
        outer.is_recorded()
    )
}

/// A span and a log record by the interfaces of `wasi:otel`.
fn with_otel() -> String {
    let outer = otel::current_span_context();
    let mut context = outer.clone();
    context.span_id = "00000000000000ab".to_owned();
    otel::on_start(&context);
    println!("in a span of wasi:otel");
    let scope = InstrumentationScope {
        name: "probe".to_owned(),
        version: None,
        schema_url: None,
        attributes: Vec::new(),
    };
    let attribute = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    logs::on_emit(&LogRecord {
        timestamp: None,
        observed_timestamp: None,
        severity_text: Some("WARN".to_owned()),
        severity_number: Some(13),
        body: Some("[\n\"from\",\r\n\"otel\"]".to_owned()),
        attributes: Some(vec![attribute("n", "1"), attribute("broken", "{")]),
        event_name: None,
        resource: None,
        instrumentation_scope: None,
        trace_id: None,
        span_id: None,
        trace_flags: None,
    });
    let now = wall_clock::now();
    otel::on_end(&SpanData {
        span_context: context,
        parent_span_id: outer.span_id.clone(),
        span_kind: SpanKind::Internal,
        name: "guest".to_owned(),
        start_time: now,
        end_time: now,
        attributes: vec![attribute("code", "\"x\""), attribute("list", "[1,2]")],
        events: Vec::new(),
        links: Vec::new(),
        status: Status::Error("no".to_owned()),
        instrumentation_scope: scope,
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
    });
    println!("after it");
    outer.trace_id
}

/// 10,000 spans, each with an attribute, the first of them of a megabyte.
fn many() -> String {
    for n in 0..10_000 {
        let span = Span::new(&format!("span {n}"));
        let length = if n == 0 { 1 << 20 } else { 10 };
        span.set_attribute("text", &SpanValue::Text("a".repeat(length)));
    }
    "done".to_owned()
}

fn kv() -> String {
    let bucket = store::open("KV").expect("`KV` is a binding");
    bucket.set("k", b"v").expect("it is kept");
    bucket.get("k").expect("it is read");
    bucket.list_keys(None).expect("a list");
    bucket.delete("k").expect("it is deleted");
    "done".to_owned()
}

async fn fetch(url: &str) -> Result<String> {
    let response = Client::new()
        .send(Request::get(url).body(Body::empty())?)
        .await?;
    let mut body = response.into_body();
    Ok(body.str_contents().await?.to_owned())
}
