//! An HTTP server whose answers the test gives.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// Listens on a port of its own and hands every request to the test.
pub struct Endpoint {
    url: String,
    received: UnboundedReceiver<Received>,
}

/// A request that waits for its answer.
pub struct Received {
    /// Its method.
    pub method: Method,
    /// Its headers.
    pub headers: HeaderMap,
    /// All of its body.
    pub body: Bytes,
    answer: oneshot::Sender<StatusCode>,
}

impl Endpoint {
    /// Starts to listen.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (sender, received) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                let service = service_fn(move |request| pass_on(sender.clone(), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { url, received }
    }

    /// Its address and port.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next request.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub async fn next(&mut self) -> Received {
        super::patiently(self.received.recv()).await.unwrap()
    }

    /// Answers everything that comes from now on with 200.
    pub fn answer_all(mut self) {
        tokio::spawn(async move {
            while let Some(received) = self.received.recv().await {
                received.answer(StatusCode::OK);
            }
        });
    }
}

impl Received {
    /// Answers it.
    pub fn answer(self, status: StatusCode) {
        // The client may be gone, which is its own affair.
        _ = self.answer.send(status);
    }
}

async fn pass_on(
    sender: UnboundedSender<Received>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let (answer, answered) = oneshot::channel();
    let received = Received {
        method: head.method,
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
        answer,
    };
    _ = sender.send(received);
    let mut response = Response::new(Empty::new());
    *response.status_mut() = answered.await.unwrap_or(StatusCode::GONE);
    Ok(response)
}
