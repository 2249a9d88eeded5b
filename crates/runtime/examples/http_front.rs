//! Serves Workers over HTTP: the first part of the path names the Worker.
#![expect(clippy::print_stderr, reason = "it is what the example is for")]

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use taffrail_runtime::trace::Outcome;
use taffrail_runtime::{FetchResult, RequestBodyError, ResponseBody, Runtime, WorkerSettings};
use tokio::net::TcpListener;

type Body = Either<ResponseBody, Full<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next();
    let address = address.ok_or("usage: http_front ADDRESS [NAME=COMPONENT]…")?;

    let runtime = Runtime::builder().instances(64).build()?;
    for argument in arguments {
        let (name, component) = argument
            .split_once('=')
            .ok_or("a Worker is NAME=COMPONENT")?;
        let code = runtime.compiler().compile(&std::fs::read(component)?)?;
        runtime.deploy(WorkerSettings::new(name), code)?;
    }

    let listener = TcpListener::bind(address).await?;
    eprintln!("Ready on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let runtime = runtime.clone();
        let service = service_fn(move |request| {
            let runtime = runtime.clone();
            async move { Ok::<_, Infallible>(answer(&runtime, request).await) }
        });
        // When the client disconnects, hyper drops the work for it, and the Worker is stopped.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(runtime: &Runtime, request: Request<Incoming>) -> Response<Body> {
    let Some((worker, request)) = routed(request) else {
        return failure(StatusCode::BAD_REQUEST);
    };
    let request = request.map(|body| body.map_err(RequestBodyError::from).boxed_unsync());
    match runtime.fetch(&worker, request, None).await {
        Ok(FetchResult::Response(response)) => response.map(Either::Left),
        // A failure of the guest is data.
        Ok(FetchResult::Failed { outcome, .. }) => failure(match outcome {
            Outcome::ExceededCpu | Outcome::ExceededMemory => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }),
        // No Worker of this name is deployed.
        Err(_) => failure(StatusCode::NOT_FOUND),
    }
}

/// Takes the name of the Worker from the path, and makes the URI absolute, as a Worker sees it.
fn routed<B>(mut request: Request<B>) -> Option<(String, Request<B>)> {
    let host = request.headers().get("host")?.to_str().ok()?;
    let path = request.uri().path_and_query()?.as_str().strip_prefix('/')?;
    let (worker, path) = path.split_once('/').unwrap_or((path, ""));
    let worker = worker.to_owned();
    let uri: Uri = format!("http://{host}/{path}").parse().ok()?;
    *request.uri_mut() = uri;
    Some((worker, request))
}

fn failure(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::default()));
    *response.status_mut() = status;
    response
}
