//! `taffrail:workers/diagnostics-channel`.

use crate::instance::state::State;
use crate::interfaces::console::json_or_string;
use generated::taffrail::workers::diagnostics_channel;
use wasmtime::component::{HasSelf, Linker};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/diagnostics-channel@0.2.0;",
        path: "../../wit",
        imports: { default: trappable },
        with: {
            "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types,
        },
    });
}

pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    diagnostics_channel::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl diagnostics_channel::Host for State {
    fn publish(&mut self, channel: String, message: Option<String>) -> wasmtime::Result<()> {
        let message = message.map(json_or_string).transpose()?;
        self.invocation().diagnostics(channel, message);
        Ok(())
    }
}
