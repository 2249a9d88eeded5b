//! `taffrail check`: reports what a Worker is, and whether it can be deployed.

mod report;

use crate::args::CheckOptions;
use crate::check::report::Report;
use crate::{exit, progress, terminal, workers};
use anyhow::{Context, Result, bail};
use std::io::{Write, stdout};
use std::slice;
use taffrail_project::config;
use taffrail_runtime::Inspection;

pub(crate) async fn run(options: CheckOptions) -> Result<u8> {
    let env = options.env.as_deref();
    let mut worker = config::load(&options.path, env)?;
    worker.bundling.development = true;
    config::apply_dev_vars(slice::from_mut(&mut worker), env)?;
    let opened = workers::open(Vec::new(), None, &[], None)?;
    let project = &opened.project;
    project.run_build_command(&worker).await?;
    let main = project.load(&worker).await?;
    if options.wit {
        let Some(wit) = project.wit(&worker, &main)? else {
            let main = worker.main.display();
            bail!(
                "`{main}` is a script, and only a component has a world; build one: taffrail build {}",
                options.path.display()
            );
        };
        print(wit.trim_end())?;
        return Ok(exit::OK);
    }
    let mut report = Report::new(&worker, main.component().map(<[u8]>::len));
    let checked = async {
        let inspection: Option<Inspection> = project.inspect(&worker, &main)?;
        if let Some(inspection) = inspection {
            report.add(inspection, project.wit(&worker, &main)?);
        }
        // As `dev` and `serve` deploy it, so that the verdicts agree.
        report.script_handlers = project.deploy(&worker, &[], main).await?;
        anyhow::Ok(())
    }
    .await;
    report.error = checked.as_ref().err().map(|error| format!("{error:#}"));
    print(&match options.json {
        true => format!("{:#}", report.json()),
        false => report.text(),
    })?;
    for warning in &report.warnings {
        progress::warning(warning);
    }
    checked.map(|()| exit::OK)
}

/// Prints a text without its control characters.
fn print(text: &str) -> Result<()> {
    writeln!(stdout(), "{}", terminal::lines(text, "")).context("cannot write to stdout")
}
