//! What scripts fetch, and what they send.

use serde_json::{Value, json};
use taffrail_tests::client::{Client, get};
use taffrail_tests::folder::Folder;
use taffrail_tests::process::{Server, run_recorded};
use taffrail_tests::scenario::{Scenario, full, invoke, request};
use taffrail_tests::upstream::{Received, Reply, Upstream};

const PLAIN: &str = "plain words, compressed";
const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x2b\xc8\x49\xcc\xcc\x53\x28\xcf\x2f\x4a\x29\xd6\x51\x48\xce\xcf\x2d\x28\x4a\x2d\x2e\x4e\x4d\x01\x00\x66\x68\x51\x7a\x17\x00\x00\x00";
const DEFLATE: &[u8] = b"\x78\x9c\x2b\xc8\x49\xcc\xcc\x53\x28\xcf\x2f\x4a\x29\xd6\x51\x48\xce\xcf\x2d\x28\x4a\x2d\x2e\x4e\x4d\x01\x00\x69\x7b\x08\xe5";
const BROTLI: &[u8] =
    b"\x1b\x16\x00\xf8\x25\xc7\xda\xde\x6a\x90\x4e\x12\x17\x6f\x50\x42\xbd\x87\x2e\x0f";

fn upstream() -> Upstream {
    Upstream::start(|received| {
        let (path, query) = match received.target.split_once('?') {
            Some((path, query)) => (path, query),
            None => (&*received.target, ""),
        };
        let encoded = |name: &str, bytes: &[u8]| {
            let fields = format!("content-encoding: {name}\r\n");
            Reply::Whole("200", fields, bytes.to_vec())
        };
        let to = |status, location| {
            let fields = format!("location: {location}\r\n");
            Reply::Whole(status, fields, b"elsewhere".to_vec())
        };
        match path {
            "/echo" => Reply::Whole("200", String::new(), echo(received).into_bytes()),
            "/301" => to("301", "/echo"),
            "/302" => to("302", "/echo"),
            "/303" => to("303", "/echo"),
            "/307" => to("307", "/echo"),
            "/308" => to("308", "/echo"),
            "/to" => to("302", query),
            "/twenty" => match query.parse::<u32>() {
                Ok(0) => Reply::Whole("200", String::new(), b"arrived".to_vec()),
                Ok(left) => to("302", &format!("/twenty?{}", left - 1)),
                Err(_) => Reply::Never,
            },
            "/gzip" => encoded("gzip", GZIP),
            "/deflate" => encoded("deflate", DEFLATE),
            "/br" => encoded("br", BROTLI),
            "/broken" => encoded("gzip", &GZIP[..20]),
            "/cut" => Reply::Raw("HTTP/1.1 200 -\r\ncontent-length: 1000\r\n\r\nthe beginning"),
            "/endless" => Reply::Endless,
            "/never" => Reply::Never,
            _ => Reply::Whole("200", String::new(), vec![b'a'; 10]),
        }
    })
}

/// Method, headers and body in one line.
fn echo(received: &Received) -> String {
    let fields = received.fields.replace('\n', ", ");
    format!("{} [{fields}] {}", received.method, received.body)
}

/// A script that does what each line of `cases` says, and answers with a JSON
/// object of what came of them. `UP` is where the upstream is.
fn script(cases: &str) -> String {
    format!(
        "\
async function tried(run) {{
  try {{ return await run(); }} catch (error) {{ return `${{error?.name ?? typeof error}}: ${{error?.message ?? error}}`; }}
}}
const body = (length) => new ReadableStream({{
  start(controller) {{ controller.enqueue(new Uint8Array(length).fill(98)); controller.close(); }}
}});
export default {{
  async fetch(request, env) {{
    const {{ UP }} = env;
    const all = {{}};
    const cases = {{
{cases}
    }};
    for (const name in cases) all[name] = await tried(cases[name]);
    return Response.json(all);
  }},
}};
"
    )
}

fn up(upstream: &Upstream) -> String {
    format!("vars = {{ UP = \"http://{}\" }}", upstream.address)
}

