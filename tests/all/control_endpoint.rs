//! The control endpoint of `dev` and `serve`.

use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use taffrail_tests::control::Control;
use taffrail_tests::folder::Folder;
use taffrail_tests::process::{Server, run};

/// A Worker that fetches what its client says, and redirects there.
const FETCHES: &str = "\
export default {
  async fetch(request) {
    const url = new URL(request.url);
    const target = url.searchParams.get('to');
    if (url.pathname === '/redirect') return Response.redirect(target);
    try {
      const answer = await fetch(target);
      return new Response('reached ' + answer.status);
    } catch (error) {
      return new Response(error.name + ': ' + error.message);
    }
  },
};
";

fn on_loopback(folder: &Folder, worker: &str) -> (Server, Control) {
    let server = folder.start(&["serve", worker, "--control", "127.0.0.1:0"]);
    let control = Control::of(&server);
    (server, control)
}

fn error(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["success"], false);
    body["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn commands_find_the_socket_beside_the_first_worker() {
    let folder = Folder::new();
    folder.worker("w", "hello", "").worker("t", "tail-log", "");
    for command in ["serve", "dev"] {
        let server = folder.start(&[command, "w", "t", "--format", "none"]);
        let in_folder = |arguments: &[&str]| {
            let mut command = folder.taffrail(arguments);
            command.current_dir(folder.path().join("w"));
            run(command)
        };
        assert_eq!(in_folder(&["stop", "w"]).code, Some(0));
        assert_eq!(server.get("/").status, 503);
        assert_eq!(in_folder(&["start", "w"]).code, Some(0));
        assert_eq!(server.get("/").status, 200);
        assert!(in_folder(&["status"]).stdout.starts_with("TAIL CONSUMER"));
        let unknown = in_folder(&["stop", "x"]);
        assert_eq!(unknown.code, Some(1));
        assert_eq!(
            unknown.stderr,
            "error: This Worker does not exist on your account: `x`. There are `t`, `w`\n"
        );
        let finished = server.terminate();
        assert_eq!(finished.code, Some(0));
        assert!(!finished.stderr.contains("warning"), "{}", finished.stderr);
        let gone = in_folder(&["status"]);
        assert_eq!(gone.code, Some(1));
        assert!(
            gone.stderr.contains(
                "nothing listens on `.taffrail/control.sock`; start `taffrail serve` or `dev`"
            ),
            "{}",
            gone.stderr
        );
    }
}

#[test]
fn a_server_without_a_place_for_its_socket_serves_and_says_so() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let first = folder.start(&["serve", "w"]);
    let mut command = folder.taffrail(&["serve", "w", "--port", "0"]);
    command.stdin(std::process::Stdio::null());
    let second = Server::spawn(command);
    assert_eq!(second.get("/").status, 200);
    let path = folder.path().join("w/.taffrail/control.sock");
    assert_eq!(second.terminate().code, Some(0));
    // It is still that of the first one.
    assert!(path.exists());
    assert_eq!(first.terminate().code, Some(0));

    let long = "w".repeat(120);
    folder.worker(&long, "hello", "");
    let server = folder.start(&["serve", &long]);
    assert_eq!(server.get("/").status, 200);
    let chosen = format!("{long}/control");
    let refused = folder.run(&["serve", &long, "--port", "0", "--control", &chosen]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("cannot listen there"),
        "{}",
        refused.stderr
    );
}

#[test]
fn an_address_of_a_network_is_refused() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let refused = folder.run(&["serve", "w", "--control", "0.0.0.0:0"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains(
            "0.0.0.0:0 is not a loopback address: whoever reaches this address controls Taffrail"
        ),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_loopback_address_needs_the_token_in_its_file() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let (server, control) = on_loopback(&folder, "w");
    assert_eq!(control.request("GET /status", "").status, 200);
    let host = "host: localhost";
    let answer = control.raw("GET /status", &[host], "");
    assert_eq!(answer.status, 401);
    assert!(error(&answer.body).contains("Authorization: Bearer TOKEN"));
    let wrong = "authorization: Bearer 0123456789abcdef0123456789abcdef";
    assert_eq!(control.raw("GET /nothing", &[host, wrong], "").status, 401);

    let address = control.address.to_string();
    let status = folder.run(&["status", "--control", &address, "--format", "json"]);
    assert_eq!((status.code, status.stderr.as_str()), (Some(0), ""));
    assert_eq!(server.terminate().code, Some(0));
    assert!(fs::metadata(&control.file).is_err());
    let gone = folder.run(&["status", "--control", &address]);
    assert!(
        gone.stderr.contains("there is no token for"),
        "{}",
        gone.stderr
    );
}

#[test]
fn a_request_for_a_web_page_is_refused() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let (server, control) = on_loopback(&folder, "w");
    let token = format!("authorization: Bearer {}", control.token);
    let stop = |headers: &[&str]| control.raw("POST /workers/w/stop", headers, "").status;
    assert_eq!(
        stop(&["host: localhost", &token, "origin: http://localhost"]),
        403
    );
    assert_eq!(stop(&["host: evil.example", &token]), 403);
    assert_eq!(server.get("/").status, 200);
    assert_eq!(stop(&["host: 127.0.0.1", &token]), 200);
    assert_eq!(server.get("/").status, 503);
}

