//! What a Worker may use, by the names in its `env`.

use crate::settings::target::Target;

/// What a Worker may use.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// Another Worker, to be called.
    Service(Target),
    /// A loader of dynamic Workers.
    Loader,
    /// The Durable Objects of a class: the entrypoint of a Worker.
    DurableObject(Target),
    /// The Workers of a dispatch namespace.
    Dispatch(DispatchNamespace),
    /// A KV namespace, by its id.
    Kv(String),
    /// A dataset of Analytics Engine, by its name.
    AnalyticsEngine(String),
}

/// A namespace as a dispatcher knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DispatchNamespace {
    /// Its name.
    pub namespace: String,
    /// The Worker that receives the requests of its Workers.
    pub outbound: Option<Target>,
}
