//! Telemetry that reaches an OpenTelemetry collector.

use serde_json::Value;
use std::process::Command;
use std::sync::{Arc, Mutex};
use taffrail_tests::client::Client;
use taffrail_tests::process::{Finished, Folder, Server, run};
use taffrail_tests::upstream::{Reply, Upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

const FRONT: &str = r#"
export default {
  async fetch(request, env) {
    console.log("asked for", new URL(request.url).pathname, { user: "ann@example.com" });
    const answer = await env.BACK.fetch("http://back/stock?of=cart");
    if (!answer.ok) throw new TypeError("no stock");
    return new Response(await answer.text());
  },
};
"#;

const BACK: &str = r#"
export default {
  async fetch(request, env) {
    console.warn("asking the origin");
    const answer = await fetch(env.ORIGIN);
    return new Response(await answer.text(), { status: answer.status });
  },
};
"#;

const TAIL: &str = "export default { tail(items) { console.log(items.length); } }";

/// A collector of JSON, which answers as it is told.
struct Collector {
    upstream: Upstream,
    messages: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Collector {
    fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let messages: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let received = Arc::clone(&messages);
        let upstream = Upstream::start(move |request| {
            let message = serde_json::from_str(&request.body).unwrap();
            let path = request.target.clone();
            received.lock().unwrap().push((path, message));
            reply(&request.target)
        });
        Self { upstream, messages }
    }

    /// One that takes everything.
    fn taking() -> Self {
        Self::start(|_| taken())
    }

    /// All values at these keys, of the messages to a path.
    fn all(&self, path: &str, keys: &[&str]) -> Vec<Value> {
        let messages = self.messages.lock().unwrap();
        let messages = messages.iter().filter(|(other, _)| other == path);
        let messages: Vec<_> = messages.map(|(_, message)| message.clone()).collect();
        keys.iter().fold(messages, |values, key| {
            let members = values.iter().map(|value| value[*key].as_array().unwrap());
            members.flatten().cloned().collect()
        })
    }

    fn spans(&self) -> Vec<Value> {
        self.all("/v1/traces", &["resourceSpans", "scopeSpans", "spans"])
    }

    fn records(&self) -> Vec<Value> {
        self.all("/v1/logs", &["resourceLogs", "scopeLogs", "logRecords"])
    }

    /// The data points of a metric.
    fn points(&self, name: &str) -> Vec<Value> {
        let keys = ["resourceMetrics", "scopeMetrics", "metrics"];
        let metrics = self.all("/v1/metrics", &keys).into_iter();
        let of_name = metrics.filter(|metric| metric["name"] == name);
        of_name
            .flat_map(|metric| {
                let data = match metric["sum"].is_null() {
                    true => &metric["histogram"],
                    false => &metric["sum"],
                };
                data["dataPoints"].as_array().unwrap().clone()
            })
            .collect()
    }
}

fn taken() -> Reply {
    Reply::Whole(
        "200",
        "content-type: application/json\r\n".into(),
        b"{}".into(),
    )
}

/// The value of an attribute as text.
fn attribute(of: &Value, name: &str) -> Option<String> {
    let attributes = of["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|other| other["key"] == name)?;
    let (_, value) = found["value"].as_object().unwrap().iter().next()?;
    Some(
        value
            .as_str()
            .map_or_else(|| value.to_string(), ToOwned::to_owned),
    )
}

/// Two Workers, the first of which calls the second, which fetches from `origin`; and a tail.
fn shop(origin: &Upstream, more: &str) -> Folder {
    let folder = Folder::new();
    let front = format!(
        "services = [{{ binding = \"BACK\", service = \"back\" }}]\ntail_consumers = [{{ service = \"tail\" }}]\n{more}"
    );
    let back = format!("[vars]\nORIGIN = \"http://{}/item\"", origin.address);
    folder
        .script("front", FRONT, &front)
        .script("back", BACK, &back)
        .script("tail", TAIL, "");
    folder
}

fn origin() -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&requests);
    let origin = Upstream::start(move |request| {
        seen.lock().unwrap().push(request.fields.clone());
        let status = if request.target == "/item" {
            "200"
        } else {
            "404"
        };
        Reply::Whole(status, String::new(), b"7 left".into())
    });
    (origin, requests)
}

