//! The exit statuses, as `taffrail --help` lists them.

/// The command succeeded.
pub(crate) const OK: u8 = 0;
/// Taffrail failed.
pub(crate) const HOST_ERROR: u8 = 1;
/// The command line is invalid. This is also the status with which clap exits.
pub(crate) const USAGE: u8 = 2;
/// The outcome of the invocation is not `ok`.
pub(crate) const NOT_OK: u8 = 3;
