//! Workers put in place, and in the place of others.

use std::collections::BTreeSet;
use std::sync::Arc;
use taffrail_runtime::{ErrorKind, Target, WorkerSettings};
use taffrail_tests::scenario::{Scenario, Upload, full, json, read, request};
use taffrail_trace::Outcome;

fn tailed(name: &str, tails: &[&str]) -> WorkerSettings {
    WorkerSettings {
        tail_consumers: tails.iter().map(|tail| Target::from(*tail)).collect(),
        ..WorkerSettings::new(name)
    }
}

fn greeting(greeting: &str) -> WorkerSettings {
    WorkerSettings {
        vars: [("GREETING".to_owned(), greeting.into())].into(),
        ..WorkerSettings::new("hello")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_of_tails_is_refused_by_name_and_changes_nothing() {
    let scenario = Scenario::new()
        .deploy("hello", tailed("a", &["b"]))
        .deploy("hello", WorkerSettings::new("c"))
        .deploy("tail-log", tailed("b", &["c"]));
    let error = scenario
        .redeploy("tail-log", tailed("c", &["c", "a"]))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    let message = error.to_string();
    assert!(message.contains("c -> a -> b -> c"), "{message}");

    // The earlier `c`, which answers requests and has no tail, is still there.
    let answer = scenario.get("c", "/").await;
    assert_eq!(answer.text(), "Hello from /\n");
    assert_eq!(scenario.items().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_goes_on_with_the_old_code_and_what_comes_gets_the_new() {
    let scenario = Scenario::new().deploy("probe", WorkerSettings::new("worker"));
    let (gate, body) = Upload::new();
    let old = scenario.open("worker", "/body/echo", body).await;
    scenario
        .redeploy("hello", WorkerSettings::new("worker"))
        .unwrap();
    let answer = scenario.stream("worker", request("/new", full(""))).await;
    assert_eq!(answer.text(), "Hello from /new\n");

    let (answer, ()) = tokio::join!(read(old), async {
        gate.send("still the old one").await;
        drop(gate);
    });
    assert_eq!(answer.text(), "still the old one");
    scenario.idle().await;
    let items = scenario.items_of("worker");
    // Which of the two has its item first is open.
    let urls: BTreeSet<_> = items
        .iter()
        .map(|item| json(item)["event"]["request"]["url"].to_string())
        .collect();
    let asked = ["\"http://localhost/body/echo\"", "\"http://localhost/new\""];
    assert_eq!(urls, asked.map(ToOwned::to_owned).into());
    assert!(items.iter().all(|item| item.outcome == Outcome::Ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_dropped_while_a_worker_is_swapped() {
    const SWAPS: usize = 21;
    let scenario = Arc::new(Scenario::new().deploy("hello", greeting("Old")));
    let ask = async || {
        scenario
            .stream("hello", request("/", full("")))
            .await
            .text()
    };
    let mut answers = vec![ask().await];
    let swapping = tokio::task::spawn_blocking({
        let scenario = Arc::clone(&scenario);
        move || {
            for swap in 0..SWAPS {
                let settings = greeting(if swap % 2 == 0 { "New" } else { "Old" });
                scenario.redeploy("hello", settings).unwrap();
            }
        }
    });
    while !swapping.is_finished() {
        answers.push(ask().await);
    }
    answers.push(ask().await);
    scenario.idle().await;
    let of = |text| answers.iter().filter(|answer| *answer == text).count();
    assert_eq!(answers[0], "Old from /\n");
    assert_eq!(answers.last().unwrap(), "New from /\n");
    assert_eq!(of("Old from /\n") + of("New from /\n"), answers.len());
    let items = scenario.items();
    assert_eq!(items.len(), answers.len());
    assert!(items.iter().all(|item| item.outcome == Outcome::Ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_is_swapped_like_any_other_worker() {
    let scenario = Scenario::new()
        .worker_with_tails("hello", &["tail"])
        .deploy("hello", WorkerSettings::new("tail"));
    scenario.get("hello", "/").await;
    let scenario = scenario.deploy("tail-log", WorkerSettings::new("tail"));
    scenario.get("hello", "/").await;
    let items = scenario.items_of("tail");
    let outcomes: Vec<_> = items.iter().map(|item| item.outcome).collect();
    assert_eq!(outcomes, [Outcome::Exception, Outcome::Ok]);
}
