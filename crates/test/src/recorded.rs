//! Replies that were recorded in a file.

use crate::reply::Reply;
use http::Response;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

/// A file with replies that cannot be used.
#[derive(Debug)]
pub struct BadRecording(String);

impl fmt::Display for BadRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for BadRecording {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

fn get() -> String {
    "GET".to_owned()
}

fn ok() -> u16 {
    200
}

/// Reads the replies in a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Reply>, BadRecording> {
    let bad = |what: String| BadRecording(format!("{}: {what}", path.display()));
    let text = fs::read(path).map_err(|error| bad(format!("it cannot be read: {error}")))?;
    let entries: Vec<Entry> = serde_json::from_slice(&text)
        .map_err(|error| bad(format!("it is not a JSON array of replies: {error}")))?;
    let replies = entries.into_iter().zip(1..);
    replies
        .map(|(entry, number)| {
            reply(entry).map_err(|wrong| bad(format!("reply {number}: {wrong}")))
        })
        .collect()
}

fn reply(entry: Entry) -> Result<Reply, String> {
    let mut response = Response::builder().status(entry.status);
    for (name, value) in &entry.headers {
        response = response.header(name, value);
    }
    let body = match entry.body {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    let response = response.body(body.into());
    let response = response.map_err(|error| format!("its status or a header: {error}"))?;
    Reply::new(&entry.method, &entry.url, response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("replies.json");
        fs::write(&file, text).unwrap();
        let error = read(&file).err().expect("it is refused").to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn a_mistake_in_a_file_is_found_in_its_place() {
        for (text, error) in [
            ("{}", "replies.json: it is not a JSON array of replies: "),
            (
                r#"[{"url": "https://a.test/", "state": 1}]"#,
                "unknown field `state`",
            ),
            (
                r#"[{"url": "https://a.test/"}, {"url": "/path"}]"#,
                "reply 2: `/path` is not an absolute URL",
            ),
            (
                r#"[{"url": "https://a.test/", "method": "A B"}]"#,
                "reply 1: `A B` is not a method",
            ),
            (
                r#"[{"url": "https://a.test/", "status": 1}]"#,
                "reply 1: its status or a header",
            ),
        ] {
            let refused = refused(text);
            assert!(refused.contains(error), "{refused}");
        }
    }
}
