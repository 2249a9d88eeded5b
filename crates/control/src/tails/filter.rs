//! Which items a live tail receives.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use taffrail_logs::{Expression, Part, Row, SyntaxError, is_sampled};
use taffrail_trace::{EventInfo, Json, LogLevel, Outcome, RequestData, TraceItem, TraceLog};

/// A condition on items. An item is sent if all filters of a tail match it.
///
/// In JSON these are the filters of Cloudflare's API, such as `{"method": ["GET", "POST"]}`, and
/// `level` and `where`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// A share of all requests. An item has the fate of all others with its `requestId`.
    SamplingRate(SamplingRate),
    /// The outcome is one of these.
    Outcome(Vec<Outcome>),
    /// The event is a request with one of these methods, in upper or lower case.
    Method(Vec<String>),
    /// The event is a request with this header.
    Header(HeaderFilter),
    /// The event is a request from one of these clients.
    ClientIp(Vec<ClientIp>),
    /// An argument of a console call has this text in it. One that is not a string counts as
    /// JSON.
    Query(String),
    /// The id of the Worker's version.
    #[serde(rename = "scriptVersion")]
    ScriptVersion(String),
    /// There is a console call of one of these levels. An exception counts as `error`.
    Level(Vec<LogLevel>),
    /// An expression is true of the invocation, of one of its log entries, or of one of its
    /// exceptions.
    Where(Condition),
}

/// A header to look for. The value is compared as it was received, not as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct HeaderFilter {
    /// The name, in upper or lower case.
    pub key: String,
    /// The whole value. Without one, any value will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// A client to look for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClientIp {
    /// This machine, on which whoever receives the tail is.
    Own,
    /// A client with this address.
    Address(IpAddr),
}

/// An [`Expression`] and its text.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    text: String,
    expression: Expression,
}

/// A share between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct SamplingRate(f64);

/// A number is not a [`SamplingRate`].
#[derive(Debug, thiserror::Error)]
#[error(
    "a sampling rate is a number between 0 and 1: with 0.25, a quarter of the requests is shown"
)]
pub struct BadRate;

impl TryFrom<f64> for SamplingRate {
    type Error = BadRate;

    fn try_from(rate: f64) -> Result<Self, BadRate> {
        match (0.0..=1.0).contains(&rate) {
            true => Ok(Self(rate)),
            false => Err(BadRate),
        }
    }
}

impl From<SamplingRate> for f64 {
    fn from(rate: SamplingRate) -> Self {
        rate.0
    }
}

impl FromStr for SamplingRate {
    type Err = BadRate;

    fn from_str(text: &str) -> Result<Self, BadRate> {
        text.parse::<f64>().map_err(|_| BadRate)?.try_into()
    }
}

impl FromStr for Condition {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        Ok(Self {
            text: text.to_owned(),
            expression: text.parse()?,
        })
    }
}

impl TryFrom<String> for Condition {
    type Error = SyntaxError;

    fn try_from(text: String) -> Result<Self, SyntaxError> {
        text.parse()
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.text
    }
}

impl FromStr for ClientIp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "self" {
            return Ok(Self::Own);
        }
        let address = text.parse::<IpAddr>();
        let address =
            address.map_err(|_| format!("`{text}` is neither an IP address nor `self`"))?;
        Ok(Self::Address(address.to_canonical()))
    }
}

impl TryFrom<String> for ClientIp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClientIp> for String {
    fn from(client: ClientIp) -> Self {
        match client {
            ClientIp::Own => "self".to_owned(),
            ClientIp::Address(address) => address.to_string(),
        }
    }
}

impl ClientIp {
    fn is(&self, client: IpAddr) -> bool {
        match self {
            Self::Own => client.is_loopback(),
            Self::Address(address) => *address == client,
        }
    }
}

impl Filter {
    /// Whether an item passes. A header that was redacted when the item was kept has lost its
    /// value.
    #[must_use]
    pub fn matches(&self, item: &TraceItem) -> bool {
        match self {
            Self::SamplingRate(rate) => is_sampled(&item.request_id, rate.0),
            Self::Outcome(outcomes) => outcomes.contains(&item.outcome),
            Self::Method(methods) => request(item).is_some_and(|request| {
                let mut methods = methods.iter();
                methods.any(|method| method.eq_ignore_ascii_case(&request.method))
            }),
            Self::Header(HeaderFilter { key, query }) => request(item).is_some_and(|request| {
                let value = request.headers.get(&key.to_ascii_lowercase());
                value.is_some_and(|value| query.as_ref().is_none_or(|query| query == value))
            }),
            Self::ClientIp(clients) => request(item).and_then(client).is_some_and(|client| {
                let mut clients = clients.iter();
                clients.any(|wanted| wanted.is(client))
            }),
            Self::Query(text) => item.logs.iter().any(|log| has_text(log, text)),
            Self::ScriptVersion(id) => {
                let version = item.script.script_version.as_ref();
                version.is_some_and(|version| version.id.as_ref() == Some(id))
            }
            Self::Level(levels) => {
                let mut logged = Row::all(item).filter(|row| !matches!(row.part, Part::Invocation));
                logged.any(|row| levels.contains(&row.level()))
            }
            Self::Where(condition) => condition.expression.matches(item),
        }
    }
}

fn request(item: &TraceItem) -> Option<&RequestData> {
    match &item.event {
        Some(EventInfo::Fetch { request, .. }) => Some(request.unredacted()),
        _ => None,
    }
}

/// Returns the address of the client, which the server has put in `cf`.
fn client(request: &RequestData) -> Option<IpAddr> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cf {
        client_ip: SocketAddr,
    }
    let cf: Cf = serde_json::from_str(request.cf.as_ref()?.get()).ok()?;
    Some(cf.client_ip.ip().to_canonical())
}

fn has_text(log: &TraceLog, text: &str) -> bool {
    let has_text = |argument: &Json| match serde_json::from_str::<String>(argument.get()) {
        Ok(string) => string.contains(text),
        Err(_) => argument.get().contains(text),
    };
    log.message.iter().any(has_text)
}

#[cfg(test)]
mod tests;
