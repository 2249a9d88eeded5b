//! Kept items before the live ones: `taffrail tail --since`.

use crate::logs;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;
use taffrail_control::{Client, Filter};
use taffrail_runtime::Delivery;
use taffrail_trace::{EpochMs, TraceItem};

/// The name of the logs among the consumers of items.
const LOGS: &str = "logs";

/// The pause before the server is asked again whether it has kept everything.
const PAUSE: Duration = Duration::from_millis(20);

/// The ids of kept items that were shown, of which a live one may be a repetition.
#[derive(Default)]
pub(super) struct Shown(HashSet<String>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    invocation_id: String,
}

impl Shown {
    /// Whether a live item was shown before. It comes once more at most.
    pub(super) fn remove(&mut self, message: &str) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let item = serde_json::from_str::<Identity>(message);
        item.is_ok_and(|item| self.0.remove(&item.invocation_id))
    }
}

/// Passes kept items to `show`, the earliest first. To be called once live items are received, so
/// that none is missed.
pub(super) async fn show(
    client: &Client,
    directory: &Path,
    since: EpochMs,
    worker: Option<&str>,
    filters: &[Filter],
    mut show: impl FnMut(&TraceItem) -> Result<()>,
) -> Result<Shown> {
    wait(client).await?;
    let reader = logs::open(directory)?;
    let filter = taffrail_logs::Filter {
        since: Some(since),
        workers: worker.map(ToOwned::to_owned).into_iter().collect(),
        ..taffrail_logs::Filter::default()
    };
    let mut items = Vec::new();
    reader.latest(&filter, |found| {
        if filters.iter().all(|filter| filter.matches(&found.item)) {
            items.push(found.item);
        }
        true
    })?;
    let mut shown = Shown::default();
    for item in items.into_iter().rev() {
        show(&item)?;
        shown.0.insert(item.invocation_id);
    }
    Ok(shown)
}

/// Waits until the server has kept all items of invocations that have ended so far.
async fn wait(client: &Client) -> Result<()> {
    let produced = kept(client).await?.map_or(0, |logs| logs.produced);
    while kept(client)
        .await?
        .is_some_and(|logs| logs.delivered + logs.lost < produced)
    {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

async fn kept(client: &Client) -> Result<Option<Delivery>> {
    let status = client.status().await?;
    let deliveries: Vec<Delivery> =
        serde_json::from_slice(&status).context("the answer is not a list of deliveries")?;
    let mut deliveries = deliveries.into_iter();
    Ok(deliveries.find(|delivery| delivery.consumer == LOGS))
}
