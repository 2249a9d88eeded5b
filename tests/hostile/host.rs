//! User code cannot break the engine or the host.

use serde_json::Value;
use taffrail_tests::client::{self, Client};
use taffrail_tests::process::Folder;
use taffrail_tests::scenario::{Scenario, invoke, json};
use taffrail_trace::Outcome;

/// Values that are hard to look at, and what is told of them.
const THROWN: [(&str, &str, &str); 16] = [
    ("new Proxy({}, {})", "Error", "#<Object>"),
    ("revoked()", "Error", "#<Object>"),
    (
        "new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; } })",
        "Error",
        "#<Object>",
    ),
    ("new Proxy(new Error('inside'), {})", "Error", "inside"),
    (
        "new Proxy(() => {}, {})",
        "Error",
        "function () {\n    [native code]\n}",
    ),
    (
        "withGetter('message')",
        "Error",
        "(the message cannot be read)",
    ),
    ("withGetter('name')", "Error", "readable"),
    ("withGetter('stack')", "Error", "readable"),
    (
        "Object.assign(new Error(), { message: Symbol('s') })",
        "Error",
        "Symbol(s)",
    ),
    (
        "Object.assign(new Error(), { message: { toString() { throw 1; } } })",
        "Error",
        "(the message cannot be read)",
    ),
    ("Symbol('alone')", "Error", "Symbol(alone)"),
    ("Object.create(Error.prototype)", "Error", ""),
    ("Object.create(null)", "Error", "[object Object]"),
    ("undefined", "Error", "undefined"),
    ("10n", "Error", "10"),
    ("{ get message() { throw 1; } }", "Error", "#<Object>"),
];

const MAKERS: &str = "
const revoked = () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; };
const withGetter = (name) => Object.defineProperty(new Error('readable'), name, { get() { throw new Error('never told'); } });
";

/// The item of the last invocation that ended.
fn last(scenario: &Scenario) -> Value {
    json(scenario.items().last().unwrap())
}

