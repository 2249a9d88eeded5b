//! Streaming tails: Workers that receive the events of an invocation as they happen.

use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{Endpoint, Scenario, full, logs, patiently, refused, request};
use taffrail_trace::{Outcome, TraceItem};

/// Logs all events of an invocation once it is over.
const TAIL: &str = "\
export default { tailStream(onset) {
  const events = [onset];
  return (event) => {
    events.push(event);
    if (event.event.type === 'outcome') console.log(JSON.stringify(events));
  };
} };
";

const STREAMED: &str = "streaming_tail_consumers = [{ service = \"tail\" }]";

/// A Worker whose handler is `body`, and its streaming tail.
fn folder(body: &str, tail: &str, more: &str) -> Folder {
    let folder = Folder::new();
    let worker = format!("export default {{ async fetch(request, env, ctx) {{ {body} }} }};");
    folder
        .script("w", &worker, &format!("{STREAMED}\n{more}"))
        .script("tail", tail, "");
    folder
}

/// The events of one request to a Worker whose handler is `body`.
async fn events(body: &str, more: &str) -> Vec<Value> {
    let folder = folder(body, TAIL, more);
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    _ = scenario.get("w", "/").await;
    scenario.idle().await;
    let streams = streamed(&scenario);
    assert_eq!(streams.len(), 1);
    streams.into_iter().next().unwrap()
}

/// What the streaming tail has logged of each invocation.
fn streamed(scenario: &Scenario) -> Vec<Vec<Value>> {
    let items = scenario.items_of("tail");
    let logs = items.iter().flat_map(|item| logged(item));
    logs.map(|log| serde_json::from_str(&log).unwrap())
        .collect()
}

/// The texts that a Worker logged.
fn logged(item: &TraceItem) -> Vec<String> {
    let logs = logs(item).into_iter();
    let texts = logs.map(|log| log.split_once(' ').map(|(_, text)| text.to_owned()));
    texts.map(Option::unwrap).collect()
}

/// Types of events, of which those of spans have their names.
fn types(events: &[Value]) -> Vec<String> {
    let types = events.iter().map(|event| {
        let event = &event["event"];
        let kind = event["type"].as_str().unwrap();
        match event["name"].as_str().filter(|_| kind == "spanOpen") {
            Some(name) => format!("{kind} {name}"),
            None => kind.to_owned(),
        }
    });
    types.collect()
}

/// The event that opens the span with this name.
fn opened<'a>(events: &'a [Value], name: &str) -> &'a Value {
    let mut events = events.iter();
    let opens =
        |event: &&Value| event["event"]["type"] == "spanOpen" && event["event"]["name"] == name;
    events
        .find(opens)
        .unwrap_or_else(|| panic!("no span {name}"))
}

/// The attributes of the span with this name.
fn attributes(events: &[Value], name: &str) -> Vec<Value> {
    let id = &opened(events, name)["event"]["spanId"];
    let own = events.iter().filter(|event| {
        event["event"]["type"] == "attributes" && event["spanContext"]["spanId"] == *id
    });
    own.flat_map(|event| event["event"]["info"].as_array().unwrap().clone())
        .collect()
}

fn time(event: &Value) -> i64 {
    let time: jiff::Timestamp = event["timestamp"].as_str().unwrap().parse().unwrap();
    time.as_millisecond()
}

