//! The servers that are measured.

use crate::options::Options;
use crate::peer::{self, Peer};
use crate::process::Listening;
use crate::report;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use taffrail_tests::{guests, process};
use tempfile::TempDir;

/// What every server answers to `GET /`.
pub(crate) const BODY: &str = "Hello from /\n";

/// The Tail Workers of the rows that have one.
const TAIL: &str = "tail-log";
const SCRIPT_TAIL: &str = "tail-service-worker";

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
    /// `taffrail serve`. An instance handles `reuse` requests, or as many as it does by default.
    Taffrail { reuse: Option<u32>, tail: Tail },
    /// The same with a script.
    Script { tail: bool },
    /// `workerd serve` with that script.
    Workerd { tail: bool },
}

/// The Tail Worker of a component.
#[derive(Clone, Copy, PartialEq)]
enum Tail {
    None,
    /// The example `tail-log`. An instance handles `reuse` tail events, or as many as it does by
    /// default.
    Log {
        reuse: Option<u32>,
    },
    /// The one of the table of languages, which prints a line for each item.
    Language(&'static str),
}

impl Host {
    /// `taffrail serve` with its defaults.
    const fn taffrail(tail: Tail) -> Self {
        Self::Taffrail { reuse: None, tail }
    }
}

const LOG: Tail = Tail::Log { reuse: None };

/// The events that an instance handles in the rows that say `reuse`.
const REUSE: u32 = 128;

impl Server {
    /// The example `hello`, with the tail of the table of languages in `language`.
    const fn with_tail_in(name: &'static str, language: &'static str) -> Self {
        Self {
            name,
            guest: "hello",
            host: Host::taffrail(Tail::Language(language)),
        }
    }
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
        host: Host::taffrail(Tail::None),
    },
    Server {
        name: "taffrail-p2-tail",
        guest: "hello",
        host: Host::taffrail(LOG),
    },
    Server {
        name: "taffrail-p2-tail-fresh",
        guest: "hello",
        host: Host::taffrail(Tail::Log { reuse: Some(1) }),
    },
    Server::with_tail_in("taffrail-p2-tail-rust", "rust"),
    Server::with_tail_in("taffrail-p2-tail-c", "c"),
    Server::with_tail_in("taffrail-p2-tail-cpp", "cpp"),
    Server::with_tail_in("taffrail-p2-tail-go", "go"),
    Server::with_tail_in("taffrail-p2-tail-python", "python"),
    Server::with_tail_in("taffrail-p2-tail-js", "javascript"),
    Server {
        name: "wasmtime-p2-reuse",
        guest: "hello",
        host: Host::Wasmtime(&["--max-instance-reuse-count=128"]),
    },
    Server {
        name: "taffrail-p2-reuse",
        guest: "hello",
        host: Host::Taffrail {
            reuse: Some(REUSE),
            tail: Tail::None,
        },
    },
    Server {
        name: "taffrail-p2-reuse-tail",
        guest: "hello",
        host: Host::Taffrail {
            reuse: Some(REUSE),
            tail: LOG,
        },
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
        host: Host::taffrail(Tail::None),
    },
    Server {
        name: "taffrail-p3-tail",
        guest: "hello-p3",
        host: Host::taffrail(LOG),
    },
    Server {
        name: "workerd-js",
        guest: "hello.js",
        host: Host::Workerd { tail: false },
    },
    Server {
        name: "workerd-js-tail",
        guest: "hello.js",
        host: Host::Workerd { tail: true },
    },
    Server {
        name: "taffrail-js",
        guest: "hello.js",
        host: Host::Script { tail: false },
    },
    Server {
        name: "taffrail-js-tail",
        guest: "hello.js",
        host: Host::Script { tail: true },
    },
];

