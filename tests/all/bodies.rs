//! Requests, responses, their headers and their bodies, as scripts see them.

use bytes::Bytes;
use http::Request;
use taffrail_tests::client::Client;
use taffrail_tests::folder::Folder;
use taffrail_tests::process::Server;
use taffrail_tests::scenario::{Scenario, invoke};

/// Tells in a line each what comes of some expressions, or what they throw.
const TELLING: &str = "\
const lines = [];
const tell = async (what, evaluate) => {
  let told;
  try {
    told = JSON.stringify(await evaluate());
  } catch (error) {
    told = error.name + ': ' + error.message;
  }
  lines.push(what + ' = ' + told);
};
";

/// What a handler with this body tells.
async fn told(body: &str) -> String {
    let folder = Folder::new();
    let source = format!(
        "{TELLING}export default {{ async fetch(request) {{ {body}; return new Response(lines.join('\\n')); }} }};"
    );
    folder.script("w", &source, "");
    let scenario = Scenario::of(&folder, &["w"]).await;
    let request = Request::post("http://localhost/here").header("host", "localhost");
    let answer = scenario
        .send("w", request.body(Bytes::new()).unwrap())
        .await;
    assert_eq!(answer.status, Some(200), "{:?}", scenario.json());
    answer.text()
}

async fn assert_told(body: &str, expected: &[&str]) {
    let told = told(body).await;
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_text_in_utf_8() {
    assert_told(
        r#"
        await tell('latin', () => new Headers({ a: 'é' }).get('a'));
        await tell('beyond', () => [...new Headers(new Headers([['a', '名前 🎉']]))]);
        await tell('response', () => new Response('', { headers: { a: '🎉' } }).headers.get('a'));
        await tell('request', () => [...new Request('http://x/', { headers: { a: '🎉' } }).headers]);
        await tell('lone surrogate', () => new Headers({ a: 'x\ud800y' }).get('a'));
        await tell('each', () => { const all = []; new Headers({ a: 'é' }).forEach((value, name) => all.push(name + value)); return all; });
        await tell('newline', () => new Headers({ a: 'x\ny' }));
        await tell('NUL', () => new Headers().append('a', 'x\0y'));
        await tell('name', () => new Headers().set('a b', 'c'));
        await tell('no name', () => new Headers({ '': 'c' }));
        await tell('white space', () => new Headers({ a: '\t x \r\n' }).get('a'));
        "#,
        &[
            "latin = \"é\"",
            "beyond = [[\"a\",\"名前 🎉\"]]",
            "response = \"🎉\"",
            "request = [[\"a\",\"🎉\"]]",
            "lone surrogate = \"x\u{fffd}y\"",
            "each = [\"aé\"]",
            "newline = TypeError: Invalid header value.",
            "NUL = TypeError: Invalid header value.",
            "name = TypeError: Invalid header name.",
            "no name = TypeError: Invalid header name.",
            "white space = \"x\"",
        ],
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_sorted_and_combined_and_cookies_stay_apart() {
    assert_told(
        r#"
        const headers = new Headers([['b', '1'], ['A', '2'], ['a', '3'], ['Set-Cookie', 'x=1']]);
        headers.append('set-cookie', 'y=2');
        await tell('all', () => [...headers]);
        await tell('names', () => [...headers.keys()]);
        await tell('get', () => [headers.get('SET-COOKIE'), headers.getSetCookie(), headers.getAll('Set-Cookie')]);
        await tell('changed meanwhile', () => { const seen = []; for (const [name] of headers) { seen.push(name); headers.set('z', '1'); } return seen; });
        await tell('set and delete', () => { headers.set('a', '4'); headers.delete('set-cookie'); headers.delete('z'); return [...headers.values()]; });
        await tell('record', () => [...new Headers({ a: 1, b: null, c: ['x', 'y'], [Symbol()]: 'no' })]);
        await tell('iterable', () => [...new Headers(new Map([['a', 'b']]))]);
        await tell('pairs', () => new Headers([['a', 'b', 'c']]));
        await tell('null', () => new Headers(null));
        await tell('received', () => request.headers.set('a', 'b'));
        await tell('redirect', () => Response.redirect('http://x/').headers.append('a', 'b'));
        await tell('function', () => Headers());
        "#,
        &[
            r#"all = [["a","2, 3"],["b","1"],["set-cookie","x=1"],["set-cookie","y=2"]]"#,
            r#"names = ["a","b","set-cookie","set-cookie"]"#,
            r#"get = ["x=1, y=2",["x=1","y=2"],["x=1","y=2"]]"#,
            r#"changed meanwhile = ["a","b","set-cookie","set-cookie"]"#,
            r#"set and delete = ["4","1"]"#,
            r#"record = [["a","1"],["b","null"],["c","x,y"]]"#,
            r#"iterable = [["a","b"]]"#,
            "pairs = TypeError: To initialize a Headers object from a sequence, each inner sequence must have exactly two elements.",
            "null = TypeError: Failed to construct 'Headers': constructor parameter 1 is not of type 'Headers or Sequence or object'.",
            "received = TypeError: Can't modify immutable headers.",
            "redirect = TypeError: Can't modify immutable headers.",
            "function = TypeError: Failed to construct 'Headers': Please use the 'new' operator, this object constructor cannot be called as a function.",
        ],
    ).await;
}

#[test]
fn header_bytes_pass_in_every_direction() {
    let folder = Folder::new();
    folder
        .script(
            "front",
            "export default { async fetch(request, env) {
               const seen = request.headers.get('x-a');
               const answer = await env.BACK.fetch('http://back/', { headers: { 'x-a': seen, 'x-b': '🎉' } });
               const { origin } = new URL(request.url);
               const again = new URL(request.url).pathname === '/' ? await fetch(origin + '/again', { headers: { 'x-a': seen } }) : undefined;
               const body = JSON.stringify([seen, answer.headers.get('x-seen'), again && [again.headers.get('x-seen'), await again.text()]]);
               return new Response(body, { headers: { 'x-seen': seen } });
             } };",
            "services = [{ binding = \"BACK\", service = \"back\" }]",
        )
        .script(
            "back",
            "export default { fetch({ headers }) {
               return new Response(null, { headers: { 'x-seen': headers.get('x-a') + headers.get('x-b') } });
             } };",
            "",
        );
    let server = folder.start(&["serve", "front", "back"]);
    let answer = with_header(&server, b"\xe5\x90\x8d");
    assert_eq!(
        answer.body,
        r#"["名","名🎉",["名","[\"名\",\"名🎉\",null]"]]"#
    );
    assert_eq!(answer.header("x-seen"), Some("名"));
    let answer = with_header(&server, b"a\xe9b");
    assert_eq!(
        answer.body,
        r#"["a�b","a�b🎉",["a�b","[\"a�b\",\"a�b🎉\",null]"]]"#
    );
}

