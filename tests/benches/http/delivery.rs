//! Whether the Tail Worker of a server is told about every request: a figure
//! that leaves some out would be worth nothing.

use crate::load::Load;
use crate::process::Process;
use crate::servers::Server;
use crate::setup::Setup;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::Duration;

/// What was recorded of some requests.
#[derive(Default)]
pub(crate) struct Recorded {
    /// Requests that were sent.
    pub(crate) requests: usize,
    /// Requests that have an item.
    pub(crate) fetches: usize,
    /// Items that a Tail Worker was called with.
    pub(crate) tailed: usize,
    /// Invocations whose outcome is not `ok`.
    pub(crate) failed: usize,
    /// Requests without the response that they must have.
    pub(crate) refused: usize,
    /// What the server complained about.
    pub(crate) problems: Vec<String>,
}

/// Sends requests without timing them, and counts in the records that the
/// server prints.
pub(crate) fn count(
    setup: &Setup,
    server: &Server,
    connections: u32,
    duration: Duration,
) -> Result<Recorded> {
    let mut output = tempfile::NamedTempFile::new()?;
    let (mut command, listening) = setup.command(server, "json")?;
    command.stdout(output.reopen()?);
    let process = Process::start((command, listening))?;
    let answers = Load {
        address: process.address,
        connections,
        duration,
        ask: server.ask,
        rate: None,
    }
    .run()?;
    let problems = process.stop(server)?;
    let mut recorded = Recorded::read(output.as_file_mut())?;
    recorded.requests = answers.requests();
    recorded.refused = answers.bad;
    recorded.problems = problems;
    let requests = recorded.requests;
    if (recorded.fetches, recorded.tailed) != (requests, requests) {
        recorded.problems.push(format!(
            "of {requests} requests, {} were recorded and {} tailed",
            recorded.fetches, recorded.tailed
        ));
    }
    Ok(recorded)
}

impl Recorded {
    /// Counts in a file with one trace item a line.
    fn read(file: &mut File) -> Result<Self> {
        let mut sum = Self::default();
        for line in BufReader::new(file).lines() {
            let item: Value = serde_json::from_str(&line?).context("an item is not JSON")?;
            match item["event"]["consumedEvents"].as_array() {
                // A call of a streaming tail is for one request, and names no items.
                Some(consumed) => sum.tailed += consumed.len().max(1),
                None => sum.fetches += 1,
            }
            if item["outcome"] != "ok" {
                sum.failed += 1;
            }
        }
        Ok(sum)
    }
}
