//! The events of a tail handler as a script sees them: objects of workerd's
//! classes. The values here are those that workerd has.

use serde_json::{Value, json};
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::invoke;

/// What the tail handler, which is given `item`, `B` and `of`, logs about the
/// item of a request whose Worker logged an object and an error, and threw.
async fn told(body: &str) -> Value {
    let folder = Folder::new();
    let app = "export default { fetch() { console.log('x', { a: 1 }); console.error(new Error('e1')); throw new TypeError('z'); } };";
    let tail = format!(
        "const attempt = (work) => {{ try {{ return String(work()); }} catch (error) {{ return error.name + ': ' + error.message; }} }};
         const later = async (work) => {{ try {{ return String(await work()); }} catch (error) {{ return error.name + ': ' + error.message; }} }};
         export default {{ async tail([item], {{ B }}) {{\n{body}\n}} }};"
    );
    let callee = "import { WorkerEntrypoint } from 'cloudflare:workers'; export default class extends WorkerEntrypoint { echo(x) { return x; } }";
    folder
        .script("app", app, "tail_consumers = [{ service = \"seen\" }]")
        .script(
            "seen",
            &tail,
            "services = [{ binding = \"B\", service = \"callee\" }]",
        )
        .script("callee", callee, "");
    let (_, items) = invoke(&folder, &["app", "seen", "callee"]).await;
    let mut items = items.into_iter();
    let seen = items.find(|item| item["scriptName"] == "seen");
    let seen = seen.expect("the tail handler has run");
    assert_eq!(seen["outcome"], "ok", "{seen}");
    seen["logs"][0]["message"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_and_its_parts_are_of_workerds_classes() {
    let parts = told(
        "const parts = [item, item.event, item.event.request, item.event.request.getUnredacted(), item.logs[0], item.exceptions[0]];
         console.log(...parts.map((part) => [String(part), part.constructor.name, Object.keys(part), attempt(() => new part.constructor())]));",
    ).await;
    let class = |name: &str, keys: &[&str]| {
        json!([
            format!("[object {name}]"),
            name,
            keys,
            "TypeError: Illegal constructor"
        ])
    };
    let request = class("Request", &["url", "method", "headers", "cf"]);
    let item = [
        "wallTime",
        "cpuTime",
        "truncated",
        "executionModel",
        "outcome",
        "durableObjectId",
        "preview",
        "tailAttributes",
        "scriptTags",
        "dispatchNamespace",
        "scriptVersion",
        "entrypoint",
        "scriptName",
        "diagnosticsChannelEvents",
        "exceptions",
        "logs",
        "eventTimestamp",
        "event",
        "invocationId",
        "requestId",
        "traceId",
        "spanId",
        "peakMemory",
    ];
    let expected = json!([
        class("TraceItem", &item),
        class("FetchEventInfo", &["request", "response"]),
        request,
        request,
        class("TraceLog", &["errorInfo", "message", "level", "timestamp"]),
        class("TraceException", &["stack", "name", "message", "timestamp"]),
    ]);
    assert_eq!(parts, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_read_only_and_in_json_what_it_shows() {
    let seen = told(
        "const changes = [() => { item.outcome = 'z'; }, () => { item.event.request.url = 'z'; }, () => { item.logs[0].level = 'z'; }];
         const refused = changes.every((change) => attempt(change).startsWith('TypeError: '));
         item.own = 1;
         const request = item.event.request;
         const json = JSON.parse(JSON.stringify(item));
         console.log(refused, item.own, item.logs === item.logs, request === item.event.request,
           request.getUnredacted() === request.getUnredacted(), attempt(() => request.getUnredacted.call({})),
           Object.keys(json).slice(0, 4), Object.keys(json.logs[0]), Object.keys(json.logs[1].errorInfo[0]), 'response' in json.event);",
    ).await;
    let illegal = "TypeError: Illegal invocation: function called with incorrect `this` reference. See https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.";
    let keys = ["wallTime", "cpuTime", "truncated", "executionModel"];
    let expected = json!([
        true,
        1,
        true,
        true,
        false,
        illegal,
        keys,
        ["message", "level", "timestamp"],
        ["name", "message", "stack"],
        false
    ]);
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_such_a_class_is_neither_cloned_nor_sent_wherever_it_is_found() {
    let seen = told(
        "const parts = [item, [item], { a: { b: item } }, new Map([[1, item]]), new Set([item]), item.event, item.event.request, item.logs, item.exceptions[0]];
         const free = [item.event.request.headers, item.logs[0].message, item.logs[1].errorInfo, item.diagnosticsChannelEvents];
         const all = [];
         for (const part of parts) all.push(attempt(() => structuredClone(part)), await later(() => B.echo(part)));
         for (const part of free) all.push(attempt(() => JSON.stringify(structuredClone(part)) === JSON.stringify(part)), await later(async () => JSON.stringify(await B.echo(part)) === JSON.stringify(part)));
         console.log(...all);",
    ).await;
    let refused = |class: &str| {
        let sentence = format!(
            "DataCloneError: Could not serialize object of type \"{class}\". This type does not support serialization."
        );
        [sentence.clone(), sentence]
    };
    let items = std::iter::repeat_n("TraceItem", 5);
    let parts = ["FetchEventInfo", "Request", "TraceLog", "TraceException"];
    let refused = items.chain(parts).flat_map(refused);
    let passed = std::iter::repeat_n("true".to_owned(), 8);
    let expected: Vec<_> = refused.chain(passed).collect();
    assert_eq!(seen, json!(expected));
}
