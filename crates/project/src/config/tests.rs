//! Tests with files and arguments as input. The output is the Workers' configurations, each value
//! on a line of its own, or the error.

mod environments;
mod files;
mod properties;
mod sets;
mod values;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::error::Result;
use taffrail_runtime::{Binding, Egress, TailBatch, Target};

use super::{MissingTail, WorkerConfig, apply_limits, apply_vars, check_set, load};

/// Writes `files` to a new directory, loads them with `args` as the command line does (paths,
/// `--env=NAME`, `--var=VAR`, `--limit=LIMIT`), and compares the result with `expected`.
#[track_caller]
fn check(files: &[(&str, &str)], args: &str, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let seen = match run(dir.path(), args) {
        Ok(workers) => workers.iter().map(render).collect::<Vec<_>>().join("---\n"),
        Err(error) => error.to_string(),
    };
    let seen = seen.replace(&format!("{}/", dir.path().display()), "");
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect();
    let (seen, expected): (Vec<String>, Vec<String>) = (lines(seen.trim()), lines(expected.trim()));
    assert_eq!(seen, expected, "\nseen:\n{}\n", seen.join("\n"));
}

fn run(dir: &Path, args: &str) -> Result<Vec<WorkerConfig>> {
    let (mut paths, mut env) = (Vec::new(), None);
    let (mut vars, mut limits) = (Vec::new(), Vec::new());
    for arg in args.split_whitespace() {
        if let Some(name) = arg.strip_prefix("--env=") {
            env = Some(name);
        } else if let Some(var) = arg.strip_prefix("--var=") {
            vars.push(var);
        } else if let Some(limit) = arg.strip_prefix("--limit=") {
            limits.push(limit);
        } else {
            paths.push(dir.join(arg));
        }
    }
    let mut workers = paths
        .iter()
        .map(|path| load(path, env))
        .collect::<Result<Vec<_>>>()?;
    apply_vars(&mut workers, &vars)?;
    apply_limits(&mut workers, &limits)?;
    check_set(&workers, MissingTail::Refuse)?;
    Ok(workers)
}

fn render(worker: &WorkerConfig) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: String| writeln!(text, "{key} = {value}").unwrap();
    line("path", worker.path.display().to_string());
    line("dir", worker.dir.display().to_string());
    line("name", worker.name.clone());
    line("main", worker.main.display().to_string());
    if let Some(build) = &worker.build {
        line("build.command", build.command.clone());
        line("build.cwd", build.cwd.display().to_string());
        let watch = build.watch.iter().map(|path| path.display().to_string());
        line("build.watch", watch.collect::<Vec<_>>().join(", "));
    }
    for (key, value) in &worker.vars {
        line(&format!("vars.{key}"), value.to_string());
    }
    let tails = worker.tail_consumers.iter().map(|tail| ("tail", tail));
    let streaming = worker.streaming_tail_consumers.iter();
    let tails = tails.chain(streaming.map(|tail| ("streaming tail", tail)));
    for (kind, consumer) in tails {
        let Target {
            worker,
            entrypoint,
            props,
            ..
        } = consumer;
        let entrypoint = entrypoint.as_ref().map(|name| format!("#{name}"));
        let props = (!props.is_empty()).then(|| serde_json::to_string(&**props).unwrap());
        let detail = [entrypoint, props]
            .into_iter()
            .flatten()
            .collect::<String>();
        line(kind, format!("{worker}{detail}"));
    }
    for (name, binding) in &worker.bindings {
        match binding {
            Binding::Service(target) => line("service", format!("{name} -> {}", target.worker)),
            Binding::Kv(id) => line("kv", format!("{name} -> {id}")),
            Binding::AnalyticsEngine(dataset) => line("dataset", format!("{name} -> {dataset}")),
            Binding::AnalyticsSql => line("sql", name.clone()),
            Binding::Dispatch(to) => line("dispatch", format!("{name} -> {}", to.namespace)),
            Binding::Loader => line("loader", name.clone()),
            Binding::DurableObject(target) => {
                line("object", format!("{name} -> {}", target.worker))
            }
        }
    }
    match &worker.egress {
        Egress::Anywhere => {}
        Egress::Hosts(_) => line("egress", "hosts".to_owned()),
        Egress::Worker(target) => line("egress", target.worker.to_string()),
    }
    for cron in &worker.crons {
        line("cron", cron.text.clone());
    }
    let limits = &worker.limits;
    for (name, limit) in [
        ("cpu_ms", limits.cpu_ms),
        ("subrequests", limits.subrequests),
        ("memory_mb", limits.memory_mb),
        ("wall_ms", limits.wall_ms),
        ("wait_until_ms", limits.wait_until_ms),
        ("instances", limits.instances),
        ("instance_reuse", worker.instance_reuse),
    ] {
        if let Some(limit) = limit {
            line(name, limit.to_string());
        }
    }
    if worker.onset {
        line("onset", true.to_string());
    }
    if let Some(yes) = worker.continue_traces {
        line("continue_traces", yes.to_string());
    }
    let TailBatch { items, wait } = worker.tail_batch;
    if worker.tail_batch != TailBatch::default() {
        line("tail_batch", format!("{items} {wait:?}"));
    }
    for warning in &worker.warnings {
        writeln!(text, "warning: {warning}").unwrap();
    }
    text
}
