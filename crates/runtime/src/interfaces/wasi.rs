//! WASI itself, as wasmtime provides it.

use crate::instance::state::StoreData;
use crate::invocation::CutOff;
use wasmtime::component::{Linker, Resource};
use wasmtime::{bail, ensure};
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi_http::WasiHttpView;

/// Pollables that a guest may wait for at once. The host polls all of them whenever one is ready.
const POLLABLES: usize = 10_000;

/// The interface through which a WASI 0.2 guest waits, in the version that wasmtime 48 provides.
const POLL: &str = "wasi:io/poll@0.2.12";

/// Adds the versions of WASI that the linker's engine supports.
pub(super) fn add_to_linker<T: StoreData + WasiHttpView>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    interruptible_poll(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    if linker.engine().get_concurrency_support() {
        wasmtime_wasi::p3::add_to_linker(linker)?;
        wasmtime_wasi_http::p3::add_to_linker(linker)?;
    }
    Ok(())
}

/// Replaces the two functions in which a WASI 0.2 guest waits. The replacements fail if the guest
/// must stop, so that it traps and leaves a stack.
fn interruptible_poll<T: StoreData>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let is_there = linker
        .instance(POLL)?
        .func_wrap("poll", |_, (): ()| Ok(()))
        .is_err();
    ensure!(is_there, "wasmtime provides no `{POLL}` to replace");
    linker.allow_shadowing(true);
    let mut instance = linker.instance(POLL)?;
    instance.func_wrap_async("poll", |mut store, (pollables,): (Vec<Resource<_>>,)| {
        Box::new(async move {
            if pollables.len() > POLLABLES {
                bail!(
                    "`poll` was called with {} pollables, but at most {POLLABLES} are allowed",
                    pollables.len()
                );
            }
            store.data().waits(pollables.len());
            let until_end = store.data().until_end();
            tokio::select! {
                biased;
                ready = poll::Host::poll(store.data_mut().ctx().table, pollables) => {
                    store.data().goes_on();
                    Ok((ready?,))
                }
                () = until_end => Err(CutOff.into()),
            }
        })
    })?;
    instance.func_wrap_async("[method]pollable.block", |mut store, (pollable,)| {
        Box::new(async move {
            let until_end = store.data().until_end();
            tokio::select! {
                biased;
                ready = poll::HostPollable::block(store.data_mut().ctx().table, pollable) => ready,
                () = until_end => Err(CutOff.into()),
            }
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}
