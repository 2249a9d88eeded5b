//! The handlers that a component may export, one a file.

pub(crate) mod fetch;
pub(crate) mod queue;
pub(crate) mod scheduled;
pub(crate) mod tail;

use crate::component::debug_file::DebugFile;
use crate::component::failure::call_failed;
use crate::invocation::ending::Call;

fn returned(result: &wasmtime::Result<()>, debug: Option<&DebugFile>) -> Call {
    match result {
        Ok(()) => Call::Returned,
        Err(error) => call_failed(error, debug),
    }
}
