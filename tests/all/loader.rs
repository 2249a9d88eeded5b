//! Workers that Workers make.

use http::Request;
use serde_json::Value;
use std::fs;
use std::sync::Arc;
use taffrail_tests::folder::Folder;
use taffrail_tests::guests;
use taffrail_tests::scenario::{Answer, Scenario, full, invoke, request};

const LOADER: &str = "worker_loaders = [{ binding = \"LOADER\" }]";

/// What the maker of a dynamic Worker answers, and the items. `module` is the
/// text of the module, `more` further keys of the code.
async fn load(module: &str, more: &str) -> (Answer, Vec<Value>) {
    let maker = format!(
        "import {{ WorkerEntrypoint }} from 'cloudflare:workers';
export class Tail extends WorkerEntrypoint {{ tail(events) {{ console.log(this.ctx.props.of, events[0].outcome, events[0].exceptions.length); }} }}
export class Out extends WorkerEntrypoint {{ fetch(request) {{ return new Response('outbound saw ' + request.url); }} }}
const source = {};
export default {{ async fetch(request, env, ctx) {{
  const worker = env.LOADER.get('one', () => ({{ mainModule: 'm.js', modules: {{ 'm.js': source }}, {more} }}));
  try {{ return new Response(await (await worker.getEntrypoint().fetch(request)).text()); }}
  catch (error) {{ return new Response(error.name + ': ' + error.message); }}
}} }};",
        serde_json::to_string(module).unwrap()
    );
    let folder = Folder::new();
    folder.script("maker", &maker, LOADER);
    invoke(&folder, &["maker"]).await
}

