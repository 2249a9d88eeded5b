//! What scenarios use that Taffrail does not have, or not yet.

use super::recording::Recording;
use anyhow::Result;
use serde_json::Value;

type Detector = fn(&Recording) -> Result<bool>;

/// Each feature with the test for its use. When a feature lands, its row goes.
const FEATURES: [(&str, Detector); 3] = [
    ("WebSockets", |recording| {
        Ok(mentions(
            recording,
            &["WebSocketPair", "new WebSocket(", "webSocket:", "websocket"],
        ) || has_event(recording, "getWebSocketEvent")?)
    }),
    ("TCP sockets (`cloudflare:sockets`)", |recording| {
        Ok(mentions(recording, &["cloudflare:sockets"]))
    }),
    ("email events", |recording| has_event(recording, "mailFrom")),
];

/// Kinds of bindings that the runner can set up.
const BINDINGS: [&str; 5] = [
    "service",
    "text",
    "json",
    "workerLoader",
    "durableObjectNamespace",
];

/// Options of a Worker that it can set, or that are Taffrail's way anyway.
const OPTIONS: [&str; 3] = [
    "globalOutbound",
    "durableObjectNamespaces",
    "durableObjectStorage",
];

/// Why this scenario cannot be run, if it cannot.
pub(super) fn reason(recording: &Recording) -> Result<Option<String>> {
    for (feature, is_used) in FEATURES {
        if is_used(recording)? {
            return Ok(Some(feature.to_owned()));
        }
    }
    unknown(recording)
}

/// What this runner has no idea of.
fn unknown(recording: &Recording) -> Result<Option<String>> {
    for service in &recording.services {
        let name = &service.name;
        if let Some(key) = service.other.keys().next() {
            return Ok(Some(format!("`{key}` in the configuration of `{name}`")));
        }
        for binding in service.bindings()? {
            let known = |key: &String| key == "name" || BINDINGS.contains(&key.as_str());
            if let Some(kind) = binding.keys().find(|key| !known(key)) {
                return Ok(Some(format!("a binding of the kind `{kind}`")));
            }
        }
        if service.kind.is_none() && !recording.sources.contains_key(name) {
            return Ok(Some(format!("the source of `{name}` is not there")));
        }
    }
    let options = options(recording)?;
    if let Some(option) = options
        .iter()
        .find(|name| !OPTIONS.contains(&name.as_str()))
    {
        return Ok(Some(format!("the option `{option}`")));
    }
    let helpers = recording
        .sources
        .values()
        .flat_map(|source| imported(source, "lib"));
    if let Some(helper) = helpers.into_iter().find(|name| name != "record") {
        return Ok(Some(format!("`{helper}` of the recording's library")));
    }
    if recording.answers().is_none() {
        return Ok(Some("it is not said what the client did".to_owned()));
    }
    Ok(None)
}

fn has_event(recording: &Recording, key: &str) -> Result<bool> {
    let items = recording.items()?;
    Ok(items.iter().any(|item| item["event"].get(key).is_some()))
}

fn mentions(recording: &Recording, texts: &[&str]) -> bool {
    let mut sources = recording.sources.values();
    sources.any(|source| texts.iter().any(|text| source.contains(text)))
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || "_$".contains(c)));
    &text[..end.unwrap_or(text.len())]
}

/// The names of the options that Workers have.
fn options(recording: &Recording) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for service in &recording.services {
        names.extend(
            service
                .options()?
                .into_iter()
                .map(|(name, _): (_, Value)| name),
        );
    }
    Ok(names)
}

/// What `import { a, b } from 'module'` names.
fn imported(source: &str, module: &str) -> Vec<String> {
    let imports = source.split("import").skip(1).filter_map(|import| {
        let (names, rest) = import.trim_start().strip_prefix('{')?.split_once('}')?;
        let from = rest.trim_start().strip_prefix("from")?.trim_start();
        let quoted = from.strip_prefix(['\'', '"'])?;
        quoted.strip_prefix(module)?.strip_prefix(['\'', '"'])?;
        Some(names)
    });
    let names = imports.flat_map(|names| names.split(','));
    names
        .map(|name| identifier(name.trim()).to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}
