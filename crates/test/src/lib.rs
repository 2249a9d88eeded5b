//! Tests of Workers: requests in, responses and trace items out.
//!
//! ```
//! use taffrail_test::trace::Outcome;
//! use taffrail_test::{Outbound, Scenario};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let api = "export default {
//!   async fetch(request) {
//!     const user = await fetch('https://users.example.com/1');
//!     console.warn('asked for', new URL(request.url).pathname);
//!     return new Response('Hello ' + await user.text());
//!   },
//! };";
//! let tail = "export default {
//!   tail(events) { console.log(events[0].scriptName, events[0].outcome) },
//! };";
//! let outbound = Outbound::new().reply(
//!     "GET",
//!     "https://users.example.com/1",
//!     http::Response::new("Ada"),
//! );
//! let scenario = Scenario::builder()
//! # .cache(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-cache/taffrail"))
//!     .script("api", api)
//!     .script("my-tail", tail)
//!     .tails("api", ["my-tail"])
//!     .outbound(&outbound)
//!     .start()
//!     .await?;
//!
//! let answer = scenario.get("api", "/there").await;
//! assert_eq!(answer.text(), "Hello Ada");
//!
//! let items = scenario.items();
//! assert_eq!(items.of("api").last().outcome(), Outcome::Ok);
//! assert_eq!(items.of("api").last().logs(), ["warn asked for /there"]);
//! assert_eq!(items.of("my-tail").last().logs(), ["log api ok"]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Scenario`] opens no port and reaches no network. All scenarios of a process
//! share one engine, so that each test pays for its own Workers only: some 10 ms for a producer
//! and a Tail Worker in Rust that are compiled already, in a debug build whose dependencies are
//! optimised.
//!
//! A method panics when a test can only fail: where something that was asked for
//! does not exist, or does not come within a minute.

mod answer;
mod builder;
mod items;
mod outbound;
mod patience;
mod recorded;
mod reply;
mod scenario;
mod shared;
mod stable;

pub use answer::{Answer, read};
pub use builder::Builder;
pub use items::{Item, Items, logs};
pub use outbound::Outbound;
pub use patience::patiently;
pub use recorded::BadRecording;
pub use scenario::{Scenario, full, request};
pub use stable::stable;
pub use taffrail_runtime::trace;
