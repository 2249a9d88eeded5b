//! Where a Worker's requests go if they are not made through a binding.

use crate::settings::target::Target;
use http::Uri;
use serde::Deserialize;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Where a Worker's requests go if they are not made through a binding.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Egress {
    /// To any host on the network.
    #[default]
    Anywhere,
    /// To hosts on the network that match one of the patterns. Without patterns, to none.
    Hosts(Vec<HostPattern>),
    /// To another Worker, as with workerd's `globalOutbound`.
    Worker(Target),
}

/// A pattern like `https://api.example.com`, `http://*.example.com:8080` or `*://127.0.0.1:*`, as
/// in Spin's `allowed_outbound_hosts`: scheme, host and port, each of which may be `*`. Without a
/// port, the default port of the scheme applies.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPattern {
    text: String,
    scheme: Option<String>,
    host: Host,
    ports: Option<RangeInclusive<u16>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// Any name that ends with this suffix, which begins with a dot.
    Below(String),
    Exactly(String),
}

/// Says why a pattern is invalid.
#[derive(Debug)]
pub struct BadPattern(String);

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadPattern {}

impl HostPattern {
    fn covers(&self, scheme: &str, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        self.scheme.as_ref().is_none_or(|own| own == scheme)
            && self.ports.as_ref().is_none_or(|own| own.contains(&port))
            && match &self.host {
                Host::Any => true,
                Host::Below(suffix) => host.ends_with(suffix.as_str()),
                Host::Exactly(own) => *own == host,
            }
    }
}

impl FromStr for HostPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let bad = |what: &str| {
            BadPattern(format!(
                "`{text}` {what}; write for example `https://api.example.com`, `http://*.example.com:8080` or `*://127.0.0.1:*`"
            ))
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| bad("has no scheme before `://`"))?;
        if rest.contains(['/', '?', '#', '@']) {
            return Err(bad("has more than a scheme, a host and a port"));
        }
        // The colon of a port comes after the brackets of an IPv6 address.
        let colon = rest
            .rfind(':')
            .filter(|colon| !rest[*colon..].contains(']'));
        let (host, port) = match colon {
            Some(colon) => (&rest[..colon], Some(&rest[colon + 1..])),
            None => (rest, None),
        };
        let ports = match (port, scheme) {
            (Some("*"), _) => None,
            (Some(port), _) => Some(ports(port).ok_or_else(|| bad("has no valid port"))?),
            (None, "http") => Some(80..=80),
            (None, "https") => Some(443..=443),
            (None, _) => return Err(bad("needs a port, since its scheme has no default")),
        };
        let host = match host {
            "" => return Err(bad("has no host")),
            "*" => Host::Any,
            host => match host.strip_prefix('*') {
                Some(suffix) if suffix.starts_with('.') => Host::Below(suffix.to_ascii_lowercase()),
                _ if host.contains('*') => {
                    return Err(bad(
                        "has a `*` that is not the whole first label of its host",
                    ));
                }
                _ => Host::Exactly(host.to_ascii_lowercase()),
            },
        };
        Ok(Self {
            text: text.to_owned(),
            scheme: (scheme != "*").then(|| scheme.to_ascii_lowercase()),
            host,
            ports,
        })
    }
}

/// Parses `8080` or `8080..8090`, which excludes its end.
fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    match text.split_once("..") {
        None => text.parse().ok().map(|port| port..=port),
        Some((first, end)) => {
            let last = end.parse::<u16>().ok()?.checked_sub(1)?;
            Some(first.parse().ok()?..=last)
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = BadPattern;

    fn try_from(text: String) -> Result<Self, BadPattern> {
        text.parse()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns why a request may not go out, if so. The wording of the first message is workerd's.
pub(crate) fn refusal(patterns: &[HostPattern], uri: &Uri) -> Option<String> {
    if patterns.is_empty() {
        return Some(
            "This worker is not permitted to access the internet via global functions like fetch(). It must use capabilities (such as bindings in 'env') to talk to the outside world."
                .to_owned(),
        );
    }
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = uri.host().unwrap_or_default();
    let port = uri
        .port_u16()
        .unwrap_or(if scheme == "https" { 443 } else { 80 });
    if patterns
        .iter()
        .any(|pattern| pattern.covers(scheme, host, port))
    {
        return None;
    }
    Some(format!(
        "This Worker is not permitted to reach {scheme}://{host}:{port}: no pattern in `taffrail.allowed_outbound_hosts` matches it."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(pattern: &str, uri: &str) -> bool {
        let pattern = pattern.parse().expect("a pattern");
        refusal(&[pattern], &uri.parse().expect("a URI")).is_none()
    }

    #[test]
    fn a_pattern_is_for_its_scheme_host_and_port_only() {
        assert!(allowed("https://example.com", "https://EXAMPLE.com/a?b"));
        assert!(!allowed("https://example.com", "http://example.com/"));
        assert!(!allowed("https://example.com", "https://example.com:444/"));
        assert!(!allowed(
            "https://example.com",
            "https://example.com.evil.test/"
        ));
        assert!(allowed(
            "http://127.0.0.1:8000..8010",
            "http://127.0.0.1:8009/"
        ));
        assert!(!allowed(
            "http://127.0.0.1:8000..8010",
            "http://127.0.0.1:8010/"
        ));
        assert!(allowed("http://[::1]:80", "http://[::1]/"));
    }

    #[test]
    fn stars_stand_for_anything_in_their_place() {
        assert!(allowed("*://*:*", "https://example.com:1234/"));
        assert!(allowed("http://*.example.com", "http://a.b.example.com/"));
        assert!(!allowed("http://*.example.com", "http://example.com/"));
        assert!(!allowed("http://*.example.com", "http://badexample.com/"));
    }

    #[test]
    fn an_invalid_pattern_is_refused_with_a_reason() {
        for (text, reason) in [
            ("example.com", "has no scheme"),
            ("https://", "has no host"),
            ("https://example.com/path", "has more than"),
            ("*://example.com", "needs a port"),
            ("http://example.com:x", "has no valid port"),
            ("http://ex*mple.com", "has a `*`"),
        ] {
            let error = text.parse::<HostPattern>().expect_err(text).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