fn with_header(server: &Server, value: &[u8]) -> taffrail_tests::client::Answer {
    let mut client = Client::connect(server.address);
    let head = format!(
        "GET / HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nx-a: ",
        server.address
    );
    client.send([head.as_bytes(), value, b"\r\n\r\n"].concat());
    client.answer()
}

#[test]
fn a_form_has_its_texts_and_its_files() {
    let folder = Folder::new();
    folder.script(
        "w",
        "export default { async fetch(request) {
           const told = [];
           for (const [name, value] of await request.formData()) {
             if (typeof value === 'string') told.push(name + '=' + value);
             else told.push([name, value instanceof File, value.name, value.type, value.size, [...new Uint8Array(await value.arrayBuffer())].join(' ')].join('|'));
           }
           return new Response(told.join('\\n'));
         } };",
        "",
    );
    let server = folder.start(&["serve", "w"]);
    let body = [
        &b"--B\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nn\xc3\xa9 \xff\r\n"[..],
        b"--B\r\ncontent-disposition: form-data; name=\"f\"; filename=\"a \\\"b\\\".txt\"\r\nContent-Type: text/plain\r\n\r\nhello file\n\r\n",
        b"--B\r\nContent-Disposition: form-data; name=\"b\"; filename=\"b.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n\x89PNG\r\n\x1a\n\x00\xff\r\n--A\r\n",
        b"--B--\r\n",
    ]
    .concat();
    let mut client = Client::connect(server.address);
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=\"B\"\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.send([head.as_bytes(), &body].concat());
    let answer = client.answer();
    let lines: Vec<_> = answer.body.lines().collect();
    assert_eq!(
        lines,
        [
            "t=né \u{fffd}",
            "f|true|a \"b\".txt|text/plain|11|104 101 108 108 111 32 102 105 108 101 10",
            "b|true|b.bin|application/octet-stream|15|137 80 78 71 13 10 26 10 0 255 13 10 45 45 65",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_comes_back_as_it_was() {
    assert_told(
        r#"
        const form = new FormData();
        form.append('a', '1');
        form.append('a', '2');
        form.append('é"\r\n', 'x\ny');
        form.append('blob', new Blob(['z']));
        const bytes = new Uint8Array(300_000).map((_, index) => index % 251);
        form.append('file', new File([bytes], 'é".bin', { type: 'a/b' }));
        const response = new Response(form);
        await tell('type', () => /^multipart\/form-data; boundary=\w+$/.test(response.headers.get('content-type')));
        const back = await response.formData();
        await tell('names', () => [...back.keys()]);
        await tell('texts', () => [back.getAll('a'), back.get('é"\r\n')]);
        await tell('blob', () => [back.get('blob').name, back.get('blob').type]);
        const file = back.get('file');
        await tell('file', async () => [file.name, file.type, file.size, (await file.bytes()).every((byte, index) => byte === index % 251)]);
        await tell('set', () => { form.set('a', '3'); form.delete('file'); form.delete('blob'); return [...form]; });
        await tell('class', () => [Object.prototype.toString.call(form), form instanceof FormData]);
        const type = { headers: { 'content-type': 'application/x-www-form-urlencoded' } };
        await tell('encoded', async () => [...await new Response('?a=%20+b&%C3%A9=%FF&&c', type).formData()]);
        await tell('parameters', async () => [...await new Response(new URLSearchParams({ a: 'é' })).formData()]);
        await tell('request', async () => [...await new Request('http://x/', { method: 'POST', body: form }).formData()].length);
        "#,
        &[
            "type = true",
            r#"names = ["a","a","é\"\r\n","blob","file"]"#,
            r#"texts = [["1","2"],"x\ny"]"#,
            r#"blob = ["blob","application/octet-stream"]"#,
            r#"file = ["é\".bin","a/b",300000,true]"#,
            r#"set = [["a","3"],["é\"\r\n","x\ny"]]"#,
            r#"class = ["[object FormData]",true]"#,
            r#"encoded = [["?a","  b"],["é","�"],["c",""]]"#,
            r#"parameters = [["a","é"]]"#,
            "request = 2",
        ],
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_form_is_refused_in_words() {
    assert_told(
        r#"
        const read = (body, type) => new Response(body, { headers: type === undefined ? {} : { 'content-type': type } }).formData();
        const multipart = 'multipart/form-data; boundary=B';
        await tell('empty', async () => [...await read('--B--', multipart)]);
        await tell('preamble', async () => [...await read('x\r\n--B\nContent-Disposition: form-data; name="a"\n\n1\n--B--', multipart)]);
        await tell('nothing', () => read('', multipart));
        await tell('cut', () => read('--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1', multipart));
        await tell('no name', () => read('--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n--B--', multipart));
        await tell('no disposition', () => read('--B\r\nX: y\r\n\r\n1\r\n--B--', multipart));
        await tell('attachment', () => read('--B\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n--B--', multipart));
        await tell('no boundary', () => read('', 'multipart/form-data').catch((error) => error.message.slice(0, 42)));
        await tell('text', () => read('').catch((error) => error.message.slice(0, 38)));
        await tell('no type', () => read(new Uint8Array(1)));
        "#,
        &[
            "empty = []",
            r#"preamble = [["a","1"]]"#,
            "nothing = TypeError: No initial boundary string (or you have a truncated message).",
            "cut = TypeError: No subsequent boundary string after multipart message.",
            "no name = TypeError: Content-Disposition header in FormData part is missing a name.",
            "no disposition = TypeError: No valid Content-Disposition header found in FormData part.",
            "attachment = TypeError: Content-Disposition header for FormData part must have the value \"form-data\", possibly followed by parameters. Got: \"attachment\"",
            "no boundary = \"No boundary string in Content-Type header.\"",
            "text = \"Unrecognized Content-Type header value\"",
            "no type = TypeError: Parsing a Body as FormData requires a Content-Type header.",
        ],
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_made_as_on_workers() {
    assert_told(
        r#"
        const made = (body, init) => { const { status, statusText, headers } = new Response(body, init); return [status, statusText, ...headers]; };
        await tell('text', () => made('x', { status: 201, statusText: 'é', headers: { a: 'b' } }));
        await tell('of another', () => made('x', new Response('y', { status: 404, headers: { a: 'b' } })));
        await tell('99', () => made('x', { status: 99 }));
        await tell('NaN', () => made('x', { status: 'x' }));
        await tell('reason', () => made('x', { statusText: 'a\nb' }));
        await tell('204', () => made('x', { status: 204 }));
        await tell('204 without', () => [made(null, { status: 204 }), made('', { status: 304 })]);
        await tell('init', () => made('x', 1));
        await tell('redirect', () => { const { status, headers, body } = Response.redirect('http://x/ä', 307); return [status, ...headers, body]; });
        await tell('relative', () => Response.redirect('/x'));
        await tell('redirect 200', () => Response.redirect('http://x/', 200));
        await tell('json', async () => { const response = Response.json({ a: 'é' }, { status: 201 }); return [response.status, ...response.headers, await response.text()]; });
        await tell('json type', () => [...Response.json(1, { headers: { 'content-type': 'x/y' } }).headers]);
        await tell('error', () => { const { status, type, ok, body } = Response.error(); return [status, type, ok, body]; });
        await tell('extras', () => { const { cf, webSocket } = new Response('', { cf: { a: 1 }, webSocket: null, encodeBody: 'manual' }); return [cf, webSocket]; });
        await tell('length', () => [...new Response('x', { headers: { 'content-length': '7' } }).headers]);
        await tell('bytes', async () => [...await new Response('é').bytes()]);
        await tell('blob', async () => (await new Response('x', { headers: { 'content-type': 'Text/HTML; Charset=X' } }).blob()).type);
        await tell('blob of text', async () => (await new Response('x').blob()).type);
        await tell('blob of bytes', async () => (await new Response(new Uint8Array(1)).blob()).type);
        await tell('used', async () => { const response = new Response('x'); await response.text(); return response.bodyUsed && response.json(); });
        await tell('function', () => Response('x'));
        "#,
        &[
            r#"text = [201,"é",["a","b"],["content-type","text/plain;charset=UTF-8"]]"#,
            r#"of another = [404,"",["a","b"],["content-type","text/plain;charset=UTF-8"]]"#,
            "99 = RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
            "NaN = RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
            "reason = TypeError: Invalid statusText",
            "204 = TypeError: Response with null body status (101, 204, 205, or 304) cannot have a body.",
            r#"204 without = [[204,""],[304,""]]"#,
            "init = TypeError: Failed to construct 'Response': constructor parameter 2 is not of type 'InitializerDict or Response'.",
            r#"redirect = [307,["location","http://x/%C3%A4"],null]"#,
            "relative = TypeError: Unable to parse URL: /x",
            "redirect 200 = RangeError: 200 is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308.",
            r#"json = [201,["content-type","application/json"],"{\"a\":\"é\"}"]"#,
            r#"json type = [["content-type","x/y"]]"#,
            r#"error = [0,"error",false,null]"#,
            r#"extras = [{"a":1},null]"#,
            r#"length = [["content-length","7"],["content-type","text/plain;charset=UTF-8"]]"#,
            "bytes = [195,169]",
            r#"blob = "text/html;charset=X""#,
            r#"blob of text = "text/plain;charset=UTF-8""#,
            r#"blob of bytes = """#,
            "used = TypeError: Body has already been used. It can only be used once. Use tee() first if you need to read it twice.",
            "function = TypeError: Failed to construct 'Response': Please use the 'new' operator, this object constructor cannot be called as a function.",
        ],
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_made_as_on_workers() {
    assert_told(
        r#"
        await tell('incoming', () => [request.method, request.redirect, request.signal instanceof AbortSignal, request.bodyUsed, request.body]);
        await tell('defaults', () => { const { method, redirect, body, bodyUsed, integrity, keepalive, cf } = new Request('http://x/'); return [method, redirect, body, bodyUsed, integrity, keepalive, cf === undefined]; });
        const first = () => new Request('http://x/a#b', { method: 'put', body: 'é', headers: { host: 'h', a: '1' }, redirect: 'manual', cf: { b: 1 } });
        await tell('all', async () => { const made = first(); return [made.url, made.method, [...made.headers], made.redirect, made.cf, await made.text()]; });
        await tell('of another', async () => { const one = first(); const made = new Request(one); return [made.method, [...made.headers], made.redirect, made.cf, one.bodyUsed, await made.text()]; });
        await tell('with other headers', async () => { const made = new Request(first(), { headers: { 'x-new': 'y' }, cf: { c: 2 }, redirect: 'error' }); return [[...made.headers], made.cf, made.redirect, await made.text()]; });
        await tell('with another body', async () => { const one = first(); const made = new Request(one, { body: 'new' }); return [one.bodyUsed, await made.text()]; });
        await tell('headers of the incoming', () => { const made = new Request(request, { headers: { 'x-new': '1' } }); return [made.method, made.headers.get('x-new'), made.headers.get('host'), new Request('http://y/', request).headers.get('host')]; });
        await tell('used', async () => { const one = first(); await one.text(); return new Request(one); });
        await tell('used, with another body', async () => { const one = first(); await one.text(); return new Request(one, { body: 'new' }).text(); });
        await tell('clone', async () => { const one = first(); const made = one.clone(); made.headers.set('a', '2'); return [made.url, made.method, [...made.headers], one.headers.get('a'), made.redirect, made.cf, await made.text(), await one.text(), one.bodyUsed]; });
        await tell('GET with body', () => new Request('http://x/', { body: 'x' }));
        await tell('relative', () => new Request('/x'));
        await tell('method', () => new Request('http://x/', { method: 'CONNECT' }));
        await tell('redirect', () => new Request('http://x/', { redirect: 'x' }));
        await tell('signal', () => { const controller = new AbortController(); const made = new Request('http://x/', { signal: controller.signal }); controller.abort('z'); return [made.signal === controller.signal, made.clone().signal.reason]; });
        await tell('no signal', () => new Request('http://x/', { signal: {} }));
        await tell('nothing', () => new Request());
        await tell('function', () => Request('http://x/'));
        "#,
        &[
            r#"incoming = ["POST","manual",true,false,null]"#,
            r#"defaults = ["GET","follow",null,false,"",false,true]"#,
            r#"all = ["http://x/a#b","PUT",[["a","1"],["content-type","text/plain;charset=UTF-8"],["host","h"]],"manual",{"b":1},"é"]"#,
            r#"of another = ["PUT",[["a","1"],["content-type","text/plain;charset=UTF-8"],["host","h"]],"manual",{"b":1},true,"é"]"#,
            r#"with other headers = [[["x-new","y"]],{"c":2},"error","é"]"#,
            r#"with another body = [false,"new"]"#,
            r#"headers of the incoming = ["POST","1",null,"localhost"]"#,
            "used = TypeError: Cannot reconstruct a Request with a used body.",
            r#"used, with another body = "new""#,
            r#"clone = ["http://x/a#b","PUT",[["a","2"],["content-type","text/plain;charset=UTF-8"],["host","h"]],"1","manual",{"b":1},"é","é",true]"#,
            "GET with body = TypeError: Request with a GET or HEAD method cannot have a body.",
            "relative = TypeError: Invalid URL: /x",
            "method = TypeError: Invalid HTTP method string: CONNECT",
            "redirect = TypeError: Invalid redirect value, must be one of \"follow\", \"manual\" or \"error\": x",
            r#"signal = [true,"z"]"#,
            "no signal = TypeError: Incorrect type for the 'signal' field on 'RequestInitializerDict': the provided value is not of type 'AbortSignal'.",
            "nothing = TypeError: Failed to construct 'Request': constructor parameter 1 is not of type 'Request or string'.",
            "function = TypeError: Failed to construct 'Request': Please use the 'new' operator, this object constructor cannot be called as a function.",
        ],
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_carries_everything() {
    let folder = Folder::new();
    folder
        .script(
            "front",
            "export default { async fetch(request, env) {
               const answer = await env.BACK.fetch('http://back/there?a');
               const copy = answer.clone();
               const again = copy.clone();
               copy.headers.set('x-a', 'changed');
               return Response.json([copy.url, copy.status, copy.statusText === answer.statusText, copy.headers.get('x-a'), answer.headers.get('x-a'),
                 await copy.text(), await again.text(), answer.bodyUsed, await answer.text(), answer.bodyUsed]);
             } };",
            "services = [{ binding = \"BACK\", service = \"back\" }]",
        )
        .script(
            "back",
            "export default { fetch() { return new Response('body', { status: 203, headers: { 'x-a': 'é' } }); } };",
            "",
        );
    let (answer, _) = invoke(&folder, &["front", "back"]).await;
    assert_eq!(
        answer.text(),
        r#"["http://back/there?a",203,true,"changed","é","body","body",false,"body",true]"#
    );
}

#[test]
fn whether_a_request_has_a_body_is_what_its_head_says() {
    let folder = Folder::new();
    folder.script(
        "w",
        "export default { async fetch(request) {
           return Response.json([request.body === null, await request.text(), request.bodyUsed]);
         } };",
        "",
    );
    let server = folder.start(&["serve", "w"]);
    for (head, body, told) in [
        ("POST / HTTP/1.1", "", r#"[true,"",false]"#),
        (
            "POST / HTTP/1.1\r\ncontent-length: 0",
            "",
            r#"[false,"",true]"#,
        ),
        (
            "POST / HTTP/1.1\r\ncontent-length: 2",
            "hi",
            r#"[false,"hi",true]"#,
        ),
        (
            "GET / HTTP/1.1\r\ncontent-length: 2",
            "hi",
            r#"[false,"hi",true]"#,
        ),
        (
            "PUT / HTTP/1.1\r\ntransfer-encoding: chunked",
            "0\r\n\r\n",
            r#"[false,"",true]"#,
        ),
        ("GET / HTTP/1.1", "", r#"[true,"",false]"#),
    ] {
        let mut client = Client::connect(server.address);
        client.send(format!(
            "{head}\r\nhost: x\r\nconnection: close\r\n\r\n{body}"
        ));
        assert_eq!(client.answer().body, told, "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_iterated_over_is_a_body() {
    assert_told(
        r#"
        const bytes = (text) => new TextEncoder().encode(text);
        async function* generated() { yield bytes('a'); yield bytes('é'); }
        await tell('async', async () => { const response = new Response(generated()); return [[...response.headers], await response.text()]; });
        await tell('sync', () => new Request('http://x/', { method: 'POST', body: [bytes('b'), bytes('c')] }).text());
        await tell('text', () => new Response(new String('d')).text());
        await tell('fails', () => new Response((async function* () { throw new RangeError('no more'); })()).text());
        await tell('from', async () => { const all = []; for await (const chunk of ReadableStream.from([1, Promise.resolve(2)])) all.push(chunk); return all; });
        await tell('cancelled', async () => { let ended = false; const stream = ReadableStream.from((function* () { try { for (;;) yield 1; } finally { ended = true; } })()); const reader = stream.getReader(); await reader.read(); await reader.cancel(); return ended; });
        "#,
        &[
            r#"async = [[],"aé"]"#,
            r#"sync = "bc""#,
            r#"text = "d""#,
            "fails = RangeError: no more",
            "from = [1,2]",
            "cancelled = true",
        ],
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_and_events_take_what_is_optional() {
    assert_told(
        r#"
        await tell('abort', () => { const controller = new AbortController(); controller.abort(); const { reason } = controller.signal; return [reason.name, reason.message, reason.code]; });
        await tell('aborted', () => [AbortSignal.abort().reason.name, AbortSignal.abort('x').reason]);
        await tell('throws', () => AbortSignal.abort().throwIfAborted());
        await tell('null', () => { const controller = new AbortController(); controller.abort(null); return controller.signal.reason; });
        await tell('any', () => { const one = new AbortController(), two = new AbortController(); const signal = AbortSignal.any([one.signal, AbortSignal.any([two.signal])]); const seen = []; signal.onabort = () => seen.push('on'); signal.addEventListener('abort', ({ type, target }) => seen.push(type, target === signal)); two.abort('why'); one.abort('late'); return [seen, signal.aborted, signal.reason, signal instanceof AbortSignal]; });
        await tell('any that is', () => { const { aborted, reason } = AbortSignal.any([new AbortController().signal, AbortSignal.abort('done')]); return [aborted, reason]; });
        await tell('any of none', () => AbortSignal.any([]).aborted);
        await tell('any of others', () => AbortSignal.any([1]));
        await tell('event', () => { const { type, detail } = new CustomEvent('x'); return [type, detail, new CustomEvent('x', { detail: 1 }).detail, new CustomEvent('x') instanceof Event]; });
        await tell('dispatched', () => { const target = new EventTarget(); let seen; target.addEventListener('x', ({ detail }) => (seen = detail)); target.dispatchEvent(new CustomEvent('x', { detail: 7 })); return seen; });
        await tell('URL', () => [URL.canParse('x'), URL.canParse('x', 'http://a/'), URL.parse('x'), URL.parse('x', 'http://a/').href]);
        "#,
        &[
            r#"abort = ["AbortError","The operation was aborted",20]"#,
            r#"aborted = ["AbortError","x"]"#,
            "throws = AbortError: The operation was aborted",
            "null = null",
            r#"any = [["on","abort",true],true,"why",true]"#,
            r#"any that is = [true,"done"]"#,
            "any of none = false",
            "any of others = TypeError: Incorrect type for array element 0: the provided value is not of type 'AbortSignal'.",
            r#"event = ["x",null,1,true]"#,
            "dispatched = 7",
            r#"URL = [false,true,null,"http://a/x"]"#,
        ],
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_makes_of_built_ins_reaches_no_body() {
    assert_told(
        r#"
        const { join } = Array.prototype;
        const wrong = () => { throw new Error('called'); };
        Headers.prototype[Symbol.iterator] = Headers.prototype.forEach = Headers.prototype.get = Headers.prototype.has = wrong;
        FormData.prototype.append = FormData.prototype.entries = wrong;
        TextDecoder.prototype.decode = TextEncoder.prototype.encode = Response.prototype.arrayBuffer = wrong;
        String.prototype.slice = String.prototype.charCodeAt = RegExp.prototype.exec = Array.prototype.values = wrong;
        JSON.parse = URLSearchParams.prototype.forEach = Uint8Array.prototype.indexOf = wrong;
        const form = new FormData();
        form.set('a', 'é');
        form.set('f', new Blob(['x']), 'n');
        const response = new Response(form, { headers: new Headers({ a: 'é' }) });
        const back = await response.clone().formData();
        lines.push(back.get('a') + back.get('f').name);
        lines.push(await new Request('http://x/', { method: 'POST', headers: { a: 'é' }, body: '"é"' }).json());
        lines.join = join;
        "#,
        &["én", "é"],
    ).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_sent_whole_and_once() {
    let folder = Folder::new();
    let source = "\
        const kept = new Response('kept');
        const read = new Response('read');
        read.body.getReader();
        export default { async fetch(request) {
          const path = new URL(request.url).pathname;
          if (path === '/kept') return kept;
          if (path === '/locked') return read;
          if (path === '/empty') return new Response('');
          if (path === '/body') { const response = new Response('grün'); response.body; return response; }
          if (path === '/long') return new Response('grün'.repeat(100000));
          return new Response('grün');
        } };";
    folder.script("w", source, "");
    let scenario = Scenario::of(&folder, &["w"]).await;
    let long = "grün".repeat(100_000);
    for (path, expected) in [
        ("/", "grün"),
        ("/body", "grün"),
        ("/empty", ""),
        ("/kept", "kept"),
        ("/long", &*long),
    ] {
        let answer = scenario.get("w", path).await;
        assert_eq!(
            (answer.status, answer.text() == expected),
            (Some(200), true)
        );
        assert_eq!(answer.headers["content-length"], expected.len().to_string());
    }
    for (path, message) in [
        (
            "/kept",
            "Body has already been used. It can only be used once.",
        ),
        (
            "/locked",
            "This ReadableStream is currently locked to a reader.",
        ),
    ] {
        assert_eq!(scenario.get("w", path).await.status, None, "{path}");
        let item = scenario.items_of("w").pop().unwrap();
        assert_eq!(item.exceptions[0].message, message);
    }
}
