//! Deploys Workers from folders on disk to a runtime: reads Wrangler configurations, bundles
//! scripts, compiles components, and provides dispatch namespaces and cron triggers.
//!
//! ```no_run
//! use http_body_util::{BodyExt, Empty};
//! use std::path::Path;
//! use taffrail_project::{Crons, Project, config};
//! use taffrail_runtime::FetchResult;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // Folders with a `wrangler.toml`, `.json` or `.jsonc`, components, or scripts.
//! let workers = [
//!     config::load(Path::new("api"), None)?,
//!     config::load(Path::new("tail-log"), None)?,
//! ];
//! config::check_set(&workers, config::MissingTail::Refuse)?;
//!
//! let project = Project::builder("/var/cache/example")
//!     .store("/var/lib/example")
//!     .build(&workers)?;
//! project.deploy_all(&workers).await?;
//! let mut crons = Crons::new(project.runtime());
//! workers.iter().for_each(|worker| crons.set(worker));
//!
//! let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
//! let request = http::Request::get("http://localhost/").body(body)?;
//! match project.runtime().fetch("api", request, None).await? {
//!     FetchResult::Response(response) => println!("{}", response.status()),
//!     FetchResult::Failed { outcome, .. } => println!("{outcome:?}"),
//! }
//! # Ok(())
//! # }
//! ```

mod blocking;
mod build_command;
mod claim;
mod component;
pub mod config;
mod crons;
mod durable;
mod error;
mod fingerprint;
mod javascript;
mod logs;
mod main_file;
mod namespaces;
mod onsets;
mod otlp;
mod progress;
mod project;
mod queries;
mod settings;
mod sources;
mod tools;

pub use crons::Crons;
pub use error::{Error, ErrorKind};
pub use main_file::Main;
pub use progress::{Progress, Step, Underway};
pub use project::{Builder, Project};
pub use tools::Tools;