#[test]
fn requests_are_bounded_and_errors_say_what_there_is() {
    let folder = Folder::new();
    folder.worker("w", "hello", "");
    let (_server, control) = on_loopback(&folder, "w");
    let answer = control.request("GET /nothing", "");
    assert_eq!(answer.status, 404);
    let message = error(&answer.body);
    assert!(
        message.contains("GET /status, GET /metrics, POST /workers/{worker}/stop"),
        "{message}"
    );
    let answer = control.request("PUT /status", "");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")));
    let long = format!("POST /tails?{}", "x".repeat(20_000));
    assert!([414, 431].contains(&control.request(&long, "").status));
    let answer = control.request("POST /tails", &" ".repeat(70_000));
    assert_eq!(answer.status, 413);
    let answer = control.request("POST /tails", r#"{"filters":[{"color":"red"}]}"#);
    assert_eq!(answer.status, 400);
    let message = error(&answer.body);
    assert!(
        message.contains("unknown variant `color`, expected one of `sampling_rate`"),
        "{message}"
    );
}

#[test]
fn what_is_kept_is_queried_while_the_server_runs() {
    let folder = Folder::new();
    let config = "analytics_engine_datasets = [{ binding = \"VISITS\", dataset = \"visits\" }]\n\
        [observability]\nenabled = true\n[observability.traces]\nenabled = true\n";
    let source = "export default { fetch(request, env) {
        env.VISITS.writeDataPoint({ blobs: ['home'], doubles: [2.5] });
        console.log({ user: 'ada' });
        return new Response('hi');
    } };";
    folder.script("w", source, config);
    let (server, control) = on_loopback(&folder, "w");
    assert_eq!(server.get("/").status, 200);
    let api = "/client/v4/analytics/sql";
    let ask = |query: &Value| {
        let answer = control.request(&format!("POST {api}"), &query.to_string());
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let lines = json!({
        "query": "SELECT scriptName, level FROM logs.workersLogs WHERE attributes['user'] = $user",
        "params": { "user": "ada" },
    });
    // Items are indexed behind the responses.
    while ask(&lines)["rows"] == 0 {}
    assert_eq!(
        ask(&lines)["data"],
        json!([{ "scriptName": "w", "level": "" }])
    );
    let one = [
        (
            "SELECT count() AS n FROM logs.traces WHERE spanType = 'invocation'",
            json!([{ "n": 1 }]),
        ),
        (
            "SELECT blob1, double1 FROM events.analyticsEngine.visits",
            json!([{ "blob1": "home", "double1": 2.5 }]),
        ),
        (
            "SELECT count() AS n FROM logs.workersLogs l JOIN visits v ON l.scriptName = 'w'",
            json!([{ "n": 2 }]),
        ),
    ];
    for (query, expected) in one {
        assert_eq!(ask(&json!({ "query": query }))["data"], expected, "{query}");
    }
    let command = folder.run(&[
        "logs",
        "query",
        "--dir",
        "w",
        "--format",
        "csv",
        "SELECT count() AS n FROM logs.workersLogs",
    ]);
    assert_eq!(command.stdout, "n\n2\n", "{}", command.stderr);
    let get = |query: &str| control.request(&format!("GET {api}?query={query}"), "");
    assert_eq!(get("SELECT+1+AS+n").status, 200);
    let refused = get("DELETE+FROM+logs.traces");
    assert_eq!(refused.status, 422, "{}", refused.body);
    let elsewhere = get("SELECT+*+FROM+sqlite_master");
    assert!(
        elsewhere
            .body
            .starts_with("Input was invalid: there is no table `sqlite_master`"),
        "{}",
        elsewhere.body
    );
    let nobody = control.raw(
        &format!("GET {api}?query=SELECT+1"),
        &["host: localhost"],
        "",
    );
    assert_eq!(nobody.status, 401);
}