/// A server of these Workers that exports to a collector.
fn serve(folder: &Folder, paths: &[&str], collector: &str) -> Server {
    Server::spawn(command(folder, paths, collector))
}

fn command(folder: &Folder, paths: &[&str], collector: &str) -> Command {
    let mut command = folder.taffrail(&[&["serve"], paths].concat());
    command
        .args(["--format", "none", "--port", "0"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    command
}

fn stopped(server: Server) -> Finished {
    let finished = server.terminate();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished
}

/// Asks for a path within a trace.
fn get_traced(server: &Server, path: &str) -> u16 {
    let mut client = Client::connect(server.address);
    client.send(format!(
        "GET {path} HTTP/1.1\r\nhost: shop.test\r\nuser-agent: test\r\ntraceparent: 00-{TRACE}-{CLIENT_SPAN}-01\r\nconnection: close\r\n\r\n"
    ));
    client.answer().status
}

/// The kinds of spans.
const SERVER: u64 = 2;
const CLIENT: u64 = 3;

/// The only span of a name and a kind below another one.
fn below<'a>(spans: &[&'a Value], parent: &Value, name: &str, kind: u64) -> &'a Value {
    let is_it = |span: &&&Value| {
        span["name"] == name && span["kind"] == kind && span["parentSpanId"] == *parent
    };
    let found: Vec<_> = spans.iter().filter(is_it).collect();
    let [found] = found[..] else {
        panic!("{name} below {parent}: {found:#?} of {spans:#?}");
    };
    found
}

#[test]
fn a_request_its_calls_and_its_fetch_are_one_trace_and_its_tail_another() {
    let (origin, requests) = origin();
    let collector = Collector::taking();
    let folder = shop(&origin, "");
    let url = format!("http://{}", collector.upstream.address);
    let server = serve(&folder, &["front", "back", "tail"], &url);
    assert_eq!(get_traced(&server, "/cart?id=7"), 200);
    stopped(server);

    let spans = collector.spans();
    let (shop, tails): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span["traceId"] == TRACE);
    let front = below(&shop, &CLIENT_SPAN.into(), "GET", SERVER);
    let to_back = below(&shop, &front["spanId"], "fetch", CLIENT);
    let back = below(&shop, &to_back["spanId"], "GET", SERVER);
    let to_origin = below(&shop, &back["spanId"], "fetch", CLIENT);
    assert_eq!(shop.len(), 4, "{spans:#?}");
    let parent = format!(
        "traceparent: 00-{TRACE}-{}-01",
        to_origin["spanId"].as_str().unwrap()
    );
    let requests = requests.lock().unwrap();
    assert!(
        requests[0].lines().any(|line| line == parent),
        "{requests:?}"
    );
    for (name, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/cart"),
        ("url.query", "id=7"),
        ("server.address", "shop.test"),
        ("user_agent.original", "test"),
        ("http.response.status_code", "200"),
        ("faas.trigger", "http"),
        ("cloudflare.outcome", "ok"),
        ("cloudflare.handler_type", "fetch"),
    ] {
        assert_eq!(attribute(front, name).as_deref(), Some(value), "{name}");
    }
    let nanoseconds = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    for span in &spans {
        let (start, end) = (
            nanoseconds(span, "startTimeUnixNano"),
            nanoseconds(span, "endTimeUnixNano"),
        );
        assert!(0 < start && start <= end, "{span}");
    }
    let [tail] = &tails[..] else {
        panic!("{tails:#?}");
    };
    assert_eq!(
        (&tail["name"], &tail["parentSpanId"]),
        (&"tail".into(), &"".into())
    );
    assert_eq!(
        attribute(tail, "cloudflare.trace.count").as_deref(),
        Some("1")
    );

    let records = collector.records();
    let said = |text: &str| {
        let mut records = records.iter();
        let found = records.find(|record| record["body"]["stringValue"] == text);
        found.unwrap_or_else(|| panic!("no {text} in {records:?}"))
    };
    let asked = said("asked for /cart {\"user\":\"ann@example.com\"}");
    assert_eq!(
        (&asked["traceId"], &asked["spanId"]),
        (&TRACE.into(), &front["spanId"])
    );
    assert_eq!(asked["severityNumber"], 9);
    assert_eq!(attribute(asked, "user").as_deref(), Some("ann@example.com"));
    let asking = said("asking the origin");
    assert_eq!(
        (&asking["spanId"], &asking["severityNumber"]),
        (&back["spanId"], &13.into())
    );

    let invocations = collector.points("taffrail.invocations");
    assert_eq!(invocations.len(), 3, "{invocations:?}");
    assert!(invocations.iter().all(|point| point["asInt"] == "1"));
    for name in ["faas.invoke_duration", "faas.cpu_usage", "faas.mem_usage"] {
        let counts: Vec<_> = collector
            .points(name)
            .iter()
            .map(|point| point["count"].clone())
            .collect();
        assert_eq!(counts, ["1", "1", "1"], "{name}");
    }
    // Each script has one, whether or not it has come to rest.
    let instances = collector.points("taffrail.instances");
    let counts = instances.iter().map(|point| point["asInt"].as_str());
    let count: u64 = counts
        .map(|count| count.unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!((instances.len(), count), (2, 3));
    let cold = collector.points("faas.coldstarts");
    assert!(
        cold.iter().all(|point| point["asInt"] == "0"),
        "deployed scripts have an isolate: {cold:?}"
    );
    let delivered = collector.points("taffrail.tail.delivered");
    let to_tail = delivered
        .iter()
        .find(|point| attribute(point, "taffrail.tail.consumer").as_deref() == Some("tail"));
    assert_eq!(to_tail.unwrap()["asInt"], "1");
}

