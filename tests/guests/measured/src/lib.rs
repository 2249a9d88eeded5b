//! A Worker for the benchmarks, which imports WASI 0.2 alone so that `wasmtime serve` runs it.

use std::hint::black_box;
use std::io::{Read, Write as _};

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

/// Rounds of `/compute`: some 5 ms.
const ROUNDS: u64 = 4_000_000;

struct Measured;

wasip2::http::proxy::export!(Measured);

impl Guest for Measured {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        match request.path_with_query().as_deref() {
            Some("/compute") => answer(response_out, compute().to_string().as_bytes()),
            Some("/log") => {
                println!("a line");
                answer(response_out, b"logged");
            }
            Some("/echo") => echo(&request, response_out),
            Some("/panic") => panic!("asked to panic"),
            other => panic!("no such path: {other:?}"),
        }
    }
}

fn compute() -> u64 {
    (0..ROUNDS).fold(1, |hash, round| {
        black_box(hash ^ round).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Sends back each piece as it comes.
fn echo(request: &IncomingRequest, response_out: ResponseOutparam) {
    let incoming = request.consume().expect("the body is taken once");
    let mut upload = incoming.stream().expect("the stream is taken once");
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(response_out, Ok(response));
    let mut stream = body.write().expect("the stream is taken once");
    let mut piece = vec![0; 64 * 1024];
    loop {
        let length = Read::read(&mut upload, &mut piece).expect("the client sends");
        if length == 0 {
            break;
        }
        stream
            .write_all(&piece[..length])
            .expect("the client reads");
    }
    stream.flush().expect("the client reads");
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is complete");
}

fn answer(response_out: ResponseOutparam, text: &[u8]) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(response_out, Ok(response));
    let mut stream = body.write().expect("the stream is taken once");
    stream.write_all(text).expect("the client reads");
    stream.flush().expect("the client reads");
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is complete");
}
