//! The servers that are measured.

use crate::options::Options;
use crate::peer::{self, Peer};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use taffrail_tests::{guests, process};
use tempfile::TempDir;

/// What every server answers to `GET /`.
pub(crate) const BODY: &str = "Hello from /\n";

/// The Tail Worker of the rows that have one.
const TAIL: &str = "tail-log";

/// A row: a host, and the guest that it runs.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    guest: &'static str,
    host: Host,
}

enum Host {
    /// hyper with no guest behind it.
    Bare,
    /// `wasmtime serve` with these options.
    Wasmtime(&'static [&'static str]),
    /// `taffrail serve`, with a Tail Worker or without.
    Taffrail { tail: bool },
}

/// `wasmtime serve` with its defaults stands before those compared with it.
const SERVERS: &[Server] = &[
    Server {
        name: "hyper",
        guest: "hello",
        host: Host::Bare,
    },
    Server {
        name: "wasmtime-p2",
        guest: "hello",
        host: Host::Wasmtime(&[]),
    },
    Server {
        name: "taffrail-p2",
        guest: "hello",
        host: Host::Taffrail { tail: false },
    },
    Server {
        name: "taffrail-p2-tail",
        guest: "hello",
        host: Host::Taffrail { tail: true },
    },
    Server {
        name: "wasmtime-p3",
        guest: "hello-p3",
        host: Host::Wasmtime(&[]),
    },
    Server {
        name: "wasmtime-p3-fresh",
        guest: "hello-p3",
        host: Host::Wasmtime(&["--max-instance-reuse-count=1"]),
    },
    Server {
        name: "taffrail-p3",
        guest: "hello-p3",
        host: Host::Taffrail { tail: false },
    },
    Server {
        name: "taffrail-p3-tail",
        guest: "hello-p3",
        host: Host::Taffrail { tail: true },
    },
];

/// The servers whose names contain one of `filters`; all of them without any.
pub(crate) fn selected(filters: &[String]) -> Vec<&'static Server> {
    SERVERS
        .iter()
        .filter(|server| {
            filters.is_empty() || filters.iter().any(|filter| server.name.contains(filter))
        })
        .collect()
}

/// The names of all servers.
pub(crate) fn names() -> Vec<&'static str> {
    SERVERS.iter().map(|server| server.name).collect()
}

impl Server {
    /// The name of the row that this one is compared with: `wasmtime serve`
    /// with its defaults and the same guest.
    pub(crate) fn baseline(&self) -> Option<&'static str> {
        SERVERS
            .iter()
            .find(|peer| peer.guest == self.guest && matches!(peer.host, Host::Wasmtime([])))
            .map(|peer| peer.name)
    }

    pub(crate) fn has_tail(&self) -> bool {
        matches!(self.host, Host::Taffrail { tail: true })
    }

    /// Whether it ends what is under way when it is asked to stop, and says so
    /// with its exit status.
    pub(crate) fn stops_gracefully(&self) -> bool {
        matches!(self.host, Host::Taffrail { .. })
    }
}

/// What the servers are started with.
pub(crate) struct Setup {
    peer: Option<Peer>,
    configurations: TempDir,
}

impl Setup {
    /// Gets ready what `servers` need.
    pub(crate) fn new(servers: &[&Server]) -> Result<Self> {
        let needs_peer = |server: &&Server| matches!(server.host, Host::Wasmtime(_));
        let peer = servers
            .iter()
            .any(needs_peer)
            .then(peer::find)
            .transpose()?;
        let setup = Self {
            peer,
            configurations: TempDir::new()?,
        };
        setup.configure(TAIL, &[])?;
        for server in servers.iter().filter(|server| server.has_tail()) {
            setup.configure(server.guest, &[TAIL])?;
        }
        Ok(setup)
    }

    /// What is measured, how and where.
    pub(crate) fn conditions(&self, options: &Options) -> Result<String> {
        let peer = self.peer.as_ref().map(|peer| peer.version.as_str());
        Ok(format!(
            "taffrail {}, {}; {} cores; {} rounds of {} s, {} connections",
            env!("CARGO_PKG_VERSION"),
            peer.unwrap_or("no wasmtime"),
            std::thread::available_parallelism()?,
            options.rounds,
            options.seconds,
            options.connections,
        ))
    }

    /// The command that starts `server` on a free port. Its stdout goes where
    /// it costs nobody anything. `format` is how `taffrail serve` prints what
    /// was recorded.
    pub(crate) fn command(&self, server: &Server, format: &str) -> Result<Command> {
        let mut command = match server.host {
            Host::Bare => Command::new(std::env::current_exe()?),
            Host::Wasmtime(_) => {
                let peer = self.peer.as_ref().context("wasmtime is not ready")?;
                Command::new(&peer.program)
            }
            Host::Taffrail { .. } => process::taffrail(),
        };
        match server.host {
            Host::Bare => command.arg("--bare-server"),
            Host::Wasmtime(options) => command
                // The guests read environment variables.
                .args(["serve", "-S", "cli", "--addr", "127.0.0.1:0"])
                .args(options)
                .arg(guests::component(server.guest)),
            Host::Taffrail { tail } => {
                command.args(["serve", "--port", "0", "--format", format]);
                if tail {
                    command.args([self.configuration(server.guest), self.configuration(TAIL)])
                } else {
                    command.arg(guests::component(server.guest))
                }
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }

    /// Configures a Worker like the example of the same name, but with its
    /// component as it is built already.
    fn configure(&self, guest: &str, tails: &[&str]) -> Result<()> {
        let tails: Vec<_> = tails
            .iter()
            .map(|tail| json!({ "service": tail }))
            .collect();
        let configuration = json!({
            "name": guest,
            "main": guests::component(guest),
            "tail_consumers": tails,
        });
        let file = self.configuration(guest);
        std::fs::write(&file, configuration.to_string())
            .with_context(|| format!("{} cannot be written", file.display()))
    }

    fn configuration(&self, guest: &str) -> PathBuf {
        let directory: &Path = self.configurations.path();
        directory.join(format!("{guest}.json"))
    }
}
