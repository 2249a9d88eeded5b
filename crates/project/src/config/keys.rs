//! All keys of a configuration file, and how Taffrail treats each of them.
//!
//! The names, and which of them an environment inherits, are those of Wrangler 4 (`config.ts`,
//! `environment.ts` and `validation.ts` of cloudflare/workers-sdk).

use crate::error::{Error, Result};
use serde_json::{Map, Value};

use Scope::{Inherited, PerEnvironment, TopLevel};
use Support::{Harmless, Ignored, Read};

/// How Taffrail treats a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// Taffrail reads it.
    Read,
    /// It has no effect on a component that runs locally: deployment, accounts, bundling of
    /// JavaScript.
    Harmless,
    /// It is not supported, and a Worker that relies on it may behave differently. The user is
    /// warned.
    Ignored,
}

/// Where a key may appear, and how `[env.<name>]` inherits it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Only at the top level.
    TopLevel,
    /// An environment that does not set it inherits the whole value of the top level. A key
    /// inside a table is inherited with its table.
    Inherited,
    /// An environment does not inherit it.
    PerEnvironment,
}

/// A group of keys that are treated alike.
pub(super) struct Keys {
    pub(super) support: Support,
    pub(super) scope: Scope,
    names: &'static [&'static str],
}

const fn keys(support: Support, scope: Scope, names: &'static [&'static str]) -> Keys {
    Keys {
        support,
        scope,
        names,
    }
}

/// The keys of a Worker, at the top level and in `[env.<name>]`.
const WORKER: &[Keys] = &[
    keys(Read, TopLevel, &["alias", "env"]),
    keys(
        Read,
        Inherited,
        &[
            "name",
            "main",
            "build",
            "jsx_factory",
            "jsx_fragment",
            "limits",
            "observability",
            "rules",
            "taffrail",
            "triggers",
            "tsconfig",
        ],
    ),
    keys(
        Read,
        PerEnvironment,
        &[
            "define",
            "secrets",
            "vars",
            "services",
            "tail_consumers",
            "streaming_tail_consumers",
            "worker_loaders",
            "dispatch_namespaces",
            "durable_objects",
            "kv_namespaces",
            "analytics_engine_datasets",
            "analytics",
        ],
    ),
    keys(
        Harmless,
        TopLevel,
        &[
            "$schema",
            "dependencies_instrumentation",
            "keep_vars",
            "send_metrics",
        ],
    ),
    keys(
        Harmless,
        Inherited,
        &[
            "account_id",
            "base_dir",
            "compatibility_date",
            "compatibility_flags",
            "compliance_region",
            "find_additional_modules",
            "first_party_worker",
            "keep_names",
            "logpush",
            "migrations",
            "minify",
            "no_bundle",
            "placement",
            "preserve_file_names",
            "preview_urls",
            "previews",
            "python_modules",
            "upload_source_maps",
            "workers_dev",
        ],
    ),
    keys(Harmless, PerEnvironment, &["cloudchamber"]),
    keys(
        Ignored,
        TopLevel,
        &[
            "addresses",
            "data_blobs",
            "dev",
            "pages_build_output_dir",
            "site",
            "text_blobs",
            "wasm_modules",
        ],
    ),
    keys(
        Ignored,
        Inherited,
        &[
            "access", "assets", "cache", "exports", "logfwdr", "route", "routes",
        ],
    ),
    keys(
        Ignored,
        PerEnvironment,
        &[
            "agent_memory",
            "ai",
            "ai_search",
            "ai_search_namespaces",
            "artifacts",
            "browser",
            "connect",
            "containers",
            "d1_databases",
            "flagship",
            "hyperdrive",
            "images",
            "media",
            "mtls_certificates",
            "pipelines",
            "queues",
            "r2_buckets",
            "ratelimits",
            "secrets_store_secrets",
            "send_email",
            "stream",
            "unsafe",
            "unsafe_hello_world",
            "vectorize",
            "version_metadata",
            "vpc_networks",
            "vpc_services",
            "websearch",
            "workflows",
        ],
    ),
    // Keys of Wrangler 3, which may still appear in older files.
    keys(
        Harmless,
        Inherited,
        &["node_compat", "usage_model", "zone_id"],
    ),
    keys(Ignored, TopLevel, &["legacy_env"]),
    keys(Ignored, Inherited, &["legacy_assets"]),
    keys(Ignored, PerEnvironment, &["constellation"]),
];

