//! Workers in Python.

use serde_json::json;
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::{logs, refused};
use taffrail_tests::sources::{
    check_echo, check_refused, check_stream, exception, failed, last, shop, streamed, tail,
};

const MAIN: &str = "entry.py";

const PRODUCER: &str = r#"
import asyncio
import logging
from helper import shout
from workers import Response, WorkerEntrypoint, fetch


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        name = request.url.rsplit("/", 1)[1]
        return await getattr(self, name)(request)

    async def echo(self, request):
        async def pieces():
            async for piece in request:
                yield piece

        return Response(pieces(), 201, {"x-method": request.method, "x-in": request.headers["X-IN"]})

    async def levels(self, request):
        log = logging.getLogger("shop")
        log.debug("a %s", "debug")
        log.info("an info")
        log.warning("a warning")
        log.error("an error")
        print(shout("printed"))
        try:
            {}["key"]
        except KeyError:
            log.exception("caught")
        return Response("logged")

    async def fails(self, request):
        raise ValueError("no such order")

    async def nothing(self, request):
        return "text"

    async def memory(self, request):
        return Response(str(len(bytearray(400 << 20))))

    async def waits(self, request):
        began = asyncio.get_event_loop().time()
        await asyncio.gather(asyncio.sleep(0.02), asyncio.sleep(0.01))
        return Response(str(asyncio.get_event_loop().time() - began >= 0.02))

    async def kv(self, request):
        self.env.KV.put("color", "grün")
        return Response(self.env.KV.get("color").decode() + " " + ",".join(self.env.KV.list()))

    async def service(self, request):
        response = await self.env.OTHER.fetch("http://other/there", "POST", {}, "body")
        return Response(f"{response.status} {await response.text()}")

    async def stuck(self, request):
        await asyncio.get_running_loop().create_future()

    async def gone(self, request):
        await fetch("http://127.0.0.1:1/")
"#;

const HELPER: (&str, &str) = ("helper.py", "def shout(text):\n    return text.upper()\n");

