//! Responses, in the envelope of Cloudflare's API.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use serde_json::json;

pub(crate) type Response = http::Response<Full<Bytes>>;

/// A request that is refused or has failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    /// A code of Cloudflare's API, if it has one for this, and otherwise the status.
    code: u16,
    message: String,
    /// The methods that there are, for 405.
    allowed: Option<HeaderValue>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: status.as_u16(),
            message: message.into(),
            allowed: None,
        }
    }

    pub(crate) fn with_code(mut self, code: u16) -> Self {
        self.code = code;
        self
    }

    pub(crate) fn with_allowed(mut self, methods: &str) -> Self {
        self.allowed = HeaderValue::from_str(methods).ok();
        self
    }

    /// A name that no Worker is deployed under. Code and message are Cloudflare's, and what comes
    /// after it is not.
    pub(crate) fn unknown_worker(name: &str, deployed: &[String]) -> Self {
        let deployed = deployed.join("`, `");
        let message =
            format!("This Worker does not exist on your account: `{name}`. There are `{deployed}`");
        Self::new(StatusCode::NOT_FOUND, message).with_code(10007)
    }

    pub(crate) fn response(self) -> Response {
        let body = json!({
            "success": false,
            "errors": [{ "code": self.code, "message": self.message }],
            "messages": [],
            "result": null,
        });
        let mut response = in_json(self.status, &body);
        if let Some(allowed) = self.allowed {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response
    }
}

/// Returns a result in the envelope.
pub(crate) fn success(result: impl Serialize) -> Response {
    let body = json!({ "success": true, "errors": [], "messages": [], "result": result });
    in_json(StatusCode::OK, &body)
}

/// Returns JSON without an envelope.
pub(crate) fn in_json(status: StatusCode, body: &impl Serialize) -> Response {
    // Maps have text as keys, so this does not fail.
    let text = serde_json::to_vec(body).unwrap_or_default();
    with_type(status, "application/json", text)
}

pub(crate) fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