fn dynamic(items: &[Value]) -> &Value {
    let mut items = items.iter();
    items.find(|item| item["scriptName"].is_null()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_its_env_and_its_tail_with_props() {
    let (answer, items) = load(
        "export default { fetch(request, env) { console.log('dynamic'); return new Response(env.greeting + ' ' + env.nested.deep); } }",
        "env: { greeting: 'hello', nested: { deep: 1 } }, tails: [ctx.exports.Tail({ props: { of: 'one' } })]",
    ).await;
    assert_eq!(answer.text(), "hello 1");
    assert_eq!(dynamic(&items)["logs"][0]["message"][0], "dynamic");
    let tail = items.iter().find(|item| item["entrypoint"] == "Tail");
    let logged = &tail.unwrap()["logs"][0]["message"];
    assert_eq!(logged.to_string(), r#"["one","ok",0]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_cut_off_by_its_own_limits() {
    let (answer, items) = load(
        "export default { fetch() { for (;;); } }",
        "limits: { cpuMs: 30 }",
    )
    .await;
    assert_eq!(answer.text(), "Error: Worker exceeded CPU time limit.");
    assert_eq!(dynamic(&items)["outcome"], "exceededCpu");
    let (_, items) = load(
        "export default { fetch() { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); } }",
        "",
    ).await;
    assert_eq!(dynamic(&items)["outcome"], "exceededMemory");
    let (answer, _) = load(
        "export default { fetch() { return fetch('http://127.0.0.1:9/'); } }",
        "limits: { subRequests: 0 }",
    )
    .await;
    assert_eq!(
        answer.text(),
        "Error: Too many subrequests by single Worker invocation."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn its_way_out_is_the_one_that_its_maker_gives() {
    let calls_home =
        "export default { async fetch() { return await fetch('http://home.test/x'); } }";
    let (answer, _) = load(calls_home, "globalOutbound: null").await;
    assert!(
        answer
            .text()
            .starts_with("Error: This worker is not permitted to access the internet"),
        "{}",
        answer.text()
    );
    let (answer, _) = load(calls_home, "globalOutbound: ctx.exports.Out").await;
    assert_eq!(answer.text(), "outbound saw http://home.test/x");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_start_has_an_item_and_tells_its_maker() {
    let (answer, items) = load(
        "const a = 1;\nthrow new TypeError('at start'); export default {}",
        "tails: [ctx.exports.Tail({ props: { of: 'one' } })]",
    )
    .await;
    assert_eq!(
        answer.text(),
        "Error: Failed to start Worker:\nUncaught TypeError: at start\n  at m.js:2:7"
    );
    assert_eq!(dynamic(&items)["outcome"], "exception");
    let (answer, items) = load("export default {", "").await;
    assert!(
        answer
            .text()
            .starts_with("Error: Failed to start Worker:\nUncaught SyntaxError: "),
        "{}",
        answer.text()
    );
    assert_eq!(dynamic(&items)["exceptions"][0]["name"], "SyntaxError");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_code_is_a_clear_error() {
    for (more, said) in [
        (
            "mainModule: 'n.js'",
            "The main module `n.js` is not among `modules`.",
        ),
        (
            "modules: { 'm.js': { text: 'x' } }",
            "The main module `m.js` is neither an ES module nor a component.",
        ),
        (
            "modules: { 'm.js': { wasm: new Uint8Array([1, 2, 3, 4]) } }",
            "`m.js` cannot run: it is not a WebAssembly component",
        ),
        (
            "modules: { 'm.js': { py: 'x' } }",
            "The module `m.js` must be one of",
        ),
        (
            "tails: [ctx.exports.Tail({ props: { f() {} } })]",
            "`props` cannot be represented as JSON.",
        ),
        (
            "env: { f: () => 1 }",
            "`env.f` cannot be represented as JSON.",
        ),
        ("tails: [{}]", "`tails` must hold entrypoints"),
        (
            "modules: { 'm.js': \"import x from '/etc/passwd.js'; export default {}\" }",
            "Uncaught Error: No such module \"etc/passwd.js\".\n  imported from \"m.js\"",
        ),
        (
            "modules: { 'm.js': \"import x from '../../../../etc/hostname'; export default { x }\", 'a/../b': { js: '' } }",
            "is not a path, like `lib/text.js`",
        ),
        (
            "modules: { 'm.js': \"import x from './x.wasm'; export default {}\", 'x.wasm': { wasm: new Uint8Array(8) } }",
            "m.js imports `x.wasm`, which is WebAssembly",
        ),
        (
            "modules: { 'm.js': source, 'main': '' }",
            "Module name must end with '.js'",
        ),
        (
            "modules: { 'm.js': { js: source, text: '' } }",
            "Module 'm.js' contained 2 properties.",
        ),
    ] {
        let (answer, _) = load("export default {}", more).await;
        assert!(answer.text().contains(said), "{more}: {}", answer.text());
    }
}

/// A dynamic Worker of modules of each kind, whose names say something else, and
/// what becomes of each.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_what_its_object_says() {
    let maker = r#"
const code = (imports, value, modules) => ({
  mainModule: 'src/main',
  modules: { 'src/main': { js: `${imports}; export default { fetch() { return new Response(String(${value})); } }` }, ...modules },
});
const CASES = {
  json: code("import x from './x.js'", 'x.a', { 'src/x.js': { json: { a: 1 } } }),
  text: code("import x from './x.js'", 'x', { 'src/x.js': { text: 'a text' } }),
  data: code("import x from './x.json'", '[x.byteLength, Object.prototype.toString.call(x)]', { 'src/x.json': { data: new Uint8Array([1, 2]) } }),
  'of one end': code("import x from '../a.bin'; import y from '../b.bin'", 'x + y.byteLength', { 'a.bin': { text: 'b' }, 'b.bin': { data: new ArrayBuffer(3) } }),
  cjs: code("import x from './x.js'", 'x.y', { 'src/x.js': { cjs: "exports.y = require('./y').z;" }, 'src/y': { cjs: "exports.z = 'z';" } }),
  'cjs default': code("import x from './x'", 'JSON.stringify(x)', { 'src/x': { cjs: 'exports.__esModule = true; exports.default = 1;' } }),
  bare: code("import x from 'x.js'; import y from 'lib/y.js'", 'x + y', { 'src/x.js': "export default 'beside '", 'x.js': "export default 'above '", 'src/lib/y.js': "export default 'below'" }),
  absolute: code("import x from '/lib/x.js'", 'x', { 'lib/x.js': "export default 'from the top'" }),
  'package.json': code("import './side.js'", 'globalThis.side', { 'src/side.js': "globalThis.side = 'effect';", 'package.json': { json: { sideEffects: false, imports: { '#x': '/etc/passwd' } } } }),
  'tsconfig.json': code("import x from '@/x.js'", 'x', { 'x.js': "export default 'x'", 'tsconfig.json': { json: { compilerOptions: { paths: { '@/*': ['/*'] } } } } }),
  throws: code("import './x'", '', { 'src/x': { js: "\n  throw new TypeError('at the top')" } }),
};
export default { async fetch(request, env) {
  const lines = [];
  for (const [name, code] of Object.entries(CASES)) {
    try { lines.push(`${name}: ${await (await env.LOADER.load(code).getEntrypoint().fetch(request)).text()}`); }
    catch (error) { lines.push(`${name}: ${error.message}`); }
  }
  return new Response(lines.join('\n'));
} };"#;
    let folder = Folder::new();
    folder.script("maker", maker, LOADER);
    let (answer, _) = invoke(&folder, &["maker"]).await;
    let expected = "\
json: 1
text: a text
data: 2,[object ArrayBuffer]
of one end: b3
cjs: z
cjs default: {\"__esModule\":true,\"default\":1}
bare: beside below
absolute: from the top
package.json: effect
tsconfig.json: Failed to start Worker:
Uncaught Error: No such module \"src/@/x.js\".
  imported from \"src/main\"
throws: Failed to start Worker:
Uncaught TypeError: at the top
  at src/x:2:9";
    assert_eq!(answer.text(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_can_be_loaded_from_its_bytes() {
    let maker = "\
export default { async fetch(request, env) {
  const wasm = await request.arrayBuffer();
  const worker = env.LOADER.load({ mainModule: 'hello.wasm', modules: { 'hello.wasm': { wasm } } });
  return worker.getEntrypoint().fetch('http://x/there');
} };
";
    let folder = Folder::new();
    folder.script("maker", maker, LOADER);
    let scenario = Scenario::of(&folder, &["maker"]).await;
    let component = fs::read(guests::component("hello")).unwrap();
    let request = Request::post("http://localhost/").body(component.into());
    let answer = scenario.send("maker", request.unwrap()).await;
    assert_eq!(answer.text(), "Hello from /there\n");
    assert_eq!(dynamic(&scenario.json())["outcome"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_cannot_reach_the_files_of_this_machine() {
    let folder = Folder::new();
    let secret = folder.path().join("secret.json");
    folder.write("secret.json", "{\"key\": 1}");
    let module = format!(
        "import secret from {:?}; export default {{ fetch() {{ return Response.json(secret); }} }}",
        secret.display()
    );
    let (answer, _) = load(&module, "").await;
    assert!(
        answer.text().contains("No such module") && !answer.text().contains("key"),
        "{}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_is_the_same_worker_and_load_is_a_new_one() {
    let maker = "\
const code = () => ({ mainModule: 'm.js', modules: { 'm.js': 'let n = 0; export default { fetch() { return new Response(String(++n)); } }' } });
const called = {};
export default { async fetch(request, env) {
  const ask = async (worker) => (await worker.getEntrypoint().fetch('http://x/')).text();
  const get = (id) => env.LOADER.get(id, () => { called[id] = (called[id] ?? 0) + 1; return code(); });
  await Promise.all([ask(get('both')), ask(get('both'))]);
  const said = [];
  for (const worker of [get('same'), get('same'), env.LOADER.load(code()), env.LOADER.get(null, code)]) {
    said.push(await ask(worker));
  }
  return Response.json({ said, called });
} };
";
    let folder = Folder::new();
    folder.script("maker", maker, LOADER);
    let (answer, _) = invoke(&folder, &["maker"]).await;
    assert_eq!(
        answer.text(),
        r#"{"said":["1","2","1","1"],"called":{"both":1,"same":1}}"#
    );
}

/// What observe() tells of a call, for twenty of them at once.
#[tokio::test(flavor = "multi_thread")]
async fn the_caller_can_watch_its_own_call_and_no_other() {
    let maker = "\
import { observe } from 'taffrail:workers';
const source = `export default { async fetch(request) {
  const name = new URL(request.url).pathname;
  console.log('begin', name);
  await scheduler.wait(20 * Math.random());
  console.log('end', name);
  if (name === '/never') await scheduler.wait(60000);
  if (name === '/7') throw new Error('seven');
  return new Response(name);
} }`;
export default { async fetch(request, env) {
  const path = new URL(request.url).pathname;
  const worker = env.LOADER.get('one', () => ({ mainModule: 'm.js', modules: { 'm.js': source } }));
  const { entrypoint, logs } = observe(worker.getEntrypoint(), { timeout: path === '/never' ? 100 : 10000 });
  entrypoint.fetch('http://x' + path).then((response) => response.text()).catch(() => {});
  const told = [];
  for await (const { type, message, outcome } of logs) told.push([type, message ?? outcome]);
  return Response.json(told);
} };
";
    let folder = Folder::new();
    folder.script("maker", maker, LOADER);
    let scenario = Arc::new(Scenario::of(&folder, &["maker"]).await);
    let ask = |path: String| {
        let scenario = Arc::clone(&scenario);
        async move { scenario.stream("maker", request(&path, full(""))).await }
    };
    let asked: Vec<_> = (0..20)
        .map(|n| tokio::spawn(ask(format!("/{n}"))))
        .collect();
    for (n, asked) in asked.into_iter().enumerate() {
        let end = match n {
            7 => r#"["exception","seven"],["outcome","exception"]"#,
            _ => r#"["outcome","ok"]"#,
        };
        let own = format!(r#"[["log",["begin","/{n}"]],["log",["end","/{n}"]],{end}]"#);
        assert_eq!(asked.await.unwrap().text(), own);
    }
    let cut = r#"[["log",["begin","/never"]],["log",["end","/never"]],["timeout",null]]"#;
    let never = ask("/never".to_owned()).await.text();
    assert_eq!(never.replace(r#"["timeout"]"#, r#"["timeout",null]"#), cut);
}
