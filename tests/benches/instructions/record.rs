//! What pieces of work took when they were recorded, for each profile.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use taffrail_tests::{guests, process};

/// The file, and the profile that this program was built with.
pub(crate) struct Record {
    profile: String,
    compiler: String,
    all: BTreeMap<String, Counts>,
}

/// The counts of one profile.
#[derive(Default, Deserialize, Serialize)]
struct Counts {
    /// The compiler that they depend on, and the machine.
    compiler: String,
    instructions: BTreeMap<String, u64>,
}

impl Record {
    pub(crate) fn read() -> Result<Self> {
        let text = fs::read_to_string(file()).context("there is no record")?;
        Ok(Self {
            profile: process::profile(),
            compiler: compiler()?,
            all: serde_json::from_str(&text).context("the record is damaged")?,
        })
    }

    /// Why the counts cannot be compared with those of the record.
    pub(crate) fn unlike(&self) -> Option<String> {
        let Some(counts) = self.all.get(&self.profile) else {
            return Some(format!("nothing is recorded for `{}`", self.profile));
        };
        let compiler = &counts.compiler;
        let is_same = *compiler == self.compiler;
        (!is_same).then(|| format!("recorded with {compiler}, but this is {}", self.compiler))
    }

    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        let counts = self.all.get(&self.profile)?;
        counts.instructions.get(name).copied()
    }

    pub(crate) fn set(&mut self, name: &str, count: u64) {
        let counts = self.all.entry(self.profile.clone()).or_default();
        if counts.compiler != self.compiler {
            counts.instructions.clear();
            counts.compiler.clone_from(&self.compiler);
        }
        counts.instructions.insert(name.to_owned(), count);
    }

    pub(crate) fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.all)?;
        fs::write(file(), text + "\n").context("the record cannot be written")
    }
}

fn file() -> PathBuf {
    guests::root().join("tests/benches/instructions.json")
}

/// The version of the compiler, and what it compiles for.
fn compiler() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = String::from_utf8(output.context("rustc cannot be run")?.stdout)?;
    let field = |name| output.lines().find_map(|line| line.strip_prefix(name));
    let version = field("rustc ").unwrap_or_default();
    Ok(format!(
        "{version} for {}",
        field("host: ").unwrap_or_default()
    ))
}
