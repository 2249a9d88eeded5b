//! Invocations that are ended from outside, and what their items say.

use std::process::Command;
use std::time::Duration;
use taffrail_runtime::{Limits, WorkerSettings};
use taffrail_tests::fairness;
use taffrail_tests::process::{self, run};
use taffrail_tests::scenario::{
    Scenario, Upload, full, json, logs, next_piece, patiently, read, request,
};
use taffrail_trace::{ExceededLimit, Outcome};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn limited(guest: &str, limits: Limits) -> Scenario {
    let settings = WorkerSettings {
        limits,
        ..WorkerSettings::new(guest)
    };
    Scenario::new().deploy(guest, settings)
}

fn wall(limit: u64) -> Limits {
    Limits {
        wall_time: Some(ms(limit)),
        ..Limits::default()
    }
}

fn met(key: &str, value: u64) -> Option<ExceededLimit> {
    Some(ExceededLimit {
        key: key.to_owned(),
        value,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_waits_too_long_is_ended_where_it_waits() {
    let scenario = limited("probe", wall(100));
    let answer = scenario.get("probe", "/work/sleep?60000").await;
    assert_eq!(answer.failed, Some(Outcome::ExceededWallTime));
    let item = scenario.item("probe");
    assert_eq!(item.outcome, Outcome::ExceededWallTime);
    assert_eq!(item.exceeded_limit, met("taffrail.wall_ms", 100));
    assert!(ms(100) <= item.wall_time && item.wall_time < ms(10_000));
    assert!(item.cpu_time < ms(100), "{:?}", item.cpu_time);
    let exception = &item.exceptions[0];
    assert_eq!(exception.message, "Worker exceeded wall time limit.");
    let stack = exception.stack.as_deref().unwrap();
    assert!(stack.contains("sleep"), "{stack}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wasi_0_3_guest_that_waits_too_long_is_ended_too() {
    let scenario = limited("probe-p3", wall(100));
    let answer = scenario.get("probe-p3", "/sleep?60000").await;
    assert_eq!(answer.failed, Some(Outcome::ExceededWallTime));
    let item = scenario.item("probe-p3");
    assert_eq!(item.exceeded_limit, met("taffrail.wall_ms", 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_computes_too_long_is_ended_where_it_computes() {
    for (guest, path) in [("probe", "/work/loop"), ("probe-p3", "/loop")] {
        let scenario = limited(guest, wall(100));
        scenario.get(guest, path).await;
        let item = scenario.item(guest);
        assert_eq!(item.outcome, Outcome::ExceededWallTime, "{guest}");
        let stack = item.exceptions[0].stack.as_deref().unwrap();
        assert!(
            stack.contains("lib.rs:") || stack.contains("work.rs:"),
            "{stack}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_says_which_limit_was_met_and_how_much_memory_was_used() {
    let cpu = Limits {
        cpu: ms(20),
        ..Limits::default()
    };
    let scenario = limited("probe", cpu);
    scenario.get("probe", "/work/loop").await;
    let item = scenario.item("probe");
    assert_eq!(item.exceeded_limit, met("limits.cpu_ms", 20));
    assert_eq!(
        json(&item)["exceededLimit"],
        serde_json::json!({ "key": "limits.cpu_ms", "value": 20 })
    );

    let scenario = Scenario::new().worker("probe");
    scenario.get("probe", "/fault/allocate?20000000").await;
    let item = scenario.item("probe");
    assert_eq!(item.exceeded_limit, None);
    let peak = item.peak_memory;
    assert!((20_000_000..40_000_000).contains(&peak), "{peak}");

    let memory = Limits {
        memory: 16 << 20,
        ..Limits::default()
    };
    let scenario = limited("probe", memory);
    scenario.get("probe", "/fault/allocate?20000000").await;
    let item = scenario.item("probe");
    assert_eq!(item.outcome, Outcome::ExceededMemory);
    assert_eq!(item.exceeded_limit, met("taffrail.memory_mb", 16));
    assert!(item.peak_memory <= 16 << 20);
}

/// The line of the guest's source that has this text in it.
fn line_of(text: &str) -> usize {
    let source = include_str!("../guests/probe/src/faults.rs");
    let before = source.lines().take_while(|line| !line.contains(text));
    before.count() + 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_names_the_places_in_the_source_and_not_the_way_out_of_a_panic() {
    let scenario = Scenario::new().worker("probe");
    scenario.get("probe", "/fault/panic").await;
    let item = scenario.item("probe");
    let stack: Vec<_> = item.exceptions[0]
        .stack
        .as_deref()
        .unwrap()
        .lines()
        .collect();
    let (panics, calls) = (line_of("panic!(\"it broke"), line_of("break_down(),"));
    let place = format!("src/faults.rs:{panics}:5");
    assert!(stack[0].ends_with(&place), "{stack:#?}");
    assert!(
        stack[1].starts_with("    at probe::faults::break_down ("),
        "{stack:#?}"
    );
    // Inlined, so that there is no more than DWARF's name for it.
    let place = format!("/faults.rs:{calls}:");
    assert!(
        stack[2].starts_with("    at run (") && stack[2].contains(&place),
        "{stack:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_instances_of_a_worker_are_shed() {
    let limits = Limits {
        instances: 2,
        ..Limits::default()
    };
    let scenario = limited("probe", limits);
    let mut open = Vec::new();
    for _ in 0..2 {
        let (gate, body) = Upload::new();
        open.push((gate, scenario.open("probe", "/work/behind", body).await));
    }
    let answer = scenario
        .stream("probe", request("/status?200", full("")))
        .await;
    assert_eq!(answer.failed, Some(Outcome::LoadShed));
    assert_eq!(
        scenario.item("probe").exceeded_limit,
        met("taffrail.instances", 2)
    );
    for (gate, response) in open {
        drop(gate);
        read(response).await;
    }
    scenario.idle().await;
    let answer = scenario.get("probe", "/status?200").await;
    assert_eq!(answer.status, Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subrequest_over_the_limit_fails_in_the_guest() {
    let settings = WorkerSettings {
        vars: [
            ("MODE".to_owned(), "fetch".into()),
            ("ENDPOINT".to_owned(), "http://127.0.0.1:1/".into()),
        ]
        .into(),
        limits: Limits {
            subrequests: 0,
            ..Limits::default()
        },
        ..WorkerSettings::new("tail-probe")
    };
    let scenario = Scenario::new()
        .worker_with_tails("hello", &["tail-probe"])
        .deploy("tail-probe", settings);
    scenario.get("hello", "/").await;
    let item = scenario.item("tail-probe");
    assert_eq!(item.outcome, Outcome::Exception);
    assert_eq!(item.exceeded_limit, met("limits.subrequests", 0));
    let warning = "warn Too many subrequests by single Worker invocation.".to_owned();
    assert!(logs(&item).contains(&warning), "{:?}", logs(&item));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_ends_and_answers_no_more_until_it_is_started() {
    let scenario = Scenario::new().worker("probe");
    let (gate, body) = Upload::new();
    let mut response = scenario.open("probe", "/work/behind", body).await;
    assert_eq!(next_piece(response.body_mut()).await, "done");
    scenario.runtime().stop("probe").unwrap();
    read(response).await;
    scenario.idle().await;
    drop(gate);
    let item = scenario.item("probe");
    assert_eq!(item.outcome, Outcome::KillSwitch);
    assert_eq!(item.exceptions[0].message, "The Worker was stopped.");
    assert_eq!(logs(&item), ["log response is complete"]);

    let answer = scenario.get("probe", "/status?200").await;
    assert_eq!(answer.failed, Some(Outcome::KillSwitch));

    scenario.runtime().start("probe").unwrap();
    let answer = scenario.get("probe", "/status?200").await;
    assert_eq!(answer.status, Some(200));
    assert!(scenario.runtime().stop("nobody").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_when_the_runtime_stops_is_aborted_with_an_item() {
    let scenario = Scenario::new()
        .worker_with_tails("probe", &["tail-log"])
        .worker("tail-log");
    let asked = scenario
        .runtime()
        .fetch("probe", request("/work/loop", full("")), None);
    let aborted = async {
        while scenario.runtime().pending() == 0 {
            tokio::task::yield_now().await;
        }
        scenario.runtime().abort();
    };
    let (result, ()) = patiently(async { tokio::join!(asked, aborted) }).await;
    drop(result.unwrap());
    scenario.idle().await;
    let item = scenario.item("probe");
    assert_eq!(item.outcome, Outcome::Aborted);
    assert_eq!(scenario.item("tail-log").outcome, Outcome::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_host_is_not_blamed_on_the_guest() {
    let scenario = Scenario::new().worker("probe");
    let mut nameless = request("/status?200", full(""));
    *nameless.uri_mut() = "/status?200".parse().unwrap();
    nameless.headers_mut().clear();
    let answer = scenario.stream("probe", nameless).await;
    assert_eq!(answer.failed, Some(Outcome::InternalError));
    scenario.idle().await;
    let item = scenario.item("probe");
    assert_eq!(item.outcome, Outcome::InternalError);
    let message = &item.exceptions[0].message;
    assert!(message.starts_with("The runtime failed: "), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_cut_has_the_same_outcome_each_time() {
    let limits = Limits {
        // Enough to run out of memory in, on a busy machine too.
        cpu: ms(60),
        memory: 8 << 20,
        ..Limits::default()
    };
    let scenario = limited("probe", limits);
    let runs = (0..100).map(async |_| {
        for (path, outcome) in [
            ("/work/loop", Outcome::ExceededCpu),
            ("/fault/allocate?100000000", Outcome::ExceededMemory),
        ] {
            let answer = scenario.stream("probe", request(path, full(""))).await;
            assert_eq!(answer.failed, Some(outcome), "{path}");
        }
    });
    for run in runs {
        run.await;
    }
    scenario.idle().await;
    assert_eq!(scenario.items_of("probe").len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_loops_beside_it_leave_a_worker_answering() {
    let report = fairness::run(500).await;
    println!("{report:?}");
    report.verdict().unwrap();
}

/// In a process of its own, since what others do in this one counts as well.
#[test]
fn nothing_is_left_of_what_ended() {
    let mut soak = Command::new(process::bench("soak"));
    soak.arg("700");
    let finished = run(soak);
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
}
