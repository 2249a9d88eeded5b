//! Workers that Workers make.

use serde_json::Value;
use taffrail_tests::process::{Finished, Folder, Server, run_recorded};
use taffrail_tests::{client, guests};

const LOADER: &str = "worker_loaders = [{ binding = \"LOADER\" }]";

/// What the maker of a dynamic Worker answers, and the items. `module` is the
/// text of the module, `more` further keys of the code.
fn load(module: &str, more: &str) -> (Finished, Vec<Value>) {
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
    run_recorded(folder.taffrail(&["invoke", "maker"]))
}

fn dynamic(items: &[Value]) -> &Value {
    let mut items = items.iter();
    items.find(|item| item["scriptName"].is_null()).unwrap()
}

#[test]
fn it_has_its_env_and_its_tail_with_props() {
    let (finished, items) = load(
        "export default { fetch(request, env) { console.log('dynamic'); return new Response(env.greeting + ' ' + env.nested.deep); } }",
        "env: { greeting: 'hello', nested: { deep: 1 } }, tails: [ctx.exports.Tail({ props: { of: 'one' } })]",
    );
    assert_eq!(finished.stdout, "hello 1", "{}", finished.stderr);
    assert_eq!(dynamic(&items)["logs"][0]["message"][0], "dynamic");
    let tail = items.iter().find(|item| item["entrypoint"] == "Tail");
    let logged = &tail.unwrap()["logs"][0]["message"];
    assert_eq!(logged.to_string(), r#"["one","ok",0]"#);
}

#[test]
fn it_is_cut_off_by_its_own_limits() {
    let (finished, items) = load(
        "export default { fetch() { for (;;); } }",
        "limits: { cpuMs: 30 }",
    );
    assert_eq!(
        finished.stdout, "Error: Worker exceeded CPU time limit.",
        "{}",
        finished.stderr
    );
    assert_eq!(dynamic(&items)["outcome"], "exceededCpu");
    let (_, items) = load(
        "export default { fetch() { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); } }",
        "",
    );
    assert_eq!(dynamic(&items)["outcome"], "exceededMemory");
    let (finished, _) = load(
        "export default { fetch() { return fetch('http://127.0.0.1:9/'); } }",
        "limits: { subRequests: 0 }",
    );
    assert_eq!(
        finished.stdout,
        "Error: Too many subrequests by single Worker invocation."
    );
}

#[test]
fn its_way_out_is_the_one_that_its_maker_gives() {
    let calls_home =
        "export default { async fetch() { return await fetch('http://home.test/x'); } }";
    let (finished, _) = load(calls_home, "globalOutbound: null");
    assert!(
        finished
            .stdout
            .starts_with("Error: This worker is not permitted to access the internet"),
        "{}",
        finished.stdout
    );
    let (finished, _) = load(calls_home, "globalOutbound: ctx.exports.Out");
    assert_eq!(finished.stdout, "outbound saw http://home.test/x");
}

#[test]
fn one_that_cannot_start_has_an_item_and_tells_its_maker() {
    let (finished, items) = load(
        "const a = 1;\nthrow new TypeError('at start'); export default {}",
        "tails: [ctx.exports.Tail({ props: { of: 'one' } })]",
    );
    assert_eq!(
        finished.stdout,
        "Error: Failed to start Worker:\nUncaught TypeError: at start\n  at m.js:2:7",
        "{}",
        finished.stderr
    );
    assert_eq!(dynamic(&items)["outcome"], "exception");
    let (finished, items) = load("export default {", "");
    assert!(
        finished
            .stdout
            .starts_with("Error: Failed to start Worker:\nUncaught SyntaxError: "),
        "{}",
        finished.stdout
    );
    assert_eq!(dynamic(&items)["exceptions"][0]["name"], "SyntaxError");
}

#[test]
fn bad_code_is_a_clear_error() {
    for (more, said) in [
        (
            "mainModule: 'n.js'",
            "The main module `n.js` is not among `modules`.",
        ),
        (
            "modules: { 'm.js': { text: 'x' } }",
            "The main module `m.js` is neither JavaScript nor a component.",
        ),
        (
            "modules: { 'm.js': { wasm: new Uint8Array([1, 2, 3, 4]) } }",
            "`m.js` cannot run: it is not a WebAssembly component",
        ),
        (
            "modules: { 'm.js': { py: 'x' } }",
            "The module `m.js` is neither text nor",
        ),
        (
            "tails: [ctx.exports.Tail({ props: { f() {} } })]",
            "`props` is not what JSON can hold.",
        ),
        ("env: { f: () => 1 }", "`env.f` is not what JSON can hold."),
        ("tails: [{}]", "`tails` is to hold entrypoints"),
        (
            "modules: { 'm.js': \"import x from '/etc/passwd.js'; export default {}\" }",
            "Could not resolve \"/etc/passwd.js\"",
        ),
        (
            "modules: { 'm.js': \"import x from '../../../../etc/hostname'; export default { x }\", 'a.': '' }",
            "is not a path with an extension",
        ),
    ] {
        let (finished, _) = load("export default {}", more);
        assert!(
            finished.stdout.contains(said),
            "{more}: {} {}",
            finished.stdout,
            finished.stderr
        );
    }
}

#[test]
fn a_component_can_be_loaded_from_its_bytes() {
    let maker = "\
export default { async fetch(request, env) {
  const wasm = await request.arrayBuffer();
  const worker = env.LOADER.load({ mainModule: 'hello.wasm', modules: { 'hello.wasm': { wasm } } });
  return worker.getEntrypoint().fetch('http://x/there');
} };
";
    let folder = Folder::new();
    folder.script("maker", maker, LOADER);
    let body = format!("@{}", guests::component("hello").display());
    let (finished, items) =
        run_recorded(folder.taffrail(&["invoke", "maker", "-X", "POST", "-d", &body]));
    assert_eq!(
        finished.stdout, "Hello from /there\n",
        "{}",
        finished.stderr
    );
    assert_eq!(dynamic(&items)["outcome"], "ok");
}

