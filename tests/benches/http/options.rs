//! What can be typed after `--`.

use crate::servers::Group;
use clap::Parser;
use std::path::PathBuf;

/// Measures CPU time per request of `taffrail serve` beside `wasmtime serve`,
/// workerd and a bare hyper server, in alternating rounds
#[derive(Debug, Parser)]
#[command(bin_name = "cargo bench --workspace --bench http --")]
pub(crate) struct Options {
    /// How often each server is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long each measurement takes
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Seconds of load before each measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub(crate) warm_up: f64,
    /// Connections of rows that have no number of their own, each with one request at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Measure instead how long it takes from saving a script to the first
    /// answer of its new version
    #[arg(long)]
    pub(crate) reload: bool,
    /// Only this group of measurements; may be repeated
    #[arg(long, value_enum)]
    pub(crate) group: Vec<Group>,
    /// Only servers with this in their name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Fail if a target is missed
    #[arg(long)]
    pub(crate) strict: bool,
    /// Measure this program in place of the one of this repository
    #[arg(long, value_name = "PATH")]
    pub(crate) taffrail: Option<PathBuf>,
    /// How long each number of connections is kept busy in the test for losses
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(crate) loss_seconds: f64,
    /// Write every measurement to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Be the bare hyper server
    #[arg(long, hide = true)]
    pub(crate) bare_server: bool,
    /// Given by `cargo bench` to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether something is to be measured that is in this group and has this name.
    pub(crate) fn wants(&self, group: Group, name: &str) -> bool {
        (self.group.is_empty() || self.group.contains(&group))
            && (self.only.is_empty() || self.only.iter().any(|part| name.contains(part)))
    }
}
