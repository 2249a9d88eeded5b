//! `taffrail analytics query`: what Workers have written, in SQL.

use serde_json::{Value, json};
use taffrail_tests::folder::Folder;
use taffrail_tests::process::Finished;

/// A Worker that writes a data point for each request.
fn clicks() -> Folder {
    let folder = Folder::new();
    folder.script(
        "w",
        "export default { fetch(request, env) {
           const { pathname, searchParams } = new URL(request.url);
           env.CLICKS.writeDataPoint({ blobs: [pathname, searchParams.get('by')], doubles: [Number(searchParams.get('n'))], indexes: ['i'] });
           return new Response('ok');
         } };",
        "analytics_engine_datasets = [{ binding = \"CLICKS\", dataset = \"clicks\" }]",
    );
    folder
}

fn query(folder: &Folder, more: &[&str]) -> Finished {
    let mut arguments = vec!["analytics", "query", "--dir", "w"];
    arguments.extend(more);
    folder.run(&arguments)
}

#[test]
fn points_are_found_while_the_server_runs() {
    let folder = clicks();
    let server = folder.start(&["serve", "w"]);
    let count = "SELECT count() AS n, sum(double1) AS sum FROM clicks FORMAT TabSeparated";
    for (path, expected) in [
        ("/a?n=1", "1\t1\n"),
        ("/b?n=2&by=eve", "2\t3\n"),
        ("/a?n=4.5", "3\t7.5\n"),
    ] {
        assert_eq!(server.get(path).status, 200);
        assert_eq!(query(&folder, &[count]).stdout, expected);
    }
    let found = query(
        &folder,
        &["SELECT blob1 AS path, SUM(_sample_interval) AS clicks, max(double1) AS most FROM clicks
           WHERE timestamp > NOW() - INTERVAL '1' DAY GROUP BY path ORDER BY clicks DESC, path"],
    );
    assert_eq!(
        found.stdout,
        "path  clicks  most\n/a         2   4.5\n/b         1     2\n"
    );
    assert_eq!((found.stderr.as_str(), found.code), ("", Some(0)));
    // The same as a Worker finds it by the name that it has in Cloudflare's newer API.
    let json = query(
        &folder,
        &[
            "SELECT blob2, index1, dataset FROM events.analyticsEngine.clicks WHERE blob1 = '/b'",
            "--format",
            "json",
        ],
    );
    assert_eq!(
        json.stdout,
        "{\"meta\":[{\"name\":\"blob2\",\"type\":\"String\"},{\"name\":\"index1\",\"type\":\"String\"},{\"name\":\"dataset\",\"type\":\"String\"}],\"data\":[{\"blob2\":\"eve\",\"index1\":\"i\",\"dataset\":\"clicks\"}],\"rows\":1}\n"
    );
    assert_eq!(server.get("/c").status, 200);
    _ = server.terminate();
    let after = query(&folder, &["SHOW TABLES", "--format", "csv"]);
    assert_eq!(after.stdout, "dataset,type\nclicks,dataset\n");
}

#[test]
fn a_mistake_is_told_with_its_place_and_its_status() {
    let folder = clicks();
    let nothing = query(&folder, &["SHOW TABLES", "--format", "ndjson"]);
    assert_eq!((nothing.stdout.as_str(), nothing.code), ("", Some(0)));
    assert_eq!(
        nothing.stderr,
        "warning: no Worker has written data points in `w` yet; `--dir` names another directory\n"
    );
    assert_eq!(folder.run(&["invoke", "w"]).code, Some(0));
    let wrong = query(&folder, &["SELECT blop1 FROM clicks"]);
    assert_eq!(
        wrong.stderr,
        "error: there is no column `blop1`; did you mean `blob1`? (line 1, column 8)
  SELECT blop1 FROM clicks
         ^\n"
    );
    assert_eq!(wrong.code, Some(2));
    let database =
        rusqlite::Connection::open(folder.path().join("w/.taffrail/store.sqlite")).unwrap();
    database.pragma_update(None, "user_version", 1_000).unwrap();
    let later = query(&folder, &["SELECT 1"]);
    assert!(
        later
            .stderr
            .contains("use the version that wrote it, or a later one"),
        "{}",
        later.stderr
    );
    assert_eq!(later.code, Some(1));
}

const REPORT: &str = r#"
export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/log") {
      console.log({ user: searchParams.get("user") });
      return new Response("logged");
    }
    const params = searchParams.get("params");
    const query = searchParams.get("query") ?? undefined;
    try {
      return Response.json(await env.ANALYTICS_SQL.query({ query, params: JSON.parse(params) }));
    } catch ({ name, message, retryable }) {
      return Response.json({ name, message, retryable });
    }
  },
};
"#;

#[test]
fn a_script_queries_what_was_kept_and_nothing_else() {
    let folder = Folder::new();
    folder.script(
        "w",
        REPORT,
        "analytics = { binding = \"ANALYTICS_SQL\" }\nobservability = { enabled = true }",
    );
    let server = folder.start(&["serve", "w", "--format", "none"]);
    assert_eq!(server.get("/log?user=ada").body, "logged");
    let encoded =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    let ask = |query: &str, params: &str| {
        let (query, params) = (encoded(query), encoded(params));
        let answer = server
            .get(&format!("/query?query={query}&params={params}"))
            .body;
        serde_json::from_str::<Value>(&answer).unwrap()
    };
    let by_user = "SELECT scriptName, level FROM logs.workersLogs WHERE attributes['user'] = ";
    let named = format!("{by_user}$user");
    // Items are indexed behind the responses.
    while ask(&named, "{\"user\":\"ada\"}")["rows"] == 0 {}
    let numbered = format!("{by_user}$1");
    let answer = ask(&numbered, "[\"ada\"]");
    assert_eq!(answer["data"], json!([{ "scriptName": "w", "level": "" }]));
    assert_eq!(answer["rows"], 1);
    assert!(answer["statistics"]["elapsed_ms"].is_number(), "{answer}");
    assert_eq!(ask(&numbered, "[\"eve\"]")["data"], json!([]));
    for (query, message) in [
        ("SELECT size FROM logs.traces", "there is no column `size`"),
        (
            "SELECT * FROM sqlite_master",
            "there is no table `sqlite_master`",
        ),
        ("SELECT * FROM kv", "there is no table `kv`"),
        ("DELETE FROM logs.traces", ""),
    ] {
        let failed = ask(query, "null");
        let expected = format!("Input was invalid: {message}");
        let found = failed["message"].as_str().unwrap();
        assert!(found.starts_with(&expected), "{query}: {failed}");
        assert_eq!(failed["retryable"], false, "{query}");
    }
    let answer = server.get("/query?params=null").body;
    let expected = "query() takes an object with a string as `query`.";
    assert!(
        answer.contains("TypeError") && answer.contains(expected),
        "{answer}"
    );
}
