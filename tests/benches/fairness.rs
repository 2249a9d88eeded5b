//! Measures how long a Worker takes to answer, on the idle machine and then
//! beside sixteen endless loops.
//!
//! ```console
//! $ cargo bench --workspace --bench fairness            # 2,000 requests
//! $ cargo bench --workspace --bench fairness -- 500
//! ```

use clap::Parser;
use std::process::ExitCode;
use taffrail_tests::fairness;

/// Measure how long a Worker takes to answer, alone and beside endless loops
#[derive(Parser)]
struct Arguments {
    /// How many
    #[arg(default_value_t = 2000)]
    requests: usize,
    /// Given by `cargo bench` to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { requests, .. } = Arguments::parse();
    let report = fairness::run(requests).await;
    println!("{:>12?}  p99 alone", report.alone);
    println!("{:>12?}  p99 beside the loops", report.beside_loops);
    println!("{:>12.1}  times as long", report.ratio());
    match report.verdict() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    }
}
