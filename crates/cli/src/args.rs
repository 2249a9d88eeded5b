//! The command line.

mod analytics;
mod tail;

pub(crate) use analytics::{AnalyticsCommand, AnalyticsOptions, AnswerFormat, QueryOptions};
pub(crate) use tail::{Status, TailFilters, TailFormat, TailOptions};

use clap::{Args as ArgGroup, Parser, Subcommand, ValueEnum};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use taffrail_control::Address;
use taffrail_trace::LogLevel;

/// Run Workers as WebAssembly components, with Tail Workers that receive a trace
/// item of each invocation.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Exit status:
  0  success; for `invoke`: the outcome is ok
  1  Taffrail failed: a file, a configuration, a port; for `serve` and `dev` also:
     invocations were unfinished at the end, or trace items were lost
  2  the command line is wrong
  3  `invoke`: the outcome is not ok, or the response body broke off

Environment:
  TAFFRAIL_LOG  the level of Taffrail's own log: error, warn (default), info, debug"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build and serve Workers, and reload them when their sources change
    #[command(after_help = "\
Examples:
  taffrail dev                      the Worker in this directory
  taffrail dev api tail-log         a Worker and the Tail Worker it names
  taffrail dev api --port 3000 --var LEVEL:debug --var tail-log.COLOR:off")]
    Dev(ServeOptions),
    /// Serve Workers without watching, until SIGTERM or SIGINT
    #[command(after_help = "\
Examples:
  taffrail serve api tail-log --ip 0.0.0.0 --port 80
  taffrail serve hello.wasm --format none")]
    Serve(ServeOptions),
    /// Send one request or another event to a Worker, without a socket
    #[command(after_help = "\
Examples:
  taffrail invoke api --event scheduled --cron '*/5 * * * *'
  taffrail invoke api --event queue --queue jobs -d '[\"one\", {\"n\": 2}]'
  taffrail invoke api --url http://localhost/users/1
  taffrail invoke api -X POST -H 'content-type: application/json' -d '{\"a\":1}'
  taffrail invoke api tail-log --items -     with the trace items as JSON lines
  taffrail invoke api --items - --stable --outbound replies.json")]
    Invoke(InvokeOptions),
    /// Build a component from a Worker's script and the JavaScript engine
    #[command(after_help = "\
Examples:
  taffrail build api                makes api/dist/api.wasm
  taffrail build worker.ts -o worker.wasm && taffrail serve worker.wasm")]
    Build(BuildOptions),
    /// Write a new Worker
    #[command(after_help = "\
Without --producer and --tail the Worker answers requests, and receives its own
trace items.

Examples:
  taffrail init api --lang typescript
  taffrail init my-tail --lang rust --tail")]
    Init(InitOptions),
    /// Say what a Worker is, what it needs, and whether it can be deployed
    #[command(after_help = "\
Builds the Worker if its configuration says how, and compiles it as `dev` does.

Exit status:
  0  it can be deployed
  1  it cannot, and stderr says why

Examples:
  taffrail check hello.wasm
  taffrail check api --json")]
    Check(CheckOptions),
    /// Show logs that were kept
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "\
Items are kept of Workers whose configuration has `observability.enabled = true`, in
`.taffrail/logs` beside the first Worker.

Examples:
  taffrail logs                                  the last 20 invocations
  taffrail logs --since 1h --status 5xx --level error
  taffrail logs --search 'payment failed' --where 'user = \"ann\" and cpuTime > 10'
  taffrail logs --follow --format json
  taffrail logs --invocation 0123456789abcdef0123456789abcdef
  taffrail logs stats --since 1d"
    )]
    Logs(LogsOptions),
    /// Stop a Worker of a running `dev` or `serve`, with the outcome killSwitch
    #[command(after_help = "\
Examples:
  taffrail stop api                 in the folder of the first Worker
  taffrail serve api tail-log --control /run/taffrail.sock
  taffrail stop api --control /run/taffrail.sock")]
    Stop(ControlOptions),
    /// Start a Worker that was stopped
    Start(ControlOptions),
    /// Show the deliveries of trace items of a running `dev` or `serve`
    #[command(after_help = "\
For each tail consumer: the number of trace items that are produced, delivered, lost and
waiting. `produced` is the sum of the others.

Examples:
  taffrail status
  taffrail status --control /run/taffrail.sock --format json")]
    Status(StatusOptions),
    /// Query the data points that Workers write to Analytics Engine
    Analytics(AnalyticsOptions),
    /// Show the invocations of a running `dev` or `serve` as they end
    #[command(after_help = "\
An invocation is shown if all options allow it. An option that can be repeated
allows what any of its values allows.

Examples:
  taffrail tail api
  taffrail tail api --status error --method POST
  taffrail tail --where \"cpuTime > 100 or message like '%timeout%'\" --format json")]
    Tail(TailOptions),
}

