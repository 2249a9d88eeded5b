//! Whether the Tail Worker of a server is told about every request: a figure
//! that leaves some out would be worth nothing.

use crate::load::Load;
use crate::options::Options;
use crate::process::Process;
use crate::servers::{BODY, Server, Setup};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::Duration;

/// How long requests are sent.
const DURATION: Duration = Duration::from_millis(500);

/// What was recorded.
#[derive(Default)]
struct Recorded {
    /// Requests.
    fetches: usize,
    /// Items that a Tail Worker was called with.
    tailed: usize,
    /// Invocations whose outcome is not `ok`.
    failed: usize,
}

/// Sends requests without timing them, and counts in the records that the
/// server prints. Returns what does not agree.
pub(crate) fn check(setup: &Setup, server: &Server, options: &Options) -> Result<Vec<String>> {
    let mut output = tempfile::NamedTempFile::new()?;
    let (mut command, listening) = setup.command(server, "json")?;
    command.stdout(output.reopen()?);
    let process = Process::start((command, listening))?;
    let answers = Load {
        address: process.address,
        connections: options.connections,
        duration: DURATION,
        body: BODY,
    }
    .run()?;
    let mut problems = process.stop(server)?;
    problems.extend(answers.problems());
    let recorded = Recorded::read(output.as_file_mut())?;
    let requests = answers.requests();
    if (recorded.fetches, recorded.tailed, recorded.failed) != (requests, requests, 0) {
        problems.push(format!(
            "of {requests} requests, {} were recorded and {} tailed; {} invocations failed",
            recorded.fetches, recorded.tailed, recorded.failed
        ));
    }
    Ok(problems)
}

impl Recorded {
    /// Counts in a file with one trace item a line.
    fn read(file: &mut File) -> Result<Self> {
        let mut sum = Self::default();
        for line in BufReader::new(file).lines() {
            let item: Value = serde_json::from_str(&line?).context("an item is not JSON")?;
            match item["event"]["consumedEvents"].as_array() {
                Some(consumed) => sum.tailed += consumed.len(),
                None => sum.fetches += 1,
            }
            if item["outcome"] != "ok" {
                sum.failed += 1;
            }
        }
        Ok(sum)
    }
}
