//! What can be typed after `--`.

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
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Measure instead how long it takes from saving a script to the first
    /// answer of its new version
    #[arg(long)]
    pub(crate) reload: bool,
    /// Only servers with this in their name; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,
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
