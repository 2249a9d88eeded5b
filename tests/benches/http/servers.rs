//! The servers that are measured, and what they are asked.

use crate::load::{Ask, Expected};
use clap::ValueEnum;

/// What every server answers to `GET /`.
pub(crate) const BODY: &str = "Hello from /\n";

/// The question of most rows.
pub(crate) const HELLO: Ask = Ask {
    path: "/",
    upload: 0,
    status: 200,
    body: Expected::Text(BODY),
};

/// What is measured together, and can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Group {
    /// What a request costs
    Requests,
    /// What a tail costs in each language
    Languages,
    /// One connection and many
    Scale,
    /// Bodies of 1 KB, 1 MB and 100 MB in both directions
    Bodies,
    /// A component that computes
    Compute,
    /// Components that trap
    Traps,
    /// What each signal of OpenTelemetry adds, beside a tail
    Telemetry,
    /// Latency at half of the highest rate
    Latency,
    /// From the start to the first answer, and the memory of idle Workers
    Start,
    /// Whether items are lost
    Loss,
}

/// A row: a host, the guest that it runs, and the load on it.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    pub(crate) guest: &'static str,
    pub(crate) host: Host,
    pub(crate) ask: Ask,
    /// Connections; without a number, as many as the command line says.
    pub(crate) connections: Option<u32>,
    /// Requests come at half of the rate that this server can answer.
    pub(crate) half_of: Option<&'static str>,
}

pub(crate) enum Host {
    /// hyper with no guest behind it.
    Bare,
    /// `wasmtime serve` with these options.
    Wasmtime(&'static [&'static str]),
    /// `taffrail serve`. An instance handles `reuse` requests, or as many as it does by default.
    Taffrail { reuse: Option<u32>, tail: Tail },
    /// The same, which exports these signals of OpenTelemetry.
    Exporting(&'static [&'static str]),
    /// The same, which keeps logs.
    Keeping,
    /// The same with a script.
    Script { tail: bool },
    /// `workerd serve` with that script.
    Workerd { tail: bool },
}

/// The Tail Worker of a component.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Tail {
    None,
    /// The example `tail-log`. An instance handles `reuse` tail events, or as many as it does by
    /// default.
    Log {
        reuse: Option<u32>,
    },
    /// The same, whose items wait for a millisecond to be up to 64.
    Batched,
    /// The example `tail-stream`, which receives the events of each request as they happen.
    Stream,
    /// The one of the table of languages, which prints a line for each item.
    Language(&'static str),
}

/// `taffrail serve` with its defaults.
const fn taffrail(tail: Tail) -> Host {
    Host::Taffrail { reuse: None, tail }
}

/// The same with instances that handle as many requests as those of `wasmtime serve`.
const fn reusing(tail: Tail) -> Host {
    Host::Taffrail {
        reuse: Some(128),
        tail,
    }
}

const WASMTIME: Host = Host::Wasmtime(&[]);
const ALONE: Host = taffrail(Tail::None);
const LOG: Tail = Tail::Log { reuse: None };
const TAILED: Host = taffrail(LOG);

const fn row(name: &'static str, guest: &'static str, host: Host) -> Server {
    Server {
        name,
        group: Group::Requests,
        guest,
        host,
        ask: HELLO,
        connections: None,
        half_of: None,
    }
}

/// A row of the table of languages.
const fn language(name: &'static str, language: &'static str) -> Server {
    let host = taffrail(Tail::Language(language));
    Server {
        group: Group::Languages,
        ..row(name, "hello", host)
    }
}

const fn over(connections: u32, name: &'static str, host: Host) -> Server {
    Server {
        group: Group::Scale,
        connections: Some(connections),
        ..row(name, "hello", host)
    }
}

const fn echo(upload: usize, connections: u32, name: &'static str, host: Host) -> Server {
    Server {
        group: Group::Bodies,
        ask: Ask {
            path: "/echo",
            upload,
            status: 200,
            body: Expected::Echo,
        },
        connections: Some(connections),
        ..row(name, "measured", host)
    }
}

const fn compute(name: &'static str, host: Host) -> Server {
    Server {
        group: Group::Compute,
        ask: Ask {
            path: "/compute",
            upload: 0,
            status: 200,
            body: Expected::Any,
        },
        ..row(name, "measured", host)
    }
}

const fn trap(name: &'static str, guest: &'static str) -> Server {
    Server {
        group: Group::Traps,
        ask: Ask {
            path: "/panic",
            upload: 0,
            status: 500,
            body: Expected::Any,
        },
        ..row(name, guest, ALONE)
    }
}

const fn logging(name: &'static str, host: Host) -> Server {
    Server {
        group: Group::Telemetry,
        ask: Ask {
            path: "/log",
            upload: 0,
            status: 200,
            body: Expected::Text("logged"),
        },
        ..row(name, "measured", host)
    }
}

const fn half(name: &'static str, host: Host) -> Server {
    Server {
        group: Group::Latency,
        half_of: Some("taffrail-p2-tail"),
        ..row(name, "hello", host)
    }
}