/// The Workers and their configuration.
#[derive(ArgGroup, Debug)]
pub(crate) struct WorkerOptions {
    /// Directories of Workers, configuration files (wrangler.toml, .json or
    /// .jsonc), components or scripts. The first Worker answers requests
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Use this environment of the configuration files
    #[arg(short, long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Set a var of all Workers, or of one
    #[arg(long = "var", value_name = "[WORKER.]KEY:VALUE")]
    pub(crate) vars: Vec<String>,
    /// Set the vars in a file with lines [WORKER.]KEY=VALUE. Use this for secrets,
    /// since other users can see the command line. `dev` and `invoke` also read
    /// `.dev.vars`, or `.env`, beside a configuration
    #[arg(long = "var-file", value_name = "FILE")]
    pub(crate) var_files: Vec<PathBuf>,
    /// Set a limit of all Workers, or of one: cpu_ms, subrequests, memory_mb,
    /// wall_ms, wait_until_ms or instances
    #[arg(long = "limit", value_name = "[WORKER.]KEY=VALUE")]
    pub(crate) limits: Vec<String>,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) workers: WorkerOptions,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) ip: IpAddr,
    /// The port to listen on; 0 for any free one
    #[arg(short, long, default_value_t = 8787)]
    pub(crate) port: u16,
    /// The format of trace items on stdout [default: pretty; json for `serve` if
    /// stdout is not a terminal]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Seconds for running invocations and their tails to finish at shutdown
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) grace: u64,
    /// Listen here for `taffrail tail`, `stop`, `start` and `status`: the path of a
    /// Unix socket, or 127.0.0.1:PORT [default: .taffrail/control.sock beside the
    /// first Worker]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) control: Option<Address>,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct BuildOptions {
    /// The directory of the Worker, its configuration file (wrangler.toml, .json
    /// or .jsonc), or its script
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
    /// Use this environment of the configuration file
    #[arg(short, long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// The file for the component [default: dist/NAME.wasm beside the
    /// configuration]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct InitOptions {
    /// The folder, whose name is that of the Worker
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The language
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) lang: Language,
    /// A Worker that answers requests
    #[arg(long, conflicts_with_all = ["tail", "both"])]
    pub(crate) producer: bool,
    /// A Tail Worker
    #[arg(long, conflicts_with = "both")]
    pub(crate) tail: bool,
    /// A Worker that is both (the default)
    #[arg(long)]
    pub(crate) both: bool,
}

/// A language that `init` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// A component for WASI 0.2
    Rust,
    /// A script
    Javascript,
    /// A script
    Typescript,
    /// A component, which `dev` builds
    Python,
    /// A component, which `dev` builds
    Go,
    /// A component, which `dev` builds
    C,
    /// A component, which `dev` builds
    Cpp,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct CheckOptions {
    /// A component, a script, the directory of a Worker, or its configuration
    /// file (wrangler.toml, .json or .jsonc)
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) path: PathBuf,
    /// Use this environment of the configuration file
    #[arg(short, long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// Print all that is known as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Print the world of the component in WIT, and nothing else
    #[arg(long, conflicts_with = "json")]
    pub(crate) wit: bool,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct ControlOptions {
    /// The name of the Worker
    pub(crate) worker: String,
    #[command(flatten)]
    pub(crate) at: At,
}

/// The process to control.
#[derive(ArgGroup, Debug)]
pub(crate) struct At {
    /// Where the running `dev` or `serve` is controlled: its --control
    #[arg(long, value_name = "ADDRESS", default_value = DEFAULT_CONTROL)]
    pub(crate) control: Address,
}

/// Where `dev` and `serve` are controlled unless the user chooses, from the folder of the first
/// Worker.
pub(crate) const DEFAULT_CONTROL: &str = ".taffrail/control.sock";

#[derive(ArgGroup, Debug)]
pub(crate) struct StatusOptions {
    #[command(flatten)]
    pub(crate) at: At,
    /// The format of the output
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: StatusFormat,
}

/// The format of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFormat {
    /// A row for each tail consumer
    Table,
    /// A JSON array with an object for each tail consumer
    Json,
}

/// The format of trace items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each invocation and each log entry, as in `wrangler tail`
    Pretty,
    /// A line of JSON for each trace item
    Json,
    /// Nothing
    None,
}

