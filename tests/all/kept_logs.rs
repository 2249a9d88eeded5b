//! Logs that are kept, and items that reach their tail even when the process is killed.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::thread;
use taffrail_tests::process::{Finished, Folder, Running, Server, run, run_recorded};
use taffrail_tests::upstream::{Reply, Upstream};

const KEPT: &str = "[observability]\nenabled = true\n";

const API: &str = r#"
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    console.log("request for", url.pathname);
    console.log({ user: url.searchParams.get("user"), n: 5 });
    if (env.OTHER) await env.OTHER.fetch("http://other/called");
    if (url.pathname === "/boom") throw new TypeError("it went boom");
    return new Response("hi", { status: url.pathname === "/missing" ? 404 : 200 });
  },
};
"#;

fn logs(folder: &Folder, arguments: &[&str]) -> Finished {
    let all = [&["logs"], arguments, &["--dir", "api"]].concat();
    folder.run(&all)
}

/// The items that `taffrail logs` shows.
fn found(folder: &Folder, arguments: &[&str]) -> Vec<Value> {
    let finished = logs(folder, &[&["--format", "json"], arguments].concat());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.items()
}

fn urls(items: &[Value]) -> Vec<&str> {
    let urls = items.iter().map(|item| &item["event"]["request"]["url"]);
    let paths = urls.map(|url| url.as_str().unwrap().split('/').next_back().unwrap());
    // Items are in the order in which invocations ended, which may be after the next has begun.
    let mut paths: Vec<_> = paths.collect();
    paths.sort_unstable();
    paths
}

