//! What a guest makes the host hold or burn is counted.

use serde_json::{Value, json};
use std::fmt::Write as _;
use taffrail_tests::client::Client;
use taffrail_tests::process::{Folder, Server};

const MIB: usize = 1 << 20;

/// What the process may have on top of what it has when it is idle: the memory
/// of a guest, as much for the host again, and as much in passing.
const ROOM: usize = 3 * 128 * MIB;

/// Runs the guest `hostile` as Worker `w`.
fn hostile(more: &str) -> (Folder, Server) {
    let folder = Folder::new();
    let server = folder.worker("w", "hostile", more).start(&["serve", "w"]);
    (folder, server)
}

/// Sends a request, and returns the status, the item, and how much the memory of
/// the process grew.
fn attack(server: &Server, path: &str) -> (u16, Value, usize) {
    // The first instance and the first connection are not the attack's.
    assert_eq!(server.get("/log?1").status, 200);
    assert_eq!(server.item()["outcome"], "ok");
    let before = server.peak_memory();
    let answer = server.get(path);
    let item = server.item();
    // The kernel's figures are not exact to the page.
    let grown = server.peak_memory().saturating_sub(before);
    (answer.status, item, grown)
}

#[track_caller]
fn check_memory_exceeded(status: u16, item: &Value, grown: usize) {
    assert_eq!(status, 503, "{item}");
    assert_eq!(item["outcome"], "exceededMemory", "{item}");
    let limit = json!({ "key": "taffrail.memory_mb", "value": 128 });
    assert_eq!(item["exceededLimit"], limit);
    let peak = item["peakMemory"].as_u64().unwrap();
    // Its last weighing may have been some milliseconds earlier.
    assert!(peak > 32 << 20, "peakMemory {peak}");
    assert!(grown < ROOM, "the process grew by {} MiB", grown / MIB);
}

#[test]
fn table_entries_count_as_memory() {
    let (_folder, server) = hostile("");
    for path in ["/fields?60000", "/methods?6000", "/bodies?60000"] {
        let (status, item, grown) = attack(&server, path);
        check_memory_exceeded(status, &item, grown);
    }
    // It is given back.
    for _ in 0..5 {
        let (status, item, _) = attack(&server, "/fields?300");
        assert_eq!(status, 200);
        assert_eq!(item["outcome"], "ok");
    }
}

#[test]
fn arguments_of_one_call_are_bounded() {
    let (_folder, server) = hostile("");
    let (status, item, grown) = attack(&server, "/arguments?5000000");
    assert_eq!(status, 500);
    assert_eq!(item["outcome"], "exception");
    let message = item["exceptions"][0]["message"].as_str().unwrap();
    assert!(message.contains("too much data"), "{message}");
    assert!(grown < ROOM, "the process grew by {} MiB", grown / MIB);

    // What may be passed and has no room in the item is counted, not made.
    for path in ["/arguments?3000000", "/log?50000000"] {
        let (status, item, grown) = attack(&server, path);
        assert_eq!(status, 200);
        assert_eq!(item["dropped"]["logs"], 1);
        assert!(grown < ROOM, "the process grew by {} MiB", grown / MIB);
    }
}

#[test]
fn lines_beyond_the_budget_are_counted_and_cost_little() {
    let (_folder, server) = hostile("");
    let lines = 60_000_000;
    let (status, item, grown) = attack(&server, &format!("/lines?{lines}"));
    assert_eq!(status, 200, "{}", item["outcome"]);
    let kept = item["logs"].as_array().unwrap().len() as u64 - 1;
    assert_eq!(item["dropped"]["logs"].as_u64().unwrap() + kept, lines);
    assert!(grown < ROOM, "the process grew by {} MiB", grown / MIB);
}

