//! The server that the Workers of a scenario report to, and fetch from.

use super::observed::{StreamEvent, TailCall};
use super::surrogates;
use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What has been reported.
#[derive(Clone, Debug, Default)]
pub(super) struct Reported {
    pub(super) tail_calls: Vec<TailCall>,
    pub(super) stream_events: Vec<StreamEvent>,
    pub(super) marks: Vec<Value>,
}

/// Listens until it is dropped.
pub(super) struct Recorder {
    /// Where it listens.
    pub(super) address: SocketAddr,
    reported: Arc<watch::Sender<Reported>>,
    server: JoinHandle<()>,
}

impl Recorder {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let reported = Arc::new(watch::Sender::new(Reported::default()));
        let server = tokio::spawn(serve(listener, Arc::clone(&reported)));
        Ok(Self {
            address,
            reported,
            server,
        })
    }

    /// Waits for a number of tail calls and of events of streaming tails, but not for ever.
    pub(super) async fn wait_for(&self, calls: usize, events: usize, patience: Duration) {
        let mut changes = self.reported.subscribe();
        let enough = changes.wait_for(|reported| {
            reported.tail_calls.len() >= calls && reported.stream_events.len() >= events
        });
        // That too few came will show in the comparison.
        _ = tokio::time::timeout(patience, enough).await;
    }

    /// Everything that was reported so far.
    pub(super) fn reported(&self) -> Reported {
        self.reported.borrow().clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, reported: Arc<watch::Sender<Reported>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let reported = Arc::clone(&reported);
        let service = service_fn(move |request| answer(Arc::clone(&reported), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn answer(
    reported: Arc<watch::Sender<Reported>>,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Error>>, hyper::Error> {
    let path = request.uri().to_string();
    let body = request.into_body().collect().await?.to_bytes();
    let dies = path == "/die";
    reported.send_modify(|reported| report(reported, path, &body));
    if dies {
        let mut response = Response::new(Dying::default().boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_LENGTH, 100.into());
        return Ok(response);
    }
    let body = Full::from("ok").map_err(|never| match never {});
    Ok(Response::new(body.boxed_unsync()))
}

fn report(reported: &mut Reported, path: String, body: &[u8]) {
    let body = String::from_utf8_lossy(body);
    let json = serde_json::from_str::<Map<String, Value>>(&surrogates::replace(&body)).ok();
    match json {
        Some(mut call) if path == "/tail" => {
            let mut take = |key: &str| call.remove(key).unwrap_or_default();
            reported.tail_calls.push(TailCall {
                worker: take("label").as_str().unwrap_or_default().to_owned(),
                argc: take("argc"),
                is_array: take("isArray"),
                props: take("ctxProps"),
                events: take("json"),
                more: {
                    for own in ["kind", "n", "now"] {
                        take(own);
                    }
                    call.into()
                },
            });
        }
        Some(mut report) if path == "/stream" => {
            let mut take = |key: &str| report.remove(key).unwrap_or_default();
            reported.stream_events.push(StreamEvent {
                by: take("label").as_str().unwrap_or_default().to_owned(),
                event: take("json"),
            });
        }
        // The report of a Worker that was stopped while it wrote it.
        None if path == "/stream" => {}
        json => {
            let mut mark = json.unwrap_or_else(|| {
                let raw = ("raw".to_owned(), Value::from(body));
                Map::from_iter([raw])
            });
            mark.insert("path".to_owned(), path.into());
            reported.marks.push(mark.into());
        }
    }
}

/// A body that breaks off: what there is of it is sent before the error.
#[derive(Default)]
enum Dying {
    #[default]
    Begins,
    IsSent,
    Ends,
}

impl Body for Dying {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match *self {
            Self::Begins => {
                *self = Self::IsSent;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"partial")))))
            }
            Self::IsSent => {
                *self = Self::Ends;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Ends => Poll::Ready(Some(Err(ErrorKind::ConnectionReset.into()))),
        }
    }
}