/// What came of the cases of a Worker `w`, which may call the others.
async fn outcomes(folder: &Folder, workers: &[&str]) -> Value {
    let (answer, items) = invoke(folder, &[&["w"], workers].concat()).await;
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer:?} {items:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_as_the_fetch_standard_says() {
    let upstream = upstream();
    let elsewhere = self::upstream();
    let folder = Folder::new();
    let source = script(&format!(
        "\
'get': async () => {{ const r = await fetch(`${{UP}}/302#part`); return [r.status, r.redirected, r.url === `${{UP}}/echo`, await r.text()]; }},
'plain': async () => {{ const r = await fetch(`${{UP}}/echo#part`); return [r.redirected, r.url === `${{UP}}/echo`]; }},
'301': async () => (await fetch(`${{UP}}/301`, {{ method: 'POST', body: 'b', headers: {{ a: '1', 'content-language': 'de' }} }})).text(),
'303': async () => (await fetch(`${{UP}}/303`, {{ method: 'PUT', body: 'b' }})).text(),
'302 put': async () => (await fetch(`${{UP}}/302`, {{ method: 'PUT', body: new Blob(['b'], {{ type: 'x/y' }}) }})).text(),
'307': async () => (await fetch(`${{UP}}/307`, {{ method: 'POST', body: 'again' }})).text(),
'308 request': async () => (await fetch(new Request(new Request(`${{UP}}/308`, {{ method: 'POST', body: new Uint8Array([99, 100]) }})))).text(),
'307 stream': async () => (await fetch(`${{UP}}/307`, {{ method: 'POST', body: body(3) }})).text(),
'303 stream': async () => (await fetch(`${{UP}}/303`, {{ method: 'POST', body: body(3) }})).text(),
'manual': async () => {{ const r = await fetch(`${{UP}}/302`, {{ redirect: 'manual' }}); return [r.status, r.redirected, r.headers.get('location'), await r.text()]; }},
'error': async () => (await fetch(new Request(`${{UP}}/302`, {{ redirect: 'error' }}))).text(),
'no error': async () => (await fetch(`${{UP}}/echo`, {{ redirect: 'error' }})).status,
'twenty': async () => (await fetch(`${{UP}}/twenty?20`)).text(),
'more': async () => (await (await fetch(`${{UP}}/twenty?21`)).text()),
'same origin': async () => (await fetch(`${{UP}}/302`, {{ headers: {{ authorization: 'a', cookie: 'c' }} }})).text(),
'other origin': async () => (await fetch(`${{UP}}/to?http://{elsewhere}/echo`, {{ headers: {{ authorization: 'a', cookie: 'c', x: '1' }} }})).text(),
'scheme': async () => (await fetch(`${{UP}}/to?ftp://a/`)).text(),
'no address': async () => (await fetch(`${{UP}}/to?http://:::/`)).text(),
'credentials': async () => (await fetch(UP.replace('//', '//me:secret@') + '/echo')).text(),
'ftp': async () => fetch('ftp://a/'),
'data': async () => {{ const r = await fetch('data:text/x;base64,aGk%3D#no'); return [r.headers.get('content-type'), await r.text()]; }},
'used': async () => {{ const r = new Request(`${{UP}}/echo`, {{ method: 'POST', body: 'b' }}); await fetch(r); return [r.bodyUsed, await tried(() => fetch(r))]; }},",
        elsewhere = elsewhere.address
    ));
    folder.script("w", &source, &up(&upstream));
    let one_time = "TypeError: A request with a one-time-use body (it was initialized from a stream, not a buffer) encountered a redirect requiring the body to be retransmitted. To avoid this error in the future, construct this request from a buffer-like body initializer.";
    let invalid = "TypeError: Invalid Location header; unable to follow redirect.";
    let mut all = outcomes(&folder, &[]).await;
    let more = all["more"].take();
    assert!(
        more.as_str()
            .is_some_and(|text| text.starts_with("TypeError: Too many redirects.")),
        "{more}"
    );
    let refused = all["error"].take();
    assert!(
        refused
            .as_str()
            .is_some_and(|text| text.starts_with("TypeError: ")),
        "{refused}"
    );
    assert_eq!(
        all,
        json!({
            "get": [200, true, true, "GET [] "],
            "plain": [false, true],
            "301": "GET [a: 1] ",
            "303": "GET [] ",
            "302 put": "PUT [content-length: 1, content-type: x/y] b",
            "307": "POST [content-length: 5, content-type: text/plain;charset=UTF-8] again",
            "308 request": "POST [content-length: 2] cd",
            "307 stream": one_time,
            "303 stream": "GET [] ",
            "manual": [302, false, "/echo", "elsewhere"],
            "error": null,
            "no error": 200,
            "twenty": "arrived",
            "more": null,
            "same origin": "GET [authorization: a, cookie: c] ",
            "other origin": "GET [x: 1] ",
            "scheme": invalid,
            "no address": invalid,
            "credentials": "GET [] ",
            "ftp": "TypeError: Fetch API cannot load: ftp://a/",
            "data": ["text/x", "hi"],
            "used": [true, "TypeError: Cannot reconstruct a Request with a used body."],
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hop_is_a_subrequest_to_a_host_that_is_allowed() {
    let (upstream, elsewhere) = (upstream(), upstream());
    let folder = Folder::new();
    let source = script(&format!(
        "\
'other host': async () => (await fetch(`${{UP}}/to?http://{}/echo`)).text(),
'three': async () => (await fetch(`${{UP}}/twenty?2`)).text(),
'four': async () => (await fetch(`${{UP}}/twenty?3`)).text(),",
        elsewhere.address
    ));
    let limits = format!(
        "{}\n[limits]\nsubrequests = 7\n[taffrail]\nallowed_outbound_hosts = [\"http://{}\"]",
        up(&upstream),
        upstream.address
    );
    folder.script("w", &source, &limits);
    let all = outcomes(&folder, &[]).await;
    let text = |name: &str| all[name].as_str().unwrap_or_default().to_owned();
    assert!(
        text("other host").starts_with("Error: This Worker is not permitted to reach"),
        "{all}"
    );
    assert_eq!(text("three"), "arrived");
    assert!(text("four").contains("Too many subrequests"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_length_of_a_body_is_the_true_one() {
    let upstream = upstream();
    let folder = Folder::new();
    let source = script(
        "\
'wrong': async () => (await fetch(`${UP}/echo`, { method: 'POST', body: 'hello', headers: { 'content-length': '99' } })).text(),
'none': async () => (await fetch(`${UP}/echo`, { method: 'POST' })).text(),
'delete': async () => (await fetch(`${UP}/echo`, { method: 'DELETE' })).text(),
'stream': async () => (await fetch(`${UP}/echo`, { method: 'PUT', body: body(3), headers: { 'content-length': '3' } })).text(),
'of a response': async () => (await fetch(`${UP}/echo`, { method: 'PUT', body: new Response('hello').body })).text(),
'passed on': async () => { const r = await fetch(`${UP}/ten`); return (await fetch(`${UP}/echo`, { method: 'PUT', body: r.body })).text(); },
'decoded': async () => { const r = await fetch(`${UP}/gzip`); return (await fetch(`${UP}/echo`, { method: 'PUT', body: r.body })).text(); },
'fixed': async () => { const { readable, writable } = new FixedLengthStream(4); new Response('four').body.pipeTo(writable); return (await fetch(`${UP}/echo`, { method: 'PUT', body: readable })).text(); },
'too long': async () => { const { readable, writable } = new FixedLengthStream(3); new Response('four').body.pipeTo(writable).catch(() => {}); return new Response(readable).text(); },
'too short': async () => { const { readable, writable } = new FixedLengthStream(5); new Response('four').body.pipeTo(writable).catch(() => {}); return new Response(readable).text(); },
'no length': () => new FixedLengthStream(-1),",
    );
    folder.script("w", &source, &up(&upstream));
    assert_eq!(
        outcomes(&folder, &[]).await,
        json!({
            "wrong": "POST [content-length: 5, content-type: text/plain;charset=UTF-8] hello",
            "none": "POST [content-length: 0] ",
            "delete": "DELETE [content-length: 0] ",
            "stream": "PUT [transfer-encoding: chunked] bbb",
            "of a response": "PUT [content-length: 5] hello",
            "passed on": "PUT [content-length: 10] aaaaaaaaaa",
            "decoded": format!("PUT [transfer-encoding: chunked] {PLAIN}"),
            "fixed": "PUT [content-length: 4] four",
            "too long": "TypeError: Attempt to write too many bytes through a FixedLengthStream.",
            "too short": "TypeError: FixedLengthStream did not see all expected bytes before close().",
            "no length": "TypeError: Failed to construct 'FixedLengthStream': constructor parameter 1 is not a number of bytes.",
        })
    );
}

const ANSWERS: &str = "\
export default {
  async fetch(request, { UP }) {
    const { pathname, search } = new URL(request.url);
    const up = search === '' ? undefined : await fetch(UP + search.slice(1));
    switch (pathname) {
      case '/longer': return new Response(`${await up.text()} and more`, up);
      case '/shorter': return new Response('no', { status: 403, headers: up.headers });
      case '/pass': return up;
      case '/copy': return new Response(up.body, up);
      case '/through': return new Response(up.body.pipeThrough(new TransformStream()), up);
      case '/manual': return new Response('as it is', { headers: { 'content-encoding': 'gzip' }, encodeBody: 'manual' });
      case '/stream': return new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array(3).fill(99)); c.close(); } }), { headers: { 'content-length': '9' } });
      case '/nothing': return new Response(null, { headers: { 'content-length': '9' } });
    }
  },
};
";

fn answers(upstream: &Upstream, folder: &Folder) -> Server {
    folder.script("w", ANSWERS, &up(upstream));
    folder.start(&["serve", "w"])
}

#[test]
fn a_length_that_was_copied_is_not_believed() {
    let (upstream, folder) = (upstream(), Folder::new());
    let server = answers(&upstream, &folder);
    let seen = |path: &str| {
        let answer = get(server.address, path);
        let length = answer.header("content-length").map(ToOwned::to_owned);
        (answer.body, length)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen("/longer?/ten"),
        ("aaaaaaaaaa and more".to_owned(), some("19"))
    );
    assert_eq!(seen("/shorter?/ten"), ("no".to_owned(), some("2")));
    assert_eq!(seen("/pass?/ten"), ("aaaaaaaaaa".to_owned(), some("10")));
    assert_eq!(seen("/copy?/ten"), ("aaaaaaaaaa".to_owned(), some("10")));
    assert_eq!(seen("/through?/ten"), ("aaaaaaaaaa".to_owned(), None));
    assert_eq!(seen("/stream"), ("ccc".to_owned(), None));
    assert_eq!(seen("/nothing"), (String::new(), some("0")));
    let finished = server.terminate();
    for item in finished.items() {
        assert_eq!(item["outcome"], "ok", "{item}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_read_decoded_bodies() {
    let upstream = upstream();
    let folder = Folder::new();
    let source = script(
        "\
'gzip': async () => { const r = await fetch(`${UP}/gzip`); return [r.headers.get('content-encoding'), r.headers.get('content-length'), await r.text()]; },
'deflate': async () => (await fetch(`${UP}/deflate`)).text(),
'br': async () => { let text = ''; for await (const chunk of (await fetch(`${UP}/br`)).body) text += new TextDecoder().decode(chunk); return text; },
'clone': async () => { const r = await fetch(`${UP}/gzip`); const c = r.clone(); return [await r.text(), await c.text()]; },
'head': async () => { const r = await fetch(`${UP}/gzip`, { method: 'HEAD' }); return [r.status, r.headers.get('content-length'), await r.text()]; },
'broken': async () => (await tried(async () => (await fetch(`${UP}/broken`)).text())).slice(0, 9),
'names': async () => [...(await fetch(`${UP}/gzip`)).headers.keys()],",
    );
    folder.script("w", &source, &up(&upstream));
    assert_eq!(
        outcomes(&folder, &[]).await,
        json!({
            "gzip": ["gzip", "43", PLAIN],
            "deflate": PLAIN,
            "br": PLAIN,
            "clone": [PLAIN, PLAIN],
            "head": [200, "43", ""],
            "broken": "TypeError",
            "names": ["content-encoding", "content-length"],
        })
    );
}

#[test]
fn what_a_client_gets_is_encoded_as_its_headers_say() {
    let (upstream, folder) = (upstream(), Folder::new());
    let server = answers(&upstream, &folder);
    let body = |path: &str| {
        let mut client = Client::connect(server.address);
        client.send(format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        ));
        let head = client.head();
        let length = head.header("content-length").map(ToOwned::to_owned);
        let bytes = match &length {
            Some(_) => client.until_closed(),
            None => client.piece(),
        };
        (bytes, length)
    };
    for (path, bytes) in [("gzip", GZIP), ("deflate", DEFLATE), ("br", BROTLI)] {
        for way in ["pass", "copy"] {
            let (sent, length) = body(&format!("/{way}?/{path}"));
            assert_eq!(sent, bytes, "{path} as it came");
            assert_eq!(length, Some(bytes.len().to_string()));
        }
    }
    for path in ["/longer?/gzip", "/through?/gzip", "/shorter?/gzip"] {
        let (sent, length) = body(path);
        assert_eq!(sent[..2], GZIP[..2], "{path}");
        assert_eq!(length, None);
    }
    assert_eq!(body("/longer?/deflate").0[..1], DEFLATE[..1]);
    assert_ne!(body("/longer?/br").0[..5], PLAIN.as_bytes()[..5]);
    assert_eq!(body("/manual").0, b"as it is");
    _ = server.terminate();
}

#[test]
fn invoke_tells_that_a_body_broke_off() {
    let (upstream, folder) = (upstream(), Folder::new());
    folder.script("w", ANSWERS, &up(&upstream));
    let url = "http://x/pass?/cut";
    let (finished, items) = run_recorded(folder.taffrail(&["invoke", "w", "--url", url]));
    assert_eq!(finished.stdout, "the beginning");
    assert!(
        finished
            .stderr
            .contains("error: the response body broke off"),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.code, Some(3));
    assert_eq!(items[0]["outcome"], "responseStreamDisconnected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_what_it_was_given_to() {
    let upstream = upstream();
    let folder = Folder::new();
    let source = script(
        "\
'already': () => fetch(`${UP}/echo`, { signal: AbortSignal.abort('no') }),
'later': async () => { const c = new AbortController(); const p = fetch(`${UP}/never`, { signal: c.signal }); c.abort(new RangeError('why')); return p; },
'request': async () => { const c = new AbortController(); const p = fetch(new Request(new Request(`${UP}/never`, { signal: c.signal }))); c.abort(); return p; },
'no longer': async () => (await fetch(new Request(`${UP}/echo`, { signal: AbortSignal.abort() }), { signal: null })).status,
'timeout': () => fetch(`${UP}/never`, { signal: AbortSignal.timeout(5) }),
'body': async () => { const c = new AbortController(); const r = await fetch(`${UP}/endless`, { signal: c.signal }); const reader = r.body.getReader(); await reader.read(); c.abort(new RangeError('why')); for (;;) await reader.read(); },
'behind': async () => { const c = new AbortController(); const r = await fetch(`${UP}/302`, { signal: c.signal }); const text = await r.text(); c.abort(); return text; },
'service': async () => { const c = new AbortController(); const p = env.OTHER.fetch('http://a/never', { signal: c.signal }); c.abort(new RangeError('why')); return p; },
'object': async () => { const c = new AbortController(); const p = env.OBJECT.get(env.OBJECT.idFromName('a')).fetch('http://a/never', { signal: c.signal }); c.abort('why'); return p; },
'service body': async () => { const c = new AbortController(); const r = await env.OTHER.fetch('http://a/endless', { signal: c.signal }); const reader = r.body.getReader(); await reader.read(); c.abort('why'); for (;;) await reader.read(); },
'pipe': async () => {
  const log = []; const c = new AbortController();
  const from = new ReadableStream({ pull(k) { k.enqueue('a'); }, cancel(reason) { log.push(`cancel ${reason}`); } });
  const to = new WritableStream({ write() { c.abort('why'); }, abort(reason) { log.push(`abort ${reason}`); } });
  await from.pipeTo(to, { signal: c.signal }).catch((reason) => log.push(`failed ${reason}`));
  return [log.sort(), from.locked, to.locked];
},
'pipe through': async () => { let n = 0; const c = new AbortController(); const from = new ReadableStream({ pull(k) { if (++n === 3) c.abort('why'); k.enqueue('a'); } }); for await (const _ of from.pipeThrough(new TransformStream(), { signal: c.signal })); },
'no signal': () => new ReadableStream().pipeTo(new WritableStream(), { signal: 1 }),",
    ) + "\
import { DurableObject } from 'cloudflare:workers';
function answer(request) {
  if (request.url.endsWith('never')) return new Promise((resolve) => setTimeout(resolve, 1_000));
  return new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(1)); } }));
}
export const Other = { fetch: answer };
export class Object_ extends DurableObject { fetch(request) { return answer(request); } }
";
    let more = "services = [{ binding = \"OTHER\", service = \"w\", entrypoint = \"Other\" }]\ndurable_objects.bindings = [{ name = \"OBJECT\", class_name = \"Object_\" }]";
    folder.script("w", &source, &format!("{more}\n{}", up(&upstream)));
    let mut all = outcomes(&folder, &[]).await;
    let through = all["pipe through"].take();
    assert_eq!(through, "string: why");
    assert_eq!(
        all,
        json!({
            "already": "string: no",
            "later": "RangeError: why",
            "request": "AbortError: The operation was aborted",
            "no longer": 200,
            "timeout": "TimeoutError: The operation was aborted due to timeout",
            "body": "RangeError: why",
            "behind": "GET [] ",
            "service": "RangeError: why",
            "object": "string: why",
            "service body": "string: why",
            "pipe": [["abort why", "cancel why", "failed why"], false, false],
            "pipe through": null,
            "no signal": "TypeError: Incorrect type for the 'signal' field on 'PipeToOptions': the provided value is not of type 'AbortSignal'.",
        })
    );
    // The others may have been given up before they were sent.
    while upstream.left() != "/endless" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callee_sees_what_its_caller_sent() {
    let folder = Folder::new();
    let source = script(
        "\
'cf': async () => (await env.OTHER.fetch('http://a/', { cf: { a: 1 } })).json(),
'request': async () => (await env.OTHER.fetch(new Request('http://a/', { cf: { a: 2 } }))).json(),
'known': async () => (await env.OTHER.fetch('http://a/', { method: 'POST', body: 'hello', headers: { 'content-length': '9', x: '1' } })).json(),
'stream': async () => (await env.OTHER.fetch('http://a/', { method: 'POST', body: body(2) })).json(),
'redirect': async () => { const r = await env.OTHER.fetch('http://a/redirect', { method: 'POST', body: 'hello' }); return [r.redirected, r.url, await r.json()]; },
'manual': async () => (await env.OTHER.fetch('http://a/redirect', { redirect: 'manual' })).status,
'gzip': async () => (await env.OTHER.fetch('http://a/gzip')).text(),",
    );
    let other = "\
export default {
  async fetch(request) {
    if (request.url.endsWith('/redirect')) return new Response(null, { status: 307, headers: { location: 'http://b/there' } });
    if (request.url.endsWith('/gzip')) return new Response('zipped', { headers: { 'content-encoding': 'gzip' } });
    const { method, cf, headers } = request;
    return Response.json([method, cf ?? null, Object.fromEntries(headers), await request.text()]);
  },
};
";
    let binding = "services = [{ binding = \"OTHER\", service = \"other\" }]\nvars = { UP = \"\" }";
    folder
        .script("w", &source, binding)
        .script("other", other, "");
    let (answer, items) = invoke(&folder, &["w", "other"]).await;
    let text = "text/plain;charset=UTF-8";
    assert_eq!(
        serde_json::from_str::<Value>(&answer.text()).unwrap(),
        json!({
            "cf": ["GET", { "a": 1 }, {}, ""],
            "request": ["GET", { "a": 2 }, {}, ""],
            "known": ["POST", null, { "content-type": text, "x": "1" }, "hello"],
            "stream": ["POST", null, {}, "bb"],
            "redirect": [true, "http://b/there", ["POST", null, { "content-type": text }, "hello"]],
            "manual": 307,
            "gzip": "zipped",
        })
    );
    let cf: Vec<_> = items
        .iter()
        .filter_map(|item| item["event"]["request"]["cf"].get("a"))
        .collect();
    assert_eq!(cf, [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_given_up_leaves_nothing_behind_for_the_next_request() {
    let upstream = upstream();
    let folder = Folder::new();
    let source = "\
export default { async fetch(request, env) {
  const aborted = new AbortController();
  const { body } = await fetch(`${env.UP}/endless`, { signal: aborted.signal });
  const reader = body.getReader();
  await reader.read();
  let reads = reader.read();
  while (await Promise.race([reads.then(() => true), scheduler.wait(0)])) reads = reader.read();
  if (request.url.endsWith('cancel')) reader.cancel();
  else aborted.abort();
  return new Response(await reads.then(({ done }) => String(done), ({ name }) => name));
} };
";
    folder.script("w", source, &up(&upstream));
    let scenario = Scenario::of(&folder, &["w"]).await;
    for (path, said) in [
        ("/abort", "AbortError"),
        ("/abort", "AbortError"),
        ("/cancel", "true"),
        ("/cancel", "true"),
        ("/abort", "AbortError"),
    ] {
        let answer = scenario.stream("w", request(path, full(""))).await;
        assert_eq!(answer.text(), said);
    }
}
