//! The interfaces that a guest may import, one in each file. Each has the code that is generated
//! from its WIT, the implementation, and `add_to_linker`.

pub(crate) mod analytics;
mod config;
mod console;
mod context;
mod diagnostics_channel;
mod dispatch;
pub(crate) mod exceptions;
mod keyvalue;
mod loader;
mod logging;
mod otel;
mod services;
pub(crate) mod tail_event;
pub(crate) mod trace_item;
pub(crate) mod tracing;
pub(crate) mod types;
mod wasi;

use crate::instance::state::{State, StoreData};
use wasmtime::component::Linker;
use wasmtime_wasi_http::WasiHttpView;

/// Adds all interfaces that a Worker may import.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let state: fn(&mut State) -> &mut State = |state| state;
    add_common_to_linker(linker, state)?;
    config::add_to_linker(linker, state)?;
    keyvalue::add_to_linker(linker, state)?;
    logging::add_to_linker(linker, state)?;
    tracing::add_to_linker(linker, state)?;
    otel::add_to_linker(linker, state)?;
    context::add_to_linker(linker, state)?;
    services::add_to_linker(linker, state)?;
    dispatch::add_to_linker(linker, state)?;
    loader::add_to_linker(linker, state)?;
    analytics::add_to_linker(linker, state)
}

/// Adds the interfaces that both Workers and the JavaScript engine import.
pub(crate) fn add_common_to_linker<T: StoreData + WasiHttpView>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    wasi::add_to_linker(linker)?;
    types::add_to_linker(linker, state)?;
    console::add_to_linker(linker, state)?;
    diagnostics_channel::add_to_linker(linker, state)?;
    exceptions::add_to_linker(linker, state)
}
