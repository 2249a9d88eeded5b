use crate::delivery::queue::*;
use crate::delivery::queues::Queues;
use crate::settings::identity::WorkerId;
use taffrail_trace::{End, EventInfo, Script, TraceBuilder};

/// A Tail Worker that records how many items each of its calls has.
struct Recorder {
    batch: TailBatch,
    calls: Mutex<Vec<usize>>,
}

impl TailWorker for Recorder {
    fn batch(&self) -> TailBatch {
        self.batch
    }

    fn tail(self: Arc<Self>, items: Vec<Arc<TraceItem>>, _: Arc<Target>, _: u32) -> TailCall {
        self.calls.lock().unwrap().push(items.len());
        Box::pin(async { Ok(()) })
    }
}

/// The calls for `items` that come at once, and for one more that comes when nothing is left to do.
async fn calls(batch: TailBatch, items: usize) -> Vec<usize> {
    let recorder = Arc::new(Recorder {
        batch,
        calls: Mutex::default(),
    });
    let queues = Queues::new(TaskTracker::new(), Handle::current());
    let found = Arc::clone(&recorder);
    let queue = queues.get(&WorkerId::from("tail"), move || {
        Some(Arc::clone(&found) as _)
    });
    let target = Arc::new(Target::from("tail"));
    for count in [items, 1] {
        for _ in 0..count {
            let trace =
                TraceBuilder::new(Script::default(), EventInfo::Custom {}, 0, String::new());
            queue.push(&[Arc::new(trace.finish(End::default()))], &target);
        }
        // Each task runs to its end or its sleep at its first turn.
        for _ in 0..2 * items + 2 {
            tokio::task::yield_now().await;
        }
    }
    recorder.calls.lock().unwrap().clone()
}

#[tokio::test]
async fn a_call_starts_at_once_and_takes_along_what_has_come_until_it_runs() {
    let batch = TailBatch::default();
    assert_eq!(calls(batch, 1).await, [1, 1]);
    assert_eq!(calls(batch, 40).await, [32, 8, 1]);
    let single = TailBatch { items: 1, ..batch };
    assert_eq!(calls(single, 3).await, [1, 1, 1, 1]);
}

#[tokio::test]
async fn a_patient_tail_is_not_called_at_once() {
    let batch = TailBatch {
        items: 32,
        wait: Duration::from_secs(3600),
    };
    assert_eq!(calls(batch, 3).await, [0; 0]);
}