#[test]
fn a_worker_decides_what_is_exported_of_it() {
    let (origin, _) = origin();
    let collector = Collector::taking();
    let folder = shop(
        &origin,
        "[observability]\nredact_query_string = true\n[observability.traces]\nhead_sampling_rate = 0\n[taffrail]\nredact = [\"email\"]",
    );
    let url = format!("http://{}", collector.upstream.address);
    let server = serve(&folder, &["front", "back", "tail"], &url);
    // Without a trace of the client's, the Worker decides for all that it calls.
    assert_eq!(server.get("/cart?id=7").status, 200);
    stopped(server);
    let spans = collector.spans();
    assert!(
        spans.iter().all(|span| span["name"] == "tail"),
        "{spans:#?}"
    );
    let records = collector.records();
    let said = |text: &str| {
        records
            .iter()
            .any(|record| record["body"]["stringValue"] == text)
    };
    assert!(
        said("asked for /cart {\"user\":\"REDACTED\"}"),
        "{records:#?}"
    );
    assert!(said("asking the origin"), "{records:#?}");

    let quiet = Collector::taking();
    let config =
        "[observability.logs]\nenabled = false\n[taffrail.otlp]\nsignals = [\"logs\", \"traces\"]";
    let folder = shop(&origin, config);
    let url = format!("http://{}", quiet.upstream.address);
    let server = serve(&folder, &["front", "back", "tail"], &url);
    assert_eq!(server.get("/cart").status, 200);
    stopped(server);
    let said = quiet.records();
    let mut bodies: Vec<_> = said
        .iter()
        .map(|record| record["body"]["stringValue"].as_str().unwrap())
        .collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["1", "asking the origin"]);
    assert!(!quiet.spans().is_empty());
    assert!(quiet.points("taffrail.invocations").is_empty());
}

