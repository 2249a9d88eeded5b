//! The server of the endpoint.

use crate::access::{Access, Token};
use crate::endpoints::Endpoints;
use crate::metrics::Metrics;
use crate::reply::{Failure, Response};
use crate::routes::{self, Endpoint};
use crate::tails::Tails;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use taffrail_logs::Datasets;
use taffrail_runtime::Runtime;
use taffrail_sql::{Analytics, Limits, Queries};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Concurrent connections, live tails included. Further clients wait.
const CONNECTIONS: u32 = 256;

/// Concurrent queries of each kind. Further ones wait.
const QUERIES: usize = 2;

/// The size of a request head.
const HEAD_BYTES: usize = 16 << 10;

/// How long a client may take for its request and the response. A live tail has its own limit.
const CONNECTION_TIME: Duration = Duration::from_secs(30);

/// Where clients connect.
pub enum Listener {
    /// A Unix socket that only this user can connect to.
    Unix(UnixListener),
    /// A loopback address, and what its clients have to send.
    Loopback(TcpListener, Token),
}

/// A running control endpoint, which ends when it is dropped.
pub struct Control {
    accepting: JoinHandle<()>,
    tails: Arc<Tails>,
    places: Arc<Semaphore>,
}

struct Server {
    access: Access,
    endpoints: Endpoints,
}

impl Control {
    /// Serves the endpoint in the background. `tails` must be a consumer of `runtime`, and
    /// `metrics` its meter. `data` is the directory of the data of Workers.
    ///
    /// # Errors
    ///
    /// Fails if the listener has no address.
    pub fn start(
        listener: Listener,
        runtime: Runtime,
        tails: Arc<Tails>,
        metrics: Arc<Metrics>,
        data: &Path,
    ) -> io::Result<Self> {
        let (token, authority) = match &listener {
            Listener::Unix(_) => (None, "localhost".to_owned()),
            Listener::Loopback(listener, token) => {
                (Some(token.clone()), listener.local_addr()?.to_string())
            }
        };
        let analytics = Analytics::in_directory(data);
        let datasets = Datasets::in_directory(data);
        let server = Arc::new(Server {
            access: Access { token },
            endpoints: Endpoints {
                runtime,
                tails: Arc::clone(&tails),
                metrics,
                analytics: Queries::new(QUERIES, Limits::default(), move |request, cancel| {
                    analytics.query(request, cancel)
                }),
                datasets: Queries::new(QUERIES, Limits::default(), move |request, cancel| {
                    datasets.query(request, cancel)
                }),
                authority,
            },
        });
        let places = Arc::new(Semaphore::new(CONNECTIONS as usize));
        let accepting = tokio::spawn(server.accept(listener, Arc::clone(&places)));
        Ok(Self {
            accepting,
            tails,
            places,
        })
    }

    /// Takes no more connections, and ends live tails once their clients have received what
    /// waits for them. Slow clients may delay this for as long as the caller waits.
    pub async fn finish(self) {
        self.accepting.abort();
        self.tails.close();
        _ = self.places.acquire_many(CONNECTIONS).await;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    async fn accept(self: Arc<Self>, listener: Listener, places: Arc<Semaphore>) {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let server = Arc::clone(&self);
            let accepted = match &listener {
                Listener::Unix(listener) => (listener.accept().await)
                    .map(|(stream, _)| tokio::spawn(server.talk(stream, place))),
                Listener::Loopback(listener, _) => (listener.accept().await)
                    .map(|(stream, _)| tokio::spawn(server.talk(stream, place))),
            };
            if let Err(error) = accepted {
                // Such as too many open files, until some are closed.
                tracing::warn!("cannot accept a connection to the control endpoint: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Serves one request, or a live tail.
    async fn talk<S>(self: Arc<Self>, stream: S, place: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let place = Arc::new(place);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .max_buf_size(HEAD_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(|request| {
                    let (server, place) = (Arc::clone(&self), Arc::clone(&place));
                    async move {
                        let answer = server.answer(request, place).await;
                        let response = answer.unwrap_or_else(Failure::response);
                        Ok::<_, Infallible>(ended(response))
                    }
                }),
            )
            .with_upgrades();
        match timeout(CONNECTION_TIME, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("a control connection failed: {error}"),
            Err(_) => tracing::debug!("a control connection took too long"),
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Result<Response, Failure> {
        let (head, body) = request.into_parts();
        self.access.check_sender(&head)?;
        let found = routes::find(&head.method, head.uri.path());
        // wrangler sends no token with its WebSocket: the id of the tail is the secret.
        let is_secret = |found: &routes::Found| found.endpoint == Endpoint::ConnectTail;
        if !found.as_ref().is_ok_and(is_secret) {
            self.access.check_token(&head)?;
        }
        let request = Request::from_parts(head, body);
        self.endpoints.answer(&found?, request, place).await
    }
}

/// Has the connection end with a response, unless it becomes a WebSocket.
fn ended(mut response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}