/// Waits until the items of the requests so far are accepted.
fn served(server: Server) {
    let finished = server.terminate();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

#[test]
fn what_was_kept_is_found_while_the_server_runs_and_after_it() {
    let folder = Folder::new();
    folder.script("api", API, KEPT);
    let server = folder.start(&["serve", "api", "--format", "none"]);
    for path in ["/one?user=ann", "/two?user=bob", "/boom", "/missing"] {
        _ = server.get(path);
    }
    served(server);
    let all = found(&folder, &[]);
    assert_eq!(
        urls(&all),
        ["boom", "missing", "one?user=ann", "two?user=bob"]
    );
    for (arguments, expected) in [
        (&["--where", "user = \"ann\""][..], vec!["one?user=ann"]),
        (
            &["--where", "n = 5 and user in ('ann', 'bob')"],
            vec!["one?user=ann", "two?user=bob"],
        ),
        (&["--search", "went BOOM"], vec!["boom"]),
        (&["--status", "4xx"], vec!["missing"]),
        (&["--outcome", "exception"], vec!["boom"]),
        (&["--level", "error"], vec!["boom"]),
        (&["--worker", "other"], vec![]),
        (&["--since", "1h", "--until", "30m"], vec![]),
        (&["--since", "1h", "--search", "missing"], vec!["missing"]),
    ] {
        assert_eq!(urls(&found(&folder, arguments)), expected, "{arguments:?}");
    }
    assert_eq!(found(&folder, &["-n", "1"]).len(), 1);
    assert_eq!(logs(&folder, &["--count"]).stdout, "4\n");
    let pretty = logs(&folder, &["--search", "boom"]).stdout;
    assert!(pretty.contains("/boom - Exception Thrown @ "), "{pretty}");
    assert!(pretty.contains("  (log) request for /boom\n"), "{pretty}");
    let csv = logs(&folder, &["--search", "boom", "--format", "csv"]).stdout;
    let rows: Vec<_> = csv.lines().collect();
    assert!(
        rows[0].starts_with("time,worker,event,type,level,message,outcome"),
        "{csv}"
    );
    assert_eq!(rows.len(), 5, "{csv}");
    let stats = logs(&folder, &["stats"]).stdout;
    let row = stats.lines().last().unwrap();
    assert!(row.starts_with("api "), "{stats}");
    assert!(row.contains(" 4 ") && row.contains("25.0 %"), "{stats}");
    let stats = logs(&folder, &["stats", "--format", "json"])
        .items()
        .remove(0);
    assert_eq!(
        stats["workers"]["api"]["outcomes"],
        json!({"ok": 3, "exception": 1})
    );
}

#[test]
fn mistakes_are_told_with_a_remedy() {
    let folder = Folder::new();
    folder.script("api", API, "");
    let finished = logs(&folder, &[]);
    assert_eq!(finished.code, Some(1));
    let expected = "there are no logs in `api/.taffrail/logs`; set `observability.enabled = true` in the configuration of a Worker and run it, or name the directory of the first Worker with `--dir`";
    assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    for (arguments, expected) in [
        (
            ["--where", "user == "],
            "column 9: expected an expression, found the end",
        ),
        (
            ["--status", "6xx"],
            "expected a status such as 404, 5xx or 400-403",
        ),
        (
            ["--since", "soon"],
            "expected a duration such as 90s, 1h or 2d",
        ),
        (["--outcome", "good"], "expected ok, exception, exceededCpu"),
        (["--invocation", "x"], "an id has 32 hexadecimal digits"),
    ] {
        let finished = logs(&folder, &arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}");
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
    for (config, expected) in [
        (
            "[observability]\nhead_sampling_rate = 1.5",
            "expected a number from 0 to 1",
        ),
        (
            "[taffrail]\nredact = [\"(\"]",
            "`taffrail.redact`: `(` is no regular expression",
        ),
        ("[taffrail]\nkeep = [\"all\"]", "unknown variant `all`"),
        ("[observability]\nenable = true", "did you mean `enabled`?"),
        (
            "[observability.logs]\nenable = true",
            "unknown field `enable`",
        ),
    ] {
        let folder = Folder::new();
        folder.script("api", API, config);
        let finished = folder.run(&["invoke", "api"]);
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
}

#[test]
fn a_request_is_kept_with_all_that_it_calls_or_not_at_all() {
    let folder = Folder::new();
    let rate = "head_sampling_rate = 0.5\n";
    let calls =
        "[[services]]\nbinding = \"OTHER\"\nservice = \"other\"\n[taffrail]\nkeep = [\"failures\"]";
    folder.script("api", API, &format!("{KEPT}{rate}{calls}"));
    // Its own rate does not matter.
    folder.script("other", API, &format!("{KEPT}head_sampling_rate = 0.01"));
    let server = folder.start(&["serve", "api", "other", "--format", "none"]);
    for _ in 0..40 {
        _ = server.get("/x");
    }
    _ = server.get("/boom");
    served(server);
    let items = found(&folder, &["-n", "1000", "--where", "url like '%/x'"]);
    assert!((5..=35).contains(&items.len()), "{}", items.len());
    for item in &items {
        let id = item["invocationId"].as_str().unwrap();
        let tree = found(&folder, &["--invocation", id]);
        assert_eq!(tree.len(), 2, "{tree:?}");
        assert_eq!(tree[1]["parentInvocationId"], item["invocationId"]);
    }
    let called = found(&folder, &["-n", "1000", "--worker", "other"]);
    assert!(called.len() == items.len() || called.len() == items.len() + 1);
    assert_eq!(found(&folder, &["--outcome", "exception"]).len(), 1);
    let stats = logs(&folder, &["stats", "--format", "json"])
        .items()
        .remove(0);
    let expected = 2 * items.len() + 1;
    assert_eq!(stats["workers"]["api"]["count"], expected);
}

#[test]
fn secrets_do_not_reach_the_disk() {
    let folder = Folder::new();
    let config = "[observability]\nenabled = true\nredact_query_string = true\n[taffrail]\nredact = [\"email\", \"tok_[a-z]+\"]";
    let source = r#"export default { fetch(request) {
        console.log("mail to ann@example.com", { token: "tok_abc" });
        return new Response(); } };"#;
    folder.script("api", source, config);
    let server = folder.start(&["serve", "api", "--format", "none"]);
    _ = server.get("/p?password=hunter2");
    served(server);
    let item = found(&folder, &[]).remove(0);
    let message = json!(["mail to REDACTED", {"token": "REDACTED"}]);
    assert_eq!(item["logs"][0]["message"], message);
    let url = item["event"]["request"]["url"].as_str().unwrap();
    assert!(url.ends_with("/p?REDACTED"), "{url}");
    for file in fs::read_dir(folder.path().join("api/.taffrail/logs")).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for secret in ["hunter2", "ann@", "tok_a"] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}

#[test]
fn what_cannot_be_kept_is_counted_and_serving_goes_on() {
    let folder = Folder::new();
    folder.script("api", API, KEPT);
    folder.write("api/.taffrail/logs", "a file");
    let server = folder.start(&["serve", "api", "--format", "none"]);
    assert_eq!(server.get("/one").body, "hi");
    let finished = server.terminate();
    assert_eq!(finished.code, Some(1));
    let lost = "tail consumer `logs`: 1 of 1 item(s) lost: ";
    assert!(finished.stderr.contains(lost), "{}", finished.stderr);
}

/// Sends one request after the other.
fn ask_until_killed(server: SocketAddr) {
    while let Ok(mut stream) = TcpStream::connect(server) {
        _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        _ = stream.read_to_end(&mut Vec::new());
    }
}

/// Each round ends with `kill -9` at a moment that is as good as any.
#[test]
fn what_was_accepted_is_there_once_after_a_kill() {
    let folder = Folder::new();
    folder.worker("api", "hello", KEPT);
    let mut accepted = BTreeSet::new();
    for round in 0..8 {
        let mut command = folder.taffrail(&["serve", "api", "--format", "none", "--port", "0"]);
        command.args(["--control", "control"]);
        let server = Server::spawn(command);
        let address = server.address;
        let client = thread::spawn(move || ask_until_killed(address));
        let mut delivered = 0;
        while delivered < 20 + round * 7 {
            let status = folder.run(&["status", "--control", "control", "--format", "json"]);
            let status: Value = serde_json::from_str(&status.stdout).unwrap();
            delivered = status[0]["delivered"].as_u64().unwrap();
        }
        // Requests are being handled, and items written.
        server.signal("KILL");
        _ = server.finish();
        client.join().unwrap();
        let items = found(&folder, &["-n", "100000"]);
        let ids: BTreeSet<_> = items
            .iter()
            .map(|item| item["invocationId"].to_string())
            .collect();
        assert_eq!(ids.len(), items.len(), "an invocation is there twice");
        assert!(ids.is_superset(&accepted), "earlier items are gone");
        assert!(ids.len() as u64 >= accepted.len() as u64 + delivered);
        accepted = ids;
    }
}

const TAIL: &str = r#"
export default {
  async tail(events, env) {
    for (const event of events) {
      const { url } = event.event.request;
      const { status } = await fetch(env.ENDPOINT + new URL(url).pathname, { method: "POST", body: event.invocationId });
      if (status !== 200) throw new Error(`status ${status}`);
    }
  },
};
"#;

/// How often `status` is asked, which takes some milliseconds at least.
const ASKED: u32 = 2000;

/// Waits until so many items are kept.
fn until_kept(folder: &Folder, items: u64) {
    for _ in 0..ASKED {
        let control = "api/.taffrail/control.sock";
        let status = folder.run(&["status", "--control", control, "--format", "json"]);
        let status: Value = serde_json::from_str(&status.stdout).unwrap();
        let rows = status.as_array().unwrap();
        let logs = rows.iter().find(|row| row["consumer"] == "logs").unwrap();
        if logs["delivered"] == items {
            return;
        }
    }
    panic!("{items} items are not kept");
}

/// The endpoint of the tail is down, the process is killed, and all items arrive in order.
#[test]
fn a_durable_tail_gets_every_item_after_a_restart() {
    let is_up = Arc::new(AtomicBool::new(false));
    let (sender, received) = channel();
    let upstream = Upstream::start({
        let is_up = Arc::clone(&is_up);
        move |request| {
            let status = if is_up.load(Relaxed) { "200" } else { "503" };
            _ = sender.send((status, request.target.clone(), request.body.clone()));
            Reply::Whole(status, String::new(), Vec::new())
        }
    });
    let folder = Folder::new();
    // Kept as logs, too: so `status` tells that they are on the disk.
    let config = format!("tail_consumers = [{{ service = \"durable\" }}]\n{KEPT}");
    folder.worker("api", "hello", &config);
    let vars = format!("[vars]\nENDPOINT = \"http://{}\"\n", upstream.address);
    folder.script(
        "durable",
        TAIL,
        &format!("{vars}[taffrail]\ndelivery = \"durable\""),
    );
    let serve = [
        "serve", "api", "durable", "--format", "none", "--grace", "1",
    ];
    let server = folder.start(&serve);
    for number in 0..5 {
        _ = server.get(&format!("/{number}"));
        // An invocation ends a little after its response, perhaps after the next one.
        until_kept(&folder, number + 1);
    }
    // The tail is called, and fails.
    let (status, target, _) = received.recv().unwrap();
    assert_eq!((status, target.as_str()), ("503", "/0"));
    server.signal("KILL");
    _ = server.finish();

    let server = folder.start(&serve);
    _ = server.get("/5");
    until_kept(&folder, 1);
    let (status, ..) = received.recv().unwrap();
    assert_eq!(status, "503");
    // An orderly end leaves them for the next process, and loses none.
    let finished = server.terminate();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);

    is_up.store(true, Relaxed);
    let server = folder.start(&serve);
    let mut targets = Vec::new();
    let mut ids = BTreeSet::new();
    while targets.last().is_none_or(|target| target != "/5") {
        let (status, target, id) = received.recv().unwrap();
        if status == "200" {
            targets.push(target);
            ids.insert(id);
        }
    }
    assert_eq!(targets, ["/0", "/1", "/2", "/3", "/4", "/5"]);
    assert_eq!(ids.len(), 6);
    let finished = server.terminate();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);

    // What is delivered is not delivered again.
    let server = folder.start(&serve);
    _ = server.get("/6");
    let (_, target, _) = received.recv().unwrap();
    assert_eq!(target, "/6");
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn invoke_waits_for_a_durable_tail() {
    let folder = Folder::new();
    folder.worker(
        "api",
        "hello",
        "tail_consumers = [{ service = \"durable\" }]",
    );
    let source = "export default { tail(events) { console.log('got', events[0].scriptName); } };";
    folder.script("durable", source, "[taffrail]\ndelivery = \"durable\"");
    let finished = run(folder.taffrail(&["invoke", "api", "durable"]));
    assert!(
        finished.stderr.contains("  (log) got api"),
        "{}",
        finished.stderr
    );
}