/// The tables (or lists of tables) of a Worker that Taffrail reads.
const INNER: &[(&str, &[Keys])] = &[
    (
        "build",
        &[keys(Read, Inherited, &["command", "cwd", "watch_dir"])],
    ),
    (
        "limits",
        &[keys(Read, Inherited, &["cpu_ms", "subrequests"])],
    ),
    (
        "services",
        &[
            keys(
                Read,
                Inherited,
                &["binding", "service", "entrypoint", "props"],
            ),
            keys(Ignored, Inherited, &["environment", "remote"]),
        ],
    ),
    (
        "tail_consumers",
        &[
            keys(Read, Inherited, &["service", "entrypoint", "props"]),
            keys(Ignored, Inherited, &["environment"]),
        ],
    ),
    (
        "streaming_tail_consumers",
        &[
            keys(Read, Inherited, &["service", "entrypoint", "props"]),
            keys(Ignored, Inherited, &["environment"]),
        ],
    ),
    (
        "observability",
        &[
            keys(
                Read,
                Inherited,
                &[
                    "enabled",
                    "head_sampling_rate",
                    "logs",
                    "redact_query_string",
                    "traces",
                ],
            ),
            keys(Harmless, Inherited, &["issues"]),
        ],
    ),
    ("worker_loaders", &[keys(Read, Inherited, &["binding"])]),
    (
        "dispatch_namespaces",
        &[
            keys(Read, Inherited, &["binding", "namespace", "outbound"]),
            keys(Harmless, Inherited, &["remote", "experimental_remote"]),
        ],
    ),
    (
        "kv_namespaces",
        &[
            keys(Read, Inherited, &["binding", "id", "preview_id"]),
            keys(Harmless, Inherited, &["remote", "experimental_remote"]),
        ],
    ),
    (
        "analytics_engine_datasets",
        &[keys(Read, Inherited, &["binding", "dataset"])],
    ),
    (
        "analytics",
        &[
            keys(Read, Inherited, &["binding"]),
            keys(Harmless, Inherited, &["remote"]),
        ],
    ),
    (
        "rules",
        &[keys(Read, Inherited, &["type", "globs", "fallthrough"])],
    ),
    ("secrets", &[keys(Read, Inherited, &["required"])]),
    ("durable_objects", &[keys(Read, Inherited, &["bindings"])]),
    ("triggers", &[keys(Read, Inherited, &["crons"])]),
    (
        "taffrail",
        &[keys(
            Read,
            Inherited,
            &[
                "memory_mb",
                "wait_until_ms",
                "wall_ms",
                "instances",
                "tail_batch",
                "continue_traces",
                "onset",
                "instance_reuse",
                "allowed_outbound_hosts",
                "global_outbound",
                "delivery",
                "dispatch_namespaces",
                "keep",
                "logs",
                "otlp",
                "redact",
            ],
        )],
    ),
];

/// Returns the group of a Worker's key `name`, which is at `path` in the file.
///
/// An unknown key is an error that suggests the most similar one.
pub(super) fn of_worker(path: &str, name: &str) -> Result<&'static Keys> {
    find(WORKER, name).ok_or_else(|| unknown(path, name, WORKER))
}

/// Searches a value that Taffrail reads, at `path` under the Worker's key `name`, for nested
/// keys. Returns the paths of ignored keys. An unknown key is an error.
pub(super) fn ignored_inside(path: &str, name: &str, value: &Value) -> Result<Vec<String>> {
    let Some((_, known)) = INNER.iter().find(|(table, _)| *table == name) else {
        return Ok(Vec::new());
    };
    match value {
        Value::Object(table) => ignored_in_table(path, known, table),
        Value::Array(items) => {
            let mut ignored = Vec::new();
            for (index, item) in items.iter().enumerate() {
                if let Value::Object(table) = item {
                    ignored.extend(ignored_in_table(&format!("{path}[{index}]"), known, table)?);
                }
            }
            Ok(ignored)
        }
        _ => Ok(Vec::new()),
    }
}

fn ignored_in_table(
    path: &str,
    known: &'static [Keys],
    table: &Map<String, Value>,
) -> Result<Vec<String>> {
    let mut ignored = Vec::new();
    for (name, value) in table {
        let path = format!("{path}.{name}");
        let keys = find(known, name).ok_or_else(|| unknown(&path, name, known))?;
        if keys.support == Ignored && !is_unset(value) {
            ignored.push(path);
        }
    }
    Ok(ignored)
}

/// Returns the keys inside tables that Taffrail reads, each with its table.
#[cfg(test)]
pub(super) fn read_inside() -> impl Iterator<Item = (&'static str, &'static str)> {
    INNER.iter().flat_map(|(table, known)| {
        let read = known.iter().filter(|keys| keys.support == Read);
        read.flat_map(move |keys| keys.names.iter().map(move |name| (*table, *name)))
    })
}

/// Whether a value is the same as leaving the key out: `null`, an empty list or table, or one
/// that contains only such values.
pub(super) fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().all(is_unset),
        Value::Object(table) => table.values().all(is_unset),
        _ => false,
    }
}

fn find(known: &'static [Keys], name: &str) -> Option<&'static Keys> {
    known.iter().find(|keys| keys.names.contains(&name))
}

fn unknown(path: &str, name: &str, known: &'static [Keys]) -> Error {
    if let Some(nearest) = nearest(name, known) {
        return Error::configuration(format!("unknown key `{path}`; did you mean `{nearest}`?"));
    }
    match home(name) {
        Some(home) => {
            Error::configuration(format!("unknown key `{path}`; `{name}` belongs {home}"))
        }
        None => Error::configuration(format!(
            "unknown key `{path}`; neither Wrangler nor Taffrail has such a key"
        )),
    }
}

/// Returns where this key belongs. In TOML, a key easily ends up in the table above it.
fn home(name: &str) -> Option<String> {
    if find(WORKER, name).is_some() {
        return Some("at the top level".to_owned());
    }
    INNER
        .iter()
        .find(|(_, known)| find(known, name).is_some())
        .map(|(table, _)| format!("in `{table}`"))
}

/// Returns the known name that is closest to `name`, if it is within a third of its length. Cargo
/// uses the same measure for its suggestions.
fn nearest(name: &str, known: &'static [Keys]) -> Option<&'static str> {
    known
        .iter()
        .flat_map(|keys| keys.names)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= name.len().max(candidate.len()).max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_classified_once() {
        for known in INNER.iter().map(|(_, known)| *known).chain([WORKER]) {
            let mut seen = BTreeSet::new();
            for name in known.iter().flat_map(|keys| keys.names) {
                assert!(seen.insert(name), "`{name}` stands twice");
            }
        }
    }
}
