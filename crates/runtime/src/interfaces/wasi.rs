//! WASI itself, as wasmtime provides it.

use crate::instance::state::State;
use crate::invocation::CutOff;
use crate::invocation::ending::Cut;
use wasmtime::bail;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi_http::WasiHttpView;

/// Pollables that a guest may wait for at a time. Each costs the host a turn
/// whenever one of them is ready.
const POLLABLES: usize = 10_000;

/// Where a WASI 0.2 guest waits, in the version that wasmtime 48 provides.
const POLL: &str = "wasi:io/poll@0.2.12";

/// Adds the generations of WASI that the linker's engine supports.
pub(super) fn add_to_linker<T: WasiView + WasiHttpView>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wait_with_an_end(linker, state)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    if linker.engine().get_concurrency_support() {
        wasmtime_wasi::p3::add_to_linker(linker)?;
        wasmtime_wasi_http::p3::add_to_linker(linker)?;
    }
    Ok(())
}

/// Replaces the two functions in which a WASI 0.2 guest waits by ones that fail
/// when the invocation is cut off, so that a waiting guest ends with a stack.
fn wait_with_an_end<T: Send + 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut instance = linker.instance(POLL)?;
    instance.func_wrap_async(
        "poll",
        move |mut store, (pollables,): (Vec<Resource<_>>,)| {
            Box::new(async move {
                if pollables.len() > POLLABLES {
                    bail!(
                        "`poll` was called with {} pollables, which may be {POLLABLES} at most",
                        pollables.len()
                    );
                }
                let state = state(store.data_mut());
                let invocation = state.invocation();
                if let Some(script) = &state.outbound.script
                    && script.waits_for_nothing_else(pollables.len())
                    && script.idle.take()
                {
                    match state.memory.refused() {
                        // The engine goes on without what it had no memory for.
                        true => invocation.cut(Cut::Memory),
                        false => script.idle.raise(),
                    }
                }
                let until_end = state.until_end();
                tokio::select! {
                    biased;
                    ready = poll::Host::poll(&mut state.table, pollables) => Ok((ready?,)),
                    () = until_end => Err(CutOff.into()),
                }
            })
        },
    )?;
    instance.func_wrap_async("[method]pollable.block", move |mut store, (pollable,)| {
        Box::new(async move {
            let state = state(store.data_mut());
            let until_end = state.until_end();
            tokio::select! {
                biased;
                ready = poll::HostPollable::block(&mut state.table, pollable) => ready,
                () = until_end => Err(CutOff.into()),
            }
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}
