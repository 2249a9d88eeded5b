//! The Workers on the command line, and the project that runs them.

use crate::args::{UsageError, WorkerOptions};
use crate::control::{Bound, DATA};
use crate::private::Cache;
use crate::progress::{self, Terminal};
use anyhow::Result;
use std::net::IpAddr;
use std::sync::Arc;
use taffrail_project::Project;
use taffrail_project::config::{self, MissingTail, WorkerConfig};
use taffrail_runtime::{Network, Runtime, TailConsumer};

/// A project with the user's cache, and with a store beside the first Worker.
pub(crate) struct Opened {
    pub(crate) project: Project,
    /// May be a temporary directory that is removed when this is dropped.
    _cache: Cache,
}

/// Opens the project of these Workers. `control` is where the process is controlled, if it is, and
/// `clients` where it listens for requests. Only clients on this machine may continue a trace,
/// unless the configuration says otherwise.
pub(crate) fn open(
    consumers: Vec<Arc<dyn TailConsumer>>,
    network: Option<Arc<dyn Network>>,
    control: Option<&Bound>,
    clients: Option<IpAddr>,
    workers: &[WorkerConfig],
    env: Option<String>,
) -> Result<Opened> {
    let cache = Cache::open()?;
    let mut runtime = consumers
        .into_iter()
        .fold(Runtime::builder(), taffrail_runtime::Builder::tail_consumer);
    if let Some(control) = control {
        let tails = Arc::clone(&control.tails);
        let metrics = Arc::clone(&control.metrics);
        runtime = runtime.tail_consumer(tails).meter(metrics);
        if let Some(address) = control.loopback {
            runtime = runtime.unreachable(address);
        }
    }
    if let Some(network) = network {
        runtime = runtime.network(network);
    }
    let mut builder = Project::builder(cache.path())
        .runtime(runtime)
        .env(env)
        .continue_traces(clients.is_some_and(|ip| ip.is_loopback()))
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