/// How long the span with this name took, in milliseconds.
fn duration(events: &[Value], name: &str) -> i64 {
    let open = opened(events, name);
    let closes = |event: &&Value| {
        event["event"]["type"] == "spanClose"
            && event["spanContext"]["spanId"] == open["event"]["spanId"]
    };
    time(events.iter().find(closes).unwrap()) - time(open)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_is_seen_while_it_goes_on() {
    let mut endpoint = Endpoint::start().await;
    let url = endpoint.url();
    let worker = format!(
        "console.log('begun'); await fetch('{url}', {{ method: 'PUT' }}); return new Response('x');"
    );
    let tail = format!(
        "const report = (event) => fetch('{url}', {{ method: 'POST', body: event.event.type }});
export default {{ tailStream(onset, env, ctx) {{ ctx.waitUntil(report(onset)); return report; }} }};"
    );
    let folder = folder(&worker, &tail, "");
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    let runs = scenario.get("w", "/");
    let observed = async {
        let (mut seen, mut held) = (Vec::new(), Vec::new());
        while seen.len() < 3 {
            let received = endpoint.next().await;
            match received.method.as_str() {
                "PUT" => held.push(received),
                _ => {
                    seen.push(String::from_utf8(received.body.to_vec()).unwrap());
                    received.answer(StatusCode::OK);
                }
            }
        }
        // The Worker waits for an answer.
        while held.is_empty() {
            held.push(endpoint.next().await);
        }
        assert_eq!(scenario.items().len(), 0);
        for received in held {
            received.answer(StatusCode::OK);
        }
        endpoint.answer_all();
        seen
    };
    let (answer, seen) = tokio::join!(runs, observed);
    assert_eq!(answer.text(), "x");
    assert_eq!(
        BTreeSet::from_iter(seen),
        ["log", "onset", "spanOpen"].map(str::to_owned).into()
    );
    scenario.idle().await;
    let tail = scenario.item("tail");
    assert_eq!(tail.outcome, Outcome::Ok, "{tail:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_that_is_cut_off_still_ends_its_stream() {
    let streamed = events("console.log('last words'); for (;;);", "limits.cpu_ms = 50").await;
    assert_eq!(types(&streamed), ["onset", "log", "exception", "outcome"]);
    let outcome = &streamed.last().unwrap()["event"];
    assert_eq!(outcome["outcome"], "exceededCpu");
    assert!(outcome["cpuTime"].as_u64().unwrap() >= 40, "{outcome}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_does_not_handle_harms_only_itself() {
    let warning = |text: &str| vec![text.to_owned()];
    let missing = "A worker configured to act as a streaming tail worker does not export a tailStream() handler.";
    let invalid = "A worker configured to act as a streaming tail worker did not return a valid tailStream() handler.";
    let unusable = "tailStream() handler returned an unusable value. The tailStream() handler is expected to return either a function, an object, or undefined. Received string";
    for (tail, outcome, logs) in [
        (
            "export default { fetch() {} };",
            Outcome::Ok,
            warning(missing),
        ),
        (
            "export default { tailStream() { throw new Error('no'); } };",
            Outcome::Ok,
            warning(invalid),
        ),
        (
            "export default { tailStream() { return 'text'; } };",
            Outcome::Ok,
            warning(unusable),
        ),
        (
            "export default { tailStream() {} };",
            Outcome::Ok,
            Vec::new(),
        ),
        (
            "export default { async tailStream() { throw new Error('no'); } };",
            Outcome::Exception,
            Vec::new(),
        ),
        (
            "export default { tailStream() { return () => { throw new Error('no'); }; } };",
            Outcome::Exception,
            Vec::new(),
        ),
        (
            "export default { tailStream() { return new Promise(() => {}); } };",
            Outcome::Exception,
            Vec::new(),
        ),
        (
            "export default { tailStream() { return () => new Promise(() => {}); } };",
            Outcome::Exception,
            Vec::new(),
        ),
    ] {
        let folder = folder("console.log('x'); return new Response('fine');", tail, "");
        let scenario = Scenario::of(&folder, &["w", "tail"]).await;
        assert_eq!(scenario.get("w", "/").await.text(), "fine", "{tail}");
        scenario.idle().await;
        assert_eq!(scenario.item("w").outcome, Outcome::Ok, "{tail}");
        let own = scenario.item("tail");
        assert_eq!(own.outcome, outcome, "{tail}");
        assert_eq!(logged(&own), logs, "{tail}");
        let delivery = scenario.runtime().deliveries().remove(0);
        assert_eq!(
            (delivery.produced, delivery.delivered, delivery.lost),
            (1, 1, 0),
            "{tail}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_goes_on_is_cut_off_after_its_producer() {
    let tail = "export default { tailStream(onset, env, ctx) {
  ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 1_000_000)));
  return () => {};
} };";
    let folder = Folder::new();
    folder
        .script(
            "w",
            "export default { fetch: () => new Response('x') };",
            STREAMED,
        )
        .script("tail", tail, "taffrail.wait_until_ms = 20");
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    assert_eq!(scenario.get("w", "/").await.text(), "x");
    scenario.idle().await;
    assert_eq!(scenario.item("tail").outcome, Outcome::ExceededWallTime);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_handles_the_types_that_it_has_methods_for() {
    let tail = "export default { async tailStream(onset) { return {
  seen: [onset.event.type],
  log(event) { this.seen.push(event.event.message[0]); },
  outcome({ sequence }) { console.log(JSON.stringify([...this.seen, sequence])); },
}; } };";
    let folder = folder(
        "console.log('a'); console.warn('b'); return new Response();",
        tail,
        "",
    );
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    _ = scenario.get("w", "/").await;
    scenario.idle().await;
    assert_eq!(
        streamed(&scenario),
        [[json!("onset"), json!("a"), json!("b"), json!(4)]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_handles_streams_with_its_env_and_props() {
    let tail = "import { WorkerEntrypoint } from 'cloudflare:workers';
export class Tail extends WorkerEntrypoint { tailStream(onset) {
  console.log(JSON.stringify([onset.timestamp instanceof Date, this.env.NAME, this.ctx.props]));
} }
export default {};";
    let streamed_by = "streaming_tail_consumers = [{ service = \"tail\", entrypoint = \"Tail\", props = { of = \"w\" } }]";
    let folder = Folder::new();
    folder
        .script(
            "w",
            "export default { fetch: () => new Response('x') };",
            streamed_by,
        )
        .script("tail", tail, "vars = { NAME = \"n\" }");
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    _ = scenario.get("w", "/").await;
    scenario.idle().await;
    assert_eq!(
        streamed(&scenario),
        [[json!(true), json!("n"), json!({ "of": "w" })]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_redacted_until_its_tail_asks() {
    let tail = "export default { tailStream({ event: { info } }) {
  const header = ({ headers }) => headers.find(({ name }) => name === 'x-api-key').value;
  const raw = info.getUnredacted();
  console.log(JSON.stringify([info.url, header(info), raw.url, header(raw), raw.type]));
} };";
    let folder = folder("return new Response();", tail, "");
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    let mut message = request("/0123456789abcdef0123456789abcdef", full(""));
    message
        .headers_mut()
        .insert("x-api-key", "123".parse().unwrap());
    _ = scenario.stream("w", message).await;
    scenario.idle().await;
    let expected = [
        "http://localhost/REDACTED",
        "REDACTED",
        "http://localhost/0123456789abcdef0123456789abcdef",
        "123",
        "fetch",
    ];
    assert_eq!(streamed(&scenario), [expected.map(Value::from)]);
}

/// How many of 100 logs of 100 kB a tail receives that first awaits `until`, the number that it is
/// told was dropped, the last sequence number, and the number of events after the onset.
fn flooded(until: &str) -> Folder {
    let tail = format!(
        "export default {{ async tailStream() {{
  {until}
  const seen = {{ logs: 0, events: 0 }};
  return ({{ sequence, event }}) => {{
    seen.events += 1;
    if (event.type === 'log') seen.logs += 1;
    if (event.type === 'streamDiagnostic') seen.dropped = event.diagnostic.count;
    if (event.type === 'outcome') console.log(JSON.stringify([seen.logs, seen.dropped, sequence, seen.events]));
  }};
}} }};"
    );
    let worker = "for (let n = 0; n < 100; n += 1) console.log('x'.repeat(100_000)); return new Response('done');";
    folder(worker, &tail, "")
}

