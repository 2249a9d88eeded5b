//! Instances of components that handle several events.

use taffrail_tests::folder::Folder;
use taffrail_tests::guests;
use taffrail_tests::scenario::{Scenario, logs};
use taffrail_trace::Outcome;

/// A Worker whose component is a guest of the tests.
fn worker(folder: &Folder, name: &str, guest: &str, more: &str) {
    let main = guests::component(guest);
    let config = format!("name = \"{name}\"\nmain = '{}'\n{more}\n", main.display());
    folder.write(&format!("{name}/wrangler.toml"), config);
}

async fn one(guest: &str, more: &str) -> (Folder, Scenario) {
    let folder = Folder::new();
    worker(&folder, "w", guest, more);
    let scenario = Scenario::of(&folder, &["w"]).await;
    (folder, scenario)
}

/// What the Worker answers to one request for each path.
async fn answers(scenario: &Scenario, paths: &[&str]) -> Vec<String> {
    let mut answers = Vec::new();
    for path in paths {
        answers.push(scenario.get("w", path).await.text().to_owned());
    }
    answers
}

const COUNT: &str = "/work/count";

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_wasi_02_have_fresh_instances_by_default() {
    let (_folder, scenario) = one("probe", "").await;
    assert_eq!(answers(&scenario, &[COUNT, COUNT, COUNT]).await, ["1"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_handles_as_many_requests_as_configured() {
    let (_folder, scenario) = one("probe", "taffrail.instance_reuse = 3").await;
    let counts = answers(&scenario, &[COUNT; 5]).await;
    assert_eq!(counts, ["1", "2", "3", "1", "2"]);
    assert!(
        scenario
            .items()
            .iter()
            .all(|item| item.outcome == Outcome::Ok)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_holds_its_request_is_replaced() {
    let (_folder, scenario) = one("probe", "taffrail.instance_reuse = 10").await;
    let counts = answers(&scenario, &[COUNT, "/work/hold", COUNT, COUNT]).await;
    assert_eq!(counts, ["1", "2", "1", "2"]);
    assert_eq!(scenario.items_of("w").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_replaced_after_a_failure() {
    let (_folder, scenario) = one("probe-p3", "").await;
    assert_eq!(answers(&scenario, &["/count", "/count"]).await, ["1", "2"]);
    let failed = scenario.get("w", "/panic").await;
    assert_eq!(failed.failed, Some(Outcome::Exception));
    assert_eq!(answers(&scenario, &["/count", "/count"]).await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_wasi_03_can_have_fresh_instances() {
    let (_folder, scenario) = one("probe-p3", "taffrail.instance_reuse = 1").await;
    assert_eq!(answers(&scenario, &["/count", "/count"]).await, ["1", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_worker_counts_its_calls_and_each_has_an_item_of_its_own() {
    for (more, expected) in [
        ("", [["log 1"], ["log 2"], ["log 3"]]),
        (
            "taffrail.instance_reuse = 1",
            [["log 1"], ["log 1"], ["log 1"]],
        ),
    ] {
        let folder = Folder::new();
        worker(
            &folder,
            "w",
            "probe",
            "tail_consumers = [{ service = \"t\" }]",
        );
        let vars = format!("vars = {{ MODE = \"count\" }}\n{more}");
        worker(&folder, "t", "tail-probe", &vars);
        let scenario = Scenario::of(&folder, &["w", "t"]).await;
        answers(&scenario, &[COUNT; 3]).await;
        let items = scenario.items_of("t");
        let logged: Vec<_> = items.iter().map(|item| logs(item)).collect();
        assert_eq!(logged, expected, "{more}");
    }
}
