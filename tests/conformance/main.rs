//! Runs the scenarios that workerd was recorded with, and says where Taffrail
//! differs.
//!
//! ```console
//! $ cargo run -p taffrail-tests --example conformance -- tests/conformance/scenarios
//! ```

use anyhow::{Context, Result};
use clap::Parser;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use taffrail_tests::conformance;

/// Run recorded scenarios on Taffrail and compare.
///
/// The exit status is 1 if one differs.
#[derive(Parser)]
struct Arguments {
    /// Folder of recordings
    dir: PathBuf,
    /// Also write the result to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run only the scenario of this name
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let only = arguments.only.as_deref();
    let report = conformance::run(&arguments.dir, only, |scenario| println!("{scenario}")).await?;
    println!("{report}");
    if let Some(file) = arguments.json {
        let text = format!("{:#}\n", report.json());
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let [_, differ, _] = report.counts();
    Ok(if differ == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
