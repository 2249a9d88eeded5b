wit_bindgen::generate!({
    path: "wit",
    world: "taffrail:workers/producer",
    generate_all,
});

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Worker;

export!(Worker);

impl Guest for Worker {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        println!("asked for {path}");
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        let text = format!("Hello from {path}\n");
        // It fails when the client is gone.
        _ = stream.blocking_write_and_flush(text.as_bytes());
        drop(stream);
        _ = OutgoingBody::finish(body, None);
    }
}
