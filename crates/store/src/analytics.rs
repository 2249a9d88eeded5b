//! Analytics Engine: what `writeDataPoint` writes, in the columns that
//! Cloudflare's SQL API has.

use crate::{Error, Storage};
use rusqlite::{params_from_iter, types::Value};
use std::sync::LazyLock;

/// Blobs and doubles of a point, bytes of all its blobs, and bytes of its index:
/// <https://developers.cloudflare.com/analytics/analytics-engine/limits/>.
const COLUMNS: usize = 20;
const BLOB_BYTES: usize = 16 << 10;
const INDEX_BYTES: usize = 96;

/// One data point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataPoint {
    /// Text, 20 at most and 16 KiB together.
    pub blobs: Vec<Option<String>>,
    /// Numbers, 20 at most.
    pub doubles: Vec<f64>,
    /// What points are sampled by, one at most and 96 bytes.
    pub indexes: Vec<Option<String>>,
}

/// Why a data point is not written.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataPointError {
    /// There are more than 20 blobs.
    #[error("writeDataPoint(): Maximum of {COLUMNS} blobs supported.")]
    Blobs,
    /// There are more than 20 doubles.
    #[error("writeDataPoint(): Maximum of {COLUMNS} doubles supported.")]
    Doubles,
    /// There is more than one index.
    #[error("writeDataPoint(): Maximum of 1 indexes supported.")]
    Indexes,
    /// The blobs have so many bytes, more than 16 KiB.
    #[error("writeDataPoint(): The blobs have {0} bytes, more than {BLOB_BYTES}.")]
    BlobsTooLong(usize),
    /// The index has so many bytes, more than 96.
    #[error("writeDataPoint(): The index has {0} bytes, more than {INDEX_BYTES}.")]
    IndexTooLong(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
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
    /// Whether it may be written.
    ///
    /// # Errors
    ///
    /// When it is over a limit.
    pub fn check(&self) -> Result<(), DataPointError> {
        if self.blobs.len() > COLUMNS {
            return Err(DataPointError::Blobs);
        }
        if self.doubles.len() > COLUMNS {
            return Err(DataPointError::Doubles);
        }
        if self.indexes.len() > 1 {
            return Err(DataPointError::Indexes);
        }
        let blobs = self.blobs.iter().flatten().map(String::len).sum();
        if blobs > BLOB_BYTES {
            return Err(DataPointError::BlobsTooLong(blobs));
        }
        let index = self.indexes.iter().flatten().map(String::len).sum();
        if index > INDEX_BYTES {
            return Err(DataPointError::IndexTooLong(index));
        }
        Ok(())
    }
}

impl Storage {
    /// Adds a data point to a dataset, written at `timestamp` in milliseconds
    /// since 1970.
    ///
    /// # Errors
    ///
    /// When the point is over a limit, and when the store fails.
    pub async fn write_data_point(
        &self,
        dataset: String,
        timestamp: u64,
        point: DataPoint,
    ) -> Result<(), DataPointError> {
        point.check()?;
        let mut values = vec![Value::from(dataset), Value::from(timestamp.cast_signed())];
        values.push(point.indexes.into_iter().next().flatten().into());
        let blobs = point.blobs.into_iter().map(Value::from);
        values.extend(blobs.chain(std::iter::repeat(Value::Null)).take(COLUMNS));
        let doubles = point.doubles.into_iter().map(Value::from);
        values.extend(doubles.chain(std::iter::repeat(Value::Null)).take(COLUMNS));
        let written = self.change(move |database| {
            database
                .prepare_cached(&INSERT)?
                .execute(params_from_iter(values))?;
            Ok(())
        });
        Ok(written.await?)
    }
}

#[cfg(test)]
mod tests;
