use crate::delivery::batch::*;
use crate::delivery::ledger::Ledger;
use crate::delivery::queue::TailQueue;
use crate::delivery::tails::Tail;
use crate::settings::Target;
use crate::settings::identity::WorkerId;
use taffrail_trace::{End, EventInfo, Script, TraceBuilder};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Returns a batch and the ledger of the Tail Worker that receives its items.
fn batch() -> (Arc<ItemBatch>, Arc<Ledger>) {
    let tracker = TaskTracker::new();
    let ledger = Ledger::new("tail".to_owned());
    let queue = TailQueue::new(
        Arc::clone(&ledger),
        tracker.clone(),
        Handle::current(),
        || None,
    );
    let tails = Tails {
        worker: WorkerId::from("dispatcher"),
        tails: vec![Tail {
            target: Arc::new(Target::from("tail")),
            queue: Arc::new(queue),
        }],
        streaming: Vec::new(),
    };
    (ItemBatch::new(&Arc::new(tails), tracker.token()), ledger)
}

fn item(held_bytes: usize) -> Arc<TraceItem> {
    let trace = TraceBuilder::new(Script::default(), EventInfo::Custom {}, 0, String::new());
    let mut item = trace.finish(End::default());
    item.held_bytes = held_bytes;
    Arc::new(item)
}

#[tokio::test]
async fn user_workers_do_not_wait_for_their_dispatcher_once_there_are_100() {
    let (batch, ledger) = batch();
    for _ in 0..99 {
        batch.add(&item(0));
    }
    assert_eq!(ledger.delivery().produced, 0);
    batch.add(&item(0));
    assert_eq!(ledger.delivery().produced, 100);
    batch.add_dispatcher(&item(0));
    batch.add(&item(0));
    assert_eq!(ledger.delivery().produced, 100);
    drop(batch);
    assert_eq!(ledger.delivery().produced, 102);
}

#[tokio::test]
async fn user_workers_do_not_wait_for_their_dispatcher_beyond_1_mib() {
    let (batch, ledger) = batch();
    batch.add(&item(1 << 20));
    assert_eq!(ledger.delivery().produced, 0);
    batch.add(&item(1));
    assert_eq!(ledger.delivery().produced, 2);
}
