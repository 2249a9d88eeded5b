//! Bodies and trailers, in both directions.

use std::mem;

use wasip2::http::types::ErrorCode;

use crate::exchange::{Exchange, fields};

pub fn run(behaviour: &str, argument: &str, exchange: Exchange) {
    match behaviour {
        "echo" => echo(exchange),
        "trailers" => {
            let mut response = exchange.start(200, &[("trailer", "x-sum")]);
            response.send(b"body");
            response.finish(Some(fields(&[("x-sum", "42"), ("x-end", "yes")])));
        }
        "request-trailers" => say_trailers(exchange),
        "count" => count(exchange),
        "large" => large(argument.parse().expect("a number of bytes"), exchange),
        "length" => {
            let mut response = exchange.start(200, &[("content-length", "4")]);
            response.send(b"four");
            response.finish(None);
        }
        "announced" => {
            let mut response = exchange.start(200, &[("content-length", "4")]);
            response.send(b"four");
            while !response.receive().is_empty() {}
            response.send(b"");
            response.finish(None);
        }
        "short" => {
            let mut response = exchange.start(200, &[("content-length", "10")]);
            response.send(b"four");
        }
        "dropped" => {
            let mut response = exchange.start(200, &[]);
            response.send(b"the beginning");
        }
        "forgotten" => {
            let mut response = exchange.start(200, &[]);
            response.send(b"the beginning");
            mem::forget(response);
        }
        "endless" => {
            let mut response = exchange.start(200, &[]);
            while response.try_send(&[b'x'; 4096]).is_ok() {}
            println!("the client left");
        }
        "unset" => drop(exchange),
        "refused" => exchange.refuse(ErrorCode::DestinationUnavailable),
        other => panic!("no such body: {other}"),
    }
}

/// Sends back each piece as it comes.
fn echo(exchange: Exchange) {
    let mut response = exchange.start(200, &[]);
    loop {
        let piece = response.receive();
        if piece.is_empty() {
            break;
        }
        response.send(&piece);
    }
    response.finish(None);
}

fn count(mut exchange: Exchange) {
    let mut bytes = 0;
    loop {
        match exchange.receive().len() {
            0 => return exchange.respond(200, &bytes.to_string()),
            length => bytes += length,
        }
    }
}

fn say_trailers(mut exchange: Exchange) {
    while !exchange.receive().is_empty() {}
    let mut said = String::new();
    for (name, value) in exchange.trailers().iter().flat_map(|all| all.entries()) {
        said += &format!("{name}: {}\n", String::from_utf8_lossy(&value));
    }
    exchange.respond(200, &said);
}

fn large(bytes: usize, exchange: Exchange) {
    let mut response = exchange.start(200, &[]);
    let piece = [b'x'; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let length = left.min(piece.len());
        response.send(&piece[..length]);
        left -= length;
    }
    response.finish(None);
}
