//! What sends requests in place of the network.

use crate::channels::future::BoxFuture;
use crate::settings::identity::WorkerId;
use http::{Request, Response};
use wasmtime_wasi_http::{Error, WasiBody};

/// Sends the requests of Workers in place of the runtime's own connections: a
/// proxy, a connection pool, or a test.
pub trait Network: Send + Sync {
    /// Sends a request of `worker`. Its URI is absolute, and the
    /// [`Egress`](crate::Egress) of the Worker allows it. Requests that a binding
    /// or `Egress::Worker` leads to another Worker do not come here.
    ///
    /// The future is dropped when the Worker does not wait any more.
    fn send<'a>(
        &'a self,
        worker: &'a WorkerId,
        request: Request<WasiBody>,
    ) -> BoxFuture<'a, Result<Response<WasiBody>, SendError>>;
}

/// Why a [`Network`] gives no response.
#[derive(Debug)]
pub enum SendError {
    /// The request may not be sent. A script's `fetch` throws an error with this
    /// message. A component gets the error `HTTP-request-denied`, and the message
    /// is a log entry of the level `warn`.
    Refused(String),
    /// It was sent, and failed.
    Failed(Error),
}
