//! Counts and times by the minute, from which statistics are made without reading items.

use rusqlite::{Connection, OptionalExtension, params};
use sketches_ddsketch::{Config, DDSketch};
use std::collections::HashMap;
use std::ops::Range;
use taffrail_trace::EpochMs;

/// The milliseconds of a minute.
pub(crate) const MINUTE: u64 = 60_000;

/// The minutes of an hour.
const HOUR: u64 = 60;

/// Invocations of some items.
#[derive(Default)]
pub(crate) struct Rollup {
    /// By minute, Worker and outcome.
    counts: HashMap<(u64, String, String), Count>,
    /// By minute and Worker.
    times: HashMap<(u64, String), Times>,
}

/// How many invocations there were, sampled ones counted for those that they stand for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) all: u64,
    pub(crate) failed: u64,
}

/// Times in microseconds, with an error of 1 %.
pub(crate) struct Times {
    pub(crate) cpu: DDSketch,
    pub(crate) wall: DDSketch,
}

/// One invocation.
pub(crate) struct Invocation<'a> {
    pub(crate) started: EpochMs,
    pub(crate) worker: &'a str,
    pub(crate) outcome: String,
    pub(crate) has_failed: bool,
    pub(crate) cpu_us: u64,
    pub(crate) wall_us: u64,
    /// How many it stands for.
    pub(crate) weight: u64,
}

impl Rollup {
    pub(crate) fn add(&mut self, invocation: Invocation<'_>) {
        let minute = invocation.started / MINUTE;
        let worker = invocation.worker.to_owned();
        let times = self.times.entry((minute, worker.clone())).or_default();
        times.add(invocation.cpu_us, invocation.wall_us, invocation.weight);
        let key = (minute, worker, invocation.outcome);
        self.counts.entry(key).or_default().add(Count {
            all: invocation.weight,
            failed: if invocation.has_failed {
                invocation.weight
            } else {
                0
            },
        });
    }

    /// Adds them to those that a database has.
    pub(crate) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut insert = connection.prepare_cached(
            "INSERT INTO counts VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE
             SET count = count + excluded.count, failed = failed + excluded.failed",
        )?;
        for ((minute, worker, outcome), count) in self.counts {
            insert.execute(params![
                minute.cast_signed(),
                worker,
                outcome,
                count.all.cast_signed(),
                count.failed.cast_signed(),
            ])?;
        }
        let mut hours = HashMap::<(u64, String), Times>::new();
        for ((minute, worker), times) in &self.times {
            let hour = minute - minute % HOUR;
            hours
                .entry((hour, worker.clone()))
                .or_default()
                .merge(times);
        }
        for (minutes, times) in [(1, self.times), (HOUR, hours)] {
            for ((first, worker), times) in times {
                times.add_to(connection, minutes, first, &worker)?;
            }
        }
        Ok(())
    }
}

impl Count {
    pub(crate) fn add(&mut self, other: Self) {
        self.all += other.all;
        self.failed += other.failed;
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            cpu: DDSketch::new(Config::defaults()),
            wall: DDSketch::new(Config::defaults()),
        }
    }
}

impl Times {
    fn add(&mut self, cpu_us: u64, wall_us: u64, weight: u64) {
        self.cpu.add_with_count(cpu_us as f64, weight);
        self.wall.add_with_count(wall_us as f64, weight);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // All have the same configuration, and nothing else fails.
        _ = self.cpu.merge(&other.cpu);
        _ = self.wall.merge(&other.wall);
    }

    /// Adds them to those of a Worker in some minutes.
    fn add_to(
        mut self,
        connection: &Connection,
        minutes: u64,
        first: u64,
        worker: &str,
    ) -> rusqlite::Result<()> {
        let mut select = connection.prepare_cached(
            "SELECT cpu, wall FROM times WHERE minutes = ?1 AND first = ?2 AND worker = ?3",
        )?;
        let of = params![minutes.cast_signed(), first.cast_signed(), worker];
        let earlier = select.query_row(of, |row| Self::read(row, 0)).optional()?;
        if let Some(earlier) = earlier {
            self.merge(&earlier);
        }
        connection
            .prepare_cached("INSERT OR REPLACE INTO times VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                minutes.cast_signed(),
                first.cast_signed(),
                worker,
                self.cpu.to_java_bytes(),
                self.wall.to_java_bytes(),
            ])?;
        Ok(())
    }

    /// Reads a row with the columns `cpu, wall`, the first one at `column`.
    fn read(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Self> {
        let sketch = |column| {
            let bytes = row.get_ref(column)?.as_blob()?;
            DDSketch::from_java_bytes(bytes).map_err(|error| {
                let kind = rusqlite::types::Type::Blob;
                rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
            })
        };
        Ok(Self {
            cpu: sketch(column)?,
            wall: sketch(column + 1)?,
        })
    }
}

/// Passes what is counted in some minutes to `each`: the minute, the Worker, and the outcome.
pub(crate) fn counts(
    connection: &Connection,
    minutes: Range<u64>,
    mut each: impl FnMut(u64, &str, &str, Count),
) -> rusqlite::Result<()> {
    let mut select = connection.prepare(
        "SELECT minute, worker, outcome, count, failed FROM counts
         WHERE minute >= ?1 AND minute < ?2",
    )?;
    let mut rows = select.query([minutes.start.cast_signed(), minutes.end.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let count = Count {
            all: row.get::<_, i64>(3)?.cast_unsigned(),
            failed: row.get::<_, i64>(4)?.cast_unsigned(),
        };
        let minute = row.get::<_, i64>(0)?.cast_unsigned();
        let (worker, outcome) = (row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
        each(minute, worker, outcome, count);
    }
    Ok(())
}

/// Passes the times of some minutes to `each`, with their Worker: those of full hours at once.
pub(crate) fn times(
    connection: &Connection,
    minutes: Range<u64>,
    mut each: impl FnMut(&str, &Times),
) -> rusqlite::Result<()> {
    let first_hour = minutes.start.next_multiple_of(HOUR).min(minutes.end);
    let last_hour = (minutes.end - minutes.end % HOUR).max(first_hour);
    let mut select = connection.prepare(
        "SELECT worker, cpu, wall FROM times WHERE minutes = ?1 AND first >= ?2 AND first < ?3",
    )?;
    for (length, range) in [
        (1, minutes.start..first_hour),
        (HOUR, first_hour..last_hour),
        (1, last_hour..minutes.end),
    ] {
        let of = [length, range.start, range.end].map(u64::cast_signed);
        let mut rows = select.query(of)?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_str()?, &Times::read(row, 1)?);
        }
    }
    Ok(())
}
