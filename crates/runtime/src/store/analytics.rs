//! Analytics Engine: what `writeDataPoint` writes, in the columns that
//! Cloudflare's SQL API has.

use crate::store::Storage;
use rusqlite::{params_from_iter, types::Value};
use serde::Deserialize;
use std::sync::LazyLock;

/// Cloudflare's limits:
/// <https://developers.cloudflare.com/analytics/analytics-engine/limits/>.
const COLUMNS: usize = 20;
const BLOB_BYTES: usize = 16 << 10;
const INDEX_BYTES: usize = 96;

/// One data point.
#[derive(Deserialize)]
pub(crate) struct DataPoint {
    #[serde(default)]
    pub(crate) blobs: Vec<Option<String>>,
    #[serde(default)]
    pub(crate) doubles: Vec<f64>,
    #[serde(default)]
    pub(crate) indexes: Vec<Option<String>>,
}

/// The table, with a column for each blob and double.
pub(super) fn table() -> String {
    let blobs: String = (1..=COLUMNS).map(|n| format!(", blob{n} TEXT")).collect();
    let doubles: String = (1..=COLUMNS).map(|n| format!(", double{n} REAL")).collect();
    format!(
        "CREATE TABLE analytics (
            dataset TEXT NOT NULL, timestamp INTEGER NOT NULL, index1 TEXT,
            _sample_interval INTEGER NOT NULL DEFAULT 1{blobs}{doubles}
        );
        CREATE INDEX analytics_by_time ON analytics (dataset, timestamp);"
    )
}

/// One text for all points, so that it is prepared once: what a point lacks is
/// null.
static INSERT: LazyLock<String> = LazyLock::new(|| {
    let blobs: String = (1..=COLUMNS).map(|n| format!(", blob{n}")).collect();
    let doubles: String = (1..=COLUMNS).map(|n| format!(", double{n}")).collect();
    let places = ", ?".repeat(2 + 2 * COLUMNS);
    format!("INSERT INTO analytics (dataset, timestamp, index1{blobs}{doubles}) VALUES (?{places})")
});

impl DataPoint {
    /// Fails when it is over a limit.
    pub(crate) fn check(&self) -> Result<(), String> {
        let many = |what: &str, limit: usize| {
            Err(format!(
                "writeDataPoint(): Maximum of {limit} {what} supported."
            ))
        };
        if self.blobs.len() > COLUMNS {
            return many("blobs", COLUMNS);
        }
        if self.doubles.len() > COLUMNS {
            return many("doubles", COLUMNS);
        }
        if self.indexes.len() > 1 {
            return many("indexes", 1);
        }
        let bytes: usize = self.blobs.iter().flatten().map(String::len).sum();
        if bytes > BLOB_BYTES {
            return Err(format!(
                "writeDataPoint(): The blobs have {bytes} bytes, more than {BLOB_BYTES}."
            ));
        }
        let index = self.indexes.iter().flatten().next().map_or(0, String::len);
        if index > INDEX_BYTES {
            return Err(format!(
                "writeDataPoint(): The index has {index} bytes, more than {INDEX_BYTES}."
            ));
        }
        Ok(())
    }
}

impl Storage {
    /// Adds a data point that is within its limits, written at `timestamp` in milliseconds since 1970.
    pub(crate) async fn write_data_point(
        &self,
        dataset: String,
        timestamp: u64,
        point: DataPoint,
    ) -> Result<(), String> {
        let mut values = vec![Value::from(dataset), Value::from(timestamp.cast_signed())];
        values.push(point.indexes.into_iter().next().flatten().into());
        let blobs = point.blobs.into_iter().map(Value::from);
        values.extend(blobs.chain(std::iter::repeat(Value::Null)).take(COLUMNS));
        let doubles = point.doubles.into_iter().map(Value::from);
        values.extend(doubles.chain(std::iter::repeat(Value::Null)).take(COLUMNS));
        self.change(move |database| {
            database
                .prepare_cached(&INSERT)?
                .execute(params_from_iter(values))?;
            Ok(())
        })
        .await
    }
}
