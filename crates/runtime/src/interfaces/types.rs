//! `taffrail:workers/types`: the types of a trace item.

use crate::instance::state::State;
use std::sync::Arc;
use taffrail_trace::{EventInfo, RequestData, StreamEvent, TailEvent, TraceItem};
use wasmtime::bail;
use wasmtime::component::{HasSelf, Linker, Resource};

pub(crate) use generated::taffrail::workers::types;

pub(crate) mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/types@0.2.0;",
        path: "../../wit",
        imports: { default: trappable },
        with: {
            "taffrail:workers/types.raw-request": crate::interfaces::types::RawRequest,
        },
    });
}

/// Access to the unredacted request of a fetch event.
#[expect(unreachable_pub, reason = "the generated code re-exports it as `pub`")]
pub struct RawRequest(pub(super) Raw);

/// What has the unredacted request.
pub(super) enum Raw {
    Item(Arc<TraceItem>),
    Onset(Arc<TailEvent>),
}

impl Raw {
    fn event(&self) -> Option<&EventInfo> {
        match self {
            Self::Item(item) => item.event.as_ref(),
            Self::Onset(event) => match &event.event {
                StreamEvent::Onset(onset) => Some(&onset.info),
                _ => None,
            },
        }
    }
}

pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl types::Host for State {}

impl types::HostRawRequest for State {
    fn get_unredacted(
        &mut self,
        request: Resource<RawRequest>,
    ) -> wasmtime::Result<types::TailRequest> {
        match self.table.get(&request)?.0.event() {
            Some(EventInfo::Fetch { request, .. }) => Ok(tail_request(request.unredacted())),
            _ => bail!("only a fetch event has a request"),
        }
    }

    fn drop(&mut self, request: Resource<RawRequest>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

/// Returns a request as a guest sees it.
pub(super) fn tail_request(request: &RequestData) -> types::TailRequest {
    types::TailRequest {
        url: request.url.clone(),
        method: request.method.clone(),
        headers: request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        cf: request.cf.as_ref().map(|cf| cf.get().to_owned()),
    }
}
