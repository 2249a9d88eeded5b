//! The request of a fetch event: raw inside, redacted wherever it is shown.

use crate::json::Json;
use crate::redact::{REDACTED, is_sensitive_header, redact_url};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// What a record keeps of a request. The body is never kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RequestData {
    /// The absolute URL with its query, without a fragment.
    pub url: String,
    /// The method.
    pub method: String,
    /// The headers: lower-case names, one value each.
    pub headers: BTreeMap<String, String>,
    /// What the platform knows about the connection; never redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cf: Option<Json>,
}

impl RequestData {
    /// Takes down a request as it was received.
    ///
    /// The URL loses its fragment. Header names become lower case, values lose
    /// the blanks around them, and the values of a name that occurs more than
    /// once, `cookie` included, are joined with `, `.
    #[must_use]
    pub fn new<N: AsRef<str>, V: AsRef<str>>(
        method: impl Into<String>,
        url: impl Into<String>,
        headers: impl IntoIterator<Item = (N, V)>,
        cf: Option<Json>,
    ) -> Self {
        let mut url = url.into();
        if let Some(fragment) = url.find('#') {
            url.truncate(fragment);
        }
        Self {
            url,
            method: method.into(),
            headers: joined_headers(headers),
            cf,
        }
    }
}

fn joined_headers<N: AsRef<str>, V: AsRef<str>>(
    headers: impl IntoIterator<Item = (N, V)>,
) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = value.as_ref().trim_matches(is_http_whitespace);
        joined
            .entry(name.as_ref().to_ascii_lowercase())
            .and_modify(|values| {
                values.push_str(", ");
                values.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    joined
}

fn is_http_whitespace(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// A request that shows itself redacted, in JSON and in `Debug` output. The raw
/// data is there for those who say [`unredacted`](Self::unredacted).
#[derive(Clone)]
pub struct TailRequest {
    raw: RequestData,
}

impl TailRequest {
    /// Wraps a request as it was received.
    #[must_use]
    pub fn new(raw: RequestData) -> Self {
        Self { raw }
    }

    /// The request with everything that looks like a secret in its URL, and the
    /// whole value of each [sensitive](is_sensitive_header) header, replaced by
    /// `REDACTED`.
    #[must_use]
    pub fn redacted(&self) -> RequestData {
        let headers = self.raw.headers.iter().map(|(name, value)| {
            let shown = if is_sensitive_header(name) {
                REDACTED
            } else {
                value
            };
            (name.clone(), shown.to_owned())
        });
        RequestData {
            url: redact_url(&self.raw.url).into_owned(),
            method: self.raw.method.clone(),
            headers: headers.collect(),
            cf: self.raw.cf.clone(),
        }
    }

    /// The request as it was received.
    #[must_use]
    pub fn unredacted(&self) -> &RequestData {
        &self.raw
    }
}

impl Serialize for TailRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.redacted().serialize(serializer)
    }
}

/// A request as it was shown: what was redacted stays so.
impl<'de> Deserialize<'de> for TailRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(RequestData::deserialize(deserializer)?))
    }
}

impl fmt::Debug for TailRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("TailRequest")
            .field(&self.redacted())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::to_raw_value;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn request_with_secrets() -> TailRequest {
        TailRequest::new(RequestData::new(
            "GET",
            format!("http://worker.example/{ID}?q=1"),
            [("Authorization", "Bearer pass"), ("Accept", "text/html")],
            Some(to_raw_value(&json!({ "clientIp": "127.0.0.1:39290" })).unwrap()),
        ))
    }

    #[test]
    fn headers_are_lower_case_trimmed_joined_and_sorted() {
        let request = RequestData::new(
            "GET",
            "http://worker.example/",
            [
                ("X-Upper", "V"),
                ("X-Dup", "one"),
                ("Cookie", "a=1"),
                ("x-dup", " two"),
                ("Accept", "a/b, c/d"),
                ("X-Space", " \t padded  "),
                ("X-DUP", "three "),
                ("Cookie", "b=2"),
                ("X-Empty", "  "),
                ("X-Nbsp", "\u{a0}kept\u{a0}"),
            ],
            None,
        );
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            headers,
            [
                ("accept", "a/b, c/d"),
                ("cookie", "a=1, b=2"),
                ("x-dup", "one, two, three"),
                ("x-empty", ""),
                ("x-nbsp", "\u{a0}kept\u{a0}"),
                ("x-space", "padded"),
                ("x-upper", "V"),
            ]
        );
    }

    #[test]
    fn the_url_keeps_its_query_and_loses_its_fragment() {
        let url = |url| RequestData::new("GET", url, [("", ""); 0], None).url;
        assert_eq!(url("http://a.example/b?c=d#e"), "http://a.example/b?c=d");
        assert_eq!(url("http://a.example/#e#f"), "http://a.example/");
        assert_eq!(url("http://a.example/b?c=%23"), "http://a.example/b?c=%23");
    }

    #[test]
    fn json_shows_the_redacted_request_in_key_order() {
        assert_eq!(
            serde_json::to_string(&request_with_secrets()).unwrap(),
            concat!(
                r#"{"url":"http://worker.example/REDACTED?q=1","method":"GET","#,
                r#""headers":{"accept":"text/html","authorization":"REDACTED"},"#,
                r#""cf":{"clientIp":"127.0.0.1:39290"}}"#
            )
        );
    }

    #[test]
    fn a_request_without_cf_has_no_such_key() {
        let request = RequestData::new("GET", "http://do/", [("", ""); 0], None);
        assert_eq!(
            serde_json::to_string(&TailRequest::new(request)).unwrap(),
            r#"{"url":"http://do/","method":"GET","headers":{}}"#
        );
    }

    #[test]
    fn debug_output_shows_nothing_that_json_hides() {
        let shown = format!("{:?}", request_with_secrets());
        assert!(
            shown.contains("http://worker.example/REDACTED?q=1"),
            "{shown}"
        );
        assert!(!shown.contains(ID) && !shown.contains("pass"), "{shown}");
    }

    #[test]
    fn the_raw_request_is_there_on_request() {
        let request = request_with_secrets();
        let raw = request.unredacted();
        assert_eq!(raw.url, format!("http://worker.example/{ID}?q=1"));
        assert_eq!(raw.headers["authorization"], "Bearer pass");
        assert_eq!(
            raw.cf.as_ref().unwrap().get(),
            r#"{"clientIp":"127.0.0.1:39290"}"#
        );
    }
}