#[test]
fn a_module_cannot_reach_the_files_of_this_machine() {
    let folder = Folder::new();
    let secret = folder.path().join("secret.json");
    folder.write("secret.json", "{\"key\": 1}");
    let module = format!(
        "import secret from {:?}; export default {{ fetch() {{ return Response.json(secret); }} }}",
        secret.display()
    );
    let (finished, _) = load(&module, "");
    assert!(
        finished.stdout.contains("Could not resolve") && !finished.stdout.contains("key"),
        "{}",
        finished.stdout
    );
}

#[test]
fn the_same_id_is_the_same_worker_and_load_is_a_new_one() {
    let maker = "\
const code = () => ({ mainModule: 'm.js', modules: { 'm.js': 'let n = 0; export default { fetch() { return new Response(String(++n)); } }' } });
let called = 0;
export default { async fetch(request, env) {
  const said = [];
  const ask = async (worker) => said.push(await (await worker.getEntrypoint().fetch('http://x/')).text());
  const get = () => env.LOADER.get('same', () => { called++; return code(); });
  await Promise.all([ask(get()), ask(get())]);
  await ask(env.LOADER.load(code()));
  await ask(env.LOADER.get(null, code));
  return new Response(said.sort().join(' ') + ', called ' + called);
} };
";
    let folder = Folder::new();
    folder.script("maker", maker, LOADER);
    let finished = folder.run(&["invoke", "maker"]);
    assert!(
        finished.stdout.ends_with(", called 1"),
        "{} {}",
        finished.stdout,
        finished.stderr
    );
}

/// What observe() tells of a call, for twenty of them at once.
#[test]
fn the_caller_can_watch_its_own_call_and_no_other() {
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
    let server = Server::spawn(folder.taffrail(&["serve", "maker", "--port", "0"]));
    let address = server.address;
    let asked: Vec<_> = (0..20)
        .map(|n| std::thread::spawn(move || client::get(address, &format!("/{n}")).body))
        .collect();
    for (n, asked) in asked.into_iter().enumerate() {
        let end = match n {
            7 => r#"["exception","seven"],["outcome","exception"]"#,
            _ => r#"["outcome","ok"]"#,
        };
        let own = format!(r#"[["log",["begin","/{n}"]],["log",["end","/{n}"]],{end}]"#);
        assert_eq!(asked.join().unwrap(), own);
    }
    let cut = r#"[["log",["begin","/never"]],["log",["end","/never"]],["timeout",null]]"#;
    assert_eq!(
        server
            .get("/never")
            .body
            .replace(r#"["timeout"]"#, r#"["timeout",null]"#),
        cut
    );
    _ = server.terminate();
}
