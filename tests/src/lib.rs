//! What the tests of the whole stand on.
//!
//! - [`guests`] builds the guest components, once per test run;
//! - [`folder`] holds the scripts and configurations of Workers;
//! - [`scenario`] runs Workers in process: `producer + tail → fetch → response
//!   and items`;
//! - [`sources`] has what Workers that Taffrail builds have in common;
//! - [`process`] runs the `taffrail` binary as a user would;
//! - [`conformance`] compares Taffrail with recordings of workerd;
//! - [`wit`] makes components of the package in `wit/` without a language;
//! - [`control`] talks to the control endpoint of a server;
//! - [`wrangler`] runs wrangler itself;
//! - [`pages`] runs the examples in the documentation;
//! - [`client`] talks to it, also in ways that no client should;
//! - [`upstream`] is what Workers fetch from.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

pub mod client;
pub mod conformance;
pub mod control;
pub mod fairness;
pub mod folder;
pub mod guests;
pub mod imports;
pub mod pages;
pub mod process;
pub mod scenario;
pub mod soak;
pub mod sources;
pub mod upstream;
pub mod wit;
pub mod wrangler;

#[cfg(doctest)]
#[allow(
    rustdoc::invalid_codeblock_attributes,
    reason = "the other blocks have titles"
)]
#[doc = include_str!("../../docs/embedding.md")]
pub mod embedding {}

#[cfg(doctest)]
#[allow(
    rustdoc::invalid_codeblock_attributes,
    reason = "the other blocks have titles"
)]
#[doc = include_str!("../../docs/testing.md")]
pub mod testing {}
