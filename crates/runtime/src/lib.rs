//! Runs Workers as WebAssembly components and reports what happened in each invocation to Tail
//! Workers, which are components too.
//!
//! ```no_run
//! use http_body_util::{BodyExt, Empty};
//! use taffrail_runtime::{FetchResult, Runtime, WorkerSettings};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::builder().build()?;
//! let compiler = runtime.compiler();
//! let hello = compiler.compile(&std::fs::read("hello.wasm")?)?;
//! let tail = compiler.compile(&std::fs::read("tail_log.wasm")?)?;
//! runtime.deploy(
//!     WorkerSettings {
//!         tail_consumers: vec!["tail-log".into()],
//!         ..WorkerSettings::new("hello")
//!     },
//!     hello,
//! )?;
//! runtime.deploy(WorkerSettings::new("tail-log"), tail)?;
//!
//! let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
//! let request = http::Request::get("http://localhost/").body(body)?;
//! match runtime.fetch("hello", request, None).await? {
//!     FetchResult::Response(response) => println!("{}", response.status()),
//!     FetchResult::Failed { outcome, .. } => println!("{outcome:?}"),
//! }
//! runtime.idle().await;
//! # Ok(())
//! # }
//! ```

mod channels;
mod clock;
mod component;
mod delivery;
mod error;
mod event;
mod instance;
mod interfaces;
mod invocation;
mod places;
mod platform;
mod runtime;
mod script;
mod settings;
mod worker;

pub use channels::BoxFuture;
pub use channels::dynamic::{Module, Modules};
pub use channels::network::{Network, SendError};
pub use channels::queries::{Queries, QueryError};
pub use component::Component;
pub use component::inspection::{DebugInfo, Import, Inspection, Memory, Producer};
pub use delivery::{Delivery, Ledger, Measured, Meter, TailConsumer, TailStream};
pub use error::{Error, ErrorKind};
pub use event::{Event, QueueMessage};
pub use invocation::body::{BodyError, Receipt, ResponseBody};
pub use invocation::fetch_result::FetchResult;
pub use places::Instances;
pub use platform::compiler::Compiler;
pub use platform::loader::{LoadError, LoadFor, Loaded, ModuleBundler};
pub use platform::namespaces::{Found, Namespaces, Wanted};
pub use runtime::{Builder, Runtime};
pub use script::{Script, ScriptEngine, Source};
pub use settings::egress::{BadPattern, Egress, HostPattern};
pub use settings::identity::WorkerId;
pub use settings::{
    Binding, DispatchNamespace, EVENT_WALL_TIME, Limits, ObjectId, TailBatch, Target,
    WorkerSettings, tail_cycle,
};
pub use taffrail_store::make_directory as make_store_directory;
pub use taffrail_trace as trace;
/// The body of a request: any `http_body::Body`, boxed.
pub use wasmtime_wasi_http::{Error as RequestBodyError, WasiBody as RequestBody};
pub use worker::Code;
