//! The forms of values.

use super::{Protocol, SettingsError};
use crate::signal::Signal;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use std::time::Duration;

/// Parses the URL of a collector.
pub(super) fn url(key: &str, text: &str) -> Result<Uri, SettingsError> {
    let wrong = |problem: &str| SettingsError::new(key, problem);
    let url: Uri = text
        .parse()
        .map_err(|error| wrong(&format!("it is no URL: {error}")))?;
    let is_http = url
        .scheme()
        .is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    let Some(authority) = url.authority().filter(|_| is_http) else {
        return Err(wrong("it is no URL that begins with http:// or https://"));
    };
    if authority.host().is_empty() {
        return Err(wrong("its URL names no host"));
    }
    if authority.as_str().contains('@') {
        return Err(wrong(
            "its URL contains credentials, which belong in a header",
        ));
    }
    Ok(url)
}

/// Parses the URL to which the path of a signal is added.
pub(super) fn base_url(key: &str, text: &str, signal: Signal) -> Result<Uri, SettingsError> {
    let mut parts = url(key, text)?.into_parts();
    let given = parts.path_and_query.as_ref();
    let path = given.map_or("", PathAndQuery::path).trim_end_matches('/');
    let query = given.and_then(PathAndQuery::query);
    let mut path = format!("{path}/v1/{signal}");
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    let wrong = |problem: String| SettingsError::new(key, format!("it is no URL: {problem}"));
    let path = PathAndQuery::try_from(path).map_err(|error| wrong(error.to_string()))?;
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|error| wrong(error.to_string()))
}

/// Adds a header. It replaces those of the same name.
pub(super) fn add_header(
    key: &str,
    name: &str,
    value: &str,
    headers: &mut HeaderMap,
) -> Result<(), SettingsError> {
    let Ok(parsed) = HeaderName::try_from(name) else {
        let problem = format!("{name:?} is no name of a header");
        return Err(SettingsError::new(key, problem));
    };
    let Ok(mut value) = HeaderValue::try_from(value) else {
        let problem = format!("the value of `{name}` is none of a header");
        return Err(SettingsError::new(key, problem));
    };
    value.set_sensitive(true);
    headers.insert(parsed, value);
    Ok(())
}

/// Parses `name=value,name=value`. Names and values are percent-encoded.
pub(super) fn pairs(key: &str, text: &str) -> Result<Vec<(String, String)>, SettingsError> {
    let pairs = text
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            // The pair is not shown: it may be a credential.
            let wrong = |problem: &str| SettingsError::new(key, problem);
            let (name, value) = pair
                .split_once('=')
                .filter(|(name, _)| !name.trim().is_empty())
                .ok_or_else(|| wrong("it is no list such as `name=value,name=value`"))?;
            let decoded = |text: &str| {
                let decoded = percent_decode_str(text.trim()).decode_utf8();
                let decoded = decoded.map_err(|_| wrong("a percent-encoded value is not UTF-8"))?;
                Ok(decoded.into_owned())
            };
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

pub(super) fn protocol(key: &str, text: &str) -> Result<Protocol, SettingsError> {
    match text {
        "http/protobuf" => Ok(Protocol::Protobuf),
        "http/json" => Ok(Protocol::Json),
        "grpc" => Err(SettingsError::new(
            key,
            "gRPC is not supported: use \"http/protobuf\", usually at port 4318",
        )),
        other => {
            let problem = format!("{other:?} is neither \"http/protobuf\" nor \"http/json\"");
            Err(SettingsError::new(key, problem))
        }
    }
}

pub(super) fn milliseconds(key: &str, text: &str) -> Result<Duration, SettingsError> {
    match text.parse() {
        Ok(milliseconds @ 1..=86_400_000) => Ok(Duration::from_millis(milliseconds)),
        _ => {
            let problem = format!("{text:?} is no number of milliseconds up to a day");
            Err(SettingsError::new(key, problem))
        }
    }
}
