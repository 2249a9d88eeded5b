//! Analytics Engine: the data points that Workers write.

use crate::clock;
use crate::invocation::Invocation;
use crate::settings::Binding;
use crate::store::DataPoint;

/// Writes a data point to the dataset of a binding. The error is for the
/// Worker.
pub(crate) fn write(
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
    match invocation.worker.platform.upgrade() {
        Some(platform) => platform
            .store
            .write_data_point(dataset, clock::epoch_ms(), point),
        None => Ok(()),
    }
}
