//! How the servers are configured and started.

use crate::collector::Collector;
use crate::options::Options;
use crate::peer::{self, Peer};
use crate::process::Listening;
use crate::report;
use crate::servers::{Host, Server, Tail};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use taffrail_tests::{guests, process};
use tempfile::TempDir;

/// The Tail Workers of the rows that have one.
const TAIL: &str = "tail-log";
const STREAMING_TAIL: &str = "tail-stream";
const SCRIPT_TAIL: &str = "tail-service-worker";

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

/// What the servers are started with.
pub(crate) struct Setup {
    /// The program that is measured, if it is not the one of this repository.
    taffrail: Option<PathBuf>,
    wasmtime: Option<Peer>,
    workerd: Option<Peer>,
    collector: Option<Collector>,
    configurations: TempDir,
}

impl Setup {
    /// Gets ready what `servers` need.
    pub(crate) fn new(servers: &[&Server], options: &Options) -> Result<Self> {
        let any = |is_one: fn(&Host) -> bool| servers.iter().any(|server| is_one(&server.host));
        let needs_wasmtime = any(|host| matches!(host, Host::Wasmtime(_)));
        let needs_workerd = any(|host| matches!(host, Host::Workerd { .. }));
        let needs_collector = any(|host| matches!(host, Host::Exporting(_)));
        let setup = Self {
            taffrail: options.taffrail.clone(),
            wasmtime: needs_wasmtime.then(peer::find_wasmtime).transpose()?,
            workerd: needs_workerd.then(peer::find_workerd).transpose()?,
            collector: needs_collector.then(Collector::start).transpose()?,
            configurations: TempDir::new()?,
        };
        for server in servers {
            match server.host {
                Host::Taffrail { reuse, tail } => {
                    let paths = setup.configure(server, reuse, tail)?;
                    if let Tail::Language(language) = tail {
                        setup.make_ready(&format!("the tail in {language} is built"), &paths)?;
                    }
                }
                Host::Exporting(signals) => setup.configure_export(server, signals)?,
                Host::Keeping => setup.configure_kept(server)?,
                Host::Script { tail } | Host::Workerd { tail } => setup.configure_script(tail)?,
                Host::Bare | Host::Wasmtime(_) => {}
            }
        }
        if any(|host| matches!(host, Host::Script { .. })) {
            // A Worker that names a tail does not run without it.
            setup.configure_script(false)?;
            let script = setup.scripts(false).join("hello");
            setup.make_ready("the JavaScript engine is made", &[script])?;
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
            Host::Taffrail { .. } | Host::Exporting(_) | Host::Keeping | Host::Script { .. } => {
                self.taffrail()
            }
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
            Host::Exporting(_) | Host::Keeping => command
                .args([subcommand, "--port", "0", "--format", format])
                .args(self.paths(server, Tail::None)),
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
        let mut keys = match tail {
            Tail::None => json!({}),
            Tail::Log { reuse } => {
                write_config(&paths[1], TAIL, TAIL, json!({ "taffrail": reused(reuse) }))?;
                json!({ "tail_consumers": [{ "service": TAIL }] })
            }
            Tail::Batched => {
                let batch = json!({ "tail_batch": { "items": 64, "ms": 1 } });
                write_config(&paths[1], TAIL, TAIL, json!({ "taffrail": batch }))?;
                json!({ "tail_consumers": [{ "service": TAIL }] })
            }
            Tail::Stream => {
                write_config(&paths[1], STREAMING_TAIL, STREAMING_TAIL, json!({}))?;
                json!({ "streaming_tail_consumers": [{ "service": STREAMING_TAIL }] })
            }
            Tail::Language(_) => json!({ "tail_consumers": [{ "service": "tail" }] }),
        };
        keys["taffrail"] = reused(reuse);
        write_config(&paths[0], "hello", server.guest, keys)?;
        Ok(paths)
    }

    /// Configures the Worker of a row that exports signals.
    fn configure_export(&self, server: &Server, signals: &[&str]) -> Result<()> {
        let collector = self.collector.as_ref().context("there is no collector")?;
        let otlp = json!({ "endpoint": collector.url(), "signals": signals });
        let path = &self.paths(server, Tail::None)[0];
        let keys = json!({ "taffrail": { "otlp": otlp } });
        write_config(path, server.guest, server.guest, keys)
    }

    /// Configures the Worker of a row that keeps logs.
    fn configure_kept(&self, server: &Server) -> Result<()> {
        let path = &self.paths(server, Tail::None)[0];
        let keys = json!({ "observability": { "enabled": true } });
        write_config(path, server.guest, server.guest, keys)
    }

    /// The paths of the Worker of a row, and of its tail if it has one.
    fn paths(&self, server: &Server, tail: Tail) -> Vec<PathBuf> {
        let directory: &Path = self.configurations.path();
        let mut paths = vec![directory.join(format!("{}.json", server.name))];
        match tail {
            Tail::None => {}
            Tail::Log { .. } | Tail::Batched | Tail::Stream => {
                paths.push(directory.join(format!("{}-log.json", server.name)))
            }
            Tail::Language(language) => {
                let languages = guests::root().join("tests/guests/languages");
                paths.push(languages.join(language).join("tail"));
            }
        }
        paths
    }

    /// A command that runs the program that is measured.
    fn taffrail(&self) -> Command {
        match &self.taffrail {
            Some(program) => process::taffrail_at(program),
            None => process::taffrail(),
        }
    }

    /// Has a server's Workers built and compiled, which may take minutes, before it has to
    /// listen in time.
    fn make_ready(&self, work: &str, paths: &[PathBuf]) -> Result<()> {
        report::progress(&format!("taffrail: {work} if it is not there"));
        let mut command = self.taffrail();
        command.arg("invoke").args(paths);
        let output = command.stdin(Stdio::null()).output()?;
        ensure!(
            output.status.success(),
            "{command:?} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// The command that starts a server with `count` Workers of the same code, of which the
    /// first one is asked.
    pub(crate) fn crowd(&self, server: &Server, count: usize) -> Result<(Command, Listening)> {
        let (mut command, listening) = self.command(server, "none")?;
        let directory = self.configurations.path();
        for number in 1..count {
            let path = match server.host {
                Host::Script { .. } => {
                    let folder = directory.join(format!("script-{number}"));
                    fs::create_dir_all(&folder)?;
                    fs::copy(self.script(), folder.join("worker.js"))?;
                    let config = json!({
                        "name": format!("script-{number}"),
                        "main": "worker.js",
                        "compatibility_date": "2026-04-01",
                        "vars": { "GREETING": "Hello" },
                    });
                    fs::write(folder.join("wrangler.json"), config.to_string())?;
                    folder
                }
                _ => {
                    let name = format!("{}-{number}", server.guest);
                    let file = directory.join(format!("{name}.json"));
                    write_config(&file, &name, server.guest, json!({}))?;
                    file
                }
            };
            command.arg(path);
        }
        Ok((command, listening))
    }
}

/// The setting of an instance that handles so many events.
fn reused(events: Option<u32>) -> Value {
    match events {
        Some(events) => json!({ "instance_reuse": events }),
        None => json!({}),
    }
}

/// Writes the configuration of a Worker whose component is a guest of the tests. `config` has its
/// other keys.
fn write_config(file: &Path, name: &str, guest: &str, mut config: Value) -> Result<()> {
    config["name"] = json!(name);
    config["main"] = json!(guests::component(guest));
    fs::write(file, config.to_string())
        .with_context(|| format!("{} cannot be written", file.display()))
}
