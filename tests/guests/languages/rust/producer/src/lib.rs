//! The producer of the table of languages, in Rust.

wit_bindgen::generate!({
    path: "../../../../../wit",
    world: "taffrail:workers/producer",
    generate_all,
});

use std::env;
use std::hint::black_box;
use std::process;

use exports::wasi::http::incoming_handler::Guest;
use taffrail::workers::console::{self, LogLevel};
use taffrail::workers::context;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasi::io::streams::{OutputStream, StreamError};
use wasi::keyvalue::store;

struct Producer;

export!(Producer);

impl Guest for Producer {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        match request.path_with_query().as_deref() {
            Some("/hello") => {
                println!("hello");
                answer(out, 200, b"hello");
            }
            Some("/vars") => answer(out, 200, env::var("GREETING").unwrap().as_bytes()),
            Some("/props") => answer(out, 200, context::props().as_bytes()),
            Some("/levels") => {
                log(LogLevel::Debug, "a debug");
                log(LogLevel::Info, "an info");
                println!("a log");
                log(LogLevel::Warn, "a warning");
                log(LogLevel::Error, "an error");
                answer(out, 200, b"logged");
            }
            Some("/kv") => {
                let bucket = store::open("KV").unwrap();
                bucket.set("color", "grün".as_bytes()).unwrap();
                answer(out, 200, &bucket.get("color").unwrap().unwrap());
            }
            Some("/stream") => echo(&request, out),
            Some("/fail") => fail(),
            Some("/memory") => {
                let mut kept = Vec::new();
                loop {
                    kept.push(black_box(vec![1_u8; 1 << 20]));
                }
            }
            Some("/overflow") => answer(out, 200, overflow(1).to_string().as_bytes()),
            Some("/exit") => process::exit(3),
            _ => answer(out, 404, b""),
        }
    }
}

fn fail() -> ! {
    panic!("no such order")
}

#[expect(unconditional_recursion, reason = "the stack is to overflow")]
fn overflow(depth: u64) -> u64 {
    overflow(black_box(depth + 1)) + depth
}

fn log(level: LogLevel, text: &str) {
    console::log(level, &[text.to_owned()]);
}

fn answer(out: ResponseOutparam, status: u16, bytes: &[u8]) {
    respond(out, status, |stream| write(stream, bytes));
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().unwrap();
    let input = body.stream().unwrap();
    respond(out, 200, |stream| {
        loop {
            match input.blocking_read(1 << 16) {
                Ok(bytes) => write(stream, &bytes),
                Err(StreamError::Closed) => break,
                Err(error) => panic!("the body breaks off: {error}"),
            }
        }
    });
}

/// Responds with the body that `send` writes.
fn respond(out: ResponseOutparam, status: u16, send: impl FnOnce(&OutputStream)) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().unwrap();
    send(&stream);
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

/// At most 4,096 bytes may be written at a time.
fn write(stream: &OutputStream, bytes: &[u8]) {
    for piece in bytes.chunks(4096) {
        stream.blocking_write_and_flush(piece).unwrap();
    }
}