#[tokio::test(flavor = "multi_thread")]
async fn requests_bodies_bindings_and_timers() {
    let (_folder, scenario) = shop(&[(MAIN, PRODUCER), HELPER]).await;
    check_echo(&scenario, 300_000).await;
    for (path, expected) in [
        ("/waits", "True"),
        ("/kv", "grün color"),
        ("/service", "202 POST /there body"),
    ] {
        assert_eq!(scenario.get("shop", path).await.text(), expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_and_failures_are_those_of_python() {
    let (_folder, scenario) = shop(&[(MAIN, PRODUCER), HELPER]).await;
    assert_eq!(scenario.get("shop", "/levels").await.text(), "logged");
    let item = last(&scenario, "shop");
    assert_eq!(
        logs(&item),
        [
            "debug a debug",
            "info an info",
            "warn a warning",
            "error an error",
            "log PRINTED",
            "error caught {}",
        ]
    );
    let caught = item.logs.last().unwrap().error_info.as_ref().unwrap();
    let caught = caught[1].as_ref().unwrap();
    assert_eq!((&*caught.name, &*caught.message), ("KeyError", "'key'"));

    for (path, name, message, line) in [
        (
            "/fails",
            "ValueError",
            "no such order",
            "raise ValueError(\"no such order\")",
        ),
        (
            "/gone",
            "ConnectionError",
            "http://127.0.0.1:1/: ConnectionRefused",
            "await fetch(\"http://127.0.0.1:1/\")",
        ),
        (
            "/stuck",
            "RuntimeError",
            "the handler waits for something that never happens",
            "",
        ),
        (
            "/nothing",
            "TypeError",
            "`fetch` returned 'text', which is not a Response",
            "",
        ),
    ] {
        let item = failed(&scenario, path).await;
        assert_eq!(json!(item.outcome), json!("exception"), "{path}");
        let exception = exception(&item);
        assert_eq!((&*exception.name, &*exception.message), (name, message));
        let stack = exception.stack.as_deref().unwrap();
        assert!(
            stack.starts_with("Traceback (most recent call last):\n"),
            "{stack}"
        );
        assert!(
            line.is_empty() || stack.contains("File \"entry.py\", line "),
            "{stack}"
        );
        assert!(stack.contains(line), "{stack}");
    }

    scenario.get("shop", "/memory").await;
    let item = last(&scenario, "shop");
    assert_eq!(json!(item.outcome), json!("exceededMemory"));
}

const TAIL: &str = r#"
import json
from workers import Response, WorkerEntrypoint, events_json, fetch, trace


class Default(WorkerEntrypoint):
    def fetch(self, request):
        return Response("both")

    async def tail(self, events):
        for item in events:
            request = item.event.value.request
            raw = item.event.value.raw.get_unredacted()
            print(item.script_name, item.outcome == trace.Outcome.EXCEPTION, [log.message for log in item.logs])
            print(dict(request.headers)["authorization"], dict(raw.headers)["authorization"])
        print(self.ctx.props)
        await fetch(self.env.ENDPOINT, "POST", {"content-type": "application/json"}, events_json())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_reads_items_and_posts_them() {
    let item = tail(MAIN, TAIL).await;
    assert_eq!(
        logs(&item),
        [
            "log api True [['\"a\"', '1']]",
            "log REDACTED Bearer 1234",
            "log {'team': 7}",
        ]
    );
}

const STREAM: &str = r#"
import asyncio
from workers import WorkerEntrypoint, stream


class Default(WorkerEntrypoint):
    def tail(self, events):
        pass

    async def tail_stream(self, onset):
        info = onset.event.value.info.value
        if info.request.url.endswith("/onset"):
            raise ValueError("as asked")
        print(0, "onset", onset.event.value.script_name, info.request.method, info.request.url, info.raw.get_unredacted().url)
        return Live(info.request.url).event


class Live:
    def __init__(self, url):
        self.fails = url.endswith("/event")

    async def event(self, item):
        await asyncio.sleep(0)
        if self.fails:
            raise ValueError("as asked")
        print(item.sequence, *shown(item.event))


def shown(event):
    match event:
        case stream.StreamEvent_Log(log):
            return ["log", log.level.name.lower(), *log.message]
        case stream.StreamEvent_Exception(exception):
            return ["exception", exception.name, exception.message]
        case stream.StreamEvent_SpanOpen(span):
            return ["spanOpen", span.name]
        case stream.StreamEvent_Attributes([stream.Attribute(name, stream.SpanValue_Text(value))]):
            return ["attributes", f"{name}={value}"]
        case stream.StreamEvent_SpanClose(outcome):
            return ["spanClose", outcome.name.lower()]
        case stream.StreamEvent_Return(status):
            return ["return", status]
        case stream.StreamEvent_Outcome(end):
            return ["outcome", end.outcome.name.lower()]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_tail_has_each_event_until_it_fails() {
    check_stream(MAIN, STREAM, &[], ("ValueError", "as asked")).await;
}

const UNCALLABLE: &str = r#"
from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    def tail_stream(self, onset):
        if onset.event.value.info.value.request.url.endswith("/text"):
            return "text"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_tail_returns_a_function_or_nothing() {
    let (_folder, scenario) = streamed(MAIN, UNCALLABLE).await;
    for (path, messages) in [
        ("/", &[][..]),
        (
            "/text",
            &["`tail_stream` returned 'text', which is no function"],
        ),
    ] {
        assert_eq!(scenario.get("api", path).await.text(), "ok");
        scenario.idle().await;
        let item = last(&scenario, "live");
        let exceptions = item.exceptions.iter();
        let exceptions: Vec<_> = exceptions.map(|exception| &*exception.message).collect();
        assert_eq!(exceptions, messages, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_with_their_place() {
    for (source, expected) in [
        (
            "class Default:\n    def fetch(self):\n  oops\n",
            "entry.py\", line 3\nIndentationError: unindent does not match any outer indentation level",
        ),
        (
            "import workers\n",
            "has no handler: give it `class Default(WorkerEntrypoint)` with `async def fetch(self, request)`, `async def tail(self, events)` or `async def tail_stream(self, onset)`",
        ),
        (
            "import nowhere\nclass Default:\n    def fetch(self, request):\n        pass\n",
            "ModuleNotFoundError: No module named 'nowhere'",
        ),
    ] {
        check_refused(MAIN, source, expected).await;
    }
    let folder = Folder::new();
    folder
        .write(
            "w/my-worker.py",
            "class Default:\n    def fetch(self, request):\n        pass\n",
        )
        .write("w/wrangler.toml", "name = \"w\"\nmain = \"my-worker.py\"\n");
    let error = refused(&folder, &["w"]).await;
    assert!(
        error.contains("my-worker.py` is not a name that Python can import"),
        "{error}"
    );
}
