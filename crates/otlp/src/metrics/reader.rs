//! Sends metrics at intervals.

use super::Group;
use super::delta::Had;
use super::encode::{self, Period};
use crate::clock;
use crate::counts::{RecordCounts, Records};
use crate::deliver::Route;
use crate::encode::encode;
use crate::encode::resource::Resources;
use crate::settings::Temporality;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const UNTAKEN: &str = "the collector did not take it";
const UNENCODED: &str = "it cannot be encoded";

pub(crate) type Measure = dyn Fn() -> Vec<Group> + Send + Sync;

/// Reads the metrics and sends them.
///
/// A message that is not taken is no loss: the next one has the same counts and more, also with
/// delta temporality.
pub(crate) struct Reader {
    route: Route,
    resources: Arc<Resources>,
    temporality: Temporality,
    measure: Box<Measure>,
    records: RecordCounts,
    state: Mutex<State>,
}

struct State {
    /// Since when the counts are that are sent next.
    start: u64,
    /// What the collector has, if it wants deltas.
    had: Had,
}

impl Reader {
    pub(crate) fn new(
        route: Route,
        resources: Arc<Resources>,
        temporality: Temporality,
        measure: Box<Measure>,
    ) -> Self {
        Self {
            route,
            resources,
            temporality,
            measure,
            records: RecordCounts::default(),
            state: Mutex::new(State {
                start: clock::epoch_ns(),
                had: Had::default(),
            }),
        }
    }

    /// Sends the metrics at each interval. Never returns.
    pub(crate) async fn run(self: Arc<Self>, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            self.export().await;
        }
    }

    /// Sends the metrics.
    pub(crate) async fn export(&self) {
        let mut state = self.state.lock().await;
        let mut groups = (self.measure)();
        let period = Period {
            start: state.start,
            end: clock::epoch_ns(),
        };
        let had = match self.temporality {
            Temporality::Cumulative => None,
            Temporality::Delta => Some(state.had.subtract(&mut groups)),
        };
        let points = encode::count(&groups);
        if points == 0 {
            return;
        }
        let counted = Counted::new(self, points);
        let request = encode::request(groups, &self.resources, self.temporality, period);
        let (protocol, gzip) = self.route.client.encoding();
        let Ok(message) = encode(&request, protocol, gzip) else {
            return counted.lost(UNENCODED);
        };
        match self.route.deliver(message, || {}).await {
            Ok(rejected) => {
                counted.sent(rejected);
                if let Some(had) = had {
                    state.start = period.end;
                    state.had = had;
                }
            }
            Err(reason) => counted.lost(&reason.text()),
        }
    }

    pub(crate) fn records(&self) -> Records {
        self.records.get()
    }
}

/// Data points that are being sent. Dropped before, they are counted as not taken.
struct Counted<'a> {
    reader: &'a Reader,
    points: u64,
}

impl<'a> Counted<'a> {
    fn new(reader: &'a Reader, points: u64) -> Self {
        reader.records.produced(points);
        Self { reader, points }
    }

    fn sent(mut self, rejected: u64) {
        let points = std::mem::take(&mut self.points);
        self.reader.records.sent(points, rejected);
    }

    fn lost(mut self, reason: &str) {
        let points = std::mem::take(&mut self.points);
        self.reader.records.lost(points, reason);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.reader.records.lost(self.points, UNTAKEN);
    }
}