/// As many logs as fit in 4 MiB. The onset, all logs, the return, the number of dropped events and
/// the outcome have numbers.
const FLOODED: [u64; 4] = [41, 59, 103, 44];

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_counted_in_its_place() {
    let mut endpoint = Endpoint::start().await;
    let folder = flooded(&format!("await fetch('{}');", endpoint.url()));
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    let answer = scenario.stream("w", request("/", full(""))).await;
    assert_eq!(answer.text(), "done");
    endpoint.next().await.answer(StatusCode::OK);
    scenario.idle().await;
    assert_eq!(streamed(&scenario), [FLOODED.map(Value::from)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_loses_does_not_depend_on_the_speed_of_its_tail() {
    let folder = flooded("");
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    assert_eq!(scenario.get("w", "/").await.text(), "done");
    scenario.idle().await;
    assert_eq!(streamed(&scenario), [FLOODED.map(Value::from)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_a_script_nest_and_have_attributes() {
    let streamed = events(
        "const { tracing } = ctx;
const root = tracing.getActiveSpan();
root.setAttribute('root', true);
const result = await tracing.enterSpan('outer', async (span, a, b) => {
  span.setAttribute('text', 'v').setAttributes({ number: 1.5, flag: true, none: undefined });
  await scheduler.wait(5);
  tracing.enterSpan('inner', (inner) => console.log('in', tracing.getActiveSpan() === inner));
  const other = tracing.startSpan('beside');
  tracing.startActiveSpan('left open', () => {});
  other.end();
  other.setAttribute('late', 1);
  console.log('out', tracing.getActiveSpan() === span, span.isTraced, span.spanContext().traceFlags);
  return a + b;
}, 1, 2);
try { tracing.enterSpan('failed', () => { throw new Error('x'); }); } catch {}
console.log(result, tracing.getActiveSpan() === root);
return new Response();",
        "",
    )
    .await;
    let id = |name: &str| opened(&streamed, name)["event"]["spanId"].clone();
    let parent = |name: &str| opened(&streamed, name)["spanContext"]["spanId"].clone();
    let root = streamed[0]["event"]["spanId"].clone();
    assert_eq!(
        [parent("outer"), parent("failed")],
        [root.clone(), root.clone()]
    );
    for name in ["inner", "beside", "left open"] {
        assert_eq!(parent(name), id("outer"), "{name}");
    }
    let logs = streamed
        .iter()
        .filter(|event| event["event"]["type"] == "log");
    let logs: Vec<_> = logs
        .map(|log| {
            (
                log["event"]["message"].clone(),
                log["spanContext"]["spanId"].clone(),
            )
        })
        .collect();
    assert_eq!(
        logs,
        [
            (json!(["in", true]), id("inner")),
            (json!(["out", true, true, 1]), id("outer")),
            (json!([3, true]), root.clone()),
        ]
    );
    assert_eq!(
        attributes(&streamed, "outer"),
        [
            json!({ "name": "text", "value": "v" }),
            json!({ "name": "number", "value": 1.5 }),
            json!({ "name": "flag", "value": true }),
        ]
    );
    assert_eq!(attributes(&streamed, "beside"), [Value::Null; 0]);
    let closed = |id: &Value| {
        let mut closed = streamed.iter().filter(|event| {
            event["event"]["type"] == "spanClose" && event["spanContext"]["spanId"] == *id
        });
        closed.next().map(|event| event["event"]["outcome"].clone())
    };
    assert_eq!(closed(&id("outer")), Some("ok".into()));
    assert_eq!(closed(&id("failed")), Some("exception".into()));
    assert_eq!(closed(&id("left open")), Some("canceled".into()));
    let of_root = streamed.iter().filter(|event| {
        event["event"]["type"] == "attributes" && event["spanContext"]["spanId"] == root
    });
    assert_eq!(of_root.count(), 1);
    assert!(duration(&streamed, "outer") >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_belongs_to_its_event() {
    let worker = "let first;
export default { async fetch(request, env, ctx) {
  if (first === undefined) { first = ctx.tracing.startSpan('first'); return new Response(); }
  first.setAttribute('stolen', true);
  first.end();
  return new Response(String(first.constructor === Object));
} };";
    let folder = Folder::new();
    folder
        .script("w", worker, STREAMED)
        .script("tail", TAIL, "");
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    _ = scenario.get("w", "/").await;
    scenario.idle().await;
    assert_eq!(scenario.get("w", "/").await.text(), "false");
    scenario.idle().await;
    let streams = streamed(&scenario);
    // It ends with its event, before or after the return.
    let first: Vec<_> = types(&streams[0])
        .into_iter()
        .filter(|kind| kind != "return")
        .collect();
    assert_eq!(first, ["onset", "spanOpen first", "spanClose", "outcome"]);
    assert_eq!(types(&streams[1]), ["onset", "return", "outcome"]);
}

/// Whether the response is there before the script waits for it, or only later.
#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_ends_when_the_script_has_done_what_it_does_with_the_response() {
    let worker = "export default { async fetch(request, env, ctx) {
  const outer = ctx.tracing.startSpan('outer');
  const answer = env.B.fetch('http://b/');
  let sum = 0;
  if (request.url.endsWith('/busy')) for (let i = 0; i < 1e6; i += 1) sum += i;
  await answer;
  outer.end();
  return new Response(String(sum));
} };";
    let more = format!("{STREAMED}\nservices = [{{ binding = \"B\", service = \"b\" }}]");
    let callee = "export default { fetch: () => new Response('b') };";
    let folder = Folder::new();
    folder
        .script("w", worker, &more)
        .script("b", callee, "")
        .script("tail", TAIL, "");
    let scenario = Scenario::of(&folder, &["w", "b", "tail"]).await;
    for path in ["/", "/busy"] {
        _ = scenario.get("w", path).await;
        scenario.idle().await;
    }
    for events in streamed(&scenario) {
        let closed = |name: &str| {
            let id = &opened(&events, name)["event"]["spanId"];
            let is_it = |event: &Value| {
                event["event"]["type"] == "spanClose" && event["spanContext"]["spanId"] == *id
            };
            events.iter().position(is_it).unwrap()
        };
        assert!(closed("outer") < closed("fetch"), "{events:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tail_the_api_of_spans_does_nothing() {
    let worker = "import { tracing } from 'cloudflare:workers';
export default { fetch: (request, env, ctx) => ctx.tracing.enterSpan('a', (span) => {
  span.setAttribute('k', 'v').end();
  const { traceId } = span.spanContext();
  return Response.json([span.isTraced, tracing === ctx.tracing, tracing.getActiveSpan().isTraced, Number(traceId)]);
}) };";
    let folder = Folder::new();
    folder.script("w", worker, "");
    let scenario = Scenario::of(&folder, &["w"]).await;
    assert_eq!(scenario.get("w", "/").await.text(), "[false,true,false,0]");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_spans_and_large_attributes_are_bounded() {
    let tail = "export default { tailStream() {
  const seen = { opened: 0, closed: 0, dropped: 0, longest: 0 };
  return ({ event }) => {
    if (event.type === 'spanOpen') seen.opened += 1;
    if (event.type === 'spanClose') seen.closed += 1;
    if (event.type === 'attributes') seen.longest = Math.max(seen.longest, event.info[0].value.length);
    if (event.type === 'streamDiagnostic') seen.dropped += event.diagnostic.count;
    if (event.type === 'outcome') console.log(JSON.stringify([seen.opened, seen.closed, seen.dropped, seen.longest]));
  };
} };";
    let worker =
        "ctx.tracing.enterSpan('large', (span) => span.setAttribute('k', 'x'.repeat(1 << 20)));
for (let n = 1; n < 10_000; n += 1) ctx.tracing.enterSpan('s', () => {});
return new Response('done');";
    let folder = folder(worker, tail, "");
    let scenario = Scenario::of(&folder, &["w", "tail"]).await;
    assert_eq!(scenario.get("w", "/").await.text(), "done");
    scenario.idle().await;
    let streamed = streamed(&scenario);
    let [opened, closed, dropped, longest] = &streamed[0][..] else {
        panic!("{streamed:?}")
    };
    let number = |value: &Value| value.as_u64().unwrap();
    assert_eq!(number(opened) + number(closed) + number(dropped), 20_000);
    assert_eq!(number(longest), 4096);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_has_a_span() {
    let callee = "import { WorkerEntrypoint } from 'cloudflare:workers';
export default class extends WorkerEntrypoint {
  async fetch() { await scheduler.wait(30); return new Response('b'); }
  async add(a, b) { await scheduler.wait(30); console.log('adding'); return a + b; }
}";
    let worker = "import { DurableObject } from 'cloudflare:workers';
export class Room extends DurableObject {
  async fetch() {
    await this.ctx.storage.put('k', 1);
    await this.ctx.storage.get('k');
    await this.ctx.storage.list();
    await this.ctx.storage.delete('k');
    return new Response('room');
  }
}
export default { async fetch(request, env) {
  await env.B.fetch('http://b/');
  await env.B.add(1, 2);
  await env.KV.put('k', 'v');
  await env.KV.get('k');
  await env.KV.list();
  await env.KV.delete('k');
  await env.ROOMS.getByName('x').fetch('http://room/');
  const code = { mainModule: 'm.js', modules: { 'm.js': 'export default { fetch: () => new Response() }' } };
  await env.LOADER.get('one', () => code).getEntrypoint().fetch('http://dynamic/');
  await env.DISPATCH.get('user').fetch('http://user/');
  return new Response('done');
} };";
    let more = "services = [{ binding = \"B\", service = \"b\" }]
kv_namespaces = [{ binding = \"KV\", id = \"kv\" }]
worker_loaders = [{ binding = \"LOADER\" }]
durable_objects.bindings = [{ name = \"ROOMS\", class_name = \"Room\" }]
dispatch_namespaces = [{ binding = \"DISPATCH\", namespace = \"users\" }]
taffrail.dispatch_namespaces.users = \"users\"";
    let folder = Folder::new();
    folder
        .script("w", worker, &format!("{STREAMED}\n{more}"))
        .script(
            "w/users/user",
            "export default { fetch: () => new Response() };",
            "",
        )
        .script("b", callee, STREAMED)
        .script("tail", TAIL, "");
    folder.write(
        "w/users/user/wrangler.toml",
        "name = \"user\"\nmain = \"worker.js\"\n",
    );
    let scenario = Scenario::of(&folder, &["w", "b", "tail"]).await;
    assert_eq!(scenario.get("w", "/").await.text(), "done");
    scenario.idle().await;
    let streams = streamed(&scenario);
    let of = |is: &dyn Fn(&Value) -> bool| {
        let mut streams = streams.iter();
        streams.find(|events| is(&events[0]["event"])).unwrap()
    };
    let own = of(&|onset| onset["scriptName"] == "w" && onset["executionModel"] == "stateless");
    let opened_names: Vec<_> = types(own)
        .into_iter()
        .filter_map(|kind| kind.strip_prefix("spanOpen ").map(str::to_owned))
        .collect();
    assert_eq!(
        opened_names,
        [
            "fetch",
            "jsRpcSession",
            "jsRpcCall",
            "kv_put",
            "kv_get",
            "kv_list",
            "kv_delete",
            "durable_object_subrequest",
            "fetch",
            "loader_get",
            "loader_load",
            "fetch",
            "dispatch_get",
            "fetch",
        ]
    );
    assert!(duration(own, "fetch") >= 30, "{own:#?}");
    assert!(duration(own, "jsRpcCall") >= 30, "{own:#?}");
    assert_eq!(
        attributes(own, "kv_get").last(),
        Some(&json!({ "name": "cloudflare.kv.query.keys", "value": "k" }))
    );
    let called = of(&|onset| onset["scriptName"] == "b" && onset["info"]["type"] == "fetch");
    assert_eq!(
        called[0]["spanContext"]["spanId"],
        opened(own, "fetch")["event"]["spanId"]
    );
    assert_eq!(
        called[0]["spanContext"]["traceId"],
        own[0]["spanContext"]["traceId"]
    );
    let called = of(&|onset| onset["info"]["type"] == "jsrpc");
    let call = opened(called, "jsRpcCall");
    let log = called.iter().find(|event| event["event"]["type"] == "log");
    assert_eq!(
        log.unwrap()["spanContext"]["spanId"],
        call["event"]["spanId"]
    );
    let caller = opened(own, "jsRpcCall")["event"]["spanId"].clone();
    assert_eq!(
        attributes(called, "jsRpcCall").last(),
        Some(&json!({ "name": "jsrpc.caller_span_id", "value": caller }))
    );
    let room = of(&|onset| onset["executionModel"] == "durableObject");
    let storage: Vec<_> = types(room)
        .into_iter()
        .filter_map(|kind| {
            kind.strip_prefix("spanOpen durable_object_storage_")
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(storage, ["put", "get", "list", "delete"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tails_have_streams_of_their_own_beside_items() {
    let both = "tail_consumers = [{ service = \"items\" }]
streaming_tail_consumers = [{ service = \"tail\" }, { service = \"tail\" }]";
    let folder = Folder::new();
    folder
        .script(
            "w",
            "export default { fetch() { console.log('x'); return new Response(); } };",
            both,
        )
        .script("tail", TAIL, "")
        .script(
            "items",
            "export default { tail(items) { console.log(items[0].logs.length); } };",
            "",
        );
    let scenario = Scenario::of(&folder, &["w", "tail", "items"]).await;
    _ = scenario.get("w", "/").await;
    scenario.idle().await;
    let streams = streamed(&scenario);
    assert_eq!(streams.len(), 2);
    assert_eq!(streams[0], streams[1]);
    assert_eq!(types(&streams[0]), ["onset", "log", "return", "outcome"]);
    assert_eq!(logged(&scenario.item("items")), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_not_there_and_a_circle_are_refused() {
    let folder = folder("return new Response();", TAIL, "");
    let error = refused(&folder, &["w"]).await;
    assert!(
        error.contains("`streaming_tail_consumers` of Worker `w` has the service `tail`, which is not among the Workers given"),
        "{error}"
    );
    folder.script(
        "tail",
        TAIL,
        "streaming_tail_consumers = [{ service = \"w\" }]",
    );
    let error = refused(&folder, &["w", "tail"]).await;
    assert!(
        error.contains("the tail consumers form a cycle: w → tail → w"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dynamic_worker_streams_to_what_its_maker_names() {
    let maker = "import { WorkerEntrypoint } from 'cloudflare:workers';
export class S extends WorkerEntrypoint { tailStream(onset) {
  const seen = [this.ctx.props.of];
  return ({ event }) => {
    seen.push(event.type);
    if (event.type === 'outcome') console.log(JSON.stringify(seen));
  };
} }
export default { async fetch(request, env, ctx) {
  const source = 'export default { fetch() { console.log(1); return new Response(\"dynamic\"); } }';
  const worker = env.LOADER.load({ mainModule: 'm.js', modules: { 'm.js': source }, streamingTails: [ctx.exports.S({ props: { of: 'd' } })] });
  return worker.getEntrypoint().fetch(request);
} };";
    let folder = Folder::new();
    folder.script(
        "maker",
        maker,
        "worker_loaders = [{ binding = \"LOADER\" }]",
    );
    let scenario = Scenario::of(&folder, &["maker"]).await;
    assert_eq!(scenario.get("maker", "/").await.text(), "dynamic");
    patiently(scenario.runtime().idle()).await;
    let items = scenario.items_of("maker");
    let tail = items
        .iter()
        .find(|item| item.script.entrypoint.as_deref() == Some("S"));
    let logs = logged(tail.unwrap());
    assert_eq!(logs, [r#"["d","log","return","outcome"]"#]);
}