#[test]
fn logs_are_queried_in_sql() {
    let folder = Folder::new();
    folder.script("api", API, KEPT);
    let server = folder.start(&["serve", "api", "--format", "none"]);
    for path in ["/one?user=ann", "/two?user=bob", "/boom"] {
        _ = server.get(path);
    }
    served(server);
    let query = |sql: &str| logs(&folder, &["query", "--format", "csv", sql]);
    for (sql, expected) in [
        (
            "SELECT logType, level, count() AS n FROM logs.workersLogs GROUP BY logType, level ORDER BY n DESC, level, logType",
            "logType,level,n\ncf-worker,,6\ncf-worker-event,info,2\ncf-worker,error,1\ncf-worker-event,error,1\n",
        ),
        (
            "SELECT scriptName, invocationType, outcome, httpStatus FROM logs.workersLogs WHERE message LIKE '%/one%' AND logType = 'cf-worker-event'",
            "scriptName,invocationType,outcome,httpStatus\napi,fetch,ok,200\n",
        ),
        (
            "SELECT error FROM workersLogs WHERE error != ''",
            "error\nTypeError: it went boom\n",
        ),
        (
            "SELECT count() AS n FROM logs.workersLogs WHERE timestamp > now() - INTERVAL '1' DAY AND invocationId != ''",
            "n\n10\n",
        ),
        (
            "SELECT message FROM logs.workersLogs WHERE attributes['user'] = 'bob'",
            "message\n\"{\"\"user\"\":\"\"bob\"\",\"\"n\"\":5}\"\n",
        ),
    ] {
        let finished = query(sql);
        assert_eq!(finished.stdout, expected, "{sql}: {}", finished.stderr);
    }
    for sql in [
        "DELETE FROM logs.workersLogs",
        "SELECT * FROM sqlite_master",
        "SELECT kept_message(1, 1) FROM logs.workersLogs",
        "ATTACH 'x' AS y",
    ] {
        let finished = query(sql);
        assert_eq!(finished.code, Some(2), "{sql}: {}", finished.stdout);
    }
}

