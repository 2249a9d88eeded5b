//! How long it takes from saving a script to the first answer of its new
//! version.
#![expect(
    clippy::disallowed_methods,
    reason = "time is measured here, apart from the clock of the runtime"
)]

use crate::process::Process;
use crate::report;
use crate::servers::Server;
use crate::setup::Setup;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a new version may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often it is asked for.
const PAUSE: Duration = Duration::from_millis(2);

/// How long nothing happens before a version is saved.
const REST: Duration = Duration::from_millis(500);

/// Saves `rounds` versions, and says how long they took to answer.
pub(crate) fn measure(setup: &Setup, server: &Server, rounds: u32) -> Result<()> {
    let script = setup.script();
    let original = fs::read_to_string(&script)?;
    let process = Process::start(setup.developing(server)?)?;
    let mut times = Vec::new();
    for version in 0..rounds {
        sleep(REST);
        let greeting = format!("{} {version}", server.name);
        let text = original.replace("${env.GREETING}", &greeting);
        ensure!(text != original, "the example has changed");
        let saved = Instant::now();
        fs::write(&script, text)?;
        while !answer(process.address).is_some_and(|answer| answer.contains(&greeting)) {
            ensure!(saved.elapsed() < PATIENCE, "no new version in time");
            sleep(PAUSE);
        }
        times.push(saved.elapsed());
    }
    fs::write(&script, original).context("the script cannot be put back")?;
    times.sort_unstable();
    let milliseconds = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    report::progress(&format!(
        "{}: {rounds} reloads, median {} ms, longest {} ms",
        server.name,
        milliseconds(times.get(times.len() / 2)),
        milliseconds(times.last()),
    ));
    Ok(())
}

/// What it answers; nothing while it starts again.
fn answer(server: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(server).ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
