//! Interprets errors of wasmtime.

use crate::component::debug::Debug;
use crate::component::stack;
use crate::instance::state::State;
use crate::interfaces::exceptions::Aborted;
use crate::invocation::CutOff;
use crate::invocation::ending::{Call, Cause, Shed, Trapped};
use std::collections::HashMap;
use std::ops::Range;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// Returns the end of a call that failed with `error`. `debug` provides the symbols of the stack,
/// which is left out without it.
pub(crate) fn call_failed(error: &wasmtime::Error, debug: Option<&Debug>) -> Call {
    if let Some(I32Exit(0)) = error.downcast_ref() {
        return Call::Returned;
    }
    Call::Trapped(Trapped {
        cause: cause(error),
        stack: debug.and_then(|debug| stack::text(error.downcast_ref()?, debug)),
    })
}

/// Returns the end of an invocation whose instance could not be created.
pub(crate) fn instantiation_failed(
    error: &wasmtime::Error,
    state: &State,
    debug: Option<&Debug>,
) -> Call {
    if error.is::<PoolConcurrencyLimitError>() {
        return Call::Shed(Shed::Process);
    }
    // A start function runs during instantiation, and can fail as a call does. A guest that is cut
    // off before its first function has no backtrace.
    if error.is::<Trap>() || error.is::<WasmBacktrace>() || error.is::<CutOff>() {
        return call_failed(error, debug);
    }
    if state.memory.refused() {
        return Call::Trapped(Trapped {
            cause: Cause::NoInitialMemory,
            stack: None,
        });
    }
    Call::HostFailed(format!("no instance could be created: {error:#}"))
}

fn cause(error: &wasmtime::Error) -> Cause {
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return Cause::Exited(*status);
    }
    if let Some(Aborted(failure)) = error.downcast_ref() {
        return Cause::Aborted(failure.clone());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Cause::Unreachable,
        Some(Trap::MemoryOutOfBounds) => out_of_bounds(error),
        Some(Trap::StackOverflow) => Cause::Other("call stack exhausted".to_owned()),
        Some(Trap::IntegerDivisionByZero) => Cause::Other("integer divide by zero".to_owned()),
        Some(trap) => {
            let text = trap.to_string();
            Cause::Other(text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned())
        }
        None => Cause::Other(error.root_cause().to_string()),
    }
}

/// The addresses that a guest accesses when its stack in linear memory overflows. The stack grows
/// down to address 0, and lower addresses wrap around.
const BELOW_ZERO: Range<u64> = (1 << 32) - (1 << 20)..(1 << 32) + (1 << 20);

/// How often a function must appear among the innermost frames to count as a runaway recursion.
/// Wasmtime captures 20 frames.
const REPEATS: usize = 4;

/// Describes an access out of bounds. The cause is often a recursion that has exhausted the
/// guest's stack in linear memory.
fn out_of_bounds(error: &wasmtime::Error) -> Cause {
    if !error.downcast_ref().is_some_and(is_recursive) {
        return Cause::MemoryOutOfBounds;
    }
    match fault_address(error) {
        Some(address) if BELOW_ZERO.contains(&address) => {
            Cause::Other("stack overflow: memory access below address 0".to_owned())
        }
        Some(_) => Cause::MemoryOutOfBounds,
        // The error of a bulk memory operation names no address.
        None => Cause::Other(
            "memory access out of bounds in a recursion: probably a stack overflow".to_owned(),
        ),
    }
}

/// Returns the invalid address of linear memory, which wasmtime reports only as text.
fn fault_address(error: &wasmtime::Error) -> Option<u64> {
    error.chain().find_map(|cause| {
        let text = cause.to_string();
        let (_, address) = text.split_once("memory fault at wasm address 0x")?;
        u64::from_str_radix(address.split(' ').next()?, 16).ok()
    })
}

fn is_recursive(backtrace: &WasmBacktrace) -> bool {
    let mut counts = HashMap::new();
    backtrace.frames().iter().any(|frame| {
        let count = counts.entry(frame.func_index()).or_insert(0);
        *count += 1;
        *count == REPEATS
    })
}
