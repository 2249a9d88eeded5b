//! The secret that an isolate shares with its host.

use crate::channels::failed::CallFailed;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};
use http_body_util::{BodyExt, Empty};
use std::sync::Arc;
use wasmtime_wasi_http::WasiBody;

/// The secret of one isolate, which the engine's JavaScript hides from the script. It is part of
/// the host's address and of the headers that the host adds to its answers. So no request of a
/// script is taken for one of the engine, and no response from elsewhere for one of the host.
#[derive(Clone)]
pub(crate) struct Token(Arc<str>);

/// The name of the header with the reason for a failure, as JSON.
const FAILED: &str = "failed";

/// The name of the header with the number of a request.
const NUMBER: &str = "number";

impl Token {
    pub(crate) fn new() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()).into())
    }

    /// Returns the text that the engine receives.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request is for the host.
    pub(crate) fn is_asked(&self, uri: &Uri) -> bool {
        let host = uri.host().and_then(|host| host.strip_suffix(".invalid"));
        host == Some(&*self.0)
    }

    /// Adds a header with this JSON to a response.
    pub(super) fn say(&self, about: &str, json: &str, headers: &mut HeaderMap) {
        let name = HeaderName::try_from(format!("{}-{about}", self.0));
        if let (Ok(name), Ok(json)) = (name, HeaderValue::from_str(&escaped(json))) {
            headers.insert(name, json);
        }
    }

    /// Takes the number out of the headers of a request. Only requests that may be abandoned have
    /// one.
    pub(crate) fn take_number(&self, headers: &mut HeaderMap) -> Option<u32> {
        let number = headers.remove(format!("{}-{NUMBER}", self.0))?;
        number.to_str().ok()?.parse().ok()
    }

    /// Returns a response that the script turns into an exception.
    pub(crate) fn failure(&self, failed: &CallFailed) -> Response<WasiBody> {
        let body = Empty::new().map_err(|never| match never {});
        let mut response = Response::new(body.boxed_unsync());
        let json = serde_json::to_string(failed).unwrap_or_default();
        self.say(FAILED, &json, response.headers_mut());
        response
    }
}

/// Escapes JSON to ASCII, which headers require.
fn escaped(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn an_isolate_has_an_address_that_no_other_one_has() {
        let (one, other) = (Token::new(), Token::new());
        let uri = format!("http://{}.invalid/call", one.as_str());
        let uri = uri.parse().unwrap();
        assert!(one.is_asked(&uri));
        assert!(!other.is_asked(&uri));
        assert!(!one.is_asked(&"http://taffrail.invalid/call".parse().unwrap()));
    }
}
