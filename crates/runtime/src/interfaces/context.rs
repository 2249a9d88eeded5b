//! `taffrail:workers/context`.

use crate::instance::state::State;
use generated::taffrail::workers::context;
use taffrail_trace::TraceItem;
use wasmtime::component::{HasSelf, Linker};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/context@0.2.0;",
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
    context::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl context::Host for State {
    fn props(&mut self) -> wasmtime::Result<String> {
        Ok(match &self.invocation().origin.target {
            Some(target) => serde_json::to_string(&*target.props)?,
            None => "{}".to_owned(),
        })
    }

    fn invocation_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.invocation().id.to_string())
    }

    fn entrypoint(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.invocation().origin.entrypoint().map(ToOwned::to_owned))
    }

    fn events_json(&mut self) -> wasmtime::Result<String> {
        let events: Vec<&TraceItem> = self.events.iter().map(AsRef::as_ref).collect();
        Ok(serde_json::to_string(&events)?)
    }
}