fn exceptions(item: &Value) -> Vec<(&str, &str)> {
    let exceptions = item["exceptions"].as_array().unwrap().iter();
    let told = exceptions.map(|told| {
        (
            told["name"].as_str().unwrap(),
            told["message"].as_str().unwrap(),
        )
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_thrown_is_an_exception() {
    let cases: String = THROWN
        .iter()
        .map(|(thrown, ..)| format!("() => ({thrown}),"))
        .collect();
    let source = format!(
        "{MAKERS} const cases = [{cases}];
export default {{ async fetch(request, env, ctx) {{
  const [, place, index] = new URL(request.url).pathname.split('/');
  const value = cases[index]();
  if (place === 'thrown') throw value;
  if (place === 'waited') ctx.waitUntil(Promise.reject(value));
  if (place === 'unhandled') Promise.reject(value);
  if (place === 'logged') console.log(value, [value], {{ value }});
  if (place === 'reported') reportError(value);
  return new Response('answered');
}} }};"
    );
    let folder = Folder::new();
    folder.script("a", &source, "");
    let scenario = Scenario::of(&folder, &["a"]).await;
    for (index, (thrown, name, message)) in THROWN.iter().enumerate() {
        for place in ["thrown", "waited", "unhandled", "reported"] {
            let answer = scenario.get("a", &format!("/{place}/{index}")).await;
            let item = last(&scenario);
            if place == "thrown" {
                assert_eq!(answer.failed, Some(Outcome::Exception), "{thrown}");
                assert_eq!(item["outcome"], "exception", "{thrown}");
            } else {
                assert_eq!(answer.text(), "answered", "{place} {thrown}");
            }
            assert_eq!(exceptions(&item), [(*name, *message)], "{place} {thrown}");
        }
        let answer = scenario.get("a", &format!("/logged/{index}")).await;
        assert_eq!(answer.text(), "answered", "{thrown}");
        let item = last(&scenario);
        assert_eq!(
            item["logs"][0]["message"].as_array().unwrap().len(),
            3,
            "{thrown}"
        );
        assert_eq!(item["outcome"], "ok", "{thrown}");
    }
}

/// What a Worker may do to the built-ins, or a client to a Worker that is not
/// careful.
const OVERRIDES: [&str; 29] = [
    "JSON.parse = () => ({})",
    "JSON.stringify = () => '{}'",
    "Reflect.apply = () => {}",
    "Reflect.construct = () => ({})",
    "Map.prototype.get = () => undefined",
    "Map.prototype.set = function () { return this; }",
    "Map.prototype.forEach = () => {}",
    "Set.prototype.add = function () { return this; }",
    "WeakMap.prototype.get = () => undefined",
    "WeakSet.prototype.has = () => true",
    "Array.prototype.push = () => 0",
    "Array.prototype.map = () => []",
    "Array.prototype[Symbol.iterator] = function* () {}",
    "Map.prototype[Symbol.iterator] = function* () {}",
    "Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({ done: true })",
    "Object.getPrototypeOf(function* () {}).prototype.next = () => ({ done: true })",
    "Object.prototype.entrypoint = 'Other'",
    "Object.prototype.toJSON = () => ({})",
    "Object.prototype.get = () => 1",
    "Object.prototype.cancel = 1",
    "Object.defineProperty(Object.prototype, 'type', { get() { throw new Error('type'); }, set() {} })",
    "Object.defineProperty(Array.prototype, 0, { set() {}, configurable: true })",
    "Object.keys = Object.entries = Object.hasOwn = Object.defineProperty = () => []",
    "Promise.prototype.then = () => { throw new Error('then'); }",
    "Promise.resolve = Promise.all = () => { throw new Error('resolve'); }",
    "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => {}",
    "String.prototype.startsWith = String.prototype.slice = String.prototype.charCodeAt = () => ''",
    "TextDecoder.prototype.decode = TextEncoder.prototype.encodeInto = () => ''",
    "for (const name of ['Response', 'Request', 'Headers', 'Map', 'Set', 'Error', 'Promise', 'JSON', 'Object', 'String', 'Event', 'Uint8Array']) globalThis[name] = undefined",
];

/// What the engine's own native code cannot cope with: the request that does it
/// ends with its isolate.
const FATAL: &str = "for (const holder of [Headers.prototype, Response.prototype, Request.prototype, ReadableStream.prototype]) for (const name of Object.getOwnPropertyNames(holder)) try { Object.defineProperty(holder, name, { get() { throw new Error(name); } }); } catch {}";

const OVERRIDDEN: &str = "
import { WorkerEntrypoint } from 'cloudflare:workers';
export class Other extends WorkerEntrypoint { fetch() { return new Response('other'); } }
export class Own extends WorkerEntrypoint { add(x, y) { return x + y; } }
const later = () => new Promise((resolve) => setTimeout(resolve, 0));
export default { fetch(request, env, ctx) {
  const path = new URL(request.url).pathname;
  if (path.startsWith('/plain')) {
    console.log('plain', { deep: [1] });
    return (async () => {
      await later();
      return new Response('right ' + await ctx.exports.Own.add(1, 2), { headers: { kept: 'yes' } });
    })();
  }
  console.log('before');
  const response = new Response('overridden');
  new Function(decodeURIComponent(path.slice(1)))();
  return response;
} };";

fn path_of(code: &str) -> String {
    let escaped: String = code.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("/{escaped}")
}

/// A request of somebody else is answered and recorded as ever.
async fn check_plain(scenario: &Scenario, code: &str) {
    let before = scenario.items().len();
    let answer = scenario.get("a", "/plain").await;
    assert_eq!(
        (answer.status, &*answer.text()),
        (Some(200), "right 3"),
        "{code}"
    );
    assert_eq!(answer.headers["kept"], "yes", "{code}");
    let items = &scenario.json()[before..];
    assert_eq!(items.len(), 2, "{code}");
    let mut items = items.iter();
    let plain = items.find(|item| item["entrypoint"].is_null()).unwrap();
    assert_eq!(plain["outcome"], "ok", "{code}");
    let logged = plain["logs"][0]["message"].to_string();
    assert_eq!(logged, r#"["plain",{"deep":[1]}]"#, "{code}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_request_overrides_no_other_one_meets() {
    let folder = Folder::new();
    folder.script("a", OVERRIDDEN, "");
    let scenario = Scenario::of(&folder, &["a"]).await;
    for code in OVERRIDES {
        let answer = scenario.get("a", &path_of(code)).await;
        assert_eq!(
            (answer.status, &*answer.text()),
            (Some(200), "overridden"),
            "{code}"
        );
        let item = last(&scenario);
        assert_eq!(item["outcome"], "ok", "{code}: {item}");
        assert_eq!(item["logs"][0]["message"][0], "before", "{code}");
        assert_eq!(item["event"]["response"]["status"], 200, "{code}");
        check_plain(&scenario, code).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_does_not_survive_ends_one_request() {
    let folder = Folder::new();
    // It may go on for as long as it is allowed to.
    let more = "limits = { cpu_ms = 2000 }\n[taffrail]\nwait_until_ms = 100";
    folder.script("a", OVERRIDDEN, more);
    let scenario = Scenario::of(&folder, &["a"]).await;
    // Its own answer may have gone out before, or may break off.
    _ = scenario.get("a", &path_of(FATAL)).await;
    let item = last(&scenario);
    assert_eq!(item["logs"][0]["message"][0], "before", "{item}");
    check_plain(&scenario, FATAL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_ends_in_another_script_has_its_text_and_its_object_lives_on() {
    let source = "
import { DurableObject } from 'cloudflare:workers';
const é = 1; const f = () => é; const ß = 2; const g = () => ß;
export class Thing extends DurableObject { text() { return [f, g].map(String); } }
export default { async fetch(request, env) {
  const thing = env.THING.getByName('one');
  return Response.json([await thing.text(), await thing.text(), f.toString()]);
} };";
    let folder = Folder::new();
    folder.script(
        "a",
        source,
        "durable_objects.bindings = [{ name = \"THING\", class_name = \"Thing\" }]\nmigrations = [{ tag = \"v1\", new_sqlite_classes = [\"Thing\"] }]",
    );
    let (answer, items) = invoke(&folder, &["a"]).await;
    let texts = r#"["() => é","() => ß"]"#;
    let expected = format!(r#"[{texts},{texts},"() => é"]"#);
    assert_eq!(answer.text(), expected, "{items:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_at_their_ends_are_refused_or_kept() {
    let source = "
export default { async fetch(request, env) {
  const said = [];
  for (const options of [{ expirationTtl: 1e19 }, { expirationTtl: 18446744073709550000 }, { expirationTtl: 1e30 }, { expirationTtl: -1 }, { expirationTtl: 0 }, { expirationTtl: 9 }, { expiration: 1e19 }, { expiration: 1.5 }, { expirationTtl: 1e9 }]) {
    try { await env.KV.put('k', 'v', options); said.push('kept ' + await env.KV.get('k')); } catch (error) { said.push(error.message); }
  }
  return new Response(said.join('\\n'));
} };";
    let folder = Folder::new();
    folder.script(
        "a",
        source,
        "kv_namespaces = [{ binding = \"KV\", id = \"k\" }]",
    );
    let (answer, items) = invoke(&folder, &["a"]).await;
    let said = answer.text();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 9, "{lines:?}");
    for line in &lines[..8] {
        assert!(
            line.starts_with("KV PUT failed: 400 Invalid expiration"),
            "{line}"
        );
    }
    assert_eq!(lines[8], "kept v");
    assert_eq!(items[0]["outcome"], "ok");
}

#[test]
fn a_client_cannot_make_the_depth_of_calls_overflow() {
    let folder = Folder::new();
    folder
        .script(
            "a",
            "export default { async fetch(request, env) { try { return await env.B.fetch(request); } catch (error) { return new Response(error.message); } } };",
            "services = [{ binding = \"B\", service = \"b\" }]",
        )
        .script("b", "export default { fetch() { return new Response('answered'); } };", "");
    let server = folder.start(&["serve", "a", "b"]);
    let cases = [
        ("4294967295", "Workers called each other 32 times in a row"),
        ("99999999999999999999", "answered"),
    ];
    for (loops, expected) in cases {
        let mut client = Client::connect(server.address);
        client.send(format!(
            "GET / HTTP/1.1\r\nhost: a\r\ncdn-loop: taffrail; loops={loops}\r\n\r\n"
        ));
        let answer = client.answer();
        assert!(answer.body.starts_with(expected), "{}", answer.body);
    }
    assert_eq!(client::get(server.address, "/").body, "answered");
}
