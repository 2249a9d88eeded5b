//! The protocol of live tails, which is that of Cloudflare's API.

use futures_util::SinkExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use taffrail_tests::control::{Control, greeting};
use taffrail_tests::folder::Folder;
use taffrail_tests::process::Server;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

/// A Worker whose items are as long as its client says.
const TALKS: &str = "\
export default {
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    console.log(pathname, 'x'.repeat(Number(searchParams.get('length') ?? 1)));
    return new Response('talked');
  },
};
";

fn talking() -> (Folder, Server, Control) {
    Control::serve(TALKS)
}

fn path(item: &Value) -> &str {
    item["logs"][0]["message"][0].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_has_the_envelope_and_the_items_of_its_worker() {
    let (_folder, server, control) = talking();
    assert_eq!(server.get("/before").status, 200);
    let created = control.create("w", &json!([]));
    let created: Value = serde_json::from_str(&created.body).unwrap();
    assert_eq!(
        (&created["success"], &created["errors"]),
        (&json!(true), &json!([]))
    );
    let id = created["result"]["id"].as_str().unwrap();
    assert!(
        id.len() == 32
            && created["result"]["expires_at"]
                .as_str()
                .unwrap()
                .ends_with('Z')
    );
    let url = format!("ws://{}/tails/{id}", control.address);
    assert_eq!(created["result"]["url"], url);

    let mut tail = control.tail("w", &json!([]), greeting()).await;
    for path in ["/one", "/two"] {
        assert_eq!(server.get(path).status, 200);
    }
    let (one, two) = (tail.item().await, tail.item().await);
    let paths = BTreeSet::from([path(&one), path(&two)]);
    assert_eq!(paths, BTreeSet::from(["/one", "/two"]));
    assert_eq!(one["scriptName"], "w");
    tail.0
        .send(Message::Ping("wrangler tail ping".into()))
        .await
        .unwrap();
    assert_eq!(
        tail.message().await,
        Some(Message::Pong("wrangler tail ping".into()))
    );
    assert_eq!(server.terminate().code, Some(0));
    assert_eq!(tail.closed().await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_applied_where_the_items_come_from() {
    let (_folder, server, control) = talking();
    let filters = json!([{ "method": ["GET"] }, { "query": "/wanted" }, { "client_ip": ["self"] },
        { "where": "outcome = 'ok'" }, { "level": ["log"] }, { "header": { "key": "host", "query": "localhost" } }]);
    let mut tail = control.tail("w", &filters, greeting()).await;
    for path in ["/unwanted", "/wanted"] {
        assert_eq!(server.get(path).status, 200);
    }
    assert_eq!(path(&tail.item().await), "/wanted");
    assert_eq!(server.get("/wanted/again").status, 200);
    assert_eq!(path(&tail.item().await), "/wanted/again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_exactly_how_many_items_it_missed() {
    const REQUESTS: u64 = 150;
    let (_folder, server, control) = talking();
    let mut tail = control.tail("w", &json!([]), greeting()).await;
    for number in 0..REQUESTS {
        assert_eq!(server.get(&format!("/{number}?length=200000")).status, 200);
    }
    let (mut shown, mut missed) = (0, 0);
    while shown + missed < REQUESTS {
        let item = tail.item().await;
        match item["event"]["missed"].as_u64() {
            Some(more) => {
                missed += more;
                assert_eq!(item["event"]["type"], "overload");
                let message = format!(
                    "{more} item(s) are not shown: this client reads more slowly than they come"
                );
                assert_eq!(item["event"]["message"], message);
                assert_eq!(
                    (&item["logs"], &item["exceptions"]),
                    (&json!([]), &json!([]))
                );
            }
            None => shown += 1,
        }
    }
    assert_eq!(shown + missed, REQUESTS);
    assert!(missed > 0 && shown > 0, "{shown} and {missed}");
    // From here on it has all again.
    assert_eq!(server.get("/last").status, 200);
    assert_eq!(path(&tail.item().await), "/last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_talks_nonsense_or_vanishes_harms_nobody() {
    let (_folder, server, control) = talking();
    let mut well_behaved = control.tail("w", &json!([]), greeting()).await;
    for first in [
        Message::text("{}"),
        Message::text("[["),
        Message::binary(vec![0; 9]),
    ] {
        let mut tail = control.tail("w", &json!([]), first).await;
        assert_eq!(tail.closed().await, 1008);
    }
    let mut tail = control.tail("w", &json!([]), greeting()).await;
    // A frame of a type that does not exist, and of a length that is not allowed.
    for garbage in [&[0x8f, 0x80, 0, 0, 0, 0][..], &[0x81, 0xff, 0xff, 0xff]] {
        _ = tail.0.get_mut().write_all(garbage).await;
    }
    drop(control.tail("w", &json!([]), greeting()).await);
    assert_eq!(server.get("/still").status, 200);
    assert_eq!(path(&well_behaved.item().await), "/still");
    // Nothing is left of the others.
    while control.measure("taffrail_live_tails") > 1 {}
    drop(well_behaved);
    while control.measure("taffrail_live_tails") > 0 {}
    assert_eq!(server.terminate().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_has_ten_tails() {
    let (_folder, _server, control) = talking();
    let mut tails = Vec::new();
    for _ in 0..9 {
        tails.push(control.tail("w", &json!([]), greeting()).await);
    }
    let tenth = control.create("w", &json!([]));
    assert_eq!(tenth.status, 200);
    let eleventh = control.create("w", &json!([]));
    assert_eq!(eleventh.status, 429);
    let envelope: Value = serde_json::from_str(&eleventh.body).unwrap();
    assert_eq!(
        envelope,
        json!({
            "success": false,
            "errors": [{ "code": 429, "message": "there are 10 live tails of Worker `w`, and there may be no more; end one of them first" }],
            "messages": [],
            "result": null,
        })
    );
    assert_eq!(control.create("other", &json!([])).status, 200);
    let tenth: Value = serde_json::from_str(&tenth.body).unwrap();
    let delete = |id: &str| {
        let line = format!("DELETE /client/v4/accounts/local/workers/scripts/w/tails/{id}");
        control.request(&line, "")
    };
    let id = tenth["result"]["id"].as_str().unwrap();
    assert_eq!(delete(id).status, 200);
    assert_eq!(control.create("w", &json!([])).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_worker_or_tail_is_answered_as_by_cloudflare() {
    let (_folder, _server, control) = talking();
    let unknown = control.create("nobody", &json!([]));
    assert_eq!(unknown.status, 404);
    let envelope: Value = serde_json::from_str(&unknown.body).unwrap();
    assert_eq!(envelope["success"], false);
    assert_eq!(envelope["errors"][0]["code"], 10007);
    let upgrade = [
        "host: localhost",
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    let connect = |protocol: &str| {
        let headers = [&upgrade[..], &[protocol]].concat();
        control
            .raw("GET /tails/0123456789abcdef0123456789abcdef", &headers, "")
            .status
    };
    assert_eq!(connect("sec-websocket-protocol: trace-v1"), 404);
    assert_eq!(connect("sec-websocket-protocol: other"), 426);
}
