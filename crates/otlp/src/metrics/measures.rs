//! Measures of invocations.

use super::{Group, Histogram, Metric, Number, Of, Points};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use taffrail_trace::Outcome;

/// The most Workers that are told apart. `dev` may deploy ever other ones.
const WORKERS: usize = 1000;

/// The bounds for durations, in seconds.
const SECONDS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];

/// The bounds for memory: from 1 to 512 MiB.
const BYTES: [f64; 10] = [
    1_048_576.0,
    2_097_152.0,
    4_194_304.0,
    8_388_608.0,
    16_777_216.0,
    33_554_432.0,
    67_108_864.0,
    134_217_728.0,
    268_435_456.0,
    536_870_912.0,
];

/// Counts the invocations of a process.
#[derive(Default)]
pub struct Measures {
    workers: Mutex<BTreeMap<String, OfWorker>>,
    others: Mutex<OfWorker>,
}

/// An invocation that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Its outcome.
    pub outcome: Outcome,
    /// The CPU time that it used.
    pub cpu_time: Duration,
    /// How long it took.
    pub wall_time: Duration,
    /// The most bytes of memory that it had at a time. Zero if no guest ran.
    pub peak_memory: u64,
    /// Whether an instance was made for it.
    pub is_cold_start: bool,
}

/// The invocations of one Worker.
#[derive(Clone, Debug, PartialEq)]
pub struct OfWorker {
    /// Their number by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Their number for which an instance was made.
    pub cold_starts: u64,
    /// CPU time in seconds.
    pub cpu_time: Histogram,
    /// Durations in seconds.
    pub wall_time: Histogram,
    /// Peak memory in bytes.
    pub peak_memory: Histogram,
}

impl Default for OfWorker {
    fn default() -> Self {
        Self {
            outcomes: BTreeMap::new(),
            cold_starts: 0,
            cpu_time: Histogram::new(&SECONDS),
            wall_time: Histogram::new(&SECONDS),
            peak_memory: Histogram::new(&BYTES),
        }
    }
}

impl Measures {
    /// Counts an invocation of a Worker, or of one that has no name of its own. Of more than 1,000
    /// Workers the first are told apart.
    pub fn ended(&self, worker: Option<&str>, ended: Ended) {
        if let Some(name) = worker {
            let mut workers = lock(&self.workers);
            let has_room = workers.len() < WORKERS;
            match workers.get_mut(name) {
                Some(worker) => return worker.add(ended),
                None if has_room => {
                    return workers.entry(name.to_owned()).or_default().add(ended);
                }
                None => {}
            }
        }
        lock(&self.others).add(ended);
    }

    /// Returns the counts of each Worker that has had an invocation, and at the end those of the
    /// others together.
    #[must_use]
    pub fn workers(&self) -> Vec<(Of, OfWorker)> {
        let workers = lock(&self.workers).clone();
        let others = lock(&self.others).clone();
        let mut all: Vec<_> = workers
            .into_iter()
            .map(|(name, worker)| (Of::Worker(name), worker))
            .collect();
        if !others.outcomes.is_empty() {
            all.push((Of::OtherWorkers, others));
        }
        all
    }

    /// Returns the counts as metrics.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let workers = self.workers().into_iter();
        workers
            .map(|(of, worker)| Group {
                of,
                metrics: worker.metrics(),
            })
            .collect()
    }
}

impl OfWorker {
    fn add(&mut self, ended: Ended) {
        *self.outcomes.entry(ended.outcome.to_string()).or_default() += 1;
        self.cold_starts += u64::from(ended.is_cold_start);
        self.cpu_time.add(ended.cpu_time.as_secs_f64());
        self.wall_time.add(ended.wall_time.as_secs_f64());
        if ended.peak_memory > 0 {
            self.peak_memory.add(ended.peak_memory as f64);
        }
    }

    fn metrics(self) -> Vec<Metric> {
        let outcomes = self.outcomes.into_iter().map(|(outcome, value)| Number {
            labels: vec![("cloudflare.outcome", outcome)],
            value,
        });
        let histogram = |name, description, unit, histogram| Metric {
            name,
            description,
            unit,
            points: Points::Histogram(vec![(Vec::new(), histogram)]),
        };
        vec![
            Metric {
                name: "taffrail.invocations",
                description: "Invocations that have ended.",
                unit: "{invocation}",
                points: Points::Counter(outcomes.collect()),
            },
            Metric {
                name: "faas.coldstarts",
                description: "Invocations for which an instance was made.",
                unit: "{coldstart}",
                points: Points::Counter(vec![Number {
                    labels: Vec::new(),
                    value: self.cold_starts,
                }]),
            },
            histogram(
                "faas.invoke_duration",
                "Time from an event to the end of all that it caused.",
                "s",
                self.wall_time,
            ),
            histogram(
                "faas.cpu_usage",
                "CPU time of an invocation.",
                "s",
                self.cpu_time,
            ),
            histogram(
                "faas.mem_usage",
                "The most memory that an invocation had at a time.",
                "By",
                self.peak_memory,
            ),
        ]
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: Ended = Ended {
        outcome: Outcome::Ok,
        cpu_time: Duration::from_millis(1),
        wall_time: Duration::from_secs(60),
        peak_memory: 3 << 20,
        is_cold_start: true,
    };

    #[test]
    fn of_10_000_workers_the_first_are_told_apart() {
        let measures = Measures::default();
        for number in 0..10_000 {
            measures.ended(Some(&format!("w{number}")), ENDED);
        }
        measures.ended(None, ENDED);
        let workers = measures.workers();
        assert_eq!(workers.len(), WORKERS + 1);
        let (of, others) = workers.last().unwrap();
        assert_eq!((of, others.cpu_time.count()), (&Of::OtherWorkers, 9_001));
        let total: u64 = workers.iter().map(|(_, worker)| worker.cold_starts).sum();
        assert_eq!(total, 10_001);
    }

    #[test]
    fn values_are_within_their_bounds() {
        let measures = Measures::default();
        measures.ended(Some("w"), ENDED);
        let without_guest = Ended {
            outcome: Outcome::LoadShed,
            peak_memory: 0,
            is_cold_start: false,
            ..ENDED
        };
        measures.ended(Some("w"), without_guest);
        let (_, worker) = &measures.workers()[0];
        assert_eq!(
            worker.outcomes,
            [("loadShed".to_owned(), 1), ("ok".to_owned(), 1)].into()
        );
        let millisecond = SECONDS.iter().position(|bound| *bound == 0.001).unwrap();
        assert_eq!(worker.cpu_time.buckets[millisecond], 2);
        assert_eq!(worker.wall_time.buckets.last(), Some(&2));
        assert!((worker.wall_time.sum - 120.0).abs() < 1e-9);
        assert_eq!(worker.peak_memory.buckets[2], 1);
        assert_eq!(worker.peak_memory.count(), 1);
    }
}
