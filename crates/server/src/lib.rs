//! Serves a Worker of a [`Runtime`] over HTTP/1.1.
//!
//! [`serve`] takes its listener and its shutdown as arguments, so that a test or an
//! embedder controls both.

mod outgoing;
mod patience;
mod places;
mod request;
mod response;
mod stream;
mod triggers;
mod upload;

use http::StatusCode;
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use outgoing::Outgoing;
use patience::Patience;
use places::{Place, Places, Wanted};
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use taffrail_runtime::Runtime;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use upload::{TooSlow, Upload};

/// How to serve.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the Worker that answers.
    pub worker: String,
    /// Whether the response to a client names the failure of the Worker, or is
    /// only a status.
    pub show_failures: bool,
    /// If set, a request for `/cdn-cgi/handler/scheduled` fires a cron trigger,
    /// as in `wrangler dev`. Its query may have `time`, in milliseconds since
    /// 1970, and `cron`, which this function checks. It is for developers: a
    /// request that a browser sends for another site is refused.
    pub triggers: Option<fn(&str) -> bool>,
    /// How long invocations, and their tails, may continue after the shutdown
    /// began.
    pub grace: Duration,
    /// Concurrent connections. For a further client the connection that has
    /// been idle for longest is closed; if none is idle, the client waits.
    pub connections: u32,
    /// How long a client may take to send a request head, or to begin the next
    /// one on a connection that it keeps open.
    pub head_time: Duration,
    /// How long a client may keep the server waiting in the middle of a request
    /// body, or with a response that it does not read. Each 500 bytes add a
    /// second.
    pub patience: Duration,
}

impl Settings {
    /// Serves a Worker as `taffrail serve` does: up to 4,096 connections, 30
    /// seconds for a head, and a patience of 30 seconds. The defaults of Apache
    /// and nginx are similar.
    #[must_use]
    pub fn new(worker: impl Into<String>) -> Self {
        Self {
            worker: worker.into(),
            show_failures: false,
            triggers: None,
            grace: Duration::from_secs(30),
            connections: 4096,
            head_time: Duration::from_secs(30),
            patience: Duration::from_secs(30),
        }
    }
}

/// The state at the end of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Invocations that still ran, and items that still waited, when the grace
    /// period was over.
    pub unfinished: usize,
}

/// The size of a request head: Cloudflare's limit. A larger one is answered with
/// 431. hyper's own limit is higher.
const MAX_HEAD_BYTES: usize = 128 * 1024;

/// How long the tails of invocations that were aborted may take.
const LAST_ITEMS: Duration = Duration::from_secs(2);

/// How long invocations that are aborted may take to notice it.
const LAST_TURN: Duration = Duration::from_millis(500);

/// Serves until `shutdown` is ready, then waits for requests under way.
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
    let places = Places::new(settings.connections);
    let server = Arc::new(Server {
        local: listener.local_addr()?,
        runtime,
        settings,
    });
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let (stream, peer) = listener.accept().await?;
            io::Result::Ok((stream, peer, places.take().await))
        };
        let (stream, peer, taken) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Such as too many open files, until some are closed.
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let place = Arc::clone(&taken.place);
        let connection = Arc::clone(&server).connection(stream, peer, &place);
        let talk = talk(connection, place.wanted(), place);
        tokio::spawn(async move {
            if let Err(error) = talk.await {
                tracing::debug!("connection from {peer}: {error}");
            }
            drop(taken);
        });
    }
    drop(listener);
    let runtime = &server.runtime;
    let finished = async {
        places.empty().await;
        runtime.idle().await;
    };
    let unfinished = match tokio::time::timeout(server.settings.grace, finished).await {
        Ok(()) => 0,
        Err(_) => end_the_rest(runtime).await,
    };
    Ok(Stopped { unfinished })
}

/// Ends invocations that still run, and waits for the delivery of their items.
async fn end_the_rest(runtime: &Runtime) -> usize {
    let unfinished = runtime.pending();
    runtime.abort();
    if tokio::time::timeout(LAST_ITEMS, runtime.idle())
        .await
        .is_err()
    {
        // The tails of aborted invocations are aborted after them.
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
        place: &Arc<Place>,
    ) -> impl GracefulConnection<Error = hyper::Error> + use<> {
        // A response is written in few pieces; waiting for more only delays it.
        _ = stream.set_nodelay(true);
        let ends = Ends {
            local: stream.local_addr().unwrap_or(self.local),
            peer,
        };
        let patience = self.settings.patience;
        let stream = Stream::new(stream, Patience::new(patience), Arc::clone(place));
        let place = Arc::clone(place);
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.settings.head_time)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    place.begin();
                    let server = Arc::clone(&self);
                    let place = Arc::clone(&place);
                    async move {
                        let method = request.method().clone();
                        let (head, body) = request.into_parts();
                        let patience = Patience::new(patience);
                        let (body, too_slow) = Upload::new(body, Arc::clone(&place), patience);
                        let request = http::Request::from_parts(head, body);
                        let response = tokio::select! {
                            biased;
                            response = server.answer(request, ends) => response,
                            TooSlow = until_told(too_slow) => response::too_slow(),
                        };
                        Ok::<_, Infallible>(Outgoing::new(response, &method, &place))
                    }
                }),
            )
    }

    async fn answer(&self, request: hyper::Request<Upload>, ends: Ends) -> response::Response {
        if request::head_bytes(&request) > MAX_HEAD_BYTES {
            return response::failure(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        let request = match request::for_worker(request, self.local) {
            Ok(request) => request,
            Err(problem) => return response::bad_request(problem),
        };
        if let Some(is_cron) = self.settings.triggers
            && let Some(event) = triggers::event(&request, ends.local.ip().to_canonical(), is_cron)
        {
            return match event {
                Ok(event) => triggers::fire(&self.runtime, &self.settings.worker, event).await,
                Err(refused) => refused.answer(),
            };
        }
        let request = request.map(BodyExt::boxed_unsync);
        let cf = request::cf(ends.peer);
        match self.runtime.fetch(&self.settings.worker, request, cf).await {
            Ok(result) => response::from_result(result, self.settings.show_failures),
            Err(error) => {
                tracing::error!("{error}");
                response::failure(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// The addresses of a connection.
#[derive(Clone, Copy)]
struct Ends {
    local: SocketAddr,
    peer: SocketAddr,
}

async fn until_told(too_slow: Option<oneshot::Receiver<TooSlow>>) -> TooSlow {
    match too_slow {
        Some(told) => match told.await {
            Ok(told) => told,
            // The body has no reader any more.
            Err(_) => pending().await,
        },
        None => pending().await,
    }
}

/// Serves a connection to its end. Work for the client ends with it.
async fn talk<C: GracefulConnection>(
    connection: C,
    mut wanted: watch::Receiver<Wanted>,
    place: Arc<Place>,
) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    let leave = tokio::select! {
        biased;
        Ok(wanted) = wanted.wait_for(|wanted| *wanted != Wanted::Stay) => *wanted == Wanted::Leave,
        result = &mut connection => return result,
    };
    if !leave {
        return Ok(());
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        Ok(_) = wanted.wait_for(|wanted| *wanted == Wanted::End) => Ok(()),
        result = connection => result,
        () = place.has_had_time() => Ok(()),
    }
}
