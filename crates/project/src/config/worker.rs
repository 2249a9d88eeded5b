//! The configuration of one Worker, checked and resolved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, bail, ensure};
use serde_json::Value;
use taffrail_javascript::Bundling;
use taffrail_runtime::{Binding, DispatchNamespace, Egress, HostPattern, TailBatch, Target};

use super::cron::Cron;
use super::environment::{self, Entry, Selection};
use super::file::{self, Source, Syntax, Table};
use super::keys::{self, Support};
use super::limits::ConfiguredLimits;
use super::logs::LogSettings;
use super::name::is_name;
use super::namespace::Namespace;
use super::paths::{self, below};
use super::rules;
use super::schema::{
    AnalyticsSql, BuildTable, Dataset, DeliveryName, Dispatch, DurableObject, GlobalOutbound,
    KvNamespace, Paths, Service, TailConsumer, WorkerLoader,
};
use super::telemetry::TelemetrySettings;

/// How a Worker's component is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The command, in shell syntax.
    pub command: String,
    /// Where the command runs: `build.cwd` relative to the Worker's directory, or that directory
    /// itself. Wrangler uses its own working directory instead, which cannot be right for several
    /// Workers at once.
    pub cwd: PathBuf,
    /// The paths that are watched for changes: `build.watch_dir` relative to the Worker's
    /// directory. The default is `src`.
    pub watch: Vec<PathBuf>,
}

/// The parts of a Worker's configuration that Taffrail uses.
///
/// Paths are relative if the path that the user gave is.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerConfig {
    /// The configuration file, or the component or script if there is none.
    pub path: PathBuf,
    /// The directory that contains [`path`](Self::path).
    pub dir: PathBuf,
    /// The name of the Worker. If the environment does not set one, `-<env>` is appended.
    pub name: String,
    /// The component or the script. It may not exist until [`build`](Self::build) has run.
    pub main: PathBuf,
    /// How to build the component, if a command is set.
    pub build: Option<Build>,
    /// How a script is bundled.
    pub bundling: Bundling,
    /// The Worker's variables: strings, or any JSON.
    pub vars: BTreeMap<String, Value>,
    /// The names of the secrets, if the configuration lists them.
    pub secrets: Option<Vec<String>>,
    /// The Tail Workers, in order. Unlike a Worker's own name, `--env` does not change their
    /// names. One that is listed twice is called twice.
    pub tail_consumers: Vec<Target>,
    /// The Workers that receive the events of each invocation as they happen.
    pub streaming_tail_consumers: Vec<Target>,
    /// How many items one tail event for this Worker has.
    pub tail_batch: TailBatch,
    /// Whether items for this Worker, as a Tail Worker, are kept until they are delivered.
    pub durable: bool,
    /// The number of events that an instance of a component handles.
    pub instance_reuse: Option<u64>,
    /// Whether requests continue the traces that their `traceparent` names, if it is set. That of
    /// the first Worker counts.
    pub continue_traces: Option<bool>,
    /// Whether onsets of its invocations are kept until they end.
    pub onset: bool,
    /// Its bindings, by name.
    pub bindings: BTreeMap<String, Binding>,
    /// The dispatch namespaces whose folders the configuration names, by name.
    pub namespaces: BTreeMap<String, Namespace>,
    /// Where requests go that are not made through a binding.
    pub egress: Egress,
    /// Its cron triggers.
    pub crons: Vec<Cron>,
    /// The limits of its invocations.
    pub limits: ConfiguredLimits,
    /// Which of its items are kept as logs.
    pub logs: LogSettings,
    /// Which of its items are exported, and where to.
    pub telemetry: TelemetrySettings,
    /// Warnings for the user, one line each, with the name of the file.
    pub warnings: Vec<String>,
}

/// Reads the configuration of the Worker at `path`, in environment `env`.
///
/// `path` is a Worker's directory, a configuration file, a component or a script. A component or
/// a script without configuration is named after its file.
///
/// # Errors
///
/// Fails for a path or file that cannot be read, for invalid TOML or JSON, unknown keys, values
/// of a wrong type or out of range, an unknown environment, and a missing `name` or `main`. The
/// message is one line, and names the file and, if known, the position or the key.
pub fn load(path: &Path, env: Option<&str>) -> Result<WorkerConfig> {
    let (file, syntax) = match file::locate(path)? {
        Source::Main(main) => return Ok(bare(main)),
        Source::Config(file, syntax) => (file, syntax),
    };
    let table = file::read(&file, syntax)?;
    configured(&file, syntax, table, env).map_err(|error| error.at(file.display()))
}

