//! What requests of a script share: the isolate that they meet.

use taffrail_tests::client::{self, Client};
use taffrail_tests::process::{Folder, Server};

const COUNTER: &str = "\
let count = 0;
let open;
const opened = new Promise((resolve) => { open = resolve; });
const encoder = new TextEncoder();
export default { async fetch(request, env, ctx) {
  const own = ++count;
  const { pathname } = new URL(request.url);
  console.log(pathname);
  switch (pathname) {
    case '/behind': ctx.waitUntil(scheduler.wait(200)); break;
    case '/stream': {
      let n = 0;
      return new Response(new ReadableStream({ async pull(controller) {
        await scheduler.wait(1);
        controller.enqueue(encoder.encode(`${own} `));
        if (++n === 3) controller.close();
      } }));
    }
    case '/endless':
      return new Response(new ReadableStream({ async pull(controller) {
        await scheduler.wait(1);
        controller.enqueue(encoder.encode('.'));
      } }));
    case '/throw': throw new Error('thrown');
    case '/loop': for (;;);
    case '/open': open(own); break;
    case '/wait': {
      let n = 0;
      return new Response(new ReadableStream({ async pull(controller) {
        if (++n === 1) return controller.enqueue(encoder.encode('waiting'));
        const by = await Promise.race([opened, scheduler.wait(60_000)]);
        console.log(`opened by ${by}`);
        controller.enqueue(encoder.encode(`opened by ${by}`));
        controller.close();
      } }));
    }
  }
  return new Response(String(own));
} };
";

fn worker(more: &str) -> Folder {
    let folder = Folder::new();
    folder.script("w", COUNTER, more);
    folder
}

fn get(server: &Server, path: &'static str) -> std::thread::JoinHandle<client::Answer> {
    let address = server.address;
    std::thread::spawn(move || client::get(address, path))
}

/// A request whose response has begun.
fn begun(server: &Server, path: &str) -> Client {
    let mut client = Client::connect(server.address);
    client.send(format!("GET {path} HTTP/1.1\r\nhost: w\r\n\r\n"));
    assert_eq!(client.head().status, 200);
    assert!(!client.piece().is_empty());
    client
}

#[test]
fn requests_one_after_another_meet_the_same_isolate() {
    let folder = worker("");
    let server = folder.start(&["serve", "w"]);
    let paths = [
        "/", "/behind", "/", "/stream", "/behind", "/behind", "/stream", "/throw", "/",
    ];
    let bodies = paths.map(|path| server.get(path).body);
    // The one that throws has no answer of its own.
    assert_eq!(bodies[..7], ["1", "2", "3", "4 4 4 ", "5", "6", "7 7 7 "]);
    assert_eq!(bodies[8], "9");
    _ = server.terminate();
}

#[test]
fn requests_that_wait_share_an_isolate_and_nothing_of_their_items() {
    let folder = worker("");
    let server = folder.start(&["serve", "w"]);
    let mut waiting = [(); 3].map(|()| begun(&server, "/wait"));
    let opener = server.get("/open").body;
    assert_eq!(opener, "4");
    for wait in &mut waiting {
        assert_eq!(wait.piece(), b"opened by 4");
    }
    drop(waiting);
    let items = server.terminate().items();
    let lines = |path: &str| {
        let logs = items.iter().map(|item| item["logs"].as_array().unwrap());
        let own = logs.filter(|logs| logs[0]["message"][0] == path);
        own.map(|logs| {
            let told = logs.iter().skip(1);
            let told: Vec<_> = told
                .map(|log| log["message"][0].as_str().unwrap())
                .collect();
            told.join(", ")
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(lines("/open"), [""]);
    assert_eq!(
        lines("/wait"),
        [(); 3].map(|()| format!("opened by {opener}"))
    );
}

#[test]
fn a_request_does_not_wait_for_one_that_computes() {
    let folder = worker("limits = { cpu_ms = 1000 }");
    let server = folder.start(&["serve", "w"]);
    let looping = get(&server, "/loop");
    // One may wait for it, which came before it computed for long.
    let (answered, answers) = std::sync::mpsc::channel();
    for _ in 0..3 {
        let (address, answered) = (server.address, answered.clone());
        std::thread::spawn(move || answered.send(client::get(address, "/").status));
    }
    for _ in 0..2 {
        assert_eq!(answers.recv().unwrap(), 200);
    }
    assert!(!looping.is_finished());
    assert_eq!(looping.join().unwrap().status, 503);
    assert_eq!(answers.recv().unwrap(), 200);
    _ = server.terminate();
}

#[test]
fn one_that_uses_up_its_cpu_time_ends_its_isolate() {
    let folder = worker("limits = { cpu_ms = 50 }");
    let server = folder.start(&["serve", "w"]);
    let mut beside = begun(&server, "/wait");
    assert_eq!(server.get("/loop").status, 503);
    _ = beside.until_closed();
    assert_eq!(server.get("/").body, "1");
    let items = server.terminate().items();
    let of = |path: &str| {
        let mut all = items.iter();
        all.find(|item| item["logs"][0]["message"][0] == path)
            .unwrap()
    };
    assert_eq!(of("/loop")["outcome"], "exceededCpu");
    let beside = of("/wait");
    assert_eq!(beside["outcome"], "responseStreamDisconnected", "{beside}");
    assert_eq!(
        beside["exceptions"][0]["message"],
        "The isolate of the Worker was ended by another event."
    );
}

#[test]
fn a_client_that_leaves_ends_its_own_request_alone() {
    let folder = worker("");
    let server = folder.start(&["serve", "w"]);
    let mut beside = begun(&server, "/wait");
    drop(begun(&server, "/endless"));
    while server.item()["outcome"] != "canceled" {}
    assert_eq!(server.get("/open").body, "3");
    assert_eq!(beside.piece(), b"opened by 3");
    // Nothing has started the script anew.
    drop(begun(&server, "/endless"));
    while server.item()["outcome"] != "canceled" {}
    assert_eq!(server.get("/").body, "5");
    _ = server.terminate();
}
