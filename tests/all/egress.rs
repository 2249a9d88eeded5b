//! Where a Worker's requests may go.

use taffrail_tests::client::Client;
use taffrail_tests::folder::Folder;
use taffrail_tests::process::Server;
use taffrail_tests::scenario::{invoke, refused};

const CALLS_HOME: &str = "\
export default {
  async fetch(request, env) {
    try {
      const answer = await fetch(env.TARGET);
      return new Response('reached ' + (await answer.text()));
    } catch (error) {
      return new Response(error.name + ': ' + error.message);
    }
  },
};
";

fn worker(name: &str, source: &str, more: &str) -> Folder {
    let folder = Folder::new();
    folder.script(name, source, more);
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_told_which_host_it_may_not_reach() {
    let allowed = "vars = { TARGET = \"http://127.0.0.1:9/\" }\n[taffrail]\nallowed_outbound_hosts = [\"https://*.example.com\"]";
    let folder = worker("w", CALLS_HOME, allowed);
    let (answer, _) = invoke(&folder, &["w"]).await;
    assert_eq!(
        answer.text(),
        "Error: This Worker is not permitted to reach http://127.0.0.1:9: no pattern in `taffrail.allowed_outbound_hosts` matches it."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_cuts_a_worker_off() {
    let none =
        "vars = { TARGET = \"http://127.0.0.1:9/\" }\n[taffrail]\nallowed_outbound_hosts = []";
    let (answer, _) = invoke(&worker("w", CALLS_HOME, none), &["w"]).await;
    assert!(
        answer
            .text()
            .starts_with("Error: This worker is not permitted to access the internet"),
        "{}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_denied_and_its_item_says_why() {
    let folder = Folder::new();
    let hosts = "vars = { ENDPOINT = \"http://127.0.0.1:9/\" }\n[taffrail]\nallowed_outbound_hosts = [\"https://example.com\"]";
    let tails = "tail_consumers = [{ service = \"tail-http\" }]";
    folder
        .worker("hello", "hello", tails)
        .worker("tail-http", "tail-http", hosts);
    let (_, items) = invoke(&folder, &["hello", "tail-http"]).await;
    let tail = items.iter().find(|item| item["scriptName"] == "tail-http");
    let logs = tail.unwrap()["logs"].to_string();
    assert!(
        logs.contains("no pattern in `taffrail.allowed_outbound_hosts` matches it"),
        "{logs}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_is_none_is_refused_with_its_place() {
    let bad = "[taffrail]\nallowed_outbound_hosts = [\"https://a.test\", \"example.com\"]";
    let error = refused(&worker("w", CALLS_HOME, bad), &["w"]).await;
    assert!(error.contains(
        "`taffrail.allowed_outbound_hosts[1]`: `example.com` has no scheme before `://`"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn global_outbound_receives_every_request() {
    let outbound = "vars = { TARGET = \"http://nowhere.test/a\" }\n[taffrail]\nglobal_outbound = { service = \"out\", props = { of = \"w\" } }";
    let folder = worker("w", CALLS_HOME, outbound);
    let out = "\
import { WorkerEntrypoint } from 'cloudflare:workers';
export default class extends WorkerEntrypoint {
  fetch(request) {
    return new Response(request.url + ' of ' + this.ctx.props.of);
  }
}
";
    folder.script("out", out, "");
    let (answer, _) = invoke(&folder, &["w", "out"]).await;
    assert_eq!(answer.text(), "reached http://nowhere.test/a of w");
}

#[test]
fn a_loop_over_the_network_is_cut() {
    let source = "\
export default {
  async fetch(request) {
    try {
      return await fetch(request.url);
    } catch (error) {
      return new Response(error.message);
    }
  },
};
";
    let folder = worker("w", source, "");
    let server = Server::spawn(folder.taffrail(&["serve", "w", "--port", "0"]));
    let mut client = Client::connect(server.address);
    let address = server.address;
    client.send(format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    let answer = client.answer();
    assert!(
        answer
            .body
            .contains("Workers called each other 32 times in a row"),
        "{}",
        answer.body
    );
    _ = server.terminate();
}
