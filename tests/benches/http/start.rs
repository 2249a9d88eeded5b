//! How long a server takes from its start to its first answer, and the memory of a Worker that
//! idles.
#![expect(
    clippy::disallowed_methods,
    reason = "time is measured here, apart from the clock of the runtime"
)]

use crate::load::Load;
use crate::options::Options;
use crate::process::Process;
use crate::report::progress;
use crate::servers::{self, Group, Server};
use crate::setup::Setup;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// The servers that are started: code that is compiled already, in a cache.
const STARTED: [&str; 3] = ["wasmtime-p2-cached", "taffrail-p2", "taffrail-js"];

/// The servers whose Workers are counted, and how many there are.
const CROWDS: [(&str, usize); 2] = [("taffrail-p2", 1_000), ("taffrail-js", 50)];

/// A figure that has no load, in each round.
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) rounds: Vec<f64>,
}

/// The names of the figures.
pub(crate) fn start_of(server: &str) -> String {
    format!("start {server}")
}

pub(crate) fn idle_of(server: &str) -> String {
    format!("idle Worker {server}")
}

/// The servers that are to be started, and those with many Workers.
pub(crate) struct Plan {
    started: Vec<&'static Server>,
    crowds: Vec<(&'static Server, usize)>,
}

impl Plan {
    pub(crate) fn new(options: &Options) -> Self {
        let wanted = |name| {
            let server = servers::named(name)?;
            options.wants(Group::Start, name).then_some(server)
        };
        let crowds = CROWDS.into_iter();
        Self {
            started: STARTED.into_iter().filter_map(wanted).collect(),
            crowds: crowds
                .filter_map(|(name, count)| Some((wanted(name)?, count)))
                .collect(),
        }
    }

    /// All of them.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &'static Server> {
        let crowds = self.crowds.iter().map(|(server, _)| *server);
        self.started.iter().copied().chain(crowds)
    }
}

/// Measures what is planned, in alternating rounds.
pub(crate) fn measure(setup: &Setup, plan: &Plan, options: &Options) -> Result<Vec<Figure>> {
    let Plan { started, crowds } = plan;
    // Compiles, and reads the files for the first time.
    for server in started {
        time(setup, server)?;
    }
    let figure = |name: String, unit| Figure {
        name,
        unit,
        rounds: Vec::new(),
    };
    let mut starts: Vec<_> = started
        .iter()
        .map(|server| figure(start_of(server.name), "ms"))
        .collect();
    let mut idle: Vec<_> = crowds
        .iter()
        .map(|(server, _)| figure(idle_of(server.name), "KB"))
        .collect();
    for round in 1..=options.rounds {
        for (server, figure) in started.iter().zip(&mut starts) {
            let took = time(setup, server)?.as_secs_f64() * 1e3;
            progress(&format!("round {round}: {} {took:.1} ms", figure.name));
            figure.rounds.push(took);
        }
        for ((server, count), figure) in crowds.iter().zip(&mut idle) {
            let (one, all) = (memory(setup, server, 1)?, memory(setup, server, *count)?);
            let each = (all - one) / (count - 1) as f64;
            progress(&format!(
                "round {round}: {} {each:.1} KB ({count} Workers: {all:.0} KB, 1: {one:.0} KB)",
                figure.name
            ));
            figure.rounds.push(each);
        }
    }
    starts.extend(idle);
    Ok(starts)
}

/// From the start of the process to the end of its first answer.
fn time(setup: &Setup, server: &Server) -> Result<Duration> {
    let command = setup.command(server, "none")?;
    let start = Instant::now();
    let process = Process::start(command)?;
    ask(&process, server)?;
    let took = start.elapsed();
    let problems = process.stop(server)?;
    ensure!(problems.is_empty(), "{}: {problems:?}", server.name);
    Ok(took)
}

/// The resident memory, in units of 1,000 bytes, of a server with so many Workers that idles.
fn memory(setup: &Setup, server: &Server, workers: usize) -> Result<f64> {
    let process = Process::start(setup.crowd(server, workers)?)?;
    ask(&process, server)?;
    let resident = process.at_rest()?.resident_kib;
    let problems = process.stop(server)?;
    ensure!(problems.is_empty(), "{}: {problems:?}", server.name);
    Ok(resident as f64 * 1.024)
}

/// Sends one request.
fn ask(process: &Process, server: &Server) -> Result<()> {
    let answers = Load {
        address: process.address,
        connections: 1,
        duration: Duration::from_secs(1),
        ask: server.ask,
        rate: Some(1.0),
    }
    .run()?;
    match answers.problems() {
        Some(problem) => Err(anyhow::anyhow!("{}: {problem}", server.name)),
        None => Ok(()),
    }
}
