//! Measures how long a Worker takes to answer, on the idle machine and then
//! beside sixteen endless loops.
//!
//! ```console
//! $ cargo run --release -p taffrail-tests --bin fairness            # 2,000 requests
//! $ cargo run --release -p taffrail-tests --bin fairness -- 500
//! ```

use std::process::ExitCode;
use taffrail_tests::fairness;

#[expect(clippy::print_stdout, reason = "it is what the command is for")]
#[tokio::main]
async fn main() -> ExitCode {
    let requests = std::env::args()
        .nth(1)
        .map_or(Ok(2000), |requests| requests.parse());
    let Ok(requests) = requests else {
        println!("usage: fairness [REQUESTS]");
        return ExitCode::from(2);
    };
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
