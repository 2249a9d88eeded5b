//! Outgoing requests.

use anyhow::{Context, Error};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use wstd::http::Client;

pub use http::StatusCode;
pub use wstd::http::{Body, Request, Response};

/// Sends a request, and returns the response as soon as its head has arrived.
///
/// # Errors
///
/// Fails if the server cannot be reached, or if the request breaks off. A status such as 404 is a
/// response.
pub async fn fetch<B: Into<Body>>(request: Request<B>) -> Result<Response<Body>, Error> {
    let url = request.uri().to_string();
    Client::new().send(request).await.context(url)
}

/// Posts a value as JSON. That of trace items is what `JSON.stringify(events)` gives on Workers.
///
/// # Errors
///
/// Fails as [`fetch`] does, or if the value has no JSON form.
pub async fn post(url: &str, value: &impl Serialize) -> Result<Response<Body>, Error> {
    let request = Request::post(url)
        .header(CONTENT_TYPE, "application/json")
        .body(serde_json::to_string(value)?)
        .with_context(|| format!("`{url}` is not a URL"))?;
    fetch(request).await
}
