//! Queries over HTTP: Cloudflare's SQL API for Analytics Engine, and the one for everything.
//!
//! <https://developers.cloudflare.com/analytics/analytics-engine/sql-api/>
//! <https://developers.cloudflare.com/analytics/sql-api/>

use crate::answer::Format;
use crate::error::{Error, ErrorKind};
use crate::queries::{Queries, Query};
use crate::request::Params;
use crate::rules::Rules;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What is sent to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status of HTTP.
    pub status: u16,
    /// The value of the header `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Queries {
    /// Answers `POST /client/v4/accounts/{account}/analytics_engine/sql`, whose body is a query, and
    /// `GET` with the parameter `query`, at the time `now`.
    pub async fn answer_analytics(&self, sql: String, now: Timestamp) -> Response {
        let query = Query {
            sql,
            params: Params::None,
            now,
            rules: Rules::ANALYTICS,
        };
        let answer = self.run(query).await.map(|answer| {
            let format = answer.format.unwrap_or(Format::Json);
            (format, answer.write(format))
        });
        respond(answer)
    }

    /// Answers `POST /client/v4/analytics/sql`, whose body is a query, or JSON with `query` and
    /// `params`, and `GET` with the parameter `query`, at the time `now`.
    pub async fn answer_sql(&self, body: String, now: Timestamp) -> Response {
        let (sql, params) = match body.trim_start().starts_with('{') {
            false => (body, Params::None),
            true => match serde_json::from_str::<Body>(&body) {
                Ok(body) => (body.query, body.params),
                Err(error) => return Response::plain(400, &format!("Input was invalid: {error}")),
            },
        };
        let query = Query {
            sql,
            params,
            now,
            rules: Rules::GENERAL,
        };
        let most = self.limits.bytes;
        let answer = self.run(query).await.and_then(|answer| {
            let too_long = || {
                let message = format!("the answer has more than {most} bytes: add LIMIT");
                Error::new(ErrorKind::Limit, message)
            };
            Ok((Format::Json, answer.in_api(most).ok_or_else(too_long)?))
        });
        respond(answer)
    }
}

/// A query in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    query: String,
    #[serde(default)]
    params: Params,
    /// There is one account, which has all tables.
    #[serde(default, rename = "scope")]
    _scope: Option<IgnoredAny>,
}

fn respond(answer: Result<(Format, String), Error>) -> Response {
    match answer {
        Ok((format, body)) => Response {
            status: 200,
            content_type: format.content_type(),
            body,
        },
        // <https://developers.cloudflare.com/analytics/sql-api/errors/>
        Err(error) => match error.kind() {
            ErrorKind::Invalid => Response::plain(422, &format!("Input was invalid: {error}")),
            ErrorKind::Busy => Response::plain(429, &error.to_string()),
            ErrorKind::Limit => Response::plain(507, &error.to_string()),
            ErrorKind::Cancelled | ErrorKind::Data => Response::plain(503, &error.to_string()),
        },
    }
}

impl Response {
    fn plain(status: u16, message: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: format!("{message}\n"),
        }
    }
}

#[cfg(test)]
mod tests;
