//! Ends many invocations in every way there is, and looks at what is left of
//! them in this process.
//!
//! ```console
//! $ cargo run --release -p taffrail-tests --bin soak            # 100,000 runs
//! $ cargo run --release -p taffrail-tests --bin soak -- 5000
//! ```

use std::process::ExitCode;
use taffrail_tests::soak::{self, Left};

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
#[tokio::main]
async fn main() -> ExitCode {
    let runs = std::env::args()
        .nth(1)
        .map_or(Ok(100_000), |runs| runs.parse());
    let Ok(runs) = runs else {
        println!("usage: soak [RUNS]");
        return ExitCode::from(2);
    };
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
