//! From hyper's request to that of a Worker.

use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Method, Request, Version, header};
use std::net::SocketAddr;
use taffrail_runtime::trace::Json;
use url::Url;

/// Makes the URI absolute, as it is in Workers. `local` is the host for clients
/// of HTTP/1.0 that send none.
pub(crate) fn for_worker<B>(
    request: Request<B>,
    local: SocketAddr,
) -> Result<Request<B>, &'static str> {
    let (mut head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return Err("CONNECT is not supported: this server is not a proxy");
    }
    head.uri = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority(&head, local)?)
        .path_and_query(path(&head)?)
        .build()
        .map_err(|_| MALFORMED_TARGET)?;
    Ok(Request::from_parts(head, body))
}

const MALFORMED_TARGET: &str = "the request target is malformed";

/// The authority of the request: RFC 9112, sections 3.2 and 3.3.
fn authority(head: &Parts, local: SocketAddr) -> Result<Authority, &'static str> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("the request has more than one Host header");
    }
    match (head.uri.authority(), host) {
        (Some(_), _) if head.uri.scheme().is_none() => Err(MALFORMED_TARGET),
        (None, None) if head.version >= Version::HTTP_11 => Err("the request has no Host header"),
        (Some(authority), _) => Some(authority.clone())
            .filter(is_of_url)
            .ok_or(MALFORMED_TARGET),
        (None, Some(host)) => Authority::try_from(host.as_bytes())
            .ok()
            .filter(is_of_url)
            .ok_or("the Host header is malformed"),
        (None, None) => {
            Authority::try_from(local.to_string()).map_err(|_| "the request names no host")
        }
    }
}

/// Whether a URL may have this authority: a Worker could not make a `Request`
/// of another one. It takes some 300 ns.
fn is_of_url(authority: &Authority) -> bool {
    Url::parse(&format!("http://{authority}/")).is_ok()
}

fn path(head: &Parts) -> Result<PathAndQuery, &'static str> {
    let root = || PathAndQuery::from_static("/");
    let Some(path) = head.uri.path_and_query() else {
        return Ok(root());
    };
    match path.as_str().as_bytes() {
        [b'/', ..] => Ok(path.clone()),
        // Its text begins with a slash all the same.
        [b'?', ..] => PathAndQuery::try_from(path.to_string()).map_err(|_| MALFORMED_TARGET),
        // `OPTIONS *` has no path.
        _ if head.method == Method::OPTIONS => Ok(root()),
        _ => Err(MALFORMED_TARGET),
    }
}

/// The approximate bytes of a request head: optional whitespace is counted once.
pub(crate) fn head_bytes<B>(request: &Request<B>) -> usize {
    let target = request
        .uri()
        .path_and_query()
        .map_or(1, |path| path.as_str().len());
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n".len();
    let headers = request.headers().iter();
    headers
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum::<usize>()
        + line
}

/// The `cf` of plain workerd.
pub(crate) fn cf(peer: SocketAddr) -> Option<Json> {
    serde_json::value::RawValue::from_string(format!(r#"{{"clientIp":"{peer}"}}"#)).ok()
}
