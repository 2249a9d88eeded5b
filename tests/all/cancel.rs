//! Clients that go away.

use std::pin::pin;
use taffrail_tests::scenario::{
    Scenario, Upload, full, json, logs, next_piece, patiently, read, request,
};
use taffrail_trace::Outcome;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_response_stops_the_guest() {
    for (guest, path) in [("probe", "/work/wait"), ("probe-p3", "/wait")] {
        let scenario = Scenario::new().worker(guest);
        let (upload, body) = Upload::new();
        {
            let mut answer = pin!(scenario.stream(guest, request(path, body)));
            tokio::select! {
                _ = &mut answer => panic!("it answers without its request"),
                // The guest has begun when it reads.
                () = async {
                    upload.send("begun").await;
                    upload.taken().await;
                } => {}
            }
        }
        patiently(upload.dropped()).await;
        scenario.idle().await;
        let item = scenario.item(guest);
        assert_eq!(item.outcome, Outcome::Canceled, "{guest}");
        assert_eq!(logs(&item), ["log waiting"]);
        assert!(item.exceptions.is_empty());
        assert_eq!(json(&item)["event"].get("response"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_midway_stops_the_guest() {
    for (guest, path) in [("probe", "/body/endless"), ("probe-p3", "/endless")] {
        let scenario = Scenario::new().worker(guest);
        let mut response = scenario.open(guest, path, full("")).await;
        assert!(!next_piece(response.body_mut()).await.is_empty());
        assert!(scenario.items().is_empty(), "{guest}");
        drop(response);
        scenario.idle().await;
        let item = scenario.item(guest);
        assert_eq!(item.outcome, Outcome::Canceled, "{guest}");
        assert_eq!(logs(&item), [""; 0], "the guest is stopped, not told");
        assert!(item.exceptions.is_empty());
        assert_eq!(json(&item)["event"].get("response"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_a_busy_guest_stops_it_too() {
    let scenario = Scenario::new().worker("probe");
    let mut response = scenario.open("probe", "/work/loop-midway", full("")).await;
    assert_eq!(next_piece(response.body_mut()).await, "the beginning");
    drop(response);
    scenario.idle().await;
    assert_eq!(scenario.item("probe").outcome, Outcome::Canceled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_all_of_the_response_may_leave() {
    for (guest, path) in [("probe", "/work/behind"), ("probe-p3", "/behind")] {
        let scenario = Scenario::new().worker(guest);
        let (gate, body) = Upload::new();
        let response = scenario.open(guest, path, body).await;
        assert_eq!(read(response).await.text(), "done");
        gate.send("still there").await;
        assert!(scenario.items().is_empty(), "{guest}");
        drop(gate);
        scenario.idle().await;
        let item = scenario.item(guest);
        assert_eq!(item.outcome, Outcome::Ok, "{guest}");
        assert_eq!(
            logs(&item),
            ["log response is complete", "log work behind it is done"]
        );
    }
}
