//! `taffrail build`: builds the component of a Worker.

use crate::args::BuildOptions;
use crate::workers;
use crate::{exit, progress};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use taffrail_project::config::{self, MainKind, WorkerConfig};

pub(crate) async fn run(options: BuildOptions) -> Result<u8> {
    let worker = config::load(&options.path, options.env.as_deref())?;
    let opened = workers::open(Vec::new(), None, &[], None)?;
    let project = &opened.project;
    project.run_build_command(&worker).await?;
    let is_component = MainKind::of(&worker.main) == MainKind::Component;
    if is_component && worker.build.is_none() {
        bail!(
            "{}: `main` is `{}`, which is neither a script (.js, .mjs, .ts) nor a source file in Python (.py), Go (.go), C (.c) or C++ (.cc, .cpp, .cxx): there is nothing to build; a Worker in another language needs `build.command`",
            worker.path.display(),
            worker.main.display()
        );
    }
    let component = project.componentize(&worker).await?;
    let output = match options.output {
        None if is_component => worker.main.clone(),
        output => {
            let output = output.unwrap_or_else(|| dist(&worker));
            write(&output, &component)
                .with_context(|| format!("`{}` cannot be written", output.display()))?;
            output
        }
    };
    progress::status("Built", &summary(&worker, &output, component.len()));
    Ok(exit::OK)
}

/// Returns where the component of a script or of source files is written.
fn dist(worker: &WorkerConfig) -> PathBuf {
    let file = format!("{}.wasm", worker.name);
    worker.dir.join("dist").join(file)
}

fn write(output: &Path, component: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = output.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(output, component)
}

fn summary(worker: &WorkerConfig, output: &Path, bytes: usize) -> String {
    let megabytes = bytes as f64 / 1e6;
    format!(
        "{} as `{}`, {megabytes:.1} MB",
        worker.name,
        output.display()
    )
}