const TRACED: &str = "[observability.traces]\nenabled = true\n";

const SHOP: &str = r#"
export default {
  async fetch(request, env, ctx) {
    console.log("traced", ctx.tracing.getActiveSpan().isTraced);
    ctx.tracing.enterSpan("price", (span) => span.setAttribute("sku", "lamp-7"));
    if (env.OTHER) await env.OTHER.fetch("http://other/called");
    return new Response("hi");
  },
};
"#;

#[test]
fn spans_are_found_in_sql_and_shown_below_their_invocations() {
    let folder = Folder::new();
    let calls = "[[services]]\nbinding = \"OTHER\"\nservice = \"other\"\n";
    folder.script("api", SHOP, &format!("{KEPT}{TRACED}{calls}"));
    folder.script("other", SHOP, &format!("{KEPT}{TRACED}"));
    let server = folder.start(&["serve", "api", "other", "--format", "none"]);
    _ = server.get("/buy");
    served(server);
    let query = |sql: &str| logs(&folder, &["query", "--format", "csv", sql]).stdout;
    let names =
        query("SELECT scriptName, name, spanType FROM logs.traces ORDER BY scriptName, name");
    let expected = "scriptName,name,spanType\napi,fetch,invocation\napi,fetch,operation\n\
        api,price,operation\nother,fetch,invocation\nother,price,operation\n";
    assert_eq!(
        names.lines().collect::<BTreeSet<_>>(),
        expected.lines().collect()
    );
    let found = "SELECT name, outcome FROM logs.traces
        WHERE attributes['sku'] = 'lamp-7' AND scriptName = 'api' AND durationMs < 60000";
    assert_eq!(query(found), "name,outcome\nprice,ok\n");
    let caller =
        "SELECT caller.scriptName AS caller, caller.name AS name, called.scriptName AS called
        FROM logs.traces caller JOIN logs.traces called ON called.parentSpanId = caller.spanId
        WHERE called.spanType = 'invocation'";
    assert_eq!(query(caller), "caller,name,called\napi,fetch,other\n");
    let traces = "SELECT count(DISTINCT traceId) AS traces FROM logs.traces";
    assert_eq!(query(traces), "traces\n1\n");
    let item = found_one(&folder, "other");
    let tree = logs(&folder, &["--invocation", &item]).stdout;
    let lines: Vec<_> = tree.lines().collect();
    assert_eq!(lines.len(), 7, "{tree}");
    for (line, begin) in lines.iter().zip([
        "GET http://localhost/buy - Ok @ ",
        "  (log) traced true",
        "└ price ",
        "└ fetch ",
        "  └ GET http://other/called - Ok @ ",
        "      (log) traced true",
        "    └ price ",
    ]) {
        assert!(line.starts_with(begin), "{line:?} of\n{tree}");
    }
    assert!(lines[2].ends_with(" sku=lamp-7"), "{tree}");
    assert!(lines[3].contains(" url.full=http://other/called"), "{tree}");
}

