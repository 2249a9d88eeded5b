//! A request and the way to answer it.

use std::io::{Read as _, Write};

use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse,
    ResponseOutparam,
};
use wasip2::io::streams::{InputStream, OutputStream};

/// The stream comes first: it is to be dropped before the body it belongs to.
type Upload = Option<(InputStream, IncomingBody)>;

pub struct Exchange {
    request: Upload,
    response_out: ResponseOutparam,
}

impl Exchange {
    pub fn new(request: &IncomingRequest, response_out: ResponseOutparam) -> Self {
        let body = request.consume().expect("the body is taken once");
        let stream = body.stream().expect("the stream is taken once");
        Self {
            request: Some((stream, body)),
            response_out,
        }
    }

    /// Never reads or drops the request body.
    pub fn forget_request(&mut self) {
        std::mem::forget(self.request.take());
    }

    /// Answers and is done.
    pub fn respond(self, status: u16, text: &str) {
        let mut response = self.start(status, &[]);
        response.send(text.as_bytes());
        response.finish(None);
    }

    /// Answers, and leaves the body to be written.
    pub fn start(self, status: u16, headers: &[(&str, &str)]) -> Response {
        let response = OutgoingResponse::new(fields(headers));
        response.set_status_code(status).expect("a valid status");
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(self.response_out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        Response {
            request: self.request,
            stream,
            body,
        }
    }

    /// Answers with an error instead of a response.
    pub fn refuse(self, code: ErrorCode) {
        ResponseOutparam::set(self.response_out, Err(code));
    }

    /// The next piece of the request body, empty at its end.
    pub fn receive(&mut self) -> Vec<u8> {
        receive(&mut self.request)
    }

    /// What came behind the request body.
    pub fn trailers(&mut self) -> Option<Fields> {
        let (stream, body) = self.request.take().expect("there is a body");
        drop(stream);
        let trailers = IncomingBody::finish(body);
        trailers.subscribe().block();
        let result = trailers.get().expect("it is ready");
        result
            .expect("it is taken once")
            .expect("the body is whole")
    }
}

/// A response under way.
pub struct Response {
    request: Upload,
    stream: OutputStream,
    body: OutgoingBody,
}

impl Response {
    /// Sends a piece of the body and waits until the host has taken it.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the client reads");
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)?;
        Write::flush(&mut self.stream)
    }

    pub fn receive(&mut self) -> Vec<u8> {
        receive(&mut self.request)
    }

    /// Ends the body; what remains is the request.
    pub fn finish(self, trailers: Option<Fields>) -> Rest {
        drop(self.stream);
        OutgoingBody::finish(self.body, trailers).expect("the body is complete");
        Rest(self.request)
    }
}

/// What is left of an exchange when the response is complete.
pub struct Rest(Upload);

impl Rest {
    /// Waits until the request body ends, which lets a test decide when.
    pub fn until_released(mut self) {
        while !receive(&mut self.0).is_empty() {}
    }
}

pub fn fields(entries: &[(&str, &str)]) -> Fields {
    let entries: Vec<_> = entries
        .iter()
        .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
        .collect();
    Fields::from_list(&entries).expect("well-formed fields")
}

fn receive(request: &mut Upload) -> Vec<u8> {
    let (stream, _) = request.as_mut().expect("there is a body");
    let mut piece = vec![0; 64 * 1024];
    let length = stream.read(&mut piece).expect("the client sends");
    piece.truncate(length);
    piece
}
