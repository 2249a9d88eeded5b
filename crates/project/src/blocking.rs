//! Runs work that blocks its thread.

use crate::error::{Error, Result};

/// Runs `work` on a thread that may be blocked.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let work = tokio::task::spawn_blocking(work).await;
    work.map_err(|error| Error::host("Taffrail failed").caused_by(error))
}
