//! What a request costs a server: CPU time per request of `taffrail serve`
//! beside `wasmtime serve`, workerd and a bare hyper server. See ../README.md.
//!
//! - [`servers`] are the rows and what they are asked, and [`setup`] how each is started;
//! - [`peer`] finds `wasmtime` and `workerd`, or installs them;
//! - [`process`] is a server that runs, and the CPU time that it has used;
//! - [`load`] sends the requests and checks every response;
//! - [`collector`] takes what the servers export;
//! - [`delivery`] counts what a tail is told, which [`loss`] does at many connections;
//! - [`start`] measures what has no load: the first answer, and the memory of idle Workers;
//! - [`reload`] measures the way from saving a script to its first answer;
//! - [`targets`] are the figures that Taffrail is to reach;
//! - [`report`] is the tables and the JSON.

mod bare;
mod collector;
mod delivery;
mod load;
mod loss;
mod options;
mod peer;
mod process;
mod reload;
mod report;
mod servers;
mod setup;
mod start;
mod targets;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use load::Load;
use options::Options;
use process::Process;
use report::{Report, Row, Sample};
use servers::{Group, Server};
use setup::Setup;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use targets::Verdict;

/// How long requests are sent to a server with a tail before it is measured.
const CHECK: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let options = Options::parse();
    let result = if options.bare_server {
        bare::serve()
    } else {
        run(&options)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures everything that was chosen. Fails, after the report, when a row is worth nothing.
fn run(options: &Options) -> Result<()> {
    let mut servers = servers::selected(|group, name| {
        // Those are started, but have no load.
        group != Group::Start && options.wants(group, name)
    });
    servers.retain(|server| !options.reload || server.reloads());
    let starts = start::Plan::new(options);
    let loss = loss::server(options);
    let mut all = servers.clone();
    // The rate of which they get half is measured first.
    all.extend(
        servers
            .iter()
            .filter_map(|server| server.half_of.and_then(servers::named)),
    );
    all.extend(starts.servers().chain(loss));
    ensure!(
        !all.is_empty(),
        "`--only` and `--group` leave no server; there are {}",
        servers::names().join(", ")
    );
    let setup = Setup::new(&all, options)?;
    let mut report = Report {
        conditions: setup.conditions(options)?,
        ..Report::default()
    };
    report::progress(&report.conditions);
    if options.reload {
        for server in servers {
            reload::measure(&setup, server, options.rounds)?;
        }
        return Ok(());
    }
    report.rows = measure_rows(&setup, servers, options)?;
    report.figures = start::measure(&setup, &starts, options)?;
    if let Some(server) = loss {
        report.losses = loss::measure(&setup, server, options)?;
    }
    report.print()?;
    if let Some(file) = &options.json {
        report.write_json(file)?;
    }
    let problems = report.problems().len();
    ensure!(problems == 0, "{problems} figures are worth nothing");
    let checked = targets::check(&report);
    let missed = checked
        .iter()
        .filter(|one| one.verdict() == Verdict::Missed);
    let missed = missed.count();
    ensure!(
        !options.strict || missed == 0,
        "{missed} targets are missed"
    );
    Ok(())
}

/// Measures servers under load, in alternating rounds.
fn measure_rows(
    setup: &Setup,
    servers: Vec<&'static Server>,
    options: &Options,
) -> Result<Vec<Row>> {
    let mut rows: Vec<_> = servers.into_iter().map(Row::new).collect();
    for row in rows.iter_mut().filter(|row| row.server.has_tail()) {
        let server = row.server;
        report::progress(&format!("{}: is every request tailed?", server.name));
        let connections = server.connections.unwrap_or(options.connections);
        let recorded = delivery::count(setup, server, connections, CHECK)?;
        row.problems.extend(recorded.problems);
        if (recorded.refused, recorded.failed) != (0, 0) {
            row.problems.push(format!(
                "{} requests were refused, and {} invocations failed",
                recorded.refused, recorded.failed
            ));
        }
    }
    let mut rates = BTreeMap::new();
    for row in &rows {
        if let Some(name) = row.server.half_of {
            let server = servers::named(name).context("a row is half of none")?;
            if !rates.contains_key(name) {
                let fastest = rate(setup, server, options)?;
                report::progress(&format!("{name}: {fastest:.0} requests/s at most"));
                rates.insert(name, fastest / 2.0);
            }
        }
    }
    for round in 1..=options.rounds {
        for row in &mut rows {
            let rate = row.server.half_of.and_then(|name| rates.get(name).copied());
            measure(setup, row, rate, options)
                .with_context(|| format!("{} in round {round}", row.server.name))?;
            report::progress(&format!("round {round}: {row}"));
        }
    }
    Ok(rows)
}

/// The requests per second that a server can answer.
fn rate(setup: &Setup, server: &Server, options: &Options) -> Result<f64> {
    let process = Process::start(setup.command(server, "none")?)?;
    load(&process, server, options.warm_up, None, options).run()?;
    Ok(load(&process, server, options.seconds, None, options)
        .run()?
        .rate())
}

fn load(
    process: &Process,
    server: &Server,
    seconds: f64,
    rate: Option<f64>,
    options: &Options,
) -> Load {
    Load {
        address: process.address,
        connections: server.connections.unwrap_or(options.connections),
        duration: Duration::from_secs_f64(seconds),
        ask: server.ask,
        rate,
    }
}

/// Measures one server in one round, in a process of its own.
fn measure(setup: &Setup, row: &mut Row, rate: Option<f64>, options: &Options) -> Result<()> {
    let process = Process::start(setup.command(row.server, "none")?)?;
    load(&process, row.server, options.warm_up, rate, options).run()?;
    // Work that a request leaves behind, a tail above all, is a part of its
    // cost: the clock is read when nothing goes on.
    let before = process.at_rest()?;
    let answers = load(&process, row.server, options.seconds, rate, options).run()?;
    let after = process.at_rest()?;
    row.problems.extend(answers.problems());
    row.problems.extend(process.stop(row.server)?);
    row.samples.push(Sample::new(&before, &after, answers)?);
    Ok(())
}
