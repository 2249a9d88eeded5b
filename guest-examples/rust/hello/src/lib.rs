//! A Worker for WASI 0.2 that answers with a greeting and logs one line.

use std::env;
use std::io::Write as _;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Hello;

wasip2::http::proxy::export!(Hello);

impl Guest for Hello {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let greeting = env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned());

        println!("{greeting}, {} {path}", method_name(&request.method()));
        answer(response_out, &format!("{greeting} from {path}\n"));
    }
}

fn answer(response_out: ResponseOutparam, text: &str) {
    let headers = Fields::from_list(&[("content-type".to_owned(), b"text/plain".to_vec())])
        .expect("the header is well-formed");
    let response = OutgoingResponse::new(headers);
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(response_out, Ok(response));

    let mut stream = body.write().expect("the stream is taken once");
    stream.write_all(text.as_bytes()).expect("the client reads");
    stream.flush().expect("the client reads");
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is complete");
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}
