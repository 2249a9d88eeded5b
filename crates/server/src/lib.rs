//! Serves a Worker of a [`Runtime`] over HTTP/1.1.
//!
//! [`serve`] takes its listener and its end as arguments, so that a test or an
//! embedder decides about both.

mod request;
mod response;
mod triggers;
mod upload;

use http::StatusCode;
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use taffrail_runtime::{RequestBodyError, Runtime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use upload::Upload;

/// How to serve.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the Worker that answers.
    pub worker: String,
    /// Whether a client is told what went wrong in the Worker, or only that
    /// something did.
    pub show_failures: bool,
    /// Whether a request for `/cdn-cgi/handler/scheduled` fires a cron trigger,
    /// as in `wrangler dev`. Its query may hold `cron` and, in milliseconds
    /// since 1970, `time`.
    pub triggers: bool,
    /// How long invocations, and the tails behind them, may go on after the
    /// end was asked for.
    pub grace: Duration,
}

/// What was left when serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Invocations that still ran, and items that still waited, when the grace
    /// period was over.
    pub unfinished: usize,
}

/// The size of a request head; Cloudflare's limit. A larger one is answered
/// with 431, by hyper only if it is a good deal larger.
const MAX_HEAD_BYTES: usize = 128 * 1024;

/// How long a client may take to send a request head, or to begin the next
/// one on a connection that it keeps open.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the tails of invocations that were aborted may take.
const LAST_ITEMS: Duration = Duration::from_secs(2);

/// How long invocations that are aborted may take to notice it.
const LAST_TURN: Duration = Duration::from_millis(500);

/// Connections at a time; further clients wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 4096;

/// Serves until `shutdown` is ready, then waits for what is under way.
///
/// # Errors
///
/// When the listener has no address.
pub async fn serve(
    listener: TcpListener,
    runtime: Runtime,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Stopped> {
    let server = Arc::new(Server {
        local: listener.local_addr()?,
        runtime,
        settings,
    });
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (stream, peer, place) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            (accepted, place) = accepted => match accepted {
                Ok((stream, peer)) => (stream, peer, place),
                Err(error) => {
                    // Too many open files, for one: there is nothing to do but
                    // to let some be closed.
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let (client_left, mut has_client_left) = watch::channel(false);
        let connection = Arc::clone(&server).connection(stream, peer, client_left);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                // What runs for the client goes with the connection.
                Ok(_) = has_client_left.wait_for(|left| *left) => {}
                result = connection => if let Err(error) = result {
                    tracing::debug!("connection from {peer}: {error}");
                },
            }
            drop(place);
        });
    }
    drop(listener);
    let runtime = &server.runtime;
    let finished = async {
        connections.shutdown().await;
        runtime.idle().await;
    };
    let unfinished = match tokio::time::timeout(server.settings.grace, finished).await {
        Ok(()) => 0,
        Err(_) => end_the_rest(runtime).await,
    };
    Ok(Stopped { unfinished })
}

/// Ends what still runs, and sees to it that its items are delivered too.
async fn end_the_rest(runtime: &Runtime) -> usize {
    let unfinished = runtime.pending();
    runtime.abort();
    if tokio::time::timeout(LAST_ITEMS, runtime.idle())
        .await
        .is_err()
    {
        // The tails of what was ended are ended in their turn.
        runtime.close_tails();
        runtime.abort();
        _ = tokio::time::timeout(LAST_TURN, runtime.idle()).await;
    }
    unfinished
}

struct Server {
    local: SocketAddr,
    runtime: Runtime,
    settings: Settings,
}

impl Server {
    fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        client_left: watch::Sender<bool>,
    ) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
        // A response is written in few pieces; waiting for more only delays it.
        _ = stream.set_nodelay(true);
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let server = Arc::clone(&self);
                    let request = request.map(|body| Upload::new(body, client_left.clone()));
                    async move { Ok::<_, Infallible>(server.answer(request, peer).await) }
                }),
            )
    }

    async fn answer(
        &self,
        request: hyper::Request<Upload>,
        peer: SocketAddr,
    ) -> response::Response {
        if request::head_bytes(&request) > MAX_HEAD_BYTES {
            return response::failure(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        let request = match request::for_worker(request, self.local) {
            Ok(request) => request,
            Err(problem) => return response::bad_request(problem),
        };
        if self.settings.triggers
            && let Some(event) = triggers::event(request.uri())
        {
            return triggers::fire(&self.runtime, &self.settings.worker, event).await;
        }
        let request = request.map(|body| body.map_err(RequestBodyError::from).boxed_unsync());
        let cf = request::cf(peer);
        match self.runtime.fetch(&self.settings.worker, request, cf).await {
            Ok(result) => response::from_result(result, self.settings.show_failures),
            Err(error) => {
                tracing::error!("{error}");
                response::failure(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}
