//! What a client receives.

use crate::patience::patiently;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt;
use taffrail_runtime::ResponseBody;
use taffrail_runtime::trace::Outcome;

/// What a client receives for one request.
#[derive(Debug, Default)]
pub struct Answer {
    /// The status, if the guest set a response.
    pub status: Option<u16>,
    /// Its headers.
    pub headers: HeaderMap,
    /// The body, as far as it came.
    pub body: Vec<u8>,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
    /// Whether the body broke off.
    pub broken: bool,
    /// The outcome, if there was no response.
    pub failed: Option<Outcome>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads a response to its end.
///
/// # Panics
///
/// Panics if its next piece does not come.
pub async fn read(response: http::Response<ResponseBody>) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut answer = Answer {
        status: Some(head.status.as_u16()),
        headers: head.headers,
        ..Answer::default()
    };
    while let Some(frame) = patiently(body.frame()).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => answer.body.extend_from_slice(&data),
            Ok(Err(frame)) => answer.trailers = frame.into_trailers().ok(),
            Err(_) => {
                answer.broken = true;
                break;
            }
        }
    }
    answer
}
