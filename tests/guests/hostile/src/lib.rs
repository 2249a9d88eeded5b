//! A Worker for WASI 0.2 that makes its host hold and burn as much as it can.

use std::hint::black_box;

use wasip2::cli::stdout::get_stdout;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam,
};
use wasip2::io::poll::poll;
use wasip2::random::random::get_random_bytes;
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

/// What it imports beside WASI.
mod workers {
    wit_bindgen::generate!({
        inline: "
            package taffrail-tests:hostile;
            world imports {
                import taffrail:workers/console@0.2.0;
                import taffrail:workers/diagnostics-channel@0.2.0;
                import taffrail:workers/exceptions@0.2.0;
            }
        ",
        path: "../../../wit",
        world: "taffrail-tests:hostile/imports",
        generate_all,
    });
}

use workers::taffrail::workers::console::{self, LogLevel};
use workers::taffrail::workers::diagnostics_channel;
use workers::taffrail::workers::exceptions::{self, Failure};

struct Hostile;

wasip2::http::proxy::export!(Hostile);

impl Guest for Hostile {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, argument) = target.split_once('?').unwrap_or((&target, ""));
        let number = argument.parse().unwrap_or(0);
        match path {
            "/lines" => lines(number),
            "/write" => get_stdout().write(&vec![b'\n'; number]).expect("it traps"),
            "/arguments" => console::log(LogLevel::Log, &vec![String::new(); number]),
            "/log" => console::log(LogLevel::Log, &["x".repeat(number)]),
            "/publish" => diagnostics_channel::publish(&"x".repeat(number), None),
            "/report" => exceptions::report(&Failure {
                name: "x".repeat(number),
                message: String::new(),
                stack: None,
            }),
            "/fields" => fields(number),
            "/methods" => methods(number),
            "/bodies" => bodies(number),
            "/poll" => {
                let pollable = subscribe_duration(0);
                black_box(poll(&vec![&pollable; number]));
            }
            "/random" => {
                black_box(get_random_bytes(argument.parse().expect("a number")));
            }
            "/sockets" => {
                let sockets = (0..number).map(|_| create_tcp_socket(IpAddressFamily::Ipv4));
                let opened: Vec<_> = sockets.filter_map(Result::ok).collect();
                println!("{} sockets", opened.len());
            }
            "/behind" => {
                respond(response_out);
                return subscribe_duration(u64::MAX).block();
            }
            _ => panic!("no such path: {path}"),
        }
        respond(response_out);
    }
}

fn respond(response_out: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(response_out, Ok(response));
    let stream = body.write().expect("the stream is taken once");
    stream
        .blocking_write_and_flush(b"done")
        .expect("the client reads");
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is complete");
}

/// Writes so many empty lines, each time as many as it is permitted.
fn lines(mut left: usize) {
    let stdout = get_stdout();
    while left > 0 {
        let permitted = stdout.check_write().expect("it is open");
        let length = left.min(usize::try_from(permitted).expect("it is small"));
        stdout.write(&vec![b'\n'; length]).expect("it is permitted");
        left -= length;
    }
}

/// Keeps so many lists of headers of 100 KB each.
fn fields(number: usize) {
    let value = vec![b'x'; 100_000];
    let kept: Vec<_> = (0..number)
        .map(|_| {
            let fields = Fields::new();
            fields.set("name", &[value.clone()]).expect("it fits");
            fields
        })
        .collect();
    black_box(kept);
}

/// Keeps so many requests whose methods have a million characters.
fn methods(number: usize) {
    let method = Method::Other("X".repeat(1_000_000));
    let kept: Vec<_> = (0..number)
        .map(|_| {
            let request = OutgoingRequest::new(Fields::new());
            request.set_method(&method).expect("it is a method");
            request
        })
        .collect();
    black_box(kept);
}

/// Keeps so many requests that nobody sends, with as much in their bodies as is
/// permitted.
fn bodies(number: usize) {
    let kept: Vec<_> = (0..number)
        .map(|_| {
            let request = OutgoingRequest::new(Fields::new());
            let body = request.body().expect("the body is taken once");
            let stream = body.write().expect("the stream is taken once");
            while let Ok(permitted @ 1..) = stream.check_write() {
                let length = usize::try_from(permitted).expect("it is small");
                stream.write(&vec![b'x'; length]).expect("it is permitted");
            }
            (stream, body, request)
        })
        .collect();
    black_box(kept);
}
