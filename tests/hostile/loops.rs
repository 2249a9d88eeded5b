//! Requests that come back to where they began.

use serde_json::{Value, json};
use taffrail_tests::client::Client;
use taffrail_tests::process::{Finished, Folder, run_recorded};
use taffrail_tests::scenario::invoke;

fn count(items: &[Value], worker: &str) -> usize {
    let of_worker = items.iter().filter(|item| item["scriptName"] == worker);
    of_worker.count()
}

const ANSWERS: &str = "export default { fetch() { return new Response('hello'); } };";

/// A tail that calls a Worker for each tail event.
const CALLS: &str =
    "export default { async tail(events, env) { await env.A.fetch('http://a/'); } };";

const TAILED: &str = "tail_consumers = [{ service = \"t\" }]";

fn calls(worker: &str) -> String {
    format!("services = [{{ binding = \"A\", service = \"{worker}\" }}]")
}

fn warnings(finished: &Finished) -> Vec<&str> {
    let lines = finished.stderr.lines();
    lines
        .filter(|line| line.contains("part of a loop:"))
        .collect()
}

#[test]
fn a_tail_that_calls_its_producer_ends() {
    let folder = Folder::new();
    folder
        .script("a", ANSWERS, TAILED)
        .script("t", CALLS, &calls("a"));
    let (finished, items) = run_recorded(folder.taffrail(&["invoke", "a", "t"]));
    assert_eq!(finished.code, Some(0));
    // Every second one of 0 to 32 is the Worker.
    assert_eq!((count(&items, "a"), count(&items, "t")), (17, 16));
    assert!(items.iter().all(|item| item["outcome"] == "ok"));
    let warnings = warnings(&finished);
    assert_eq!(warnings.len(), 1, "{}", finished.stderr);
    let said = "tail consumer `t` is part of a loop: its calls lead back to the Worker `a`";
    assert!(warnings[0].contains(said), "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_over_several_workers_and_tails_ends() {
    let folder = Folder::new();
    let passes_on =
        "export default { async fetch(request, env) { return env.A.fetch(request); } };";
    folder
        .script("a", passes_on, &calls("b"))
        .script("b", ANSWERS, TAILED)
        .script("t", CALLS, &calls("a"));
    let (_, items) = invoke(&folder, &["a", "b", "t"]).await;
    // a 0, b 1, t 2, and so on until t 32, whose call of `a` fails.
    let counts = ["a", "b", "t"].map(|worker| count(&items, worker));
    assert_eq!(counts, [11, 11, 11]);
    // A tail that rejects is ok.
    let mut failed = items.iter();
    let failed = failed.find(|item| item["exceptions"] != json!([])).unwrap();
    assert_eq!(failed["scriptName"], "t");
    let message = failed["exceptions"][0]["message"].as_str().unwrap();
    let said = "Workers called each other 32 times in a row: is there a cycle";
    assert!(message.starts_with(said), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dynamic_worker_whose_tail_loads_it_ends() {
    let folder = Folder::new();
    let source = "
        import { WorkerEntrypoint } from 'cloudflare:workers';
        export class Tail extends WorkerEntrypoint {
            async tail() { await this.env.A.fetch('http://a/'); }
        }
        export default {
            async fetch(request, env, ctx) {
                const worker = env.LOADER.load({
                    mainModule: 'd.js',
                    modules: { 'd.js': 'export default { fetch() { return new Response(\"d\"); } }' },
                    tails: [ctx.exports.Tail()],
                });
                return worker.getEntrypoint().fetch(request);
            },
        };";
    let more = format!(
        "worker_loaders = [{{ binding = \"LOADER\" }}]\n{}",
        calls("a")
    );
    folder.script("a", source, &more);
    let (_, items) = invoke(&folder, &["a"]).await;
    // a 0, d 1, tail 2, a 3, and so on.
    assert_eq!(items.len(), 33, "{items:?}");
}

#[test]
fn a_tail_that_fetches_its_producer_over_the_network_ends() {
    let folder = Folder::new();
    let fetches = "export default {
        async tail(events) { await (await fetch(events[0].event.request.url)).text(); }
    };";
    folder.script("a", ANSWERS, TAILED).script("t", fetches, "");
    let server = folder.start(&["serve", "a", "t"]);
    let mut client = Client::connect(server.address);
    let host = server.address;
    client.send(format!(
        "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 200);
    // A loop that goes on does not get to its end.
    server.until_stderr("tail consumer `t` is part of a loop: its calls lead back");
    let finished = server.terminate();
    let items = finished.items();
    assert_eq!((count(&items, "a"), count(&items, "t")), (17, 16));
}

#[test]
fn a_client_cannot_keep_its_items_from_the_tails() {
    let folder = Folder::new();
    let writes = "export default { async tail(events, env) {
        console.log(await (await env.A.fetch('http://a/')).text());
    } };";
    folder
        .script("w", ANSWERS, TAILED)
        .script("a", ANSWERS, "")
        .script("t", writes, &calls("a"));
    let server = folder.start(&["serve", "w", "a", "t"]);
    for loops in ["31", "32", "4294967295"] {
        let mut client = Client::connect(server.address);
        client.send(format!(
            "GET / HTTP/1.1\r\nhost: a\r\ncdn-loop: taffrail; loops={loops}\r\nconnection: close\r\n\r\n"
        ));
        assert_eq!(client.answer().status, 200);
        let tail = server.until_stdout("\"consumedEvents\"");
        assert!(tail.contains("\"message\":[\"hello\"]"), "{loops}: {tail}");
    }
    let finished = server.terminate();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}
