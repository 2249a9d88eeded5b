//! Waiting with an end.

use std::time::Duration;

/// How long a test waits for something that always comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that always comes.
///
/// # Panics
///
/// Panics if it does not come within a minute.
pub async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("it does not come within {PATIENCE:?}"))
}
