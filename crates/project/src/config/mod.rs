//! Reads the paths that a user gives into typed, checked Worker configurations.
//!
//! The files and their keys are Wrangler's. Taffrail's own keys are in `[taffrail]`. [`load`]
//! reads one path into one [`WorkerConfig`]. [`apply_dev_vars`], [`apply_var_files`],
//! [`apply_vars`] and [`apply_limits`] override variables and limits of a set of configurations.
//! [`check_set`] checks a whole set: names, services and tail consumers.

mod cron;
mod environment;
mod file;
mod grant;
mod keys;
mod limits;
mod logs;
mod name;
mod namespace;
mod overrides;
mod paths;
mod quote;
mod rules;
mod schema;
mod set;
mod telemetry;
#[cfg(test)]
mod tests;
mod var_file;
mod worker;

pub use cron::Cron;
pub use file::{Language, MainKind};
pub(crate) use file::{likely_paths, may_be_worker};
pub use limits::ConfiguredLimits;
pub use logs::LogSettings;
pub(crate) use name::is_name;
pub use namespace::{Grant, Namespace};
pub use overrides::{apply_limits, apply_vars};
pub use set::{MissingTail, check_set};
pub use taffrail_javascript::{Bundling, Rule, RuleKind};
pub use telemetry::TelemetrySettings;
pub use var_file::{DEV_VARS, DOT_ENV, apply_dev_vars, apply_var_files};
pub use worker::{Build, WorkerConfig, load};
