//! One Worker's configuration, checked and resolved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, bail, ensure};
use serde_json::Value;
use taffrail_javascript::Bundling;
use taffrail_runtime::{Binding, DispatchNamespace, Egress, HostPattern, Target};

use super::cron::Cron;
use super::environment::{self, Entry, Selection};
use super::file::{self, Source, Syntax, Table};
use super::keys::{self, Support};
use super::limits::ConfiguredLimits;
use super::name::is_name;
use super::namespace::Namespace;
use super::paths::{self, below};
use super::rules;
use super::schema::{
    BuildTable, Dataset, Dispatch, DurableObject, GlobalOutbound, KvNamespace, Paths, Service,
    WorkerLoader,
};

/// How a Worker's component is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// A command line for the shell.
    pub command: String,
    /// Where the command runs: `build.cwd` below the Worker's directory, or that
    /// directory itself. Wrangler starts from its own working directory instead,
    /// which cannot be right for several Workers at once.
    pub cwd: PathBuf,
    /// What to watch for changes: `build.watch_dir` below the Worker's directory,
    /// `src` unless set.
    pub watch: Vec<PathBuf>,
}

/// Everything that a Worker's configuration says and Taffrail uses.
///
/// Paths are relative where the path that the user gave is.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerConfig {
    /// The configuration file, or the component or script if there is none.
    pub path: PathBuf,
    /// The directory that [`path`](Self::path) stands in.
    pub dir: PathBuf,
    /// The Worker's name, with `-<env>` after it if the environment sets no name of its own.
    pub name: String,
    /// The component or the script. It need not exist before [`build`](Self::build) has run.
    pub main: PathBuf,
    /// How to build the component, if a command is set.
    pub build: Option<Build>,
    /// How a script is bundled.
    pub bundling: Bundling,
    /// The Worker's variables: strings, or any JSON.
    pub vars: BTreeMap<String, Value>,
    /// The variables that are secrets, if the configuration says which are.
    pub secrets: Option<Vec<String>>,
    /// The Workers that are told of this Worker's invocations, as
    /// written and in order: `--env` adds nothing to them, and a name listed
    /// twice is told twice.
    pub tail_consumers: Vec<Target>,
    /// The most items of one tail event of it; the runtime has a default.
    pub max_batch: Option<u64>,
    /// What else is in its `env`, by name.
    pub bindings: BTreeMap<String, Binding>,
    /// The dispatch namespaces that it has a place for, by name.
    pub namespaces: BTreeMap<String, Namespace>,
    /// Where its requests without a binding go.
    pub egress: Egress,
    /// When it is started by itself.
    pub crons: Vec<Cron>,
    /// What its invocations may use.
    pub limits: ConfiguredLimits,
    /// What the user should know, one line each, with the file's name.
    pub warnings: Vec<String>,
}

/// Reads the configuration of the Worker at `path`, in environment `env`.
///
/// `path` is a Worker's directory, a configuration file, a component or a
/// script; the last two make a Worker without configuration, named after the file.
///
/// # Errors
///
/// A path or file that cannot be read, broken TOML or JSON, unknown keys, values
/// of a wrong type or out of range, an unknown environment, and a missing `name`
/// or `main`. The text is one line and names the file and, where there is one, the
/// place or the key.
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
        max_batch: None,
        bindings: BTreeMap::new(),
        namespaces: BTreeMap::new(),
        egress: Egress::default(),
        crons: Vec::new(),
        limits: ConfiguredLimits::default(),
        warnings: Vec::new(),
    }
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
        tail_consumers: table.tail_consumers.into_iter().map(Target::from).collect(),
        max_batch: table.taffrail.max_batch.map(|most| most.0),
        bindings: bindings(
            (table.services.into_iter().map(service))
                .chain(table.worker_loaders.into_iter().map(worker_loader))
                .chain(objects.map(|object| durable_object(object, &name)))
                .chain(table.dispatch_namespaces.into_iter().map(dispatch))
                .chain(table.kv_namespaces.into_iter().map(kv_namespace))
                .chain(table.analytics_engine_datasets.into_iter().map(dataset)),
            &table.vars,
        )?,
        namespaces: table
            .taffrail
            .dispatch_namespaces
            .into_iter()
            .map(|(name, table)| (name, Namespace::new(table, &dir)))
            .collect(),
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

/// The warnings of the selection, then one for each key that counts and is ignored.
fn warnings(selection: &Selection) -> Result<Vec<String>> {
    let mut ignored = Vec::new();
    for (name, Entry { path, keys, value }) in &selection.entries {
        match keys.support {
            Support::Read => ignored.extend(keys::ignored_inside(path, name, value)?),
            Support::Ignored if !keys::says_nothing(value) => ignored.push(path.clone()),
            Support::Ignored | Support::Harmless => {}
        }
    }
    let ignored = ignored
        .into_iter()
        .map(|path| format!("`{path}` is not supported by Taffrail yet and is ignored"));
    Ok(selection.warnings.iter().cloned().chain(ignored).collect())
}

/// The name by Wrangler's rule. Only what stands in the file is held against it:
/// the environment's name is added as it is.
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

/// The bindings by name, with the key that each stands under. A name in `env`
/// is given once.
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

/// Wrangler uses the preview of a namespace locally, too.
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

fn egress(hosts: Option<Vec<HostPattern>>, outbound: Option<GlobalOutbound>) -> Result<Egress> {
    Ok(match (hosts, outbound) {
        (None, None) => Egress::Anywhere,
        (Some(patterns), None) => Egress::Hosts(patterns),
        (None, Some(GlobalOutbound::Name(name))) => Egress::Worker(name.into()),
        (None, Some(GlobalOutbound::Table(table))) => Egress::Worker(table.into()),
        (Some(_), Some(_)) => bail!(
            "`taffrail` has both `allowed_outbound_hosts` and `global_outbound`, which receives every request; take one of them out"
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
