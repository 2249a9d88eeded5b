//! What one invocation may use, and what becomes of it when it uses more.

use std::sync::Arc;
use std::time::Duration;
use taffrail_runtime::{Limits, WorkerSettings};
use taffrail_tests::scenario::{Answer, Scenario, full, logs, request};
use taffrail_trace::{Outcome, TraceItem};

const MIB: usize = 1 << 20;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn cpu(limit: u64) -> Limits {
    Limits {
        cpu: ms(limit),
        ..Limits::default()
    }
}

fn memory(limit: usize) -> Limits {
    Limits {
        memory: limit,
        ..Limits::default()
    }
}

fn limited(guest: &str, limits: Limits) -> Scenario {
    Scenario::new().deploy(
        guest,
        WorkerSettings {
            limits,
            ..WorkerSettings::new(guest)
        },
    )
}

async fn run(guest: &str, limits: Limits, path: &str) -> (Answer, Arc<TraceItem>) {
    let scenario = limited(guest, limits);
    let answer = scenario.get(guest, path).await;
    (answer, scenario.item(guest))
}

/// The limit was passed.
fn check_cpu_exceeded(item: &TraceItem, limit: u64) {
    assert_eq!(item.outcome, Outcome::ExceededCpu);
    assert_eq!(item.exceptions.len(), 1, "{:?}", item.exceptions);
    assert_eq!(item.exceptions[0].name, "Error");
    assert_eq!(
        item.exceptions[0].message,
        "Worker exceeded CPU time limit."
    );
    assert!(item.cpu_time >= ms(limit), "{item:?}");
    assert!(item.cpu_time <= item.wall_time, "{item:?}");
}

