//! Futures as traits return them.

use std::pin::Pin;

/// A boxed future, as returned by the traits that an embedder implements.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