fn bare(main: PathBuf) -> WorkerConfig {
    let name = main.file_prefix().unwrap_or_default();
    WorkerConfig {
        dir: paths::directory_of(&main),
        name: name.to_string_lossy().into_owned(),
        main: main.clone(),
        path: main,
        build: None,
        bundling: Bundling {
            rules: rules::default(),
            ..Bundling::default()
        },
        vars: BTreeMap::new(),
        secrets: None,
        tail_consumers: Vec::new(),
        streaming_tail_consumers: Vec::new(),
        tail_batch: TailBatch::default(),
        durable: false,
        instance_reuse: None,
        continue_traces: None,
        onset: false,
        bindings: BTreeMap::new(),
        namespaces: BTreeMap::new(),
        egress: Egress::default(),
        crons: Vec::new(),
        limits: ConfiguredLimits::default(),
        logs: LogSettings::default(),
        telemetry: TelemetrySettings::default(),
        warnings: Vec::new(),
    }
}

fn targets(consumers: Vec<TailConsumer>) -> Vec<Target> {
    consumers.into_iter().map(Target::from).collect()
}

fn configured(
    file: &Path,
    syntax: Syntax,
    table: Table,
    env: Option<&str>,
) -> Result<WorkerConfig> {
    let selection = environment::select(table, env)?;
    let mut warnings = warnings(&selection)?;
    let table = selection.table()?;
    let dir = paths::directory_of(file);
    let name = worker_name(table.name, &selection, syntax)?;
    let (rules, ignored) = rules::of_table(&table.rules);
    warnings.extend(ignored);
    let logs = LogSettings::new(&table.observability, &table.taffrail)?;
    let telemetry = TelemetrySettings::new(&table.observability, &table.taffrail);
    let objects = table.durable_objects.bindings.into_iter();
    Ok(WorkerConfig {
        main: component(table.main, &dir, syntax)?,
        build: build(table.build, &dir),
        bundling: Bundling {
            rules,
            define: table.define,
            alias: table.alias,
            jsx_factory: table.jsx_factory,
            jsx_fragment: table.jsx_fragment,
            tsconfig: table.tsconfig,
            development: false,
        },
        tail_consumers: targets(table.tail_consumers),
        streaming_tail_consumers: targets(table.streaming_tail_consumers),
        tail_batch: TailBatch::from(&table.taffrail.tail_batch),
        durable: table.taffrail.delivery == DeliveryName::Durable,
        instance_reuse: table.taffrail.instance_reuse.map(|most| most.0),
        continue_traces: table.taffrail.continue_traces,
        onset: table.taffrail.onset,
        bindings: bindings(
            (table.services.into_iter().map(service))
                .chain(table.worker_loaders.into_iter().map(worker_loader))
                .chain(objects.map(|object| durable_object(object, &name)))
                .chain(table.dispatch_namespaces.into_iter().map(dispatch))
                .chain(table.kv_namespaces.into_iter().map(kv_namespace))
                .chain(table.analytics_engine_datasets.into_iter().map(dataset))
                .chain(table.analytics.into_iter().map(analytics_sql)),
            &table.vars,
        )?,
        namespaces: table
            .taffrail
            .dispatch_namespaces
            .into_iter()
            .map(|(name, table)| (name, Namespace::new(table, &dir)))
            .collect(),
        logs,
        telemetry,
        egress: egress(
            table.taffrail.allowed_outbound_hosts,
            table.taffrail.global_outbound,
        )?,
        vars: table.vars,
        secrets: table.secrets.map(|secrets| secrets.required),
        crons: table
            .triggers
            .crons
            .iter()
            .map(|text| Cron::parse(text).map_err(|error| error.at("`triggers.crons`")))
            .collect::<Result<_>>()?,
        limits: ConfiguredLimits {
            cpu_ms: table.limits.cpu_ms.map(|limit| limit.0),
            subrequests: table.limits.subrequests.map(|limit| limit.0),
            memory_mb: table.taffrail.memory_mb.map(|limit| limit.0),
            wall_ms: table.taffrail.wall_ms.map(|limit| limit.0),
            wait_until_ms: table.taffrail.wait_until_ms.map(|limit| limit.0),
            instances: table.taffrail.instances.map(|limit| limit.0),
        },
        warnings: warnings
            .into_iter()
            .map(|warning| format!("{}: {warning}", file.display()))
            .collect(),
        path: file.to_owned(),
        name,
        dir,
    })
}

/// Returns the warnings of the selection, and one for each effective key that is ignored.
fn warnings(selection: &Selection) -> Result<Vec<String>> {
    let mut ignored = Vec::new();
    for (name, Entry { path, keys, value }) in &selection.entries {
        match keys.support {
            Support::Read => ignored.extend(keys::ignored_inside(path, name, value)?),
            Support::Ignored if !keys::is_unset(value) => ignored.push(path.clone()),
            Support::Ignored | Support::Harmless => {}
        }
    }
    let ignored = ignored
        .into_iter()
        .map(|path| format!("`{path}` is not supported by Taffrail yet and is ignored"));
    Ok(selection.warnings.iter().cloned().chain(ignored).collect())
}