#[test]
fn a_limit_of_cpu_time_ends_output_too() {
    let (_folder, server) = hostile("limits.cpu_ms = 50");
    let (status, item, _) = attack(&server, "/lines?600000000");
    assert_eq!(status, 503);
    assert_eq!(item["outcome"], "exceededCpu");
    // Much less than what the lines would cost, on a machine with much to do.
    let used = item["cpuTime"].as_u64().unwrap();
    assert!(used < 500, "{used} ms");
}

#[test]
fn more_than_is_permitted_is_not_written() {
    let (_folder, server) = hostile("");
    let (status, item, grown) = attack(&server, "/write?60000000");
    assert_eq!(status, 500);
    assert_eq!(
        item["exceptions"][0]["message"],
        "60000000 bytes were written to an output stream at once, but `check-write` permits 65536"
    );
    assert!(grown < ROOM, "the process grew by {} MiB", grown / MIB);
}

#[test]
fn lines_of_a_guest_for_wasi_0_3_are_counted_too() {
    let folder = Folder::new();
    let server = folder
        .worker("w", "probe-p3", "limits.cpu_ms = 5000")
        .start(&["serve", "w"]);
    assert_eq!(server.get("/newlines?20000000").status, 200);
    let item = server.item();
    let kept = item["logs"].as_array().unwrap().len() as u64 - 1;
    assert_eq!(item["dropped"]["logs"].as_u64().unwrap() + kept, 20_000_000);
}

#[test]
fn long_texts_of_other_entries_are_dropped() {
    let (_folder, server) = hostile("");
    for (path, kind) in [
        ("/publish?50000000", "diagnosticsChannelEvents"),
        ("/report?50000000", "exceptions"),
    ] {
        let (status, item, grown) = attack(&server, path);
        assert_eq!(status, 200);
        assert_eq!(item["dropped"][kind], 1);
        assert!(item.to_string().len() < 2000, "{item}");
        assert!(grown < ROOM, "the process grew by {} MiB", grown / MIB);
    }
}

#[test]
fn calls_of_the_host_are_bounded_at_their_entrance() {
    let (_folder, server) = hostile("limits.cpu_ms = 1000");
    for (path, reason) in [
        ("/poll?50000", "50000 pollables"),
        ("/random?18446744073709551615", "exceeds limit"),
        ("/random?60000000", "exceeds limit"),
    ] {
        let (status, item, grown) = attack(&server, path);
        assert_eq!(status, 500, "{path}: {item}");
        let message = item["exceptions"][0]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{message}");
        assert!(grown < ROOM, "the process grew by {} MiB", grown / MIB);
    }
}

#[test]
fn sockets_are_not_opened() {
    let (_folder, server) = hostile("");
    let (status, item, _) = attack(&server, "/sockets?5000");
    assert_eq!(status, 200);
    assert_eq!(item["logs"][0]["message"], json!(["0 sockets"]));
}

const WAIT_UNTIL: &str = "waitUntil() tasks did not complete within the allowed time after invocation end and have been cancelled.";

#[track_caller]
fn check_cancelled(item: &Value) {
    assert_eq!(item["outcome"], "ok", "{item}");
    assert_eq!(item["event"]["response"]["status"], 200);
    assert_eq!(item["logs"][0]["level"], "warn");
    assert_eq!(item["logs"][0]["message"], json!([WAIT_UNTIL]));
    let limit = json!({ "key": "taffrail.wait_until_ms", "value": 100 });
    assert_eq!(item["exceededLimit"], limit);
}

#[test]
fn what_goes_on_behind_a_response_ends() {
    let folder = Folder::new();
    folder.worker("component", "hostile", "").script(
        "script",
        "export default { fetch(request, env, ctx) {
                ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 1e9)));
                return new Response('done');
            } }",
        "",
    );
    for worker in ["component", "script"] {
        let more = ["--limit", "wait_until_ms=100", "--limit", "instances=2"];
        let server = folder.start(&[&["serve", worker][..], &more].concat());
        for _ in 0..6 {
            assert_eq!(server.get("/behind").body, "done");
            check_cancelled(&server.item());
        }
    }
}

