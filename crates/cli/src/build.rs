//! `taffrail build`: builds the component of a Worker.

use crate::args::BuildOptions;
use crate::workers;
use crate::{exit, progress};
use anyhow::{Context, Result, bail};
use std::path::Path;
use taffrail_project::config::{self, MainKind, WorkerConfig};

pub(crate) async fn run(options: BuildOptions) -> Result<u8> {
    let worker = config::load(&options.path, options.env.as_deref())?;
    let opened = workers::open(Vec::new(), None, &[], None)?;
    let project = &opened.project;
    project.run_build_command(&worker).await?;
    if MainKind::of(&worker.main) == MainKind::Component {
        bail!(
            "{}: `main` is `{}`, which is neither a script (.js, .mjs, .ts) nor a Python file (.py): there is nothing to build",
            worker.path.display(),
            worker.main.display()
        );
    }
    let output = options.output.unwrap_or_else(|| {
        let file = format!("{}.wasm", worker.name);
        worker.dir.join("dist").join(file)
    });
    let component = project.componentize(&worker).await?;
    write(&output, &component)
        .with_context(|| format!("`{}` cannot be written", output.display()))?;
    progress::status("Built", &summary(&worker, &output, component.len()));
    Ok(exit::OK)
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