/// Returns the name of the Worker, after checking it against Wrangler's rule. The name of the
/// environment is appended unchecked.
fn worker_name(name: Option<String>, selection: &Selection, syntax: Syntax) -> Result<String> {
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| missing("name", syntax.assignment("name", "my-worker")))?;
    let path = selection
        .entries
        .get("name")
        .map_or("name", |entry| &entry.path);
    ensure!(
        is_name(&name),
        "`{path}` is {name:?}; a Worker's name is made of lower-case letters, digits, dashes and underscores, and does not start with a dash"
    );
    Ok(match &selection.env {
        Some(env) if path == "name" => format!("{name}-{env}"),
        _ => name,
    })
}

fn component(main: Option<PathBuf>, dir: &Path, syntax: Syntax) -> Result<PathBuf> {
    main.filter(|main| !main.as_os_str().is_empty())
        .map(|main| below(dir, &main))
        .ok_or_else(|| missing("main", syntax.assignment("main", "build/worker.wasm")))
}

/// Collects the bindings by name. Each comes with the key that defines it. A name may be used
/// only once.
fn bindings(
    bindings: impl IntoIterator<Item = (&'static str, String, Binding)>,
    vars: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Binding>> {
    let mut by_name = BTreeMap::new();
    for (key, name, binding) in bindings {
        ensure!(
            !vars.contains_key(&name) && !by_name.contains_key(&name),
            "`{key}` has the binding `{name}`, which is the name of another binding or var; rename one of them"
        );
        by_name.insert(name, binding);
    }
    Ok(by_name)
}

fn service(service: Service) -> (&'static str, String, Binding) {
    let target = Target {
        entrypoint: service.entrypoint,
        props: service.props.into(),
        ..Target::from(service.service)
    };
    ("services", service.binding, Binding::Service(target))
}

fn worker_loader(loader: WorkerLoader) -> (&'static str, String, Binding) {
    ("worker_loaders", loader.binding, Binding::Loader)
}

fn durable_object(object: DurableObject, own: &str) -> (&'static str, String, Binding) {
    let class = Target {
        entrypoint: Some(object.class_name),
        ..Target::from(object.script_name.unwrap_or_else(|| own.to_owned()))
    };
    (
        "durable_objects.bindings",
        object.name,
        Binding::DurableObject(class),
    )
}

fn dispatch(dispatch: Dispatch) -> (&'static str, String, Binding) {
    let namespace = DispatchNamespace {
        namespace: dispatch.namespace,
        outbound: dispatch.outbound.map(|outbound| outbound.service.into()),
    };
    (
        "dispatch_namespaces",
        dispatch.binding,
        Binding::Dispatch(namespace),
    )
}

/// As in Wrangler, the preview id of a namespace takes precedence locally.
fn kv_namespace(namespace: KvNamespace) -> (&'static str, String, Binding) {
    let id = namespace.preview_id.or(namespace.id);
    let id = id.unwrap_or_else(|| namespace.binding.clone());
    ("kv_namespaces", namespace.binding, Binding::Kv(id))
}

fn dataset(dataset: Dataset) -> (&'static str, String, Binding) {
    let name = dataset.dataset.unwrap_or_else(|| dataset.binding.clone());
    (
        "analytics_engine_datasets",
        dataset.binding,
        Binding::AnalyticsEngine(name),
    )
}

fn analytics_sql(table: AnalyticsSql) -> (&'static str, String, Binding) {
    ("analytics", table.binding, Binding::AnalyticsSql)
}

fn egress(hosts: Option<Vec<HostPattern>>, outbound: Option<GlobalOutbound>) -> Result<Egress> {
    Ok(match (hosts, outbound) {
        (None, None) => Egress::Anywhere,
        (Some(patterns), None) => Egress::Hosts(patterns),
        (None, Some(GlobalOutbound::Name(name))) => Egress::Worker(name.into()),
        (None, Some(GlobalOutbound::Table(table))) => Egress::Worker(table.into()),
        (Some(_), Some(_)) => bail!(
            "`taffrail` has both `allowed_outbound_hosts` and `global_outbound`, which receives every request; remove one of them"
        ),
    })
}

fn missing(key: &str, example: String) -> Error {
    Error::configuration(format!(
        "`{key}` is missing; set it, for example: {example}"
    ))
}

fn build(build: BuildTable, dir: &Path) -> Option<Build> {
    let command = build.command.filter(|command| !command.is_empty())?;
    let watch = match build.watch_dir {
        Some(Paths(paths)) => paths.iter().map(|path| below(dir, path)).collect(),
        None => vec![dir.join("src")],
    };
    Some(Build {
        command,
        cwd: build
            .cwd
            .map_or_else(|| dir.to_owned(), |cwd| below(dir, &cwd)),
        watch,
    })
}
