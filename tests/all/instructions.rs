//! How many instructions pieces of work take.

use std::process::Command;
use taffrail_tests::process::{bench, run};

/// Events with a fresh instance take the same way as others but for the instance, of which one is
/// enough: each instruction takes ten thousand times as long as usual.
#[test]
fn nothing_takes_more_instructions_than_recorded() {
    let mut command = Command::new(bench("instructions"));
    for part in ["redaction", "building", "serialisation", "0.2", "reused"] {
        command.args(["--only", part]);
    }
    let finished = run(command);
    println!("{}", finished.stdout);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}
