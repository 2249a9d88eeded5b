//! The bindings of a Worker.

use crate::settings::target::Target;

/// A binding: a resource that a Worker reaches by a name in its `env`.
#[derive(Clone, Debug, PartialEq)]
pub enum Binding {
    /// Another Worker, which this one may call.
    Service(Target),
    /// A loader of dynamic Workers.
    Loader,
    /// The Durable Objects of one class, which is an entrypoint of a Worker.
    DurableObject(Target),
    /// The Workers of a dispatch namespace.
    Dispatch(DispatchNamespace),
    /// A KV namespace, given by its id.
    Kv(String),
    /// An Analytics Engine dataset, given by its name.
    AnalyticsEngine(String),
    /// Queries in SQL, which the [`Queries`](crate::Queries) of the embedder answer.
    AnalyticsSql,
}

/// A dispatch namespace as a dispatcher is bound to it.
#[derive(Clone, Debug, PartialEq)]
pub struct DispatchNamespace {
    /// The name of the namespace.
    pub namespace: String,
    /// The outbound Worker, which receives the outgoing requests of the user Workers.
    pub outbound: Option<Target>,
}
