use crate::clock;
use crate::delivery::waiting::*;
use serde_json::json;
use taffrail_trace::{End, EventInfo, Script, TraceBuilder};

fn target(color: &str) -> Arc<Target> {
    let props = json!({ "color": color });
    Arc::new(Target {
        props: Arc::new(props.as_object().unwrap().clone()),
        ..Target::from("t")
    })
}

/// Returns an entry with this number of items of this size each.
fn entry(items: usize, bytes: usize, color: &str) -> Entry {
    let trace = TraceBuilder::new(Script::default(), EventInfo::Custom {}, 0, "0".repeat(32));
    let mut item = trace.finish(End::default());
    item.held_bytes = bytes;
    let item = Arc::new(item);
    Entry {
        items: vec![item; items],
        target: target(color),
        lost_before: 0,
        _pending: None,
    }
}

/// Returns a queue whose calls are all running.
fn busy() -> Waiting {
    let mut waiting = Waiting::default();
    for _ in 0..CONCURRENT_CALLS {
        assert!(matches!(
            push(&mut waiting, entry(1, 1, "red")),
            Pushed::Start
        ));
        let (entries, starts) = waiting.begin(32);
        assert_eq!((sizes(&entries), starts), (vec![1], false));
    }
    waiting
}

fn push(waiting: &mut Waiting, entry: Entry) -> Pushed {
    waiting.push(entry, clock::instant())
}

fn wait(waiting: &mut Waiting, entry: Entry) {
    assert!(matches!(push(waiting, entry), Pushed::Waits));
}

fn sizes(entries: &[Entry]) -> Vec<usize> {
    entries.iter().map(|entry| entry.items.len()).collect()
}

#[test]
fn an_item_has_a_call_to_itself_while_there_is_a_place() {
    let mut waiting = busy();
    wait(&mut waiting, entry(1, 1, "red"));
    assert!(waiting.leave());
    assert_eq!(sizes(&waiting.begin(32).0), [1]);
    assert!(!waiting.leave());
    assert!(matches!(
        push(&mut waiting, entry(1, 1, "red")),
        Pushed::Start
    ));
}

#[test]
fn what_comes_until_a_call_runs_goes_along() {
    let mut waiting = Waiting::default();
    assert!(matches!(
        push(&mut waiting, entry(1, 1, "red")),
        Pushed::Start
    ));
    for color in ["red", "blue", "red", "red"] {
        wait(&mut waiting, entry(1, 1, color));
    }
    // What does not fit has a call to itself.
    let (entries, starts) = waiting.begin(3);
    assert_eq!((sizes(&entries), starts), (vec![1, 1, 1], true));
    wait(&mut waiting, entry(1, 1, "red"));
    let (entries, starts) = waiting.begin(3);
    assert_eq!((sizes(&entries), starts), (vec![1], true));
    let (entries, starts) = waiting.begin(3);
    assert_eq!((sizes(&entries), starts), (vec![1, 1], false));
}

#[test]
fn a_call_that_is_given_up_leaves_its_entries_to_the_next() {
    let mut waiting = Waiting::default();
    assert!(matches!(
        push(&mut waiting, entry(1, 1, "red")),
        Pushed::Start
    ));
    waiting.abandon();
    assert!(matches!(
        push(&mut waiting, entry(1, 1, "red")),
        Pushed::Start
    ));
    assert_eq!(sizes(&waiting.begin(32).0), [1, 1]);
}

#[test]
fn what_waits_goes_together_up_to_the_limits() {
    let mut waiting = busy();
    for _ in 0..5 {
        wait(&mut waiting, entry(1, 1, "red"));
    }
    assert_eq!(sizes(&waiting.next(1)), [1]);
    assert_eq!(sizes(&waiting.next(3)), [1, 1, 1]);
    assert_eq!(sizes(&waiting.next(3)), [1]);
    assert!(waiting.next(3).is_empty());

    for _ in 0..3 {
        wait(&mut waiting, entry(1, BATCH_BYTES / 2, "red"));
    }
    assert_eq!(sizes(&waiting.next(32)), [1, 1]);
    assert_eq!(sizes(&waiting.next(32)), [1]);
}

