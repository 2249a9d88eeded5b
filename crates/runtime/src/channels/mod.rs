//! Everything that a running Worker can reach beyond its own instance. A Worker can reach only
//! what it was handed.

pub(crate) mod call;
pub(crate) mod dispatch;
pub(crate) mod dynamic;
pub(crate) mod failed;
mod future;
pub(crate) mod loader;
pub(crate) mod network;
mod prefetch;
pub(crate) mod queries;
pub(crate) mod spans;

use crate::channels::dynamic::{Lookup, Plan};
use crate::channels::failed::CallFailed;
pub use crate::channels::future::BoxFuture;
use crate::channels::network::Network;
use crate::channels::queries::Queries;
use crate::event::{Event, Session};
use crate::invocation::Invocation;
use crate::invocation::body::Reader;
use crate::invocation::fetch_result::FetchResult;
use crate::invocation::origin::Origin;
use crate::settings::WorkerSettings;
use crate::settings::identity::WorkerId;
use http::Request;
use std::net::SocketAddr;
use std::sync::Arc;
use taffrail_store::Storage;
use taffrail_trace::{Json, Outcome};
use wasmtime_wasi_http::WasiBody;

/// Everything that the code of one Worker can reach in its runtime. Each instance is given the
/// channels of its own Worker, so no name that code can spell leads to a resource of another
/// Worker.
pub(crate) trait Channels: Send + Sync {
    /// Returns a Worker as it is deployed now. For the Worker itself, this is the code that runs.
    fn worker(&self, worker: &WorkerId) -> Result<Arc<dyn Channel>, CallFailed>;

    /// Returns a user Worker of a dispatch namespace.
    fn user_worker<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Channel>, CallFailed>>;

    /// Looks up the dynamic Worker that this Worker made under an id with one of its loaders.
    /// While one call makes it, others that request it wait.
    fn find_dynamic<'a>(
        &'a self,
        loader: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Lookup, CallFailed>>;

    /// Makes a dynamic Worker of this Worker. `caller` is charged for it.
    fn make_dynamic<'a>(
        &'a self,
        caller: &'a Invocation,
        plan: Plan,
    ) -> BoxFuture<'a, Result<WorkerId, CallFailed>>;

    /// Returns what sends the requests of the Worker, if the embedder does.
    fn network(&self) -> Option<&dyn Network>;

    /// Returns what answers the queries of the Worker, if the embedder does.
    fn queries(&self) -> Option<&dyn Queries>;

    /// Returns the addresses that no Worker may connect to.
    fn unreachable(&self) -> &[SocketAddr];

    /// Returns the data of the Worker and its objects.
    fn storage(&self) -> &Arc<Storage>;

    /// Reschedules the alarms of this Worker's objects, after one has changed.
    fn ring_alarms(&self) -> Result<(), CallFailed>;
}

/// A Worker that can be called.
pub(crate) trait Channel: Send + Sync {
    fn id(&self) -> &WorkerId;

    fn settings(&self) -> &WorkerSettings;

    /// Runs a fetch event until there is a response. Dropping the future signals that the client
    /// has disconnected.
    fn fetch(
        self: Arc<Self>,
        request: Request<WasiBody>,
        cf: Option<Json>,
        origin: Origin,
        reader: Reader,
    ) -> BoxFuture<'static, FetchResult>;

    /// Runs another event to its end. Returns the outcome, and the result of the handler as JSON.
    fn dispatch(
        self: Arc<Self>,
        event: Event,
        origin: Origin,
    ) -> BoxFuture<'static, (Outcome, Option<String>)>;

    /// Runs a session with a script to its end. Returns the failure, if it failed.
    fn session(
        self: Arc<Self>,
        session: Session,
        origin: Origin,
    ) -> BoxFuture<'static, Option<CallFailed>>;
}
