//! The Workers on the command line, and the project that runs them.

use crate::args::{UsageError, WorkerOptions};
use crate::control::{Bound, DATA};
use crate::private::Cache;
use crate::progress::{self, Terminal};
use anyhow::Result;
use std::net::IpAddr;
use std::sync::Arc;
use taffrail_control::Metrics;
use taffrail_project::Project;
use taffrail_project::config::{self, MissingTail, WorkerConfig};
use taffrail_runtime::{Network, Runtime, TailConsumer};

/// A project with the user's cache, and with a store beside the first Worker.
pub(crate) struct Opened {
    pub(crate) project: Project,
    /// May be a temporary directory that is removed when this is dropped.
    _cache: Cache,
}

/// Opens the project of these Workers, whose events come from the user.
pub(crate) fn open(
    consumers: Vec<Arc<dyn TailConsumer>>,
    network: Option<Arc<dyn Network>>,
    workers: &[WorkerConfig],
    env: Option<String>,
) -> Result<Opened> {
    let mut runtime = consuming(consumers);
    if let Some(network) = network {
        runtime = runtime.network(network);
    }
    opened(runtime, workers, env, |project| {
        project.continue_traces(true)
    })
}

/// Opens the project of these Workers, and exports telemetry as the environment and they want it.
/// `control` is where the process is controlled, if it is, and `clients` where it listens for
/// requests. Only clients on this machine may continue a trace, unless the configuration says
/// otherwise.
pub(crate) fn open_exporting(
    consumers: Vec<Arc<dyn TailConsumer>>,
    control: Option<&Bound>,
    clients: IpAddr,
    workers: &[WorkerConfig],
    env: Option<String>,
) -> Result<Opened> {
    let mut runtime = consuming(consumers);
    let metrics = match control {
        Some(control) => Arc::clone(&control.metrics),
        None => Metrics::new(),
    };
    if let Some(control) = control {
        runtime = runtime.tail_consumer(Arc::clone(&control.tails) as _);
        if let Some(address) = control.loopback {
            runtime = runtime.unreachable(address);
        }
    }
    let measures = Arc::clone(metrics.measures());
    let variable = |name: &str| std::env::var(name).ok();
    opened(runtime.meter(metrics), workers, env, |project| {
        project
            .continue_traces(clients.is_loopback())
            .export(measures, variable)
    })
}

fn consuming(consumers: Vec<Arc<dyn TailConsumer>>) -> taffrail_runtime::Builder {
    consumers
        .into_iter()
        .fold(Runtime::builder(), taffrail_runtime::Builder::tail_consumer)
}

/// Opens a project with the user's cache, and with a store beside the first Worker.
fn opened(
    runtime: taffrail_runtime::Builder,
    workers: &[WorkerConfig],
    env: Option<String>,
    make: impl FnOnce(taffrail_project::Builder) -> taffrail_project::Builder,
) -> Result<Opened> {
    let cache = Cache::open()?;
    let mut builder = make(Project::builder(cache.path()))
        .runtime(runtime)
        .env(env)
        .progress(Arc::new(Terminal));
    if let Some(first) = workers.first() {
        builder = builder.store(first.dir.join(DATA));
    }
    Ok(Opened {
        project: builder.build(workers)?,
        _cache: cache,
    })
}

/// Reads and checks the configurations of all Workers, and prints warnings.
///
/// In `development`, the `.dev.vars` of each Worker are read, packages see a development
/// environment, and a missing tail consumer is a warning.
pub(crate) fn configure(options: &WorkerOptions, development: bool) -> Result<Vec<WorkerConfig>> {
    let mut workers = options
        .paths
        .iter()
        .map(|path| config::load(path, options.env.as_deref()))
        .collect::<Result<Vec<_>, _>>()?;
    if development {
        for worker in &mut workers {
            worker.bundling.development = true;
        }
        config::apply_dev_vars(&mut workers, options.env.as_deref())?;
    }
    for warning in workers.iter().flat_map(|worker| &worker.warnings) {
        progress::warning(warning);
    }
    config::apply_var_files(&mut workers, &options.var_files)?;
    config::apply_vars(&mut workers, &options.vars)
        .map_err(|error| UsageError::new(format!("--var {error}")))?;
    config::apply_limits(&mut workers, &options.limits)
        .map_err(|error| UsageError::new(format!("--limit {error}")))?;
    let missing_tail = match development {
        true => MissingTail::Warn,
        false => MissingTail::Refuse,
    };
    for warning in config::check_set(&workers, missing_tail)? {
        progress::warning(&warning);
    }
    Ok(workers)
}
