//! Events that a developer starts with a request.

use crate::response::{self, Response};
use http::{HeaderMap, Request, StatusCode, Uri, header};
use std::net::IpAddr;
use taffrail_runtime::trace::Outcome;
use taffrail_runtime::{Event, Runtime};

/// The event that a request starts, if any, or the reason for a refusal.
/// `local` is the address that the client connected to.
pub(crate) fn event<B>(
    request: &Request<B>,
    local: IpAddr,
    is_cron: fn(&str) -> bool,
) -> Option<Result<Event, Refused>> {
    let uri = request.uri();
    if uri.path() != "/cdn-cgi/handler/scheduled" {
        return None;
    }
    Some(if is_of_developer(uri, request.headers(), local) {
        scheduled(uri, is_cron).map_err(|problem| Refused(StatusCode::BAD_REQUEST, problem))
    } else {
        Err(Refused(StatusCode::FORBIDDEN, FOREIGN))
    })
}

/// A status and a message.
pub(crate) struct Refused(StatusCode, &'static str);

impl Refused {
    pub(crate) fn answer(self) -> Response {
        response::plain(self.0, format!("{}\n", self.1))
    }
}

const FOREIGN: &str = "events are started by requests to `localhost` or to the address that the server listens on, and not by web pages of other sites";

/// Whether a request comes from the developer. A web page may have its visitor's
/// browser send one, to a name of its own that resolves to this address, which
/// `Host` shows, or to this address, which the other headers show.
fn is_of_developer(uri: &Uri, headers: &HeaderMap, local: IpAddr) -> bool {
    let origin = headers.get(header::ORIGIN).map(|origin| {
        let origin = Uri::try_from(origin.as_bytes()).ok();
        origin.is_some_and(|origin| is_own(&origin, local))
    });
    let site = headers.get("sec-fetch-site");
    is_own(uri, local)
        && origin.unwrap_or(true)
        && site.is_none_or(|site| site.as_bytes() != b"cross-site")
}

fn is_own(uri: &Uri, local: IpAddr) -> bool {
    let Some(host) = uri.host() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address == local,
        Err(_) => {
            let host = host.to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

fn scheduled(uri: &Uri, is_cron: fn(&str) -> bool) -> Result<Event, &'static str> {
    let query = uri.query().unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let cron = value("cron").unwrap_or_default();
    if !cron.is_empty() && !is_cron(&cron) {
        return Err("`cron` is not a cron expression such as `*/5 * * * *`");
    }
    let time = value("time").map(|time| time.parse()).transpose();
    let time = time.map_err(|_| "`time` is not a number of milliseconds since 1970")?;
    Ok(Event::scheduled(cron, time))
}

/// Dispatches the event and answers with its outcome.
pub(crate) async fn fire(runtime: &Runtime, worker: &str, event: Event) -> Response {
    match runtime.dispatch(worker, event).await {
        Ok(outcome) => {
            let status = match outcome {
                Outcome::Ok => StatusCode::OK,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            response::plain(status, outcome.to_string())
        }
        Err(error) => {
            tracing::error!("{error}");
            response::failure(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(uri: &str, headers: &[(&str, &str)]) -> Option<Result<Event, StatusCode>> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let local = IpAddr::from([192, 168, 0, 2]);
        let event = event(&request.body(()).unwrap(), local, |cron| {
            cron == "* * * * *"
        });
        event.map(|event| event.map_err(|refused| refused.0))
    }

    fn at(host: &str, headers: &[(&str, &str)]) -> Option<StatusCode> {
        let uri = format!("http://{host}/cdn-cgi/handler/scheduled");
        answer(&uri, headers).unwrap().err()
    }

    #[test]
    fn only_the_developer_starts_events() {
        for host in [
            "localhost:8787",
            "LOCALHOST",
            "app.localhost",
            "127.0.0.1:8787",
            "127.9.9.9",
            "[::1]:8787",
            "192.168.0.2:8787",
        ] {
            assert_eq!(at(host, &[]), None, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "xlocalhost",
            "192.168.0.3",
            "10.0.0.1:8787",
        ] {
            assert_eq!(at(host, &[]), Some(StatusCode::FORBIDDEN), "{host}");
        }
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
        ] {
            let refused = at("localhost:8787", &[(name, value)]);
            assert_eq!(refused, Some(StatusCode::FORBIDDEN), "{name}: {value}");
        }
        for (name, value) in [
            ("origin", "http://localhost:8787"),
            ("origin", "http://127.0.0.1:3000"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", "none"),
        ] {
            assert_eq!(at("localhost:8787", &[(name, value)]), None, "{value}");
        }
    }

    #[test]
    fn the_query_is_checked() {
        let with = |query: &str| {
            let uri = format!("http://localhost/cdn-cgi/handler/scheduled?{query}");
            answer(&uri, &[]).unwrap().err()
        };
        for query in [
            "",
            "cron=",
            "cron=*+*+*+*+*",
            "cron=*%20*%20*%20*%20*&time=1",
        ] {
            assert_eq!(with(query), None, "{query}");
        }
        for query in ["cron=%1b]52;c;aGk=%07", "time=now", "time=-1"] {
            assert_eq!(with(query), Some(StatusCode::BAD_REQUEST), "{query}");
        }
        assert!(answer("http://evil.example/cdn-cgi/handler", &[]).is_none());
    }
}
