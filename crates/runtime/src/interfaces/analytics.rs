//! `taffrail:workers/analytics`: the data points that Workers write to Analytics
//! Engine.

use crate::channels::Channels;
use crate::clock;
use crate::instance::state::State;
use crate::invocation::Invocation;
use crate::settings::Binding;
use generated::taffrail::workers::analytics;
use taffrail_store::DataPoint;
use wasmtime::component::{HasSelf, Linker};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/analytics@0.2.0;",
        path: "../../wit",
        imports: {
            "taffrail:workers/analytics.write-data-point": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
    });
}

pub(super) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    analytics::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl analytics::Host for State {
    async fn write_data_point(
        &mut self,
        binding: String,
        point: analytics::DataPoint,
    ) -> wasmtime::Result<Result<(), String>> {
        let point = DataPoint {
            blobs: point.blobs,
            doubles: point.doubles,
            indexes: point.indexes,
        };
        let invocation = self.invocation();
        Ok(write(&*self.channels, &invocation, &binding, point).await)
    }
}

/// Writes a data point to the dataset of a binding. The error is reported to the Worker.
pub(crate) async fn write(
    channels: &dyn Channels,
    invocation: &Invocation,
    binding: &str,
    point: DataPoint,
) -> Result<(), String> {
    let Some(Binding::AnalyticsEngine(dataset)) = invocation.worker.settings.bindings.get(binding)
    else {
        return Err(format!("there is no dataset `{binding}`"));
    };
    // A refused data point does not count towards the limit.
    point.check().map_err(|error| error.to_string())?;
    invocation.data_point()?;
    let now = clock::epoch_ms();
    let storage = channels.storage();
    let written = storage.write_data_point(dataset.clone(), now, point).await;
    written.map_err(|error| error.to_string())
}
