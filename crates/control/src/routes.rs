//! The paths of the endpoint.

use crate::reply::Failure;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Status,
    Metrics,
    Stop,
    Start,
    /// A live tail of all Workers, or of the one that the path names.
    CreateTail,
    DeleteTail,
    /// The WebSocket of a live tail.
    ConnectTail,
    /// A query of data points.
    Analytics,
    /// A query of everything that is kept.
    Sql,
}

/// A segment in braces matches any text.
const ROUTES: &[(Method, &str, Endpoint)] = &[
    (Method::GET, "/status", Endpoint::Status),
    (Method::GET, "/metrics", Endpoint::Metrics),
    (Method::POST, "/workers/{worker}/stop", Endpoint::Stop),
    (Method::POST, "/workers/{worker}/start", Endpoint::Start),
    (Method::POST, "/tails", Endpoint::CreateTail),
    (Method::GET, "/tails/{id}", Endpoint::ConnectTail),
    (Method::DELETE, "/tails/{id}", Endpoint::DeleteTail),
    (
        Method::POST,
        "/client/v4/accounts/{account}/workers/scripts/{worker}/tails",
        Endpoint::CreateTail,
    ),
    (
        Method::DELETE,
        "/client/v4/accounts/{account}/workers/scripts/{worker}/tails/{id}",
        Endpoint::DeleteTail,
    ),
    (
        Method::POST,
        "/client/v4/accounts/{account}/analytics_engine/sql",
        Endpoint::Analytics,
    ),
    (
        Method::GET,
        "/client/v4/accounts/{account}/analytics_engine/sql",
        Endpoint::Analytics,
    ),
    (Method::POST, "/client/v4/analytics/sql", Endpoint::Sql),
    (Method::GET, "/client/v4/analytics/sql", Endpoint::Sql),
];

/// An endpoint and the names in its path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) endpoint: Endpoint,
    names: Vec<(&'static str, String)>,
}

impl Found {
    /// Returns what stands in the path for `{name}`.
    pub(crate) fn name(&self, name: &str) -> Option<&str> {
        let mut names = self.names.iter();
        let found = names.find(|(key, _)| *key == name)?;
        Some(&found.1)
    }
}

/// Finds the endpoint of a request. A slash at the end of its path means nothing: Grafana's plugin
/// for ClickHouse adds one to the address that it is given.
pub(crate) fn find(method: &Method, path: &str) -> Result<Found, Failure> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let matching = ROUTES
        .iter()
        .filter_map(|(own, pattern, endpoint)| Some((own, *endpoint, names(pattern, path)?)));
    let matching: Vec<_> = matching.collect();
    if matching.is_empty() {
        let routes = ROUTES.iter();
        let routes = routes.map(|(method, pattern, _)| format!("{method} {pattern}"));
        let routes = routes.collect::<Vec<_>>().join(", ");
        let message = format!("No route for that URI. There are: {routes}");
        return Err(Failure::new(StatusCode::NOT_FOUND, message).with_code(7000));
    }
    let methods: Vec<_> = matching.iter().map(|(own, ..)| own.as_str()).collect();
    let methods = methods.join(", ");
    let mut matching = matching.into_iter();
    match matching.find(|(own, ..)| *own == method) {
        Some((_, endpoint, names)) => Ok(Found { endpoint, names }),
        None => {
            let message =
                format!("Method {method} not available for that URI. There is: {methods}");
            let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, message);
            Err(failure.with_code(7001).with_allowed(&methods))
        }
    }
}

/// Returns the names in a path that matches a pattern, decoded.
fn names(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut names = Vec::new();
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        let name = expected.strip_prefix('{');
        match name.and_then(|name| name.strip_suffix('}')) {
            Some(name) => {
                let decoded = percent_decode_str(segment).decode_utf8().ok()?;
                names.push((name, decoded.into_owned()));
            }
            None if segment == expected => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_names_in_it() {
        let path = "/client/v4/accounts/local/workers/scripts/my%20worker/tails/1";
        let found = find(&Method::DELETE, path).unwrap();
        assert_eq!(found.endpoint, Endpoint::DeleteTail);
        assert_eq!(found.name("worker"), Some("my worker"));
        assert_eq!(found.name("id"), Some("1"));
        for path in ["/status", "/status/"] {
            let found = find(&Method::GET, path).unwrap();
            assert_eq!((found.endpoint, found.name("id")), (Endpoint::Status, None));
        }
    }

    #[test]
    fn what_there_is_not_is_answered_with_what_there_is() {
        let shown = |method, path| format!("{:?}", find(&method, path).unwrap_err());
        let error = shown(Method::GET, "/nothing");
        assert!(
            error.contains("404") && error.contains("GET /metrics, POST /workers/{worker}/stop")
        );
        assert!(shown(Method::GET, "/status//").contains("404"));
        assert!(shown(Method::GET, "/tails/%ff").contains("404"));
        let error = shown(Method::PUT, "/tails/1");
        assert!(
            error.contains("405") && error.contains("There is: GET, DELETE"),
            "{error}"
        );
    }
}
