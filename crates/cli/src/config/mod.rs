//! From the paths a user gives to typed, checked Worker configurations.
//!
//! The files and their keys are Wrangler's; what is Taffrail's own stands under
//! `[taffrail]`. [`load`] turns one path into one [`WorkerConfig`], [`apply_vars`]
//! lays `--var` over a set of them, and [`check_set`] looks at what only the set
//! can tell: names and tail consumers.

mod environment;
mod file;
mod keys;
mod schema;
mod set;
#[cfg(test)]
mod tests;
mod vars;
mod worker;

pub(crate) use set::check_set;
pub(crate) use vars::apply_vars;
pub(crate) use worker::{WorkerConfig, load};
