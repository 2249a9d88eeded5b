//! What an error of wasmtime says about the guest.

use crate::debug_file::DebugFile;
use crate::ending::{Call, Cause, Shed, Trapped};
use crate::stack;
use crate::state::State;
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
pub(crate) fn instantiation_failed(error: &wasmtime::Error, state: &State) -> Call {
    if error.is::<PoolConcurrencyLimitError>() {
        return Call::Shed(Shed::Process);
    }
    // A start function runs during instantiation, and fails as a call does.
    if error.is::<Trap>() || error.is::<WasmBacktrace>() {
        return call_failed(error, state.invocation().worker.debug_file());
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
        return Cause::Other(format!("exited with status {status}"));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Cause::Unreachable,
        Some(Trap::MemoryOutOfBounds) => Cause::MemoryOutOfBounds,
        Some(Trap::StackOverflow) => Cause::Other("call stack exhausted".to_owned()),
        Some(Trap::IntegerDivisionByZero) => Cause::Other("integer divide by zero".to_owned()),
        Some(trap) => {
            let text = trap.to_string();
            Cause::Other(text.strip_prefix("wasm trap: ").unwrap_or(&text).to_owned())
        }
        None => Cause::Other(error.root_cause().to_string()),
    }
}