/// The id of the only kept invocation of a Worker.
fn found_one(folder: &Folder, worker: &str) -> String {
    let items = found(folder, &["--worker", worker]);
    assert_eq!(items.len(), 1, "{items:?}");
    items[0]["invocationId"].as_str().unwrap().to_owned()
}

#[test]
fn without_kept_traces_no_spans_are_made() {
    let folder = Folder::new();
    folder.script("plain", SHOP, KEPT);
    folder.script("gone", SHOP, &format!("{KEPT}{TRACED}persist = false\n"));
    for worker in ["plain", "gone"] {
        let (finished, items) = run_recorded(folder.taffrail(&["invoke", worker]));
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert_eq!(items[0]["logs"][0]["message"], json!(["traced", false]));
        let count = [
            "logs",
            "query",
            "--dir",
            worker,
            "--format",
            "csv",
            "SELECT count() AS n FROM logs.traces",
        ];
        assert_eq!(folder.run(&count).stdout, "n\n0\n", "{worker}");
    }
}

#[test]
fn a_share_of_the_traces_is_kept_be_it_without_logs() {
    let folder = Folder::new();
    folder.script("api", SHOP, &format!("{TRACED}head_sampling_rate = 0.5\n"));
    let server = folder.start(&["serve", "api", "--format", "none"]);
    for _ in 0..40 {
        _ = server.get("/x");
    }
    served(server);
    let query = |sql: &str| logs(&folder, &["query", "--format", "csv", sql]).stdout;
    let count = |kind: &str| {
        let sql = format!("SELECT count() AS n FROM logs.traces WHERE spanType = '{kind}'");
        let answer = query(&sql);
        answer.lines().last().unwrap().parse::<u32>().unwrap()
    };
    let kept = count("invocation");
    assert!((5..=35).contains(&kept), "{kept}");
    assert_eq!(count("operation"), kept);
    assert_eq!(query("SELECT count() AS n FROM logs.workersLogs"), "n\n0\n");
    assert_eq!(logs(&folder, &["--count"]).stdout, "0\n");
    let id = query("SELECT invocationId FROM logs.traces LIMIT 1");
    let tree = logs(&folder, &["--invocation", id.lines().last().unwrap()]).stdout;
    let lines: Vec<_> = tree.lines().collect();
    assert!(
        lines.len() == 2 && lines[1].starts_with("└ price "),
        "{tree}"
    );
}

