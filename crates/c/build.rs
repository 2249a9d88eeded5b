//! Has the crate compiled again when a file is added to the folder that it includes.

fn main() {
    println!("cargo::rerun-if-changed=../../guest-examples/c/workers");
}
