//! What `--env` makes of a configuration file: which value of each key counts.

use std::collections::BTreeMap;

use crate::error::{Error, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::file::Table;
use super::keys::{self, Keys, Scope, Support};
use super::quote::list;
use super::schema::WorkerTable;

/// A key's value and where it stands in the file.
pub(super) struct Entry {
    /// `limits`, or `env.staging.limits`.
    pub(super) path: String,
    pub(super) keys: &'static Keys,
    pub(super) value: Value,
}

/// The keys that count once an environment is chosen, by their names.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) entries: BTreeMap<String, Entry>,
    /// The environment chosen, which a name from the top level is extended with.
    pub(super) env: Option<String>,
    /// What the user should know, without the file's name.
    pub(super) warnings: Vec<String>,
}

/// Chooses environment `env` of a file, or its top level.
///
/// As in Wrangler: an empty name means the top level; a value is inherited whole
/// or not at all; `null` is the same as leaving the key out; and a file without
/// any environment serves for each, so that Workers which have environments can
/// run beside Workers which have none.
///
/// Errors: a key nobody knows, and an environment the file does not define.
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
            "there is no environment `{env}`, nor any other; the top level is used, under a name that ends in `-{env}`"
        )),
        mut environments => match environments.remove(env) {
            Some(table) => selection.lay_over(env, table)?,
            None => bail!(
                "there is no environment `{env}`; it defines {}",
                list(environments.keys())
            ),
        },
    }
    Ok(selection)
}

impl Selection {
    /// The Worker's table: the values of the entries that count.
    ///
    /// The error names the path of the value that has the wrong type, as it stands in
    /// the file, what it is and what it should be.
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

    /// Puts the environment's own keys in place of the top level's, and drops
    /// those of the top level that an environment does not inherit.
    fn lay_over(&mut self, env: &str, table: Table) -> Result<()> {
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
                self.warn_of_lost(env, &name, &entry.value);
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
            format!("`{path}` is ignored: `{name}` counts at the top level only")
        }));
    }

    /// Says what the top level sets and the environment goes without.
    fn warn_of_lost(&mut self, env: &str, name: &str, top: &Value) {
        let own = self.entries.get(name).map(|entry| &entry.value);
        let warning = match (top, own) {
            (top, None) if !keys::says_nothing(top) => format!(
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

/// The environments that a file's `env` defines.
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