#[test]
fn values_that_wait_in_the_host_count_as_memory() {
    let folder = Folder::new();
    folder.script(
        "w",
        "export default { async fetch(request, env) {
            if (new URL(request.url).pathname === '/put') {
                await env.KV.put('key', new Uint8Array(25 << 20));
                return new Response('kept');
            }
            const get = () => env.KV.get('key', 'stream');
            const values = await Promise.all(Array.from({ length: 100 }, get));
            return new Response(`${values.length}`);
        } }",
        "kv_namespaces = [{ binding = \"KV\", id = \"kv\" }]",
    );
    let server = folder.start(&["serve", "w"]);
    assert_eq!(server.get("/put").body, "kept");
    assert_eq!(server.item()["outcome"], "ok");
    let before = server.peak_memory();
    let answer = server.get("/get");
    let item = server.item();
    let grown = server.peak_memory().saturating_sub(before);
    check_memory_exceeded(answer.status, &item, grown);
}

/// A module with one function, in text form.
fn module_of(locals: usize, body: &str) -> String {
    let locals = "i64 ".repeat(locals);
    format!("(component (core module (func (param i32) (local {locals}) {body})))")
}

/// Changes each local, so that a loop around it carries them all.
fn changes(locals: usize) -> String {
    (1..=locals).fold(String::new(), |mut text, local| {
        _ = write!(
            text,
            "(local.set {local} (i64.add (local.get {local}) (i64.const 1)))"
        );
        text
    })
}

/// Components that the compiler takes long for, or much memory, in text form.
fn compile_bombs() -> [(&'static str, String); 5] {
    let nested = module_of(
        300,
        &format!(
            "{} {} {}",
            "loop ".repeat(300),
            changes(300),
            "(br_if 0 (local.get 0)) end ".repeat(300)
        ),
    );
    let switch = module_of(
        100,
        &format!(
            "loop loop {} (br_table {} (local.get 0)) end end",
            changes(100),
            "0 1 ".repeat(5_000)
        ),
    );
    let branches = module_of(
        1,
        &"(if (local.get 0) (then (local.set 1 (i64.add (local.get 1) (i64.const 1)))))"
            .repeat(30_000),
    );
    let functions = format!(
        "(component (core module {}))",
        "(func (nop)) ".repeat(70_000)
    );
    let mut instances =
        "(component $root (component $c0 (core module $m) (core instance (instantiate $m)))"
            .to_owned();
    for level in 1..30 {
        let below = level - 1;
        _ = write!(
            instances,
            "(component $c{level} (alias outer $root $c{below} (component $c))
                (instance (instantiate $c)) (instance (instantiate $c)))"
        );
    }
    instances.push(')');
    [
        ("microseconds for one function", nested),
        ("microseconds for one function", switch),
        ("microseconds for one function", branches),
        ("functions", functions),
        ("instances", instances),
    ]
}

#[test]
fn what_takes_too_much_to_compile_is_not_compiled() {
    let folder = Folder::new();
    folder.worker("w", "probe", "worker_loaders = [{ binding = \"LOADER\" }]");
    for (what, text) in compile_bombs() {
        let component = wat::parse_str(text).unwrap();
        let server = folder.start(&["serve", "w"]);
        assert_eq!(server.get("/status?200").status, 200);
        let before = server.peak_memory();
        let mut client = Client::connect(server.address);
        let length = component.len();
        client.send(format!(
            "POST /binding/load?LOADER HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
        ));
        client.send(&component);
        let said = client.answer().body;
        let refused = "it is too expensive to compile at run time: ";
        assert!(said.contains(refused) && said.contains(what), "{said}");
        let grown = server.peak_memory().saturating_sub(before);
        assert!(grown < ROOM, "the process grew by {} MiB", grown / MIB);
    }
}
