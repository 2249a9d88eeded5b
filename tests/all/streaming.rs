//! Bodies and trailers on their way through a Worker.

use http::{HeaderMap, HeaderValue, Method, Request};
use serde_json::json;
use std::pin::pin;
use taffrail_runtime::{FetchResult, RequestBody};
use taffrail_tests::scenario::{Scenario, Upload, full, json, next_piece, read, request};
use taffrail_trace::Outcome;

const MIB: usize = 1 << 20;

/// The guests of both generations of WASI, and a path that sends back each
/// piece of the body as it comes.
const ECHOES: [(&str, &str); 2] = [("probe", "/body/echo"), ("probe-p3", "/echo")];

fn trailers() -> HeaderMap {
    [
        (
            http::HeaderName::from_static("x-sum"),
            HeaderValue::from_static("42"),
        ),
        (
            http::HeaderName::from_static("x-end"),
            HeaderValue::from_static("yes"),
        ),
    ]
    .into_iter()
    .collect()
}

fn post(path: &str, body: RequestBody) -> Request<RequestBody> {
    let mut request = request(path, body);
    *request.method_mut() = Method::POST;
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_streams_both_ways_piece_by_piece() {
    for (guest, path) in ECHOES {
        let scenario = Scenario::new().worker(guest);
        let (upload, body) = Upload::new();
        let mut response = scenario.open(guest, path, body).await;
        for piece in ["one", "two", "three"] {
            upload.send(piece).await;
            assert_eq!(next_piece(response.body_mut()).await, piece, "{guest}");
        }
        drop(upload);
        let answer = read(response).await;
        assert_eq!((answer.broken, answer.body.len()), (false, 0), "{guest}");
        scenario.idle().await;
        let item = scenario.item(guest);
        assert_eq!(item.outcome, Outcome::Ok);
        assert_eq!(json(&item)["event"]["response"], json!({ "status": 200 }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_go_both_ways() {
    let scenario = Scenario::new().worker("probe").worker("probe-p3");
    let answer = scenario.get("probe", "/body/trailers").await;
    assert_eq!(
        (&*answer.text(), answer.trailers),
        ("body", Some(trailers()))
    );

    let (upload, body) = Upload::new();
    let (answer, ()) = tokio::join!(
        scenario.stream("probe", post("/body/request-trailers", body)),
        upload.finish(trailers())
    );
    assert_eq!(answer.text(), "x-sum: 42\nx-end: yes\n");

    let (upload, body) = Upload::new();
    let (answer, ()) = tokio::join!(scenario.stream("probe-p3", post("/echo", body)), async {
        upload.send("body").await;
        upload.finish(trailers()).await;
    });
    assert_eq!(
        (&*answer.text(), answer.trailers),
        ("body", Some(trailers()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_arrive_whole() {
    let scenario = Scenario::new().worker("probe").worker("probe-p3");
    for (guest, path) in [("probe", "/body/large"), ("probe-p3", "/large")] {
        let answer = scenario.get(guest, &format!("{path}?{}", 16 * MIB)).await;
        assert_eq!(
            (answer.body.len(), answer.broken),
            (16 * MIB, false),
            "{guest}"
        );
    }
    let sent: Vec<u8> = (0..16 * MIB).map(|at| (at % 251) as u8).collect();
    let request = post("/body/count", full(sent.clone()));
    let answer = scenario.stream("probe", request).await;
    assert_eq!(answer.text(), (16 * MIB).to_string());
    for (guest, path) in ECHOES {
        let answer = scenario.stream(guest, post(path, full(sent.clone()))).await;
        assert!(answer.body == sent, "{guest}: {} bytes", answer.body.len());
    }
}

/// Everything runs on one thread, so nothing is under way any more when the
/// test has given way often enough.
#[tokio::test]
async fn a_client_that_does_not_read_holds_up_the_guest_and_the_sender() {
    const PIECE: usize = 64 * 1024;
    for (guest, path) in ECHOES {
        let scenario = Scenario::new().worker(guest);
        let (upload, body) = Upload::new();
        let response = scenario.open(guest, path, body).await;
        let mut sent = 0;
        let mut held_up = 0;
        while held_up < 1000 && sent < 16 * MIB {
            if upload.try_send(vec![b'x'; PIECE]) {
                sent += PIECE;
                held_up = 0;
            } else {
                held_up += 1;
                tokio::task::yield_now().await;
            }
        }
        assert!(sent <= MIB, "{guest} took {sent} bytes");

        let rest = async {
            let mut sent = sent;
            while sent < 16 * MIB {
                upload.send(vec![b'x'; PIECE]).await;
                sent += PIECE;
            }
            drop(upload);
        };
        let (answer, ()) = tokio::join!(read(response), rest);
        assert_eq!(
            (answer.body.len(), answer.broken),
            (16 * MIB, false),
            "{guest}"
        );
        scenario.idle().await;
        assert_eq!(scenario.item(guest).outcome, Outcome::Ok);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_sent_is_read_all_the_same() {
    let scenario = Scenario::new()
        .worker("hello")
        .worker("hello-p3")
        .worker("probe");
    for (worker, path, method) in [
        ("hello", "/", Method::HEAD),
        ("hello-p3", "/", Method::HEAD),
        ("probe", "/status?204", Method::GET),
        ("probe", "/status?304", Method::GET),
    ] {
        let mut request = request(path, full(""));
        *request.method_mut() = method;
        let result = scenario.runtime().fetch(worker, request, None);
        let FetchResult::Response(response) = result.await.unwrap() else {
            panic!("{worker} {path} fails");
        };
        assert!(!read(response).await.broken, "{worker} {path}");
        scenario.idle().await;
        let item = scenario.items().pop().unwrap();
        assert_eq!(item.outcome, Outcome::Ok, "{worker} {path}");
        assert!(
            json(&item)["event"]["response"].is_object(),
            "{worker} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_complete_when_all_that_was_announced_has_come() {
    let scenario = Scenario::new().worker("probe");
    let mut response = scenario.open("probe", "/body/length", full("")).await;
    assert_eq!(response.headers()["content-length"], "4");
    assert_eq!(next_piece(response.body_mut()).await, "four");
    drop(response);
    scenario.idle().await;
    assert_eq!(scenario.item("probe").outcome, Outcome::Ok);
}

/// A body that its guest leaves unfinished is broken for the client, and the
/// status that it had is on record.
async fn check_broken(guest: &str, path: &str, body: &str, outcome: Outcome) {
    let scenario = Scenario::new().worker(guest);
    let answer = scenario.get(guest, path).await;
    assert_eq!(answer.status, Some(200), "{guest} {path}");
    assert_eq!(answer.text(), body, "{guest} {path}");
    assert!(answer.broken, "{guest} {path}: the client sees no error");
    let item = scenario.item(guest);
    assert_eq!(item.outcome, outcome, "{guest} {path}");
    let response = &json(&item)["event"]["response"];
    assert_eq!(response, &json!({ "status": 200 }), "{guest} {path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_dies_midway_breaks_the_body() {
    let broken = Outcome::ResponseStreamDisconnected;
    check_broken("probe", "/fault/midway", "the beginning", broken).await;
    check_broken("probe-p3", "/midway", "the beginning", broken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_drops_its_body_breaks_it() {
    let broken = Outcome::ResponseStreamDisconnected;
    check_broken("probe", "/body/dropped", "the beginning", broken).await;
    check_broken("probe-p3", "/dropped", "the beginning", broken).await;
    check_broken("probe", "/body/short", "four", broken).await;
}

/// Guests in languages with a garbage collector leave handles open, and other
/// hosts let them.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_its_guest_forgets_ends_with_the_guest() {
    let scenario = Scenario::new().worker("probe");
    let answer = scenario.get("probe", "/body/forgotten").await;
    assert_eq!((&*answer.text(), answer.broken), ("the beginning", false));
    let item = scenario.item("probe");
    assert_eq!(item.outcome, Outcome::Ok);
    assert_eq!(json(&item)["event"]["response"], json!({ "status": 200 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_body_that_breaks_off_is_the_guests_to_handle() {
    let scenario = Scenario::new().worker("probe");
    let (upload, body) = Upload::new();
    let mut answer = pin!(scenario.stream("probe", post("/work/wait", body)));
    tokio::select! {
        _ = &mut answer => panic!("it answers without its request"),
        () = async {
            upload.send("begun").await;
            upload.break_off().await;
        } => {}
    }
    assert_eq!(answer.await.failed, Some(Outcome::Canceled));
    scenario.idle().await;
    let message = &scenario.item("probe").exceptions[0].message;
    assert!(message.contains("the client sends"), "{message}");
}
