//! Statistics over time, from what is counted by the minute.

use crate::database::{self, Trouble};
use crate::index::LAYOUT;
use crate::reader::{ReadError, Reader};
use crate::rollup::{self, Count, MINUTE, Times};
use serde::Serialize;
use sketches_ddsketch::DDSketch;
use std::collections::BTreeMap;
use taffrail_trace::EpochMs;

/// Statistics of the Workers in a range of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// The start of the range, a full minute.
    pub from: EpochMs,
    /// The end of the range.
    pub to: EpochMs,
    /// The length of one slot of a series in milliseconds.
    pub slot_ms: u64,
    /// The Workers by name.
    pub workers: BTreeMap<String, WorkerStatistics>,
}

/// Statistics of one Worker. Sampled invocations are counted for those that they stand for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatistics {
    /// Its invocations.
    pub count: u64,
    /// Those that failed, by their outcome or with a status of 500 or above.
    pub failed: u64,
    /// The invocations by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// CPU time in milliseconds.
    pub cpu_ms: Quantiles,
    /// Wall time in milliseconds.
    pub wall_ms: Quantiles,
    /// The slots of the range, in order.
    pub series: Vec<Slot>,
}

/// Quantiles with an error of 1 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half of the values are at most this.
    pub p50: f64,
    /// 95 % of the values are at most this.
    pub p95: f64,
    /// 99 % of the values are at most this.
    pub p99: f64,
}

/// What began in one slot of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Invocations.
    pub count: u64,
    /// Invocations that failed.
    pub failed: u64,
}

impl Quantiles {
    fn of(micros: &DDSketch) -> Self {
        let quantile = |q| micros.quantile(q).ok().flatten().unwrap_or(0.0) / 1000.0;
        Self {
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

/// What is collected about one Worker.
#[derive(Default)]
struct Collected {
    total: Count,
    times: Times,
    outcomes: BTreeMap<String, u64>,
    series: Vec<Slot>,
}

impl Reader {
    /// Returns statistics of invocations that began in a range of time, with series of at most
    /// this many slots of full minutes. Items that are not indexed yet are left out.
    ///
    /// # Errors
    ///
    /// Fails if a database cannot be read.
    pub fn statistics(
        &self,
        since: EpochMs,
        until: EpochMs,
        slots: usize,
    ) -> Result<Statistics, ReadError> {
        let (first, last) = (since / MINUTE, until / MINUTE);
        let minutes = last.saturating_sub(first) + 1;
        let per_slot = minutes.div_ceil(slots.max(1) as u64);
        let slots = usize::try_from(minutes.div_ceil(per_slot)).unwrap_or(usize::MAX);
        let mut workers = BTreeMap::<String, Collected>::new();
        for segment in self.segments()? {
            let index = match database::open_to_read(&segment.index, &LAYOUT) {
                // It is made again by the next writer.
                Err(Trouble::Damaged(_) | Trouble::Earlier(_)) => continue,
                _ if !segment.index.exists() => continue,
                opened => opened?,
            };
            rollup::counts(&index, first..last + 1, |minute, worker, outcome, count| {
                let slot = usize::try_from((minute - first) / per_slot).unwrap_or(usize::MAX);
                workers
                    .entry(worker.to_owned())
                    .or_default()
                    .add(outcome, count, slot, slots);
            })?;
            rollup::times(&index, first..last + 1, |worker, times| {
                workers
                    .entry(worker.to_owned())
                    .or_default()
                    .times
                    .merge(times);
            })?;
        }
        Ok(Statistics {
            from: first * MINUTE,
            to: until,
            slot_ms: per_slot * MINUTE,
            workers: workers
                .into_iter()
                .map(|(name, collected)| (name, collected.finish()))
                .collect(),
        })
    }
}

impl Collected {
    fn add(&mut self, outcome: &str, count: Count, slot: usize, slots: usize) {
        self.series.resize(slots, Slot::default());
        if let Some(slot) = self.series.get_mut(slot) {
            slot.count += count.all;
            slot.failed += count.failed;
        }
        match self.outcomes.get_mut(outcome) {
            Some(all) => *all += count.all,
            None => _ = self.outcomes.insert(outcome.to_owned(), count.all),
        }
        self.total.add(count);
    }

    fn finish(self) -> WorkerStatistics {
        WorkerStatistics {
            count: self.total.all,
            failed: self.total.failed,
            outcomes: self.outcomes,
            cpu_ms: Quantiles::of(&self.times.cpu),
            wall_ms: Quantiles::of(&self.times.wall),
            series: self.series,
        }
    }
}
