//! Tests of Workers with `taffrail-test`.

use serde_json::json;
use std::time::Duration;
use taffrail_runtime::Event;
use taffrail_test::trace::Outcome;
use taffrail_test::{Builder, Outbound, Scenario};
use taffrail_tests::guests;
use tokio::time::Instant;

const API: &str = "export default {
  async fetch(request) {
    const sent = await fetch('https://api.example.com/', { method: 'POST', body: 'sent' });
    console.log(crypto.randomUUID(), Date.now(), new Date().toISOString());
    return new Response(sent.status + ' ' + await sent.text());
  },
  scheduled() { console.error('scheduled') },
};";

const TAIL: &str = "export default {
  tail([item]) { console.log(JSON.stringify(item), item.wallTime + ' ms') },
};";

fn scripts() -> Builder {
    Scenario::builder()
        .cache(guests::cache_home().join("taffrail"))
        .script("api", API)
        .script("my-tail", TAIL)
        .tails("api", ["my-tail"])
}

fn reply(status: u16, body: &'static str) -> http::Response<&'static str> {
    let response = http::Response::builder().status(status);
    response.body(body).unwrap()
}

#[tokio::test]
async fn a_double_replies_in_order_and_keeps_the_requests() {
    let outbound = Outbound::new()
        .reply("POST", "https://api.example.com", reply(201, "first"))
        .reply("POST", "https://api.example.com", reply(200, "later"));
    let scenario = scripts().outbound(&outbound).start().await.unwrap();
    for expected in ["201 first", "200 later", "200 later"] {
        assert_eq!(scenario.get("api", "/").await.text(), expected);
    }
    let requests = outbound.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].body(), "sent");
}

#[tokio::test]
async fn a_request_without_a_reply_is_refused() {
    let scenario = scripts().start().await.unwrap();
    let answer = scenario.get("api", "/").await;
    assert_eq!(answer.failed, Some(Outcome::Exception));
    assert_eq!(
        scenario.items().of("api").last().exception().message,
        "Worker `api` requests POST https://api.example.com/, to which no reply is given; there is none at all"
    );
}

#[tokio::test]
async fn a_component_meets_the_double_too() {
    let url = "http://collector.test/items";
    for (outbound, logged) in [
        (
            Outbound::new().reply("POST", url, reply(500, "")),
            format!("{url} answered 500"),
        ),
        (
            Outbound::new(),
            format!(
                "warn Worker `tail-http` requests POST {url}, to which no reply is given; there is none at all"
            ),
        ),
    ] {
        let scenario = Scenario::builder()
            .cache(guests::cache_home().join("taffrail"))
            .worker(guests::component("hello"))
            .component(
                "tail-http",
                &std::fs::read(guests::component("tail-http")).unwrap(),
            )
            .tails("hello", ["tail-http"])
            .configure("tail-http", move |worker| {
                worker.vars.insert("ENDPOINT".to_owned(), url.into());
            })
            .outbound(&outbound)
            .start()
            .await
            .unwrap();
        assert_eq!(scenario.get("hello", "/").await.status, Some(200));
        let logs = scenario.items().of("tail-http").only().logs().join("\n");
        assert!(logs.contains(&logged), "{logs}");
        assert_eq!(outbound.requests().len(), 1);
    }
}

/// The median of a test with a producer and a Tail Worker, beginning with their components, which
/// are compiled already. `docs/testing.md` says what it is on an idle machine. The limit here is
/// for one that is busy with other tests.
#[tokio::test]
async fn a_test_takes_milliseconds_once_its_components_are_compiled() {
    let test = || async {
        let begun = Instant::now();
        let scenario = Scenario::builder()
            .cache(guests::cache_home().join("taffrail"))
            .worker(guests::component("hello"))
            .worker(guests::component("tail-log"))
            .tails("hello", ["tail_log"])
            .start()
            .await
            .unwrap();
        assert_eq!(scenario.get("hello", "/").await.status, Some(200));
        assert_eq!(scenario.items().of("tail_log").only().logs().len(), 2);
        drop(scenario);
        begun.elapsed()
    };
    test().await;
    let mut times = Vec::new();
    for _ in 0..21 {
        times.push(test().await);
    }
    times.sort();
    println!("{:?}, from {:?} to {:?}", times[10], times[0], times[20]);
    assert!(times[10] < Duration::from_millis(500), "{times:?}");
}

#[tokio::test]
async fn other_events_are_dispatched() {
    let scenario = scripts().start().await.unwrap();
    let event = Event::scheduled("* * * * *", None);
    assert_eq!(scenario.dispatch("api", event).await, Outcome::Ok);
    let items = scenario.items();
    assert_eq!(items.of("api").only().logs(), ["error scheduled"]);
    assert_eq!(items.of("my-tail").only().outcome(), Outcome::Ok);
}

#[tokio::test]
async fn items_are_the_same_in_every_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let outbound = Outbound::new().reply("POST", "https://api.example.com", reply(200, ""));
        let scenario = scripts().outbound(&outbound).start().await.unwrap();
        scenario.get("api", "/").await;
        runs.push(scenario.items().stable());
    }
    assert_eq!(runs[0], runs[1]);
    assert_eq!(
        runs[0][0]["logs"][0]["message"],
        json!([
            "00000000-0000-4000-8000-000000000003",
            0,
            "1970-01-01T00:00:00.000Z"
        ])
    );
}

#[tokio::test]
#[should_panic(expected = "there is no item of `other`: there are items of [\"api\", \"my-tail\"]")]
async fn an_item_that_does_not_exist_is_told_with_those_that_do() {
    let scenario = scripts().start().await.unwrap();
    scenario.get("api", "/").await;
    _ = scenario.items().of("other").last();
}
