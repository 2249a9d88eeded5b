//! How many instructions pieces of work take.

use std::process::Command;
use taffrail_tests::process::{bench, run};

#[test]
fn nothing_takes_more_instructions_than_recorded() {
    let finished = run(Command::new(bench("instructions")));
    println!("{}", finished.stdout);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}
