//! What a request costs a server: CPU time per request of `taffrail serve`
//! beside `wasmtime serve`, workerd and a bare hyper server. See ../README.md.
//!
//! - [`servers`] are the rows, and how each is started;
//! - [`peer`] finds `wasmtime` and `workerd`, or installs them;
//! - [`process`] is a server that runs, and the CPU time that it has used;
//! - [`load`] sends the requests and checks every response;
//! - [`delivery`] checks, before any timing, that a tail misses nothing;
//! - [`reload`] measures the way from saving a script to its first answer;
//! - [`report`] is the table and the JSON.

mod bare;
mod delivery;
mod load;
mod options;
mod peer;
mod process;
mod reload;
mod report;
mod servers;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use load::Load;
use options::Options;
use process::Process;
use report::{Row, Sample};
use servers::Setup;
use std::process::ExitCode;
use std::time::Duration;

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

/// Measures all servers. Fails, after the report, when a row is worth nothing.
fn run(options: &Options) -> Result<()> {
    let mut servers = servers::selected(&options.only);
    servers.retain(|server| !options.reload || server.reloads());
    ensure!(
        !servers.is_empty(),
        "`--only` leaves no server; there are {}",
        servers::names().join(", ")
    );
    let setup = Setup::new(&servers)?;
    let conditions = setup.conditions(options)?;
    report::progress(&conditions);
    if options.reload {
        for server in servers {
            reload::measure(&setup, server, options.rounds)?;
        }
        return Ok(());
    }
    let mut rows: Vec<Row> = servers.into_iter().map(Row::new).collect();
    for row in rows.iter_mut().filter(|row| row.server.has_tail()) {
        report::progress(&format!("{}: is every request tailed?", row.server.name));
        row.problems
            .extend(delivery::check(&setup, row.server, options)?);
    }
    for round in 1..=options.rounds {
        for row in &mut rows {
            measure(&setup, row, options)
                .with_context(|| format!("{} in round {round}", row.server.name))?;
            report::progress(&format!("round {round}: {row}"));
        }
    }
    report::print(&rows, &conditions)?;
    if let Some(file) = &options.json {
        report::write_json(file, &rows, &conditions)?;
    }
    let worthless = rows.iter().filter(|row| !row.problems.is_empty()).count();
    ensure!(worthless == 0, "{worthless} rows are worth nothing");
    Ok(())
}

/// Measures one server in one round, in a process of its own.
fn measure(setup: &Setup, row: &mut Row, options: &Options) -> Result<()> {
    let process = Process::start(setup.command(row.server, "none")?)?;
    let load = |seconds| Load {
        address: process.address,
        connections: options.connections,
        duration: Duration::from_secs_f64(seconds),
        body: servers::BODY,
    };
    load(options.warm_up).run()?;
    // Work that a request leaves behind, a tail above all, is a part of its
    // cost: the clock is read when nothing goes on.
    let before = process.at_rest()?;
    let answers = load(options.seconds).run()?;
    let after = process.at_rest()?;
    row.problems.extend(answers.problems());
    row.problems.extend(process.stop(row.server)?);
    row.samples.push(Sample::new(&before, &after, answers)?);
    Ok(())
}
