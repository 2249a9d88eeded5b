//! A collector that does what it is told.

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prost::Message;
use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// What the collector does with a message.
pub(super) enum Does {
    /// Answers.
    Answer(u16, &'static [(&'static str, &'static str)], Vec<u8>),
    /// Closes the connection.
    Close,
    /// Never answers.
    Hang,
}

impl Does {
    pub(super) fn status(status: u16) -> Self {
        Self::Answer(status, &[], Vec::new())
    }
}

/// A message that has arrived.
pub(super) struct Received {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) fn decode<M: Message + Default>(&self) -> M {
        M::decode(self.body.as_slice()).unwrap()
    }
}

#[derive(Default)]
struct State {
    does: Mutex<VecDeque<Does>>,
    received: Mutex<Vec<Received>>,
}

/// Takes every message, except for those for which it has something else to do.
pub(super) struct Collector {
    pub(super) url: String,
    state: Arc<State>,
    _serving: AbortOnDropHandle<()>,
}

impl Collector {
    pub(super) async fn start(does: impl IntoIterator<Item = Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            does: Mutex::new(does.into_iter().collect()),
            received: Mutex::default(),
        });
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(listener, Arc::clone(&state))));
        Self {
            url,
            state,
            _serving: serving,
        }
    }

    /// The messages so far, which are then forgotten.
    pub(super) fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.state.received.lock().unwrap())
    }
}

/// A port at which nobody listens.
pub(super) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let state = Arc::clone(&state);
        let service = service_fn(move |request| answer(request, Arc::clone(&state)));
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(socket), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, &'static str> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = match head.headers.get("content-encoding") {
        Some(encoding) => {
            assert_eq!(encoding, "gzip");
            let mut text = Vec::new();
            GzDecoder::new(&*body).read_to_end(&mut text).unwrap();
            text
        }
        None => body.to_vec(),
    };
    state.received.lock().unwrap().push(Received {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
    });
    let does = state.does.lock().unwrap().pop_front();
    match does.unwrap_or_else(|| Does::status(200)) {
        Does::Answer(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            Ok(response.body(Full::new(body.into())).unwrap())
        }
        Does::Close => Err("it closes the connection"),
        Does::Hang => std::future::pending().await,
    }
}