/// What `wrangler.json` says, for workerd.
const WORKERD: &str = r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "hello", worker = .hello), (name = "tail", worker = .tail)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "hello")],
);
const hello :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "hello/worker.js")],
  compatibilityDate = "2026-04-01",
  bindings = [(name = "GREETING", text = "Hello")],
  TAILS
);
const tail :Workerd.Worker = (
  serviceWorkerScript = embed "tail-service-worker/worker.js",
  compatibilityDate = "2026-04-01",
);
"#;

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
    /// with its defaults and the same guest, or workerd without a tail.
    pub(crate) fn baseline(&self) -> Option<&'static str> {
        SERVERS
            .iter()
            .find(|peer| {
                let is_peer = matches!(
                    peer.host,
                    Host::Wasmtime([]) | Host::Workerd { tail: false }
                );
                peer.guest == self.guest && is_peer
            })
            .map(|peer| peer.name)
    }

    /// Whether its tail can be seen to miss nothing.
    pub(crate) fn has_tail(&self) -> bool {
        match self.host {
            Host::Taffrail { tail, .. } => tail != Tail::None,
            Host::Script { tail } => tail,
            Host::Bare | Host::Wasmtime(_) | Host::Workerd { .. } => false,
        }
    }

    /// Whether its script may change while it runs.
    pub(crate) fn reloads(&self) -> bool {
        matches!(
            self.host,
            Host::Script { tail: false } | Host::Workerd { tail: false }
        )
    }

    /// Whether it ends what is under way when it is asked to stop, and says so
    /// with its exit status.
    pub(crate) fn stops_gracefully(&self) -> bool {
        matches!(self.host, Host::Taffrail { .. } | Host::Script { .. })
    }
}

/// What the servers are started with.
pub(crate) struct Setup {
    wasmtime: Option<Peer>,
    workerd: Option<Peer>,
    configurations: TempDir,
}

impl Setup {
    /// Gets ready what `servers` need.
    pub(crate) fn new(servers: &[&Server]) -> Result<Self> {
        let any = |is_one: fn(&Host) -> bool| servers.iter().any(|server| is_one(&server.host));
        let needs_wasmtime = any(|host| matches!(host, Host::Wasmtime(_)));
        let needs_workerd = any(|host| matches!(host, Host::Workerd { .. }));
        let setup = Self {
            wasmtime: needs_wasmtime.then(peer::find_wasmtime).transpose()?,
            workerd: needs_workerd.then(peer::find_workerd).transpose()?,
            configurations: TempDir::new()?,
        };
        for server in servers {
            match server.host {
                Host::Taffrail { reuse, tail } => {
                    let paths = setup.configure(server, reuse, tail)?;
                    if let Tail::Language(language) = tail {
                        make_ready(&format!("the tail in {language} is built"), &paths)?;
                    }
                }
                Host::Script { tail } | Host::Workerd { tail } => setup.configure_script(tail)?,
                Host::Bare | Host::Wasmtime(_) => {}
            }
        }
        if any(|host| matches!(host, Host::Script { .. })) {
            // A Worker that names a tail does not run without it.
            setup.configure_script(false)?;
            let script = setup.scripts(false).join("hello");
            make_ready("the JavaScript engine is made", &[script])?;
        }
        Ok(setup)
    }

    /// What is measured, how and where.
    pub(crate) fn conditions(&self, options: &Options) -> Result<String> {
        let peers = self.wasmtime.iter().chain(&self.workerd);
        let peers: String = peers.map(|peer| format!(", {}", peer.version)).collect();
        Ok(format!(
            "taffrail {}{peers}; {} cores; {} rounds of {} s, {} connections",
            env!("CARGO_PKG_VERSION"),
            std::thread::available_parallelism()?,
            options.rounds,
            options.seconds,
            options.connections,
        ))
    }

    /// The command that starts `server` on a free port. Its stdout goes where
    /// it costs nobody anything. `format` is how `taffrail serve` prints what
    /// was recorded.
    pub(crate) fn command(&self, server: &Server, format: &str) -> Result<(Command, Listening)> {
        self.start(server, "serve", format)
    }

