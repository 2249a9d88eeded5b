//! Counts and distributions by the minute, from which statistics are made without reading items.

use rusqlite::{Connection, OptionalExtension, params};
use sketches_ddsketch::{Config, DDSketch};
use std::collections::HashMap;

/// The milliseconds of a minute.
pub(crate) const MINUTE: u64 = 60_000;

/// What is counted separately.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// Minutes since 1970.
    pub(crate) minute: u64,
    pub(crate) worker: String,
    pub(crate) outcome: String,
}

/// Invocations of one minute, Worker and outcome.
pub(crate) struct Minute {
    /// How many there were, sampled ones counted for those that they stand for.
    pub(crate) count: u64,
    /// How many of them failed.
    pub(crate) failed: u64,
    /// CPU and wall time in microseconds, with an error of 1 %.
    pub(crate) cpu: DDSketch,
    pub(crate) wall: DDSketch,
}

impl Default for Minute {
    fn default() -> Self {
        Self {
            count: 0,
            failed: 0,
            cpu: DDSketch::new(Config::defaults()),
            wall: DDSketch::new(Config::defaults()),
        }
    }
}

impl Minute {
    pub(crate) fn add(&mut self, cpu_us: u64, wall_us: u64, failed: bool, weight: u64) {
        self.count += weight;
        self.failed += if failed { weight } else { 0 };
        self.cpu.add_with_count(cpu_us as f64, weight);
        self.wall.add_with_count(wall_us as f64, weight);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.failed += other.failed;
        // All have the same configuration, and nothing else fails.
        _ = self.cpu.merge(&other.cpu);
        _ = self.wall.merge(&other.wall);
    }

    /// Reads a row with the columns `count, failed, cpu, wall`, the first one at `column`.
    pub(crate) fn read(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Self> {
        let sketch = |column| {
            let bytes: Vec<u8> = row.get(column)?;
            let sketch = DDSketch::from_java_bytes(&bytes);
            sketch.map_err(|error| {
                let kind = rusqlite::types::Type::Blob;
                rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
            })
        };
        Ok(Self {
            count: row.get::<_, i64>(column)?.cast_unsigned(),
            failed: row.get::<_, i64>(column + 1)?.cast_unsigned(),
            cpu: sketch(column + 2)?,
            wall: sketch(column + 3)?,
        })
    }
}

/// Adds minutes to those that a database has.
pub(crate) fn add(connection: &Connection, minutes: HashMap<Key, Minute>) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(
        "SELECT count, failed, cpu, wall FROM minutes WHERE minute = ?1 AND worker = ?2 AND outcome = ?3",
    )?;
    let mut insert = connection
        .prepare_cached("INSERT OR REPLACE INTO minutes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for (key, mut minute) in minutes {
        let of = params![key.minute.cast_signed(), key.worker, key.outcome];
        let earlier = select
            .query_row(of, |row| Minute::read(row, 0))
            .optional()?;
        if let Some(earlier) = earlier {
            minute.merge(&earlier);
        }
        insert.execute(params![
            key.minute.cast_signed(),
            key.worker,
            key.outcome,
            minute.count.cast_signed(),
            minute.failed.cast_signed(),
            minute.cpu.to_java_bytes(),
            minute.wall.to_java_bytes(),
        ])?;
    }
    Ok(())
}
