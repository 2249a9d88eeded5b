use crate::delivery::queues::*;
use crate::settings::Target;
use taffrail_trace::{End, EventInfo, Script, TraceBuilder};

#[tokio::test]
async fn of_10_000_tails_those_are_known_whose_queues_are_in_use() {
    let queues = Queues::new(TaskTracker::new(), Handle::current());
    let in_use = queues.get(&WorkerId::from("in use"), || None);
    let trace = TraceBuilder::new(Script::default(), EventInfo::Custom {}, 0, String::new());
    let item = Arc::new(trace.finish(End::default()));
    for number in 0..10_000 {
        let worker = WorkerId::from(number.to_string());
        let queue = queues.get(&worker, || None);
        if number % 1_000 == 0 {
            queue.push(&[Arc::clone(&item)], &Arc::new(Target::from(worker)));
        }
        drop(queue);
        // The call finds no Worker, and holds the queue until it has ended.
        tokio::task::yield_now().await;
    }
    while queues
        .deliveries()
        .iter()
        .any(|delivery| delivery.waiting > 0)
    {
        tokio::task::yield_now().await;
    }
    let last = queues.get(&WorkerId::from("last"), || None);
    assert_eq!(queues.state().queues.len(), 2);
    // Their counts are kept.
    let deliveries = queues.deliveries();
    let gone = deliveries.last().unwrap();
    assert_eq!((gone.consumer.as_str(), gone.lost), (GONE, 10));
    drop((in_use, last));
}