    /// `subcommand` is the one of `taffrail`.
    fn start(
        &self,
        server: &Server,
        subcommand: &str,
        format: &str,
    ) -> Result<(Command, Listening)> {
        let mut command = match server.host {
            Host::Bare => Command::new(std::env::current_exe()?),
            Host::Wasmtime(_) => {
                let peer = self.wasmtime.as_ref().context("wasmtime is not ready")?;
                Command::new(&peer.program)
            }
            Host::Workerd { .. } => {
                let peer = self.workerd.as_ref().context("workerd is not ready")?;
                Command::new(&peer.program)
            }
            Host::Taffrail { .. } | Host::Script { .. } => process::taffrail(),
        };
        let mut listening = Listening::IsSaid;
        match server.host {
            Host::Bare => command.arg("--bare-server"),
            Host::Wasmtime(options) => command
                // The guests read environment variables.
                .args(["serve", "-S", "cli", "--addr", "127.0.0.1:0"])
                .args(options)
                .arg(guests::component(server.guest)),
            Host::Taffrail { tail, .. } => command
                .args([subcommand, "--port", "0", "--format", format])
                .args(self.paths(server, tail)),
            Host::Script { tail } => {
                command.args([subcommand, "--port", "0", "--format", format]);
                let folder = self.scripts(tail);
                command.arg(folder.join("hello"));
                if tail {
                    command.arg(folder.join(SCRIPT_TAIL));
                }
                &mut command
            }
            Host::Workerd { tail } => {
                // It does not say which port it takes.
                let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                listening = Listening::At(([127, 0, 0, 1], port).into());
                let address = format!("--socket-addr=http=127.0.0.1:{port}");
                let config = self.scripts(tail).join("workerd.capnp");
                // Tails are experimental in it.
                command
                    .args(["serve", "--experimental", &address])
                    .arg(config)
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok((command, listening))
    }

    /// The command that starts `server` so that it looks for new versions of
    /// its script.
    pub(crate) fn developing(&self, server: &Server) -> Result<(Command, Listening)> {
        if !matches!(server.host, Host::Workerd { .. }) {
            return self.start(server, "dev", "none");
        }
        let (mut command, listening) = self.start(server, "serve", "none")?;
        command.arg("--watch");
        Ok((command, listening))
    }

    /// The script of the rows that have one, and no tail.
    pub(crate) fn script(&self) -> PathBuf {
        self.scripts(false).join("hello/worker.js")
    }

    fn scripts(&self, tail: bool) -> PathBuf {
        let name = if tail { "tailed" } else { "alone" };
        self.configurations.path().join(name)
    }

    /// Copies the examples in JavaScript, and configures them for Taffrail and
    /// for workerd.
    fn configure_script(&self, tail: bool) -> Result<()> {
        let folder = self.scripts(tail);
        let examples = guests::root().join("guest-examples/javascript");
        for name in ["hello", SCRIPT_TAIL] {
            let place = folder.join(name);
            fs::create_dir_all(&place)?;
            fs::copy(
                examples.join(name).join("worker.js"),
                place.join("worker.js"),
            )?;
            let tails = if tail && name == "hello" {
                vec![json!({ "service": SCRIPT_TAIL })]
            } else {
                Vec::new()
            };
            let config = json!({
                "name": name,
                "main": "worker.js",
                "compatibility_date": "2026-04-01",
                "vars": { "GREETING": "Hello" },
                "tail_consumers": tails,
            });
            fs::write(place.join("wrangler.json"), config.to_string())?;
        }
        let tails = if tail { "tails = [\"tail\"]," } else { "" };
        fs::write(
            folder.join("workerd.capnp"),
            WORKERD.replace("TAILS", tails),
        )?;
        Ok(())
    }

    /// Configures the Worker of a row, which is an example with its component as it is built
    /// already, and its tail. Returns their paths.
    fn configure(&self, server: &Server, reuse: Option<u32>, tail: Tail) -> Result<Vec<PathBuf>> {
        let paths = self.paths(server, tail);
        let tails = match tail {
            Tail::None => json!([]),
            Tail::Log { reuse } => {
                write_config(&paths[1], TAIL, TAIL, reuse, &json!([]))?;
                json!([{ "service": TAIL }])
            }
            Tail::Language(_) => json!([{ "service": "tail" }]),
        };
        write_config(&paths[0], "hello", server.guest, reuse, &tails)?;
        Ok(paths)
    }

    /// The paths of the Worker of a row, and of its tail if it has one.
    fn paths(&self, server: &Server, tail: Tail) -> Vec<PathBuf> {
        let directory: &Path = self.configurations.path();
        let mut paths = vec![directory.join(format!("{}.json", server.name))];
        match tail {
            Tail::None => {}
            Tail::Log { .. } => paths.push(directory.join(format!("{}-log.json", server.name))),
            Tail::Language(language) => {
                let languages = guests::root().join("tests/guests/languages");
                paths.push(languages.join(language).join("tail"));
            }
        }
        paths
    }
}

/// Writes the configuration of a Worker whose component is a guest of the tests.
fn write_config(
    file: &Path,
    name: &str,
    guest: &str,
    reuse: Option<u32>,
    tails: &Value,
) -> Result<()> {
    let mut config = json!({
        "name": name,
        "main": guests::component(guest),
        "tail_consumers": tails,
    });
    if let Some(events) = reuse {
        config["taffrail"] = json!({ "instance_reuse": events });
    }
    fs::write(file, config.to_string())
        .with_context(|| format!("{} cannot be written", file.display()))
}

/// Has a server's Workers built and compiled, which may take minutes, before it has to listen in
/// time.
fn make_ready(work: &str, paths: &[PathBuf]) -> Result<()> {
    report::progress(&format!("taffrail: {work} if it is not there"));
    let mut command = process::taffrail();
    command.arg("invoke").args(paths);
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