/// As the plugin for ClickHouse sends them: what a time series is before its macros are replaced,
/// and the test of a data source.
#[test]
fn grafana_draws_data_points() {
    let folder = Folder::new();
    let config = "analytics_engine_datasets = [{ binding = \"VISITS\", dataset = \"visits\" }]";
    let source = "export default { fetch(request, env) {
        const { searchParams } = new URL(request.url);
        env.VISITS.writeDataPoint({ blobs: [searchParams.get('page')], doubles: [Number(searchParams.get('ms'))] });
        return new Response();
    } };";
    folder.script("w", source, config);
    let (server, control) = on_loopback(&folder, "w");
    for visit in ["/?page=home&ms=10", "/?page=home&ms=20", "/?page=cart&ms=7"] {
        assert_eq!(server.get(visit).status, 200);
    }
    let ask = |query: &str| {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let api = "/client/v4/accounts/local/analytics_engine/sql";
        let target = format!("GET {api}/?query={encoded}&add_http_cors_header=1");
        let answer = control.request(&target, "");
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    assert_eq!(ask("SELECT 1 FORMAT JSON")["rows"], 1);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let (from, to) = (now - 3600, now + 3600);
    let answer = ask(&format!(
        "/* grafana dashboard='Shop', user='1' */ SELECT
    (intDiv(toUInt32(timestamp), 1000000000) * 1000000000) * 1000 as t,
    blob1 AS label,
    SUM(_sample_interval * double1) / SUM(_sample_interval) AS average_metric
FROM visits
WHERE timestamp >= toDateTime({from}) AND timestamp <= toDateTime({to})
GROUP BY blob1, t
ORDER BY t, label DESC FORMAT JSON"
    ));
    let names = answer["meta"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|column| &column["name"]).collect();
    assert_eq!(names, ["t", "label", "average_metric"]);
    let rows = answer["data"].as_array().unwrap();
    let of =
        |label, average| json!({ "t": "1000000000000", "label": label, "average_metric": average });
    assert_eq!(*rows, [of("home", 15), of("cart", 7)]);
}

#[test]
fn metrics_count_invocations_and_items() {
    let folder = Folder::new();
    let tails = "tail_consumers = [{ service = \"t\" }]";
    folder
        .worker("w", "hello", tails)
        .worker("t", "tail-log", "");
    let server = folder.start(&[
        "serve",
        "w",
        "t",
        "--control",
        "127.0.0.1:0",
        "--format",
        "none",
    ]);
    let control = Control::of(&server);
    assert_eq!(server.get("/").status, 200);
    assert_eq!(server.get("/").status, 200);
    let delivered = "taffrail_tail_items_delivered_total{consumer=\"t\"}";
    while control.measure(delivered) < 2 {}
    assert_eq!(
        control.measure("taffrail_invocations_total{worker=\"w\",outcome=\"ok\"}"),
        2
    );
    assert_eq!(
        control.measure("taffrail_invocation_wall_seconds_count{worker=\"w\"}"),
        2
    );
    assert_eq!(control.measure("taffrail_live_tails"), 0);
}

#[test]
fn a_script_cannot_reach_the_endpoint_by_any_name() {
    let folder = Folder::new();
    folder.script("w", FETCHES, "");
    let (server, control) = on_loopback(&folder, "w");
    let port = control.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0x7f.1",
        "0.0.0.0",
        "[::ffff:7f00:1]",
    ] {
        let target = format!("http://{host}:{port}/status");
        let direct = server.get(&format!("/?to={target}")).body;
        let refused = "is permitted to reach ";
        assert!(
            direct.starts_with("Error: No Worker") && direct.contains(refused),
            "{host}: {direct}"
        );
        let own = server.address;
        let redirect = format!("http://{own}/redirect?to={target}").replace("?", "%3F");
        let redirected = server.get(&format!("/?to={redirect}")).body;
        assert!(redirected.contains(refused), "{host}: {redirected}");
    }
}

#[test]
fn a_component_cannot_reach_the_endpoint() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let folder = Folder::new();
    let tails = "tail_consumers = [{ service = \"t\" }]";
    let endpoint = format!("vars = {{ ENDPOINT = \"http://localhost:{port}/status\" }}");
    folder
        .worker("w", "hello", tails)
        .worker("t", "tail-http", &endpoint);
    let control = format!("127.0.0.1:{port}");
    let server = folder.start(&["serve", "w", "t", "--control", &control]);
    assert_eq!(server.get("/").status, 200);
    let item = server.until_stdout("consumedEvents");
    assert!(
        item.contains("No Worker is permitted to reach localhost"),
        "{item}"
    );
}
