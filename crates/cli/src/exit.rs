//! The exit statuses, as `taffrail --help` lists them.

/// The Worker did what it was asked.
pub(crate) const OK: u8 = 0;
/// Taffrail could not do its part.
pub(crate) const HOST_ERROR: u8 = 1;
/// The command line is wrong; clap exits with it too.
pub(crate) const USAGE: u8 = 2;
/// The outcome of the invocation is not `ok`.
pub(crate) const NOT_OK: u8 = 3;
