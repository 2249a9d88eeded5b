//! A Worker that fails in as many ways as it has paths.

use std::hint;
use std::io::Write as _;
use std::process;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

const PATHS: &str = "\
/panic   panics before it answers
/late    answers, then panics
/loop    never ends
/alloc   asks for memory until it is refused
/flood   logs 1 MiB in 8192 lines
/stderr  logs two lines to stderr
/exit    exits with a failure before it answers
";

struct Faulty;

wasip2::http::proxy::export!(Faulty);

impl Guest for Faulty {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        match request.path_with_query().as_deref() {
            Some("/panic") => panic!("asked to panic"),
            Some("/late") => {
                answer(response_out, 200, "answered before the panic\n");
                panic!("asked to panic after the answer");
            }
            Some("/loop") => loop {
                hint::spin_loop();
            },
            Some("/alloc") => allocate_for_ever(),
            Some("/flood") => {
                for number in 0..8192 {
                    println!("{number:0127}");
                }
                answer(response_out, 200, "flooded\n");
            }
            Some("/stderr") => {
                eprintln!("first line on stderr");
                eprintln!("second line on stderr");
                answer(response_out, 200, "see stderr\n");
            }
            Some("/exit") => process::exit(1),
            Some("/") => answer(response_out, 200, PATHS),
            _ => answer(response_out, 404, PATHS),
        }
    }
}

fn allocate_for_ever() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
    }
}

fn answer(response_out: ResponseOutparam, status: u16, text: &str) {
    let response = OutgoingResponse::new(Fields::new());
    response
        .set_status_code(status)
        .expect("the status is valid");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(response_out, Ok(response));

    let mut stream = body.write().expect("the stream is taken once");
    stream.write_all(text.as_bytes()).expect("the client reads");
    stream.flush().expect("the client reads");
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is complete");
}
