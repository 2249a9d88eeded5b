//! From hyper's request to the one a Worker gets.

use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::net::SocketAddr;
use taffrail_runtime::RequestBody;
use taffrail_runtime::trace::Json;

/// Makes the URI absolute, as Workers know it. `local` stands in for the host
/// of a client that names none.
pub(crate) fn for_worker(
    request: Request<Incoming>,
    local: SocketAddr,
) -> Result<Request<RequestBody>, &'static str> {
    let (mut head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return Err("CONNECT is not supported: this server is no proxy");
    }
    let authority = match (head.uri.authority(), head.headers.get(header::HOST)) {
        (Some(authority), _) => authority.clone(),
        (None, Some(host)) => {
            Authority::try_from(host.as_bytes()).map_err(|_| "the Host header is malformed")?
        }
        (None, None) => {
            Authority::try_from(local.to_string()).map_err(|_| "the request names no host")?
        }
    };
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(authority);
    // `OPTIONS *` has no path.
    uri.path_and_query = match uri.path_and_query {
        Some(path) if path.as_str().starts_with('/') => Some(path),
        _ => Some(PathAndQuery::from_static("/")),
    };
    head.uri = Uri::from_parts(uri).map_err(|_| "the request target is malformed")?;
    let body = body
        .map_err(taffrail_runtime::RequestBodyError::from)
        .boxed_unsync();
    Ok(Request::from_parts(head, body))
}

/// What plain workerd tells a Worker of its client.
pub(crate) fn cf(peer: SocketAddr) -> Option<Json> {
    serde_json::value::RawValue::from_string(format!(r#"{{"clientIp":"{peer}"}}"#)).ok()
}