/// `wasmtime serve` with its defaults stands before those compared with it.
const SERVERS: &[Server] = &[
    row("hyper", "hello", Host::Bare),
    row("wasmtime-p2", "hello", WASMTIME),
    row("taffrail-p2", "hello", ALONE),
    row("taffrail-p2-tail", "hello", TAILED),
    row(
        "taffrail-p2-tail-fresh",
        "hello",
        taffrail(Tail::Log { reuse: Some(1) }),
    ),
    row("taffrail-p2-tail-batch", "hello", taffrail(Tail::Batched)),
    row(
        "wasmtime-p2-reuse",
        "hello",
        Host::Wasmtime(&["--max-instance-reuse-count=128"]),
    ),
    row("taffrail-p2-reuse", "hello", reusing(Tail::None)),
    row("taffrail-p2-reuse-tail", "hello", reusing(LOG)),
    row("wasmtime-p3", "hello-p3", WASMTIME),
    row(
        "wasmtime-p3-fresh",
        "hello-p3",
        Host::Wasmtime(&["--max-instance-reuse-count=1"]),
    ),
    row("taffrail-p3", "hello-p3", ALONE),
    row("taffrail-p3-tail", "hello-p3", TAILED),
    row("workerd-js", "hello.js", Host::Workerd { tail: false }),
    row("workerd-js-tail", "hello.js", Host::Workerd { tail: true }),
    row("taffrail-js", "hello.js", Host::Script { tail: false }),
    row("taffrail-js-tail", "hello.js", Host::Script { tail: true }),
    language("taffrail-p2-tail-rust", "rust"),
    language("taffrail-p2-tail-c", "c"),
    language("taffrail-p2-tail-cpp", "cpp"),
    language("taffrail-p2-tail-go", "go"),
    language("taffrail-p2-tail-python", "python"),
    language("taffrail-p2-tail-js", "javascript"),
    over(1, "wasmtime-1-connection", WASMTIME),
    over(1, "taffrail-1-connection", ALONE),
    over(256, "wasmtime-256-connections", WASMTIME),
    over(256, "taffrail-256-connections", ALONE),
    over(4096, "wasmtime-4096-connections", WASMTIME),
    over(4096, "taffrail-4096-connections", ALONE),
    echo(1_000, 16, "wasmtime-echo-1-kB", WASMTIME),
    echo(1_000, 16, "taffrail-echo-1-kB", ALONE),
    echo(1_000_000, 16, "wasmtime-echo-1-MB", WASMTIME),
    echo(1_000_000, 16, "taffrail-echo-1-MB", ALONE),
    echo(100_000_000, 2, "wasmtime-echo-100-MB", WASMTIME),
    echo(100_000_000, 2, "taffrail-echo-100-MB", ALONE),
    compute("wasmtime-compute", WASMTIME),
    compute("taffrail-compute", ALONE),
    trap("taffrail-trap-dwarf", "measured"),
    trap("taffrail-trap", "faulty"),
    logging("wasmtime-log", WASMTIME),
    logging("taffrail-log", ALONE),
    logging("taffrail-log-traces", Host::Exporting(&["traces"])),
    logging("taffrail-log-logs", Host::Exporting(&["logs"])),
    logging("taffrail-log-metrics", Host::Exporting(&["metrics"])),
    logging(
        "taffrail-log-otlp",
        Host::Exporting(&["traces", "logs", "metrics"]),
    ),
    logging("taffrail-log-kept", Host::Keeping),
    logging("taffrail-log-tail", TAILED),
    logging("taffrail-log-stream", taffrail(Tail::Stream)),
    Server {
        group: Group::Start,
        ..row(
            "wasmtime-p2-cached",
            "hello",
            Host::Wasmtime(&["-C", "cache=y"]),
        )
    },
    half("taffrail-p2-half", ALONE),
    half("taffrail-p2-tail-half", TAILED),
];

/// The servers of which `wanted` says that they are to be measured.
pub(crate) fn selected(wanted: impl Fn(Group, &str) -> bool) -> Vec<&'static Server> {
    let servers = SERVERS.iter();
    servers
        .filter(|server| wanted(server.group, server.name))
        .collect()
}

/// The server of this name.
pub(crate) fn named(name: &str) -> Option<&'static Server> {
    SERVERS.iter().find(|server| server.name == name)
}

/// The names of all servers.
pub(crate) fn names() -> Vec<&'static str> {
    SERVERS.iter().map(|server| server.name).collect()
}

impl Server {
    /// The name of the row that this one is compared with: `wasmtime serve`
    /// with its defaults and the same guest, or workerd without a tail, under the same load.
    pub(crate) fn baseline(&self) -> Option<&'static str> {
        let is_peer = |peer: &&Server| {
            let is_peer = matches!(
                peer.host,
                Host::Wasmtime([]) | Host::Workerd { tail: false }
            );
            let load = |server: &Server| (server.ask, server.connections);
            is_peer && peer.guest == self.guest && load(peer) == load(self)
        };
        let peer = SERVERS.iter().find(is_peer)?;
        self.half_of.is_none().then_some(peer.name)
    }

    /// Whether its tail can be seen to miss nothing.
    pub(crate) fn has_tail(&self) -> bool {
        match self.host {
            Host::Taffrail { tail, .. } => tail != Tail::None,
            Host::Script { tail } => tail,
            Host::Bare
            | Host::Wasmtime(_)
            | Host::Workerd { .. }
            | Host::Exporting(_)
            | Host::Keeping => false,
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
        matches!(
            self.host,
            Host::Taffrail { .. } | Host::Exporting(_) | Host::Keeping | Host::Script { .. }
        )
    }
}
