wit_bindgen::generate!({
    path: "wit",
    inline: "
        package local:worker;

        world both {
            include taffrail:workers/producer@0.2.0;
            include taffrail:workers/tail-worker@0.2.0;
        }
    ",
    world: "local:worker/both",
    generate_all,
});

use exports::taffrail::workers::tail::{self, TraceItem};
use exports::wasi::http::incoming_handler;
use wasi::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};

struct Worker;

export!(Worker);

impl incoming_handler::Guest for Worker {
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

impl tail::Guest for Worker {
    fn tail(items: Vec<TraceItem>) {
        for item in items {
            let name = item.script_name.unwrap_or_default();
            let (outcome, logs) = (item.outcome, item.logs.len());
            println!("{name} ended {outcome:?} with {logs} logs");
        }
    }
}
