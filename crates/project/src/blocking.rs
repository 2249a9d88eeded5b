//! Work that blocks the thread it runs on.

use crate::error::{Error, Result};

/// Runs it on a thread where it holds up nothing else.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let work = tokio::task::spawn_blocking(work).await;
    work.map_err(|error| Error::host("Taffrail is at fault").caused_by(error))
}