#[test]
fn the_items_of_a_dispatcher_stay_together() {
    let mut waiting = busy();
    for items in [2, 3, 40, 1] {
        wait(&mut waiting, entry(items, 1, "red"));
    }
    assert_eq!(sizes(&waiting.next(4)), [2]);
    assert_eq!(sizes(&waiting.next(1)), [3]);
    assert_eq!(sizes(&waiting.next(4)), [40]);
    assert_eq!(sizes(&waiting.next(4)), [1]);
}

#[test]
fn only_items_for_the_same_target_go_together_and_in_their_order() {
    let mut waiting = busy();
    for (items, color) in [(1, "red"), (2, "blue"), (3, "red"), (4, "blue")] {
        wait(&mut waiting, entry(items, 1, color));
    }
    assert_eq!(sizes(&waiting.next(32)), [1, 3]);
    assert_eq!(sizes(&waiting.next(32)), [2, 4]);
}

#[test]
fn the_same_item_has_two_calls() {
    let mut waiting = busy();
    let (first, second) = (entry(1, 1, "red"), entry(1, 1, "red"));
    let again = Entry {
        items: first.items.clone(),
        target: target("red"),
        lost_before: 0,
        _pending: None,
    };
    for entry in [first, again, second] {
        wait(&mut waiting, entry);
    }
    assert_eq!(sizes(&waiting.next(32)), [1, 1]);
    assert_eq!(sizes(&waiting.next(32)), [1]);
}

#[test]
fn bytes_count_until_the_call_is_over() {
    let mut waiting = Waiting::default();
    let half = || entry(1, QUEUED_BYTES / 2, "red");
    assert!(matches!(push(&mut waiting, half()), Pushed::Start));
    assert!(matches!(push(&mut waiting, half()), Pushed::Waits));
    assert!(matches!(
        push(&mut waiting, entry(1, 1, "red")),
        Pushed::Full
    ));
    assert_eq!(waiting.begin(1).0.len(), 1);
    waiting.lost(1);
    waiting.release(QUEUED_BYTES / 2);
    assert!(!matches!(push(&mut waiting, half()), Pushed::Full));
    let (next, _) = waiting.begin(1);
    assert_eq!(next[0].lost_before, 0);
    assert_eq!(waiting.begin(1).0[0].lost_before, 1);
}

#[test]
fn calls_wait_for_more_once_items_come_by_the_thousands() {
    let mut waiting = Waiting::default();
    let start = clock::instant();
    let at = |step: u32| start + WINDOW / 4 * step;
    for step in 0..20 {
        waiting.push(entry(1, 1, "red"), at(step));
        assert!(
            waiting.pause(32, at(step)).is_zero(),
            "two come in a millisecond"
        );
        waiting.next(32);
    }
    for _ in 0..BUSY {
        waiting.push(entry(1, 1, "red"), at(20));
    }
    assert_eq!(waiting.pause(32, at(20)), PAUSE);
    let is_full = BUSY as usize;
    assert!(waiting.pause(is_full, at(20)).is_zero());
    assert!(
        waiting.pause(1, at(20)).is_zero(),
        "calls with one item never wait"
    );

    waiting.next(32);
    waiting.push(entry(1, 1, "red"), at(24));
    assert_eq!(
        waiting.pause(32, at(24)),
        PAUSE,
        "there were many a moment ago"
    );
    waiting.push(entry(1, 1, "red"), at(32));
    assert!(waiting.pause(32, at(32)).is_zero());
}

#[test]
fn a_call_that_has_ended_leaves_what_waits_to_one_that_is_starting() {
    let mut waiting = Waiting::default();
    assert!(matches!(
        push(&mut waiting, entry(1, 1, "red")),
        Pushed::Start
    ));
    assert_eq!(sizes(&waiting.begin(2).0), [1]);
    assert!(matches!(
        push(&mut waiting, entry(1, 1, "red")),
        Pushed::Start
    ));
    wait(&mut waiting, entry(1, 1, "red"));
    assert!(waiting.go_on(2).is_empty());
    wait(&mut waiting, entry(1, 1, "red"));
    assert_eq!(sizes(&waiting.go_on(2)), [1, 1]);
}
