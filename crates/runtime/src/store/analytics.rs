//! Analytics Engine: what `writeDataPoint` writes, in the columns that
//! Cloudflare's SQL API has.

use super::Store;
use rusqlite::{params_from_iter, types::Value};
use serde::Deserialize;

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

impl Store {
    /// Adds a data point that is within its limits, written at `timestamp` in milliseconds since 1970.
    pub(crate) fn write_data_point(
        &self,
        dataset: &str,
        timestamp: u64,
        point: DataPoint,
    ) -> Result<(), String> {
        let mut names = "dataset, timestamp".to_owned();
        let mut values = vec![
            Value::from(dataset.to_owned()),
            Value::from(timestamp.cast_signed()),
        ];
        let mut add = |name: String, value: Value| {
            names.push_str(", ");
            names.push_str(&name);
            values.push(value);
        };
        if let Some(index) = point.indexes.into_iter().next() {
            add("index1".to_owned(), Value::from(index));
        }
        for (number, blob) in point.blobs.into_iter().enumerate() {
            add(format!("blob{}", number + 1), Value::from(blob));
        }
        for (number, double) in point.doubles.into_iter().enumerate() {
            add(format!("double{}", number + 1), Value::from(double));
        }
        let places = vec!["?"; values.len()].join(", ");
        let insert = format!("INSERT INTO analytics ({names}) VALUES ({places})");
        self.with(|database| {
            database
                .prepare_cached(&insert)?
                .execute(params_from_iter(values))?;
            Ok(())
        })
    }
}
