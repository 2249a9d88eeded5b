//! `taffrail:workers/exceptions`.

use crate::instance::state::State;
use crate::invocation::ending::Failure;
use generated::taffrail::workers::exceptions;
use std::fmt;
use wasmtime::component::{HasSelf, Linker};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/exceptions@0.2.0;",
        path: "../../wit",
        imports: { default: trappable },
    });
}

pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    exceptions::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl exceptions::Host for State {
    fn report(&mut self, failure: exceptions::Failure) -> wasmtime::Result<()> {
        self.invocation().report(failure.into());
        Ok(())
    }

    fn uncaught(&mut self, failure: exceptions::Failure) -> wasmtime::Result<()> {
        self.invocation().uncaught(failure.into());
        Ok(())
    }

    fn abort(&mut self, failure: exceptions::Failure) -> wasmtime::Result<()> {
        Err(Aborted(failure.into()).into())
    }
}

/// The error with which a call ends whose guest has aborted.
#[derive(Debug)]
pub(crate) struct Aborted(pub(crate) Failure);

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.name, self.0.message)
    }
}

impl std::error::Error for Aborted {}

impl From<exceptions::Failure> for Failure {
    fn from(failure: exceptions::Failure) -> Self {
        Self {
            name: failure.name,
            message: failure.message,
            stack: failure.stack,
        }
    }
}
