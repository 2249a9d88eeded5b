//! What an error of wasmtime says about the guest.

use crate::component::debug_file::DebugFile;
use crate::component::stack;
use crate::instance::state::State;
use crate::invocation::ending::{Call, Cause, Shed, Trapped};
use std::collections::HashMap;
use std::ops::Range;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// The end of a call that failed with `error`. `debug` is what its stack is
/// made with, if the component has no debug information itself.
pub(crate) fn call_failed(error: &wasmtime::Error, debug: Option<&DebugFile>) -> Call {
    if let Some(I32Exit(0)) = error.downcast_ref() {
        return Call::Returned;
    }
    Call::Trapped(Trapped {
        cause: cause(error),
        stack: error
            .downcast_ref()
            .and_then(|backtrace| stack::text(backtrace, debug)),
    })
}

/// The end of an invocation whose instance could not be made.
pub(crate) fn instantiation_failed(
    error: &wasmtime::Error,
    state: &State,
    debug: Option<&DebugFile>,
) -> Call {
    if error.is::<PoolConcurrencyLimitError>() {
        return Call::Shed(Shed::Process);
    }
    // A start function runs during instantiation, and fails as a call does.
    if error.is::<Trap>() || error.is::<WasmBacktrace>() {
        return call_failed(error, debug);
    }
    if state.memory.refused() {
        return Call::Trapped(Trapped {
            cause: Cause::NoInitialMemory,
            stack: None,
        });
    }
    Call::HostFailed(format!("no instance could be made: {error:#}"))
}

fn cause(error: &wasmtime::Error) -> Cause {
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return Cause::Exited(*status);
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

/// Where a guest writes whose stack in linear memory has run out: the stack
/// grows down to address 0, and an address below that wraps around.
const BELOW_ZERO: Range<u64> = (1 << 32) - (1 << 20)..(1 << 32) + (1 << 20);

/// How often a function is among the innermost frames of a recursion that went
/// too deep. Wasmtime tells 20 frames.
const REPEATS: usize = 4;

/// What an access out of bounds is: often a recursion that has used up the
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
        // A copy of many bytes, of which no address is told.
        None => Cause::Other(
            "memory access out of bounds in a recursion: probably a stack overflow".to_owned(),
        ),
    }
}

/// The address of linear memory that does not exist. Wasmtime tells it in words
/// only.
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
