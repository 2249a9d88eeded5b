//! A replacement for the network.

use crate::channels::future::BoxFuture;
use crate::settings::identity::WorkerId;
use http::{Request, Response};
use wasmtime_wasi_http::{Error, WasiBody};

/// Sends the requests of Workers in place of the runtime's own connections, for example through a
/// proxy or a connection pool, or to a double in a test.
pub trait Network: Send + Sync {
    /// Sends a request of `worker`. Its URI is absolute, and the
    /// [`Egress`](crate::Egress) of the Worker allows it. Requests that a binding
    /// or `Egress::Worker` leads to another Worker do not come here.
    ///
    /// The future is dropped if the Worker stops waiting.
    fn send<'a>(
        &'a self,
        worker: &'a WorkerId,
        request: Request<WasiBody>,
    ) -> BoxFuture<'a, Result<Response<WasiBody>, SendError>>;
}

/// Why a [`Network`] gives no response.
#[derive(Debug)]
pub enum SendError {
    /// The request was refused. A script's `fetch` throws an error with this
    /// message. A component gets the error `HTTP-request-denied`, and the message
    /// is a log entry of the level `warn`.
    Refused(String),
    /// It was sent, and failed.
    Failed(Error),
}
