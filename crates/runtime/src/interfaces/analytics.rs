//! Analytics Engine: the data points that Workers write.

use crate::clock;
use crate::invocation::Invocation;
use crate::settings::Binding;
use crate::store::DataPoint;

/// Writes a data point to the dataset of a binding. The error is for the
/// Worker.
pub(crate) async fn write(
    invocation: &Invocation,
    binding: &str,
    point: DataPoint,
) -> Result<(), String> {
    let Some(Binding::AnalyticsEngine(dataset)) = invocation.worker.settings.bindings.get(binding)
    else {
        return Err(format!("there is no dataset `{binding}`"));
    };
    point.check()?;
    invocation.data_point()?;
    let now = clock::epoch_ms();
    let storage = &invocation.worker.storage;
    storage.write_data_point(dataset.clone(), now, point).await
}