/// The file system refuses longer files for a while.
#[test]
fn a_full_disk_is_told_and_writing_resumes_by_itself() {
    let folder = Folder::new();
    folder.worker("api", "hello", KEPT);
    let serve = folder.taffrail(&["serve", "api", "--format", "none", "--port", "0"]);
    // Otherwise the process is killed when a file would be too long.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    command.arg(serve.get_program()).args(serve.get_args());
    command.current_dir(folder.path());
    command.envs(
        serve
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let server = Server::spawn(command);
    let pid = rustix::process::Pid::from_raw(server.id().cast_signed());
    let limit = |current| {
        let limit = rustix::process::Rlimit {
            current,
            maximum: None,
        };
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).unwrap();
    };
    _ = server.get("/first");
    limit(Some(200_000));
    for request in 0..400 {
        assert_eq!(server.get(&format!("/{request}")).status, 200);
    }
    server.until_stderr("the store cannot be written to: ");
    assert_eq!(server.get("/still").status, 200);
    limit(None);
    server.until_stderr("the store can be written to again");
    let finished = server.terminate();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(logs(&folder, &["--count"]).stdout, "402\n");
}

#[test]
fn a_live_tail_begins_with_what_was_kept_and_repeats_nothing() {
    let folder = Folder::new();
    folder.worker("api", "hello", KEPT);
    let server = folder.start(&["serve", "api", "--format", "none"]);
    for request in 0..5 {
        _ = server.get(&format!("/kept/{request}"));
    }
    let mut command = folder.taffrail(&["tail", "api", "--since", "1h", "--dir", "api"]);
    command.args([
        "--format",
        "json",
        "--method",
        "get",
        "--control",
        "api/.taffrail/control.sock",
    ]);
    let tail = Running::spawn(command);
    let mut paths = Vec::new();
    for request in 0..5 {
        if request == 0 {
            // It is connected before it shows what was kept.
            paths.push(path_of(&tail.until_stdout("")));
        }
        _ = server.get(&format!("/live/{request}"));
    }
    while paths.len() < 10 {
        paths.push(path_of(&tail.until_stdout("")));
    }
    // Invocations need not end in the order in which they began.
    paths[..5].sort_unstable();
    paths[5..].sort_unstable();
    let expected = |kind: &str| (0..5).map(|n| format!("/{kind}/{n}")).collect::<Vec<_>>();
    assert_eq!(paths, [expected("kept"), expected("live")].concat());
    served(server);
    assert_eq!(tail.finish().stdout, "");
}