fn check_memory_exceeded(item: &TraceItem) {
    assert_eq!(item.outcome, Outcome::ExceededMemory);
    assert_eq!(item.exceptions.len(), 1, "{:?}", item.exceptions);
    assert_eq!(item.exceptions[0].message, "Worker exceeded memory limit.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_never_yields_is_stopped_when_its_time_is_used_up() {
    for (guest, path) in [("probe", "/work/loop"), ("probe-p3", "/loop")] {
        let (answer, item) = run(guest, cpu(50), path).await;
        assert_eq!(answer.failed, Some(Outcome::ExceededCpu), "{guest}");
        check_cpu_exceeded(&item, 50);
        let stack = item.exceptions[0].stack.as_deref().unwrap();
        assert!(stack.contains("handle"), "{stack}");
    }
}

/// A tick comes every millisecond, or later on a machine that has much else to do:
/// so one of many tries has to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_stopped_within_5_ms_of_its_limit() {
    for (guest, path, limit) in [
        ("probe", "/work/loop", 5),
        ("probe", "/work/loop", 50),
        ("probe", "/work/loop", 500),
        ("probe", "/work/nap", 20),
        ("probe", "/work/loop-behind", 50),
        ("probe", "/work/loop-midway", 50),
        ("probe-p3", "/loop", 50),
    ] {
        let scenario = limited(guest, cpu(limit));
        let mut tries = Vec::new();
        while !tries.iter().any(|used| *used <= ms(limit + 5)) {
            assert!(tries.len() < 50, "{path}, {limit} ms: {tries:?}");
            scenario.get(guest, path).await;
            let item = scenario.items().pop().unwrap();
            check_cpu_exceeded(&item, limit);
            tries.push(item.cpu_time);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_works_in_many_short_pieces_is_stopped_too() {
    let (answer, item) = run("probe", cpu(20), "/work/nap").await;
    assert_eq!(answer.failed, Some(Outcome::ExceededCpu));
    check_cpu_exceeded(&item, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_costs_no_cpu_time() {
    for (guest, path) in [("probe", "/work/sleep?300"), ("probe-p3", "/sleep?300")] {
        let (answer, item) = run(guest, cpu(50), path).await;
        assert_eq!(answer.text(), "slept", "{guest}");
        assert_eq!(item.outcome, Outcome::Ok);
        assert!(item.wall_time >= ms(300), "{:?}", item.wall_time);
        assert!(item.cpu_time < ms(50), "{:?}", item.cpu_time);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_charged() {
    let (_, little) = run("probe", Limits::default(), "/work/burn?1000").await;
    let (_, much) = run("probe", Limits::default(), "/work/burn?50000000").await;
    assert_eq!(much.outcome, Outcome::Ok);
    assert!(much.cpu_time > ms(10), "{:?}", much.cpu_time);
    assert!(much.cpu_time > 2 * little.cpu_time);
    assert!(much.cpu_time <= much.wall_time);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_behind_the_response_is_charged_and_limited_too() {
    let scenario = limited("probe", cpu(50));
    let answer = scenario.get("probe", "/work/loop-behind").await;
    assert_eq!(answer.text(), "done");
    assert!(!answer.broken);
    check_cpu_exceeded(&scenario.item("probe"), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_broken_off_when_the_time_is_used_up() {
    let scenario = limited("probe", cpu(50));
    let answer = scenario.get("probe", "/work/loop-midway").await;
    assert_eq!(
        (answer.status, &*answer.text()),
        (Some(200), "the beginning")
    );
    assert!(answer.broken);
    check_cpu_exceeded(&scenario.item("probe"), 50);
}

/// One thread runs both, so the second is answered only if the first is made
/// to give way.
#[tokio::test]
async fn a_busy_guest_lets_others_run() {
    let scenario = Scenario::new().worker("probe").worker("hello");
    let mut busy = Box::pin(scenario.get("probe", "/work/loop"));
    let answer = tokio::select! {
        biased;
        _ = &mut busy => panic!("it never ends"),
        answer = scenario.stream("hello", request("/", full(""))) => answer,
    };
    assert_eq!(answer.text(), "Hello from /\n");
    assert!(scenario.items_of("probe").is_empty());
    drop(busy);
    scenario.idle().await;
    assert_eq!(scenario.item("probe").outcome, Outcome::Canceled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_gets_128_mib_and_no_more() {
    let (answer, item) = run("faulty", Limits::default(), "/alloc").await;
    assert_eq!(answer.failed, Some(Outcome::ExceededMemory));
    check_memory_exceeded(&item);

    let path = format!("/fault/allocate?{}", 100 * MIB);
    let (answer, item) = run("probe", Limits::default(), &path).await;
    assert_eq!(answer.status, Some(200));
    assert_eq!(item.outcome, Outcome::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_memory_limit_holds_and_neighbours_never_notice() {
    let scenario = limited("probe", memory(16 * MIB));
    let path = |mib: usize| format!("/fault/allocate?{}", mib * MIB);
    assert_eq!(scenario.get("probe", &path(8)).await.status, Some(200));
    let refused = scenario.get("probe", &path(32)).await;
    assert_eq!(refused.failed, Some(Outcome::ExceededMemory));
    assert_eq!(scenario.get("probe", &path(8)).await.status, Some(200));
    let items = scenario.items();
    let outcomes: Vec<_> = items.iter().map(|item| item.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Ok, Outcome::ExceededMemory, Outcome::Ok]
    );
    check_memory_exceeded(&items[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_needs_more_memory_to_start_with_does_not_start() {
    for guest in ["probe", "probe-p3"] {
        let (answer, item) = run(guest, memory(MIB), "/status?200").await;
        assert_eq!(answer.failed, Some(Outcome::ExceededMemory), "{guest}");
        check_memory_exceeded(&item);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_a_guest_that_coped_with_a_refusal_is_its_own() {
    let (_, item) = run("probe", Limits::default(), "/fault/coped").await;
    assert_eq!(item.outcome, Outcome::Exception);
    assert_eq!(item.exceptions[0].name, "panic");
    assert_eq!(item.exceptions[0].message, "refused, as I thought");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_the_guest_copes_with_is_no_failure() {
    let (answer, item) = run("probe", Limits::default(), "/work/cope").await;
    assert_eq!(answer.text(), "did with less");
    assert_eq!(item.outcome, Outcome::Ok);
    assert!(logs(&item).is_empty());
}

/// A component that takes long to start and runs no function of its own for that: its instances
/// copy what they hold into one memory.
fn slow_to_start() -> Vec<u8> {
    let data = "a".repeat(4 * MIB);
    let copy = "(core instance (instantiate $data (with \"\" (instance $memory))))\n".repeat(96);
    let component = format!(
        r#"(component
            (import "wasi:http/types@0.2.0" (instance $types
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export $types "incoming-request" (type $request))
            (alias export $types "response-outparam" (type $response))
            (core module $keeper (memory (export "memory") 64))
            (core module $data (import "" "memory" (memory 64)) (data (i32.const 0) "{data}"))
            (core module $code (func (export "handle") (param i32 i32)))
            (core instance $memory (instantiate $keeper))
            {copy}
            (core instance $guest (instantiate $code))
            (func $handle (param "request" (own $request)) (param "response-out" (own $response))
                (canon lift (core func $guest "handle")))
            (instance $handler (export "handle" (func $handle)))
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    );
    wat::parse_str(component).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_is_stopped_before_its_code_runs_has_exceeded_its_time() {
    let scenario = Scenario::new();
    let compiler = scenario.runtime().compiler();
    let code = compiler.compile(&slow_to_start()).unwrap();
    let settings = WorkerSettings {
        limits: cpu(1),
        ..WorkerSettings::new("slow")
    };
    scenario.runtime().deploy(settings, code).unwrap();
    let answer = scenario.get("slow", "/").await;
    assert_eq!(answer.failed, Some(Outcome::ExceededCpu));
    check_cpu_exceeded(&scenario.item("slow"), 1);
}
