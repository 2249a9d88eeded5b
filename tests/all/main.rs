//! Everything that is tested with real guests.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod architecture;
mod attribution;
mod bad_component;
mod bad_configuration;
mod bodies;
mod bundle;
mod cancel;
mod capture;
mod clients;
mod configuration;
mod conformance;
mod cuts;
mod debug_files;
mod delivery;
mod deploy;
mod dev;
mod dev_vars;
mod dispatch;
mod docs;
mod egress;
mod fetch;
mod handlers;
#[path = "../hostile/mod.rs"]
mod hostile;
mod http;
mod imports;
mod invoke;
mod isolates;
mod javascript;
mod limits;
mod loader;
mod memory;
mod objects;
mod outcomes;
mod regexp;
mod rpc;
mod serve;
mod services;
mod snapshots;
mod stacks;
mod storage;
mod streaming;
mod tail_items;
mod tails;
mod text;