fn path_of(line: &str) -> String {
    let item: Value = serde_json::from_str(line).unwrap();
    let url = item["event"]["request"]["url"].as_str().unwrap();
    format!("/{}", url.splitn(4, '/').last().unwrap())
}

/// The sample on the page "Observability" of <https://developers.cloudflare.com/dynamic-workers/>.
#[test]
fn logs_of_dynamic_workers_are_found_by_the_id_that_their_tail_adds() {
    let source = r#"
import { WorkerEntrypoint } from "cloudflare:workers";
export class DynamicWorkerTail extends WorkerEntrypoint {
  async tail(events) {
    for (const event of events) {
      for (const log of event.logs) {
        console.log({
          source: "dynamic-worker-tail",
          workerId: this.ctx.props.workerId,
          level: log.level,
          message: log.message,
        });
      }
    }
  }
}
export default {
  async fetch(request, env, ctx) {
    const workerId = new URL(request.url).pathname.slice(1);
    const code = `export default { fetch() { console.warn("I am ${workerId}"); return new Response("ok"); } }`;
    const worker = env.LOADER.get(workerId, () => ({
      compatibilityDate: "2026-01-01",
      mainModule: "m.js",
      modules: { "m.js": code },
      tails: [ctx.exports.DynamicWorkerTail({ props: { workerId } })],
    }));
    return worker.getEntrypoint().fetch(request);
  },
};
"#;
    let folder = Folder::new();
    let loader = "worker_loaders = [{ binding = \"LOADER\" }]\n";
    folder.script("api", source, &format!("{loader}{KEPT}"));
    for id in ["alpha", "beta"] {
        let url = format!("http://localhost/{id}");
        let finished = folder.run(&["invoke", "api", "--url", &url]);
        assert_eq!(finished.stdout, "ok", "{}", finished.stderr);
    }
    let items = found(&folder, &["--where", "workerId = \"beta\""]);
    assert_eq!(items.len(), 1);
    let message = &items[0]["logs"][0]["message"][0];
    assert_eq!(message["message"], json!(["I am beta"]));
    let sql = "SELECT attributes['workerId'] AS id, count() AS n FROM logs.workersLogs WHERE attributes['source'] = 'dynamic-worker-tail' GROUP BY id ORDER BY id";
    let answer = logs(&folder, &["query", "--format", "csv", sql]);
    assert_eq!(
        answer.stdout, "id,n\nalpha,1\nbeta,1\n",
        "{}",
        answer.stderr
    );
}
