//! Ends many invocations in every way there is, and looks at what is left of
//! them in this process.
//!
//! ```console
//! $ cargo bench --workspace --bench soak              # 100,000 runs
//! $ cargo bench --workspace --bench soak -- 5000
//! ```

use clap::Parser;
use std::process::ExitCode;
use taffrail_tests::soak::{self, Left};

/// End many invocations in every way there is, and look at what is left of them
#[derive(Parser)]
struct Arguments {
    /// How many
    #[arg(default_value_t = 100_000)]
    runs: usize,
    /// Given by `cargo bench` to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { runs, .. } = Arguments::parse();
    let report = soak::run(runs).await;
    for (outcome, count) in &report.outcomes {
        println!("{count:>8}  {outcome}");
    }
    let row = |name: &str, left: &Left| {
        println!(
            "{name:>8}  {} MiB, {} file descriptors, {} threads, {} tasks",
            left.resident >> 20,
            left.descriptors,
            left.threads,
            left.tasks
        );
    };
    row("before", &report.before);
    row("after", &report.after);
    match report.verdict() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    }
}
