//! Applies `--env` to a configuration file, which decides which value of each key counts.

use std::collections::BTreeMap;

use crate::error::{Error, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::file::Table;
use super::keys::{self, Keys, Scope, Support};
use super::quote::list;
use super::schema::WorkerTable;

/// The value of a key, and its path in the file.
pub(super) struct Entry {
    /// `limits`, or `env.staging.limits`.
    pub(super) path: String,
    pub(super) keys: &'static Keys,
    pub(super) value: Value,
}

/// The effective keys for a chosen environment, by name.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) entries: BTreeMap<String, Entry>,
    /// The chosen environment, which is appended to a name from the top level.
    pub(super) env: Option<String>,
    /// Warnings for the user, without the name of the file.
    pub(super) warnings: Vec<String>,
}

/// Chooses environment `env` of a file, or its top level.
///
/// As in Wrangler: an empty name means the top level; a value is inherited as a whole or not at
/// all; `null` is the same as leaving the key out; and a file without environments is valid for
/// every environment, so that Workers with and without environments can run together.
///
/// Fails for an unknown key, and for an environment that the file does not define.
pub(super) fn select(mut top: Table, env: Option<&str>) -> Result<Selection> {
    let environments = environments(top.remove("env").unwrap_or_default())?;
    let mut selection = Selection::default();
    for (name, value) in top {
        selection.take(name.clone(), name, value)?;
    }
    let Some(env) = env.filter(|env| !env.is_empty()) else {
        return Ok(selection);
    };
    selection.env = Some(env.to_owned());
    match environments {
        environments if environments.is_empty() => selection.warnings.push(format!(
            "there is no environment `{env}`, since the file defines none; the top level is used, with a name that ends in `-{env}`"
        )),
        mut environments => match environments.remove(env) {
            Some(table) => selection.override_with(env, table)?,
            None => bail!(
                "there is no environment `{env}`; it defines {}",
                list(environments.keys())
            ),
        },
    }
    Ok(selection)
}

impl Selection {
    /// Returns the Worker's table with the effective values.
    ///
    /// The error names the path of a value with the wrong type, as it appears in the file, its
    /// type, and the expected type.
    pub(super) fn table(&self) -> Result<WorkerTable> {
        let entries = self.entries.iter();
        let table = entries.map(|(name, entry)| (name.clone(), entry.value.clone()));
        typed(Value::Object(table.collect())).map_err(|(path, error)| {
            let (name, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
            let place = self.entries.get(name).map_or(name, |entry| &entry.path);
            Error::configuration(format!("`{place}{rest}`: {error}"))
        })
    }

    fn take(&mut self, name: String, path: String, value: Value) -> Result<()> {
        let keys = keys::of_worker(&path, &name)?;
        if !value.is_null() {
            self.entries.insert(name, Entry { path, keys, value });
        }
        Ok(())
    }

    /// Replaces the keys of the top level with those of the environment, and removes those that
    /// an environment does not inherit.
    fn override_with(&mut self, env: &str, table: Table) -> Result<()> {
        let top = std::mem::take(&mut self.entries);
        for (name, value) in table {
            let path = format!("env.{env}.{name}");
            self.take(name, path, value)?;
        }
        self.drop_misplaced();
        for (name, entry) in top {
            if entry.keys.scope != Scope::PerEnvironment {
                self.entries.entry(name).or_insert(entry);
            } else if entry.keys.support == Support::Read {
                self.warn_of_uninherited(env, &name, &entry.value);
            }
        }
        Ok(())
    }

    fn drop_misplaced(&mut self) {
        let misplaced = self
            .entries
            .extract_if(.., |_, entry| entry.keys.scope == Scope::TopLevel);
        self.warnings.extend(misplaced.map(|(name, entry)| {
            let path = entry.path;
            format!("`{path}` is ignored: `{name}` is only allowed at the top level")
        }));
    }

    /// Warns of values at the top level that the environment does not inherit.
    fn warn_of_uninherited(&mut self, env: &str, name: &str, top: &Value) {
        let own = self.entries.get(name).map(|entry| &entry.value);
        let warning = match (top, own) {
            (top, None) if !keys::is_unset(top) => format!(
                "`{name}` is set at the top level but not in `env.{env}`, which does not inherit it; add it to `env.{env}`"
            ),
            (Value::Object(top), Some(Value::Object(own))) => {
                let lost: Vec<_> = top.keys().filter(|key| !own.contains_key(*key)).collect();
                if lost.is_empty() {
                    return;
                }
                let are = if lost.len() == 1 { "is" } else { "are" };
                format!(
                    "{} {are} set in `{name}` at the top level but not in `env.{env}.{name}`, which does not inherit from it",
                    list(lost)
                )
            }
            _ => return,
        };
        self.warnings.push(warning);
    }
}

/// Returns the environments that a file's `env` defines.
fn environments(env: Value) -> Result<BTreeMap<String, Table>> {
    match env {
        Value::Null => Ok(BTreeMap::new()),
        env => typed(env).map_err(|(path, error)| match path.as_str() {
            "." => Error::configuration(format!("`env`: {error}")),
            path => Error::configuration(format!("`env.{path}`: {error}")),
        }),
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, (String, serde_json::Error)> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| (error.path().to_string(), error.into_inner()))
}