/// It cannot say itself what is to be removed.
#[test]
fn a_dynamic_worker_is_exported_without_what_a_deployed_one_wants_removed() {
    let collector = Collector::taking();
    let source = r#"
const code = `export default { fetch(request) {
  console.log("ann@example.com", request.url);
  return new Response();
} }`;
export default { fetch(request, env) {
  const modules = { "m.js": code };
  const worker = env.LOADER.load({ compatibilityDate: "2026-01-01", mainModule: "m.js", modules });
  return worker.getEntrypoint().fetch("http://made/?mail=bob@example.com");
} };
"#;
    let config = "worker_loaders = [{ binding = \"LOADER\" }]\n[taffrail]\nredact = [\"email\"]";
    let folder = Folder::new();
    folder.script("maker", source, config);
    folder.script("plain", BACK, "");
    let url = format!("http://{}", collector.upstream.address);
    let server = serve(&folder, &["maker", "plain"], &url);
    assert_eq!(server.get("/").status, 200);
    stopped(server);
    let records = collector.records();
    let [record] = &records[..] else {
        panic!("{records:#?}");
    };
    let said = &record["body"]["stringValue"];
    assert_eq!(said, "REDACTED http://made/?mail=REDACTED");
    let spans = collector.spans();
    let made = spans
        .iter()
        .find(|span| span["kind"] == SERVER && attribute(span, "url.query").is_some());
    assert_eq!(
        attribute(made.unwrap(), "url.query").as_deref(),
        Some("mail=REDACTED")
    );
}

#[test]
fn a_collector_that_is_not_there_is_one_warning_and_an_exact_count() {
    let folder = Folder::new();
    folder.script(
        "w",
        "export default { fetch() { console.log(1); return new Response('hi'); } }",
        "",
    );
    // A port at which nobody listens any more.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut command = command(&folder, &["w"], &url);
    // They would be the first to find out, at a time of their own.
    command.env("OTEL_METRICS_EXPORTER", "none");
    let server = Server::spawn(command);
    for _ in 0..20 {
        assert_eq!(server.get("/").body, "hi");
    }
    let finished = server.terminate();
    let about = |text: &str| {
        finished
            .stderr
            .lines()
            .filter(|line| line.contains(text))
            .count()
    };
    assert_eq!(about("cannot be reached"), 1 + 2, "{}", finished.stderr);
    for lost in [
        "`otlp-traces`: 20 of 20",
        "`otlp-logs`: 20 of 20",
        "20 span(s), 20 log record(s) lost",
    ] {
        assert_eq!(about(lost), 1, "{lost}: {}", finished.stderr);
    }
    assert_ne!(finished.code, Some(0));
}

#[test]
fn what_a_collector_rejects_is_told() {
    let folder = Folder::new();
    folder.script(
        "w",
        "export default { fetch() { console.log(1); return new Response('hi'); } }",
        "",
    );
    let collector = Collector::start(|path| match path {
        "/v1/logs" => Reply::Whole(
            "200",
            "content-type: application/json\r\n".into(),
            br#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#.into(),
        ),
        _ => taken(),
    });
    let url = format!("http://{}", collector.upstream.address);
    let server = serve(&folder, &["w"], &url);
    assert_eq!(server.get("/").status, 200);
    let finished = stopped(server);
    for line in [
        "rejects 1 log record(s) of a message (too old)",
        "1 log record(s) lost",
    ] {
        assert!(finished.stderr.contains(line), "{}", finished.stderr);
    }
}

#[test]
fn what_cannot_be_used_as_configuration_is_named() {
    let folder = Folder::new();
    let worker = "export default { fetch() { return new Response('hi'); } }";
    folder
        .script(
            "url",
            worker,
            "[taffrail.otlp]\nendpoint = \"collector:4318\"",
        )
        .script("key", worker, "[taffrail.otlp]\nurl = \"http://collector\"")
        .script("w", worker, "");
    let refused = |path: &str, name: &str, value: &str| {
        let mut command = folder.taffrail(&["serve", path, "--port", "0"]);
        command.env(name, value);
        let finished = run(command);
        assert_ne!(finished.code, Some(0));
        finished.stderr
    };
    for (path, name, value, problem) in [
        (
            "url",
            "UNUSED",
            "",
            "`taffrail.otlp.endpoint`: it is no URL that begins with http:// or https://",
        ),
        ("key", "UNUSED", "", "`taffrail.otlp"),
        (
            "w",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "localhost:4318",
            "`OTEL_EXPORTER_OTLP_ENDPOINT`: it is no URL",
        ),
    ] {
        let stderr = refused(path, name, value);
        assert!(stderr.contains(problem), "{stderr}");
    }
}
