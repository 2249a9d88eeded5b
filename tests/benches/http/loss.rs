//! Whether a Tail Worker receives every item, however many clients ask.

use crate::delivery::{self, Recorded};
use crate::options::Options;
use crate::report::progress;
use crate::servers::{self, Group, Server};
use crate::setup::Setup;
use anyhow::{Context, Result};
use std::time::Duration;

/// Connections at a time.
const CONNECTIONS: [u32; 4] = [64, 256, 1_000, 4_000];

/// The server that is asked.
const SERVER: &str = "taffrail-p2-tail";

/// What became of the items at one number of connections.
pub(crate) struct Loss {
    pub(crate) connections: u32,
    pub(crate) recorded: Recorded,
}

/// The server that is asked, if the test is to run.
pub(crate) fn server(options: &Options) -> Option<&'static Server> {
    servers::named(SERVER).filter(|server| options.wants(Group::Loss, server.name))
}

/// Keeps each number of connections busy in turn, and counts from outside.
pub(crate) fn measure(setup: &Setup, server: &Server, options: &Options) -> Result<Vec<Loss>> {
    let duration = Duration::from_secs_f64(options.loss_seconds);
    let mut all = Vec::new();
    for connections in CONNECTIONS {
        progress(&format!("{connections} connections: is an item lost?"));
        let recorded = delivery::count(setup, server, connections, duration)
            .with_context(|| format!("{} with {connections} connections", server.name))?;
        all.push(Loss {
            connections,
            recorded,
        });
    }
    Ok(all)
}
