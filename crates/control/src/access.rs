//! Who may control the process.

use crate::reply::Failure;
use http::request::Parts;
use http::uri::Authority;
use http::{StatusCode, header};
use std::fmt;
use std::net::IpAddr;

/// The secret that a client of a loopback address sends: any user of the machine can connect to
/// it, and so can every web page that a browser shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Returns a new token of 128 random bits.
    #[must_use]
    pub fn random() -> Self {
        Self(secret())
    }

    /// Returns the text that a client sends.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares in a time that depends only on the length.
    fn is(&self, other: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), other.as_bytes());
        let differences = own.iter().zip(other).map(|(own, other)| own ^ other);
        own.len() == other.len() && differences.fold(0, |all, one| all | one) == 0
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Does not show the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Returns 128 random bits as 32 hexadecimal digits.
pub(crate) fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// What a request must have.
pub(crate) struct Access {
    /// `None` on a Unix socket, to which only its user can connect.
    pub(crate) token: Option<Token>,
}

impl Access {
    /// Refuses requests that a browser sends for a web page: those with an `Origin`, and on a
    /// loopback address those for another host, whose name was made to lead here.
    pub(crate) fn check_sender(&self, head: &Parts) -> Result<(), Failure> {
        if head.headers.contains_key(header::ORIGIN) {
            let message =
                "a request with an `Origin` comes from a web page, which may not control Taffrail";
            return Err(Failure::new(StatusCode::FORBIDDEN, message));
        }
        if self.token.is_none() {
            return Ok(());
        }
        let hosts = head.headers.get_all(header::HOST).iter();
        let hosts = hosts.map(|host| Authority::try_from(host.as_bytes()).ok());
        let mut hosts = hosts.chain(head.uri.authority().cloned().map(Some));
        if hosts.all(|host| host.is_some_and(|host| is_own_name(host.host()))) {
            return Ok(());
        }
        let message = "the `Host` must be `localhost` or a loopback address";
        Err(Failure::new(StatusCode::FORBIDDEN, message))
    }

    /// Refuses requests without the token, if there is one.
    pub(crate) fn check_token(&self, head: &Parts) -> Result<(), Failure> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        let sent = head.headers.get(header::AUTHORIZATION);
        let sent = sent.and_then(|value| value.to_str().ok());
        let sent = sent.and_then(|value| value.split_once(' '));
        match sent {
            Some((scheme, sent)) if scheme.eq_ignore_ascii_case("bearer") && token.is(sent) => {
                Ok(())
            }
            _ => Err(Failure::new(
                StatusCode::UNAUTHORIZED,
                "send the token as `Authorization: Bearer TOKEN`; it is in the file that `taffrail` named when it started",
            )),
        }
    }
}

/// Whether a host is this machine, as a client on it names it.
fn is_own_name(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/status");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_web_page_is_refused() {
        let tcp = Access {
            token: Some("secret".to_owned().into()),
        };
        let unix = Access { token: None };
        for (headers, on_tcp, on_unix) in [
            (&[][..], true, true),
            (&[("host", "localhost:1")], true, true),
            (&[("host", "127.0.0.1")], true, true),
            (&[("host", "[::1]:1")], true, true),
            (&[("host", "evil.example:1")], false, true),
            (&[("host", "127.0.0.1.evil.example")], false, true),
            (
                &[("host", "localhost"), ("host", "evil.example")],
                false,
                true,
            ),
            (&[("host", "a b")], false, true),
            (
                &[("host", "localhost"), ("origin", "http://localhost")],
                false,
                false,
            ),
            (&[("origin", "null")], false, false),
        ] {
            let head = head(headers);
            assert_eq!(tcp.check_sender(&head).is_ok(), on_tcp, "{headers:?}");
            assert_eq!(unix.check_sender(&head).is_ok(), on_unix, "{headers:?}");
        }
        let absolute = Request::get("http://evil.example/status").body(()).unwrap();
        assert!(tcp.check_sender(&absolute.into_parts().0).is_err());
    }

    #[test]
    fn only_the_token_is_the_token() {
        let access = Access {
            token: Some("secret".to_owned().into()),
        };
        assert!(
            access
                .check_token(&head(&[("authorization", "Bearer secret")]))
                .is_ok()
        );
        for value in [
            "Bearer secre",
            "Bearer secret2",
            "Bearer ",
            "secret",
            "Basic secret",
        ] {
            let head = head(&[("authorization", value)]);
            assert!(access.check_token(&head).is_err(), "{value}");
        }
        assert!(access.check_token(&head(&[])).is_err());
        assert!(Access { token: None }.check_token(&head(&[])).is_ok());
    }
}
