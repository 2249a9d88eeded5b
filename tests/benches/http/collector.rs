//! A collector of OpenTelemetry that takes everything, and forgets it.

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};

/// One that runs, in threads of its own.
pub(crate) struct Collector {
    url: String,
    _runtime: Runtime,
}

impl Collector {
    pub(crate) fn start() -> Result<Self> {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_io()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let url = format!("http://{}", listener.local_addr()?);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(take));
                tokio::spawn(async move { _ = connection.await });
            }
        });
        Ok(Self {
            url,
            _runtime: runtime,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// An empty message of Protocol Buffers says that everything was taken.
async fn take(request: Request<Incoming>) -> hyper::Result<Response<Empty<Bytes>>> {
    request.into_body().collect().await?;
    let mut response = Response::new(Empty::new());
    let protobuf = http::HeaderValue::from_static("application/x-protobuf");
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, protobuf);
    Ok(response)
}
