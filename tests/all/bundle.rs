//! What a script may import, and what its configuration says of that: the keys
//! are Wrangler's.

use taffrail_tests::process::{Finished, Folder};
use taffrail_tests::scenario::{invoke, refused};

/// The Worker `w`, whose script answers with `value`.
fn worker(imports: &str, value: &str, more: &str) -> Folder {
    let folder = Folder::new();
    let script = format!(
        "{imports}\nexport default {{ async fetch() {{ return new Response(String({value})); }} }};"
    );
    folder.script("w", &script, more);
    folder
}

/// What it answers.
async fn answer(folder: &Folder) -> String {
    let (answer, _) = invoke(folder, &["w"]).await;
    answer.text()
}

fn invoke_in(env: &str, folder: &Folder) -> Finished {
    folder.run(&["invoke", "w", "--env", env])
}

/// What stderr holds but for what was recorded.
fn said(finished: &Finished) -> Vec<&str> {
    let lines = finished.stderr.lines();
    let lines = lines.filter(|line| line.starts_with("warning: ") || line.starts_with("error: "));
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_no_code_are_what_wrangler_makes_of_them() {
    let folder = worker(
        "import page from './page.html'; import query from 'helper/q.sql'; import note from './note.txt'; import bin from './d.bin'; import data from './data.json';",
        "[page, query, note, bin.byteLength, Object.prototype.toString.call(bin), data.a].join('|')",
        "",
    );
    folder
        .write("w/page.html", "<h1>hello</h1>")
        .write("w/node_modules/helper/q.sql", "SELECT 1;")
        .write("w/note.txt", "plain")
        .write("w/d.bin", [0, 0xff, 2])
        .write("w/data.json", "{\"a\":1}");
    let expected = "<h1>hello</h1>|SELECT 1;|plain|3|[object ArrayBuffer]|1";
    assert_eq!(answer(&folder).await, expected);
}

#[test]
fn rules_add_to_the_default_ones_or_take_their_place() {
    let imports = "import md from './docs/a.md'; import code from './code.js.tmpl'; import note from './note.txt';";
    let value = "[md, code, note].join('|')";
    let rules = |fallthrough: &str| {
        format!(
            "rules = [{{ type = \"Text\", globs = [\"**/*.md\", \"**/*.tmpl\"]{fallthrough} }}]"
        )
    };
    let files = |folder: &Folder| {
        folder
            .write("w/docs/a.md", "# a")
            .write("w/code.js.tmpl", "import 'none'")
            .write("w/note.txt", "note");
    };
    let folder = worker(imports, value, &rules(", fallthrough = true"));
    files(&folder);
    let finished = folder.run(&["invoke", "w"]);
    assert_eq!(finished.stdout, "# a|import 'none'|note");
    assert_eq!(said(&finished), [""; 0]);

    let folder = worker(imports, value, &rules(""));
    files(&folder);
    let finished = folder.run(&["invoke", "w"]);
    assert_eq!(finished.code, Some(1));
    let [warning, error] = said(&finished)[..] else {
        panic!("{}", finished.stderr);
    };
    assert_eq!(
        warning,
        "warning: w/wrangler.toml: the default rule for `**/*.txt`, `**/*.html`, `**/*.sql` is ignored: `rules[0]` has the same type; add `fallthrough = true` to that one to use both, or `fallthrough = false` to silence this warning"
    );
    assert_eq!(
        error,
        "error: w/wrangler.toml: Worker `w` cannot be bundled: worker.js imports `note.txt`, which matches a rule in `rules` that is ignored, since an earlier rule has the same `type`; set `fallthrough = true` in the earlier one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_imported_is_told_with_the_file_that_imports_it() {
    for (import, files, message) in [
        (
            "import m from './m.wasm';",
            &["w/m.wasm"][..],
            "worker.js imports `m.wasm`, which is WebAssembly, which scripts cannot use: the engine does not support it",
        ),
        (
            "import { connect } from 'node:net'; globalThis.c = connect;",
            &[],
            "worker.js imports `node:net`, which Taffrail does not provide; it provides `cloudflare:workers`, `node:async_hooks`, `node:diagnostics_channel`, `taffrail:workers`",
        ),
    ] {
        let folder = worker(import, "1", "");
        for file in files {
            folder.write(file, "");
        }
        let expected = format!("w/wrangler.toml: Worker `w` cannot be bundled: {message}");
        assert_eq!(refused(&folder, &["w"]).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_an_unknown_type_is_told_by_its_key() {
    for (rule, message) in [
        (
            "type = \"Image\", globs = [\"*.png\"]",
            "`rules[0].type`: unknown variant `Image`, expected one of `ESModule`, `CommonJS`, `CompiledWasm`, `Text`, `Data`, `PythonModule`, `PythonRequirement`",
        ),
        ("type = \"Text\"", "`rules[0]`: missing field `globs`"),
        (
            "type = \"Text\", globs = [], fallthru = true",
            "unknown key `rules[0].fallthru`; did you mean `fallthrough`?",
        ),
    ] {
        let folder = worker("", "1", &format!("rules = [{{ {rule} }}]"));
        let expected = format!("w/wrangler.toml: {message}");
        assert_eq!(refused(&folder, &["w"]).await, expected);
    }
}

/// `define` belongs to an environment, `alias` and `rules` do not.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_defined_and_packages_have_aliases() {
    let folder = worker(
        "import lib from 'big-lib'; import net from 'node:net';",
        "[lib, net, BUILD, process.env.NODE_ENV, typeof OTHER].join(' ')",
        "[alias]
\"big-lib\" = \"./lib/small.js\"
\"node:net\" = \"./lib/small.js\"
[define]
BUILD = \"'top'\"
[env.staging.define]
OTHER = \"1\"
BUILD = \"'staging'\"
[env.bare]",
    );
    folder.write("w/lib/small.js", "export default 'small';");
    let expected = "small small top development undefined";
    assert_eq!(answer(&folder).await, expected);
    let finished = invoke_in("staging", &folder);
    assert_eq!(finished.stdout, "small small staging development number");
    let finished = invoke_in("bare", &folder);
    assert_eq!(
        said(&finished),
        [
            "warning: w/wrangler.toml: `define` is set at the top level but not in `env.bare`, which does not inherit it; add it to `env.bare`"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shaken_out_of_the_bundle_needs_no_module() {
    let folder = worker("import { greet } from 'helper';", "greet('there')", "");
    let helper = "w/node_modules/helper";
    folder
        .write(
            &format!("{helper}/package.json"),
            "{ \"main\": \"index.js\", \"sideEffects\": false }",
        )
        .write(
            &format!("{helper}/index.js"),
            "export { connect } from './tcp.js'; export const greet = (whom) => `hi ${whom}`;",
        )
        .write(
            &format!("{helper}/tcp.js"),
            "import net from 'node:net'; import m from './m.wasm'; export const connect = () => [net.connect(), m];",
        )
        .write(&format!("{helper}/m.wasm"), "");
    assert_eq!(answer(&folder).await, "hi there");
}

/// A library asks for a module that may not be there, and copes without.
#[tokio::test(flavor = "multi_thread")]
async fn an_optional_import_is_caught_while_the_script_runs() {
    let script = "
const provided = 'cloudflare:workers', absent = 'left-out';
const caught = (name) => (error) => `${name}: ${error instanceof Error} ${error.message}`;
const seen = [];
try { require('absent-package'); } catch (error) { seen.push(caught('require')(error)); }
export default { async fetch() {
  const all = [...seen];
  try { await import('literal'); } catch (error) { all.push(caught('literal')(error)); }
  try { await import('node:net'); } catch (error) { all.push(caught('node')(error)); }
  const workers = await import(provided);
  all.push(typeof workers.WorkerEntrypoint, typeof (await import(`node:${'async_hooks'}`)).AsyncLocalStorage);
  all.push(await import(absent).catch(caught('variable')));
  return new Response(all.join('\\n'));
} };";
    let folder = Folder::new();
    folder.script("w", script, "");
    let expected = "\
require: true No such module \"absent-package\".
literal: true No such module \"literal\".
node: true No such module \"node:net\".
function
function
variable: true No such module \"left-out\".";
    assert_eq!(answer(&folder).await, expected);
}

/// The bundler makes plain functions of `async` ones. Packages that look at those
/// see what they were.
#[tokio::test(flavor = "multi_thread")]
async fn async_functions_are_what_they_were_to_whoever_looks_at_them() {
    let script = r#"
async function f(a, { b } = {}) {}
async function* g() { yield 1; }
class C { async m() {} async *g() {} static async s() {} plain() { return async () => {}; } }
const arrow = async (x) => x;
const AsyncFunction = Object.getPrototypeOf(async function () {}).constructor;
const AsyncGeneratorFunction = Reflect.getPrototypeOf(async function* () {}).constructor;
const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype);
const tell = (f) => [f.constructor.name, Object.prototype.toString.call(f), f instanceof AsyncFunction, Object.getPrototypeOf(f) === f.__proto__, f.__proto__ === f.constructor.prototype].join(" ");
export default { async fetch() {
  const seen = [f, C.prototype.m, C.s, arrow, g, C.prototype.g, function () {}, C, C.prototype.plain].map(tell);
  seen.push(typeof AsyncIteratorPrototype[Symbol.asyncIterator], AsyncIteratorPrototype[Symbol.asyncIterator].call(5));
  const generator = g();
  seen.push(String(generator), Object.getPrototypeOf(Object.getPrototypeOf(generator)) === AsyncIteratorPrototype);
  seen.push(Object.getPrototypeOf(g.prototype) === AsyncGeneratorFunction.prototype.prototype);
  for await (const value of generator) seen.push(value);
  try { new AsyncFunction("return 1"); } catch (error) { seen.push(String(error)); }
  const own = () => {}; own.constructor = 1; seen.push(own.constructor);
  return new Response(seen.join("\n"));
} };"#;
    let folder = Folder::new();
    folder.script("w", script, "");
    let function = "AsyncFunction [object AsyncFunction] true true true";
    let generator = "AsyncGeneratorFunction [object AsyncGeneratorFunction] false true true";
    let plain = "Function [object Function] false true true";
    let expected = [
        function,
        function,
        function,
        function,
        generator,
        generator,
        plain,
        plain,
        plain,
        "function",
        "5",
        "[object AsyncGenerator]",
        "true",
        "true",
        "1",
        "EvalError: Code generation from strings disallowed for this context",
        "1",
    ];
    assert_eq!(answer(&folder).await, expected.join("\n"));
}

/// A built script is evaluated when its Worker starts, as one from its source is:
/// with its `env`, and with values that are random each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_built_script_is_the_worker_that_its_source_is() {
    let script = "
import { WorkerEntrypoint, env, exports } from 'cloudflare:workers';
import bin from './d.bin';
const greeting = env.GREETING, own = exports, id = crypto.randomUUID(), n = Math.random();
export class Helper extends WorkerEntrypoint { hi() { return 'helper'; } }
export default { async fetch() {
  const { default: absent } = await import('absent'.slice(0)).catch(({ message }) => ({ default: message }));
  return new Response([greeting, env.GREETING, await own.Helper.hi(), id.length, n < 1, bin.byteLength, /^\\p{Lu}$/u.test('É'), absent].join(' '));
} };";
    let folder = Folder::new();
    folder
        .script("w", script, "[vars]\nGREETING = \"hello\"")
        .write("w/d.bin", [1, 2]);
    let expected = "hello hello helper 36 true 2 true No such module \"absent\".";
    assert_eq!(answer(&folder).await, expected);
    let built = folder.run(&["build", "w", "-o", "built.wasm"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let finished = folder.run(&["invoke", "built.wasm", "--var", "GREETING:hello"]);
    assert_eq!(finished.stdout, expected, "{}", finished.stderr);
}
