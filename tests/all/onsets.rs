//! Invocations that a killed process did not end.

use serde_json::Value;
use taffrail_tests::client::Client;
use taffrail_tests::process::{Folder, Server};
use taffrail_tests::upstream::{Reply, Upstream};

const WAITS: &str = "\
export default {
  async fetch(request, env) {
    console.log('begins');
    if (new URL(request.url).pathname === '/wait') await fetch(env.UPSTREAM);
    return new Response('done');
  },
};
";

const TAIL: &str = "\
export default {
  tail(events) {
    for (const { outcome, event } of events) console.log(outcome, event.request.url);
  },
};
";

fn workers(upstream: &Upstream) -> Folder {
    let folder = Folder::new();
    let config = format!(
        "tail_consumers = [{{ service = \"seen\" }}]\n[vars]\nUPSTREAM = \"http://{}/called\"\n[taffrail]\nonset = true",
        upstream.address
    );
    folder.script("api", WAITS, &config);
    folder.script("seen", TAIL, "");
    folder
}

fn start(folder: &Folder) -> Server {
    folder.start(&["serve", "api", "seen", "--format", "json"])
}

/// The next item of a Worker.
fn item_of(server: &Server, worker: &str) -> Value {
    loop {
        let item = server.item();
        if item["scriptName"] == worker {
            return item;
        }
    }
}

#[test]
fn the_next_process_delivers_an_item_for_each_invocation_without_an_end() {
    let (sender, called) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |_| {
        _ = sender.send(());
        Reply::Never
    });
    let folder = workers(&upstream);
    let server = start(&folder);
    assert_eq!(server.get("/quick").body, "done");
    assert_eq!(item_of(&server, "api")["outcome"], "ok");
    let mut client = Client::connect(server.address);
    client.send("GET /wait?token=0123456789abcdef0123456789abcdef HTTP/1.1\r\nhost: a\r\n\r\n");
    called.recv().unwrap();
    server.signal("KILL");
    _ = server.finish();

    let server = start(&folder);
    let item = item_of(&server, "api");
    assert_eq!(item["outcome"], "unknown");
    let url = item["event"]["request"]["url"].as_str().unwrap();
    assert!(url.ends_with("/wait?token=REDACTED"), "{url}");
    let seen = item_of(&server, "seen");
    assert_eq!(seen["logs"][0]["message"][0], "unknown");
    assert_eq!(server.terminate().code, Some(0));

    // It is delivered once.
    let server = start(&folder);
    assert_eq!(server.get("/quick").body, "done");
    let item = item_of(&server, "api");
    assert_eq!(item["outcome"], "ok");
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_damaged_file_is_no_reason_not_to_start() {
    let upstream = Upstream::start(|_| Reply::Never);
    let folder = workers(&upstream);
    folder.write(
        "api/.taffrail/onsets.jsonl",
        "{\"begin\":{}}\n\u{0}\n{\"end\":1}\n{\"beg",
    );
    let server = start(&folder);
    assert_eq!(server.get("/quick").body, "done");
    assert_eq!(item_of(&server, "api")["outcome"], "ok");
    assert_eq!(server.terminate().code, Some(0));
}