/// An event that `invoke` can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventKind {
    /// A request
    Fetch,
    /// A cron trigger
    Scheduled,
    /// A batch of messages
    Queue,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct InvokeOptions {
    #[command(flatten)]
    pub(crate) workers: WorkerOptions,
    /// The event to send
    #[arg(long, value_name = "EVENT", default_value = "fetch")]
    pub(crate) event: EventKind,
    /// The cron expression of a `scheduled` event
    #[arg(long, default_value = "* * * * *")]
    pub(crate) cron: String,
    /// The time of a `scheduled` event, in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) time: Option<u64>,
    /// The queue of a `queue` event. --data is its messages, as a JSON array
    #[arg(long, default_value = "queue")]
    pub(crate) queue: String,
    /// The URL of the request
    #[arg(long, default_value = "http://localhost:8787/")]
    pub(crate) url: String,
    /// The method [default: GET, or POST with --data]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Add a header
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// Send this body; @FILE reads it from a file, @- from stdin
    #[arg(short, long)]
    pub(crate) data: Option<String>,
    /// Write trace items as lines of JSON, when all tails have ended; `-` for
    /// stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) items: Option<PathBuf>,
    /// Write trace items with stable values for times, ids, ports and durations, so
    /// that they can be compared with a file
    #[arg(long, requires = "items")]
    pub(crate) stable: bool,
    /// Answer outgoing requests with the replies in this JSON file, and refuse all
    /// others
    #[arg(long, value_name = "FILE")]
    pub(crate) outbound: Option<PathBuf>,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct LogsOptions {
    #[command(subcommand)]
    pub(crate) command: Option<LogsCommand>,
    #[command(flatten)]
    pub(crate) search: SearchOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LogsCommand {
    /// Show how many invocations there were, how many failed, and how long they took
    #[command(after_help = "\
Examples:
  taffrail logs stats                the last 24 hours
  taffrail logs stats --since 2h --format json")]
    Stats(StatsOptions),
    /// Query logs in the SQL of Cloudflare's Analytics SQL API
    #[command(after_help = "\
The table `logs.workersLogs` has a row for each invocation, log entry and exception.
`SELECT * FROM logs.workersLogs LIMIT 1` shows its columns.

Exit status:
  0  the query has an answer
  1  it took too long, its answer is too large, it was interrupted, or the logs cannot
     be read
  2  the query is wrong

Examples:
  taffrail logs query \"SELECT level, count() FROM logs.workersLogs GROUP BY level\"
  taffrail logs query --dir api --format csv - < report.sql")]
    Query(QueryOptions),
}

/// Where logs are, and the range of time.
#[derive(ArgGroup, Debug)]
pub(crate) struct KeptOptions {
    /// The directory of the first Worker, which has `.taffrail/logs`
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Invocations that began after this: a time such as '2026-11-27 14:00', or a
    /// duration before now such as 90s, 1h or 2d
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Invocations that began before this
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Invocations of this Worker; may be repeated
    #[arg(long = "worker", value_name = "NAME")]
    pub(crate) workers: Vec<String>,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct SearchOptions {
    #[command(flatten)]
    pub(crate) kept: KeptOptions,
    /// Show this many invocations
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Invocations with this outcome, such as exception or exceededCpu; may be
    /// repeated
    #[arg(long = "outcome", value_name = "OUTCOME")]
    pub(crate) outcomes: Vec<String>,
    /// Requests with this HTTP status: 404, 5xx or 400-403; may be repeated
    #[arg(long = "status", value_name = "STATUS")]
    pub(crate) statuses: Vec<String>,
    /// Invocations that logged at this level; may be repeated
    #[arg(long = "level", value_name = "LEVEL")]
    pub(crate) levels: Vec<Level>,
    /// Invocations whose logs and exceptions have all these words
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Invocations that meet a condition on fields of items and of logged objects,
    /// such as 'user = \"a\" and cpuTime > 10'
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) condition: Option<String>,
    /// The invocation of this id, and all others of its request, as a tree
    #[arg(long, value_name = "ID", conflicts_with_all = ["follow", "count"])]
    pub(crate) invocation: Option<String>,
    /// Go on with new ones as they come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Show only how many there are
    #[arg(long, conflicts_with = "follow")]
    pub(crate) count: bool,
    /// The format
    #[arg(long, value_name = "FORMAT", default_value = "pretty")]
    pub(crate) format: LogFormat,
}

/// The level of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Debug,
    Info,
    Log,
    Warn,
    /// Exceptions too
    Error,
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Log => Self::Log,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

/// The format of kept items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for each invocation and each log entry
    Pretty,
    /// A line of JSON for each trace item
    Json,
    /// A row for each invocation, log entry and exception
    Csv,
}

#[derive(ArgGroup, Debug)]
pub(crate) struct StatsOptions {
    #[command(flatten)]
    pub(crate) kept: KeptOptions,
    /// The format of the output
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: StatsFormat,
}

/// The format of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsFormat {
    /// A row for each Worker
    Table,
    /// A JSON object
    Json,
}

/// A mistake on the command line that is found after parsing.
#[derive(Debug)]
pub(crate) struct UsageError(String);

impl UsageError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}
