//! chDB, the engine of ClickHouse in a process, as a peer.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Deserializer};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use taffrail_tests::guests;

/// The version that is installed.
const PACKAGE: &str = "chdb-core==26.9.0";

const SCRIPT: &str = include_str!("chdb.py");

/// What was measured.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Chdb {
    /// Lines put into the table, per second of CPU time.
    pub(crate) rate: f64,
    #[serde(deserialize_with = "seconds")]
    pub(crate) newest: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(crate) rare: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(crate) count: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(crate) minutes: Duration,
    #[serde(deserialize_with = "seconds")]
    pub(crate) text: Duration,
}

impl Chdb {
    /// Measures it with the lines of a file. `folder` is where its table will be.
    pub(crate) fn measure(folder: &Path, file: &Path, common: &str, rare: &str) -> Result<Self> {
        let environment = guests::root().join("target/peers/chdb");
        let python = environment.join("bin/python");
        if !python.exists() {
            run(Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment))?;
        }
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]))?;
        let mut measuring = Command::new(&python);
        measuring.args(["-c", SCRIPT]).arg(folder).arg(file);
        let output = run(measuring.args([common, rare]))?;
        serde_json::from_slice(&output).context("chDB printed something else")
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    f64::deserialize(deserializer).map(Duration::from_secs_f64)
}

fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("{command:?} cannot be run"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
