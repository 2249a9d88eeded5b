use super::*;
use queue::Entry;
use taffrail_trace::{End, EventInfo, Script, TraceBuilder};

fn item(worker: &str, namespace: Option<&str>) -> Arc<TraceItem> {
    let script = Script {
        script_name: Some(worker.to_owned()),
        dispatch_namespace: namespace.map(ToOwned::to_owned),
        ..Script::default()
    };
    let trace = TraceBuilder::new(script, EventInfo::Custom {}, 1, "id".into());
    Arc::new(trace.finish(End::default()))
}

async fn received(connected: &Connected) -> Vec<String> {
    connected.tail.queue.close();
    let mut names = Vec::new();
    while let Some(Entry::Item(item)) = connected.tail.queue.next().await {
        names.extend(item.script.script_name.clone());
    }
    names
}

#[tokio::test]
async fn a_tail_listens_while_its_client_is_there() {
    let tails = Tails::new();
    assert!(!tails.listens());
    let tail = tails.create(Some("a".to_owned()), Vec::new()).unwrap();
    assert!(!tails.listens());
    tails.deliver(&item("a", None));
    let connected = tails.connect(&tail.id).unwrap();
    assert!(tails.listens());
    assert!(tails.connect(&tail.id).is_none());
    for (worker, namespace) in [("a", None), ("b", None), ("a", Some("users"))] {
        tails.deliver(&item(worker, namespace));
    }
    assert_eq!(received(&connected).await, ["a"]);
    drop(connected);
    assert!(!tails.listens());
    assert!(tails.connect(&tail.id).is_none());
}

#[tokio::test]
async fn a_tail_of_all_workers_receives_their_items() {
    let tails = Tails::new();
    let tail = tails.create(None, Vec::new()).unwrap();
    let connected = tails.connect(&tail.id).unwrap();
    tails.deliver(&item("a", None));
    tails.deliver(&item("b", Some("users")));
    assert_eq!(received(&connected).await, ["a", "b"]);
}

#[tokio::test]
async fn a_worker_has_ten_tails_and_those_without_a_client_make_room() {
    let tails = Tails::new();
    let create = |worker: &str| tails.create(Some(worker.to_owned()), Vec::new());
    let first = create("a").unwrap();
    let connected = tails.connect(&first.id);
    let waiting: Vec<_> = (1..TAILS).map(|_| create("a").unwrap()).collect();
    assert!(create("a").is_err());
    create("b").unwrap();
    tails.forget_unconnected(&first);
    assert!(create("a").is_err());
    tails.forget_unconnected(&waiting[0]);
    create("a").unwrap();
    assert!(create("a").is_err());
    drop(connected);
    create("a").unwrap();
}
