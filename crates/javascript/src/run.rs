//! A run of esbuild: its input and its limits.

use crate::files::Files;
use std::sync::Arc;
use std::time::Duration;

/// The arguments and files of a run.
pub(crate) struct Command {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) arguments: Vec<String>,
    /// The working directory.
    pub(crate) directory: String,
    pub(crate) limits: Limits,
}

/// The limits of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) cpu: Duration,
    pub(crate) memory: usize,
    /// The most bytes that it may read.
    pub(crate) input: usize,
    /// The most bytes that it may write.
    pub(crate) output: usize,
}

/// The limit that ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Cpu,
    WallTime,
    Memory,
    Input,
    Output,
    /// The waiters of the job have left.
    Dropped,
}
