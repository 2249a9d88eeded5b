use crate::delivery::queue::*;
use crate::delivery::queues::Queues;
use crate::delivery::stream::{Full, HELD_BYTES, QUEUED_BYTES};
use crate::settings::identity::WorkerId;
use taffrail_trace::{
    End, EventInfo, EventSpan, Script, StreamEvent, TailEvent, TraceBuilder, TraceId,
};

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

    /// Receives two events, and then no more.
    fn tail_stream(self: Arc<Self>, mut stream: TailStream, _: Arc<Target>, _: u32) -> TailCall {
        Box::pin(async move {
            stream.next().await;
            stream.next().await;
            Ok(())
        })
    }
}

/// A queue in front of a [`Recorder`].
struct Recorded {
    queue: Arc<TailQueue>,
    recorder: Arc<Recorder>,
    tracker: TaskTracker,
}

impl Recorded {
    fn new(batch: TailBatch) -> Self {
        let recorder = Arc::new(Recorder {
            batch,
            calls: Mutex::default(),
        });
        let tracker = TaskTracker::new();
        tracker.close();
        let queues = Queues::new(tracker.clone(), Handle::current());
        let found = Arc::clone(&recorder);
        let queue = queues.get(&WorkerId::from("tail"), move || {
            Some(Arc::clone(&found) as _)
        });
        Self {
            queue,
            recorder,
            tracker,
        }
    }

    fn push(&self, items: usize) {
        let target = Arc::new(Target::from("tail"));
        for _ in 0..items {
            let trace =
                TraceBuilder::new(Script::default(), EventInfo::Custom {}, 0, String::new());
            self.queue
                .push(&[Arc::new(trace.finish(End::default()))], &target);
        }
    }

    fn calls(&self) -> Vec<usize> {
        self.recorder.calls.lock().unwrap().clone()
    }
}

/// The calls for `items` that come at once, and for one more that comes when nothing is left to do.
async fn calls(batch: TailBatch, items: usize) -> Vec<usize> {
    let recorded = Recorded::new(batch);
    for count in [items, 1] {
        recorded.push(count);
        recorded.tracker.wait().await;
    }
    recorded.calls()
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
    let recorded = Recorded::new(TailBatch {
        items: 32,
        wait: Duration::from_secs(3600),
    });
    recorded.push(3);
    turn().await;
    assert_eq!(recorded.calls(), [0; 0]);
}

fn event(bytes: usize) -> (Arc<TailEvent>, usize) {
    let event = TailEvent {
        span_context: EventSpan {
            trace_id: TraceId::new(1),
            span_id: None,
        },
        invocation_id: "".into(),
        timestamp: 0,
        sequence: 0,
        event: StreamEvent::Return { info: None },
    };
    (Arc::new(event), bytes)
}

#[tokio::test]
async fn a_stream_has_room_for_4_mib_and_for_what_is_never_dropped() {
    let (mut sender, mut stream) = stream(&Arc::default());
    let (event, bytes) = event(QUEUED_BYTES / 4);
    for _ in 0..4 {
        assert_eq!(sender.send(&event, bytes), Ok(()));
    }
    assert_eq!(sender.send(&event, 1), Err(Full));
    sender.send_always(&event, bytes);
    assert!(stream.next().await.is_some() && stream.next().await.is_some());
    assert_eq!(sender.send(&event, 1), Err(Full));
    sender.make_room();
    assert_eq!(sender.send(&event, bytes), Ok(()));
    drop(sender);
    stream.until_ended().await;
    let mut rest = 0;
    while stream.next().await.is_some() {
        rest += 1;
    }
    assert_eq!(rest, 4);
}

/// Lets every task run to its end or to where it waits.
async fn turn() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_beyond_32_waits_until_another_one_has_ended() {
    let recorded = Recorded::new(TailBatch::default());
    let target = Arc::new(Target::from("tail"));
    let open = |depth| recorded.queue.stream(&target, depth);
    let mut streams: Vec<_> = (0..STREAMS).map(|_| open(1).unwrap()).collect();
    let (event, bytes) = event(1);
    open(1).unwrap().send_always(&event, bytes);
    let delivered = || recorded.queue.ledger.delivery().delivered;
    turn().await;
    assert_eq!(delivered(), 0);
    drop(streams.pop());
    turn().await;
    assert_eq!(delivered(), 2);
    drop(streams);
    recorded.tracker.wait().await;
    assert!(open(DEPTH + 1).is_none());
    let delivery = recorded.queue.ledger.delivery();
    assert_eq!((delivery.delivered, delivery.lost), (STREAMS as u64 + 1, 1));
}

#[tokio::test]
async fn all_streams_of_a_tail_hold_64_mib_at_most() {
    let recorded = Recorded::new(TailBatch::default());
    let target = Arc::new(Target::from("tail"));
    let open = || recorded.queue.stream(&target, 1);
    let (mut large, mut small) = (open().unwrap(), open().unwrap());
    let (event, bytes) = event(HELD_BYTES);
    large.send_always(&event, bytes);
    assert!(open().is_none());
    assert_eq!(small.send(&event, 1), Err(Full));
    let delivery = recorded.queue.ledger.delivery();
    assert_eq!(delivery.reasons["its queue is full"], 1);
    turn().await;
    assert_eq!(small.send(&event, 1), Ok(()));
    drop((large, small));
    recorded.tracker.wait().await;
    assert_eq!(recorded.queue.ledger.delivery().delivered, 2);
}

#[tokio::test]
async fn a_stream_that_waits_at_the_end_of_the_process_is_lost() {
    let recorded = Recorded::new(TailBatch::default());
    let target = Arc::new(Target::from("tail"));
    let streams = (0..=STREAMS).map(|_| recorded.queue.stream(&target, 1).unwrap());
    let streams: Vec<_> = streams.collect();
    turn().await;
    recorded.queue.close();
    drop(streams);
    recorded.tracker.wait().await;
    let delivery = recorded.queue.ledger.delivery();
    assert_eq!((delivery.delivered, delivery.lost), (STREAMS as u64, 1));
    assert_eq!(delivery.reasons["Taffrail stopped"], 1);
}
