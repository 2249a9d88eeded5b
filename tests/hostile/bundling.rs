//! Code of strangers meets the bundler.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::thread;
use taffrail_tests::process::{Folder, Server};
use taffrail_tests::scenario::{Scenario, invoke, refused};

const LOADER: &str = "worker_loaders = [{ binding = \"LOADER\" }]";

/// Loads each of the Workers given, and answers what each answers or throws.
const MAKER: &str = "\
import WORKERS from './workers.json';
export default { async fetch(request, env) {
  const said = [];
  for (const modules of WORKERS) {
    try {
      const worker = env.LOADER.load({ mainModule: 'm.js', modules });
      said.push(await (await worker.getEntrypoint().fetch('http://x/')).text());
    } catch (error) { said.push(error.message); }
  }
  return Response.json(said);
} };
";

const USERS: &str = "\
dispatch_namespaces = [{ binding = \"USERS\", namespace = \"production\" }]
[taffrail.dispatch_namespaces]
production = \"../users\"
";

const DISPATCHER: &str = "\
export default { async fetch(request, env) {
  const name = new URL(request.url).pathname.slice(1);
  try { return await env.USERS.get(name).fetch(request); }
  catch (error) { return new Response(error.message + '\\n' + error.stack); }
} };
";

/// What each of these sets of modules does, loaded as a Worker.
async fn load(workers: &[Value]) -> (Vec<String>, Vec<Value>) {
    load_with("", workers).await
}

async fn load_with(more: &str, workers: &[Value]) -> (Vec<String>, Vec<Value>) {
    let folder = Folder::new();
    let workers = Value::from(workers).to_string();
    folder
        .script("maker", MAKER, &format!("{LOADER}\n{more}"))
        .write("maker/workers.json", workers);
    let (answer, items) = invoke(&folder, &["maker"]).await;
    let said = serde_json::from_slice(&answer.body);
    let said = said.unwrap_or_else(|error| panic!("{error}: {answer:?} {items:?}"));
    (said, items)
}

/// What a user Worker answers, or why it cannot.
async fn answer_of(scenario: &Scenario, user: &str) -> String {
    scenario.get("dispatcher", &format!("/{user}")).await.text()
}

fn main_module(text: impl Into<String>) -> Value {
    json!({ "m.js": text.into() })
}

/// Imports of a file of the host, in every way there is. `PATH` stands for it.
const REACHES: [&str; 8] = [
    "import x from 'PATH'; export default { fetch() { return Response.json(x); } }",
    "import x from 'PATH' with { type: 'text' }; export default { fetch() { return new Response(x); } }",
    "import x from 'PATH' with { type: 'json' }; export default { fetch() { return Response.json(x); } }",
    "import x from 'file://PATH'; export default {}",
    "import x from '../../../../../../../../../../..PATH'; export default {}",
    "export { x } from 'PATH'; export default {}",
    "export default { async fetch() { return Response.json(await import('PATH')); } }",
    "const x = require('PATH'); export default { fetch() { return Response.json(x); } }",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_dynamic_worker_does_not_learn_of_the_files_of_the_host() {
    let folder = Folder::new();
    folder.write("secret.json", "{\"token\": \"hunter2\"}");
    let secret = folder.path().join("secret.json");
    let secret = secret.to_str().unwrap();
    let absent = secret.replace("secret.json", "absent.json");
    let mut workers = Vec::new();
    for path in [secret, absent.as_str()] {
        workers.extend(REACHES.map(|text| main_module(text.replace("PATH", path))));
        let folder = path.rsplit_once('/').unwrap().0;
        workers.extend([
            main_module(format!("const n = 'secret'; export default {{ async fetch() {{ return Response.json(await import(`{folder}/${{n}}.json`)); }} }}")),
            json!({ "m.js": "import './a.ts'; export default {}", "a.ts": { "js": "x" }, "tsconfig.json": { "text": format!("{{\"extends\": \"{path}\"}}") } }),
            json!({ "m.js": "import x from 'p'; export default { fetch() { return Response.json(x); } }", "node_modules/p/package.json": { "text": format!("{{\"main\": \"{path}\", \"exports\": \"{path}\"}}") } }),
            json!({ "m.js": "import './a.css'; export default { fetch() { return new Response('styled'); } }", "a.css": { "text": format!("@import '{path}'; a {{ background: url({path}) }}") } }),
        ]);
    }
    let (said, _) = load(&workers).await;
    let (present, absent_said) = said.split_at(said.len() / 2);
    for (present, absent_said) in present.iter().zip(absent_said) {
        // Errors tell the name that a module would have.
        let without_path = |said: &str| {
            [secret, &absent]
                .iter()
                .fold(said.to_owned(), |said, path| {
                    let name = path.trim_start_matches('/');
                    said.replace(path, "PATH").replace(name, "PATH")
                })
        };
        assert_eq!(without_path(present), without_path(absent_said));
        assert!(!present.contains("hunter2"), "{present}");
    }
    for said in &present[..7] {
        assert!(said.contains("No such module"), "{said}");
    }
    for name in ["environ", "cmdline", "status"] {
        let module = main_module(format!("import '/proc/self/{name}'; export default {{}}"));
        let (said, _) = load(&[module]).await;
        assert!(
            said[0].contains(&format!("No such module \"proc/self/{name}\"")),
            "{said:?}"
        );
    }
}

/// A module whose source map says that it is another file.
fn disguised(file: &str, comment: &str) -> String {
    let map =
        json!({ "version": 3, "sources": [file], "names": [], "mappings": "AAAA,AACA,AACA,AACA" });
    let map = map.to_string().replace('"', "%22");
    format!(
        "function own() {{ return 'mine'; }}
export default {{ fetch() {{
  try {{ null.f(); }} catch (error) {{ return Response.json([own.toString(), error.stack]); }}
}} }};
{comment}# sourceMappingURL=data:application/json,{map}"
    )
}

fn check_disguised(said: &str) {
    let said: Vec<String> = serde_json::from_str(said).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(said[0], "function own() { return 'mine'; }");
    assert!(said[1].contains("m.js:3:"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_map_of_a_stranger_is_not_believed() {
    let folder = Folder::new();
    folder.write("secret.txt", "hunter2\nhunter2\nhunter2\nhunter2\n");
    let secret = folder.path().join("secret.txt");
    let secret = secret.to_str().unwrap();
    let files = [
        secret.to_owned(),
        format!("file://{secret}"),
        "/proc/self/environ".to_owned(),
        "other.js".to_owned(),
    ];
    let mut workers: Vec<_> = files
        .iter()
        .map(|file| main_module(disguised(file, "//")))
        .collect();
    workers.push(json!({ "m.js": disguised("other.js", "//"), "other.js": "hunter2" }));
    workers.push(main_module(disguised(secret, "/*") + "*/"));
    workers.push(json!({ "m.js": "export { default } from './m.js.txt'", "m.js.txt": { "js": disguised(secret, "//") } }));
    let (said, _) = load(&workers).await;
    let (last, rest) = said.split_last().unwrap();
    rest.iter().for_each(|said| check_disguised(said));
    assert!(
        !last.contains("hunter2") && !last.contains("secret.txt"),
        "{last}"
    );

    folder
        .script("dispatcher", DISPATCHER, USERS)
        .write("users/m.js", disguised(secret, "//"));
    let scenario = Scenario::of(&folder, &["dispatcher"]).await;
    check_disguised(&answer_of(&scenario, "m").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_worker_is_made_of_its_own_folder() {
    let folder = Folder::new();
    let secret = folder.path().join("users/bob/secret.json");
    folder
        .script("dispatcher", DISPATCHER, USERS)
        .write("users/bob/secret.json", "{\"token\": \"hunter2\"}")
        .write(
            "users/tsconfig.json",
            "{\"compilerOptions\": {\"paths\": {\"own\": [\"./bob/secret.json\"]}}}",
        );
    let user = |name: &str, main: &str| {
        let config = format!("name = \"{name}\"\nmain = \"src/index.js\"\n");
        folder
            .write(&format!("users/{name}/wrangler.toml"), config)
            .write(&format!("users/{name}/src/index.js"), main);
    };
    let import = |path: &str| {
        format!(
            "import x from '{path}'; export default {{ fetch() {{ return Response.json(x); }} }}"
        )
    };
    user("own", &import("own"));
    folder.write("users/own/node_modules/own/index.json", "\"of its own\"");
    folder.write(
        "users/own/node_modules/own/package.json",
        "{\"main\": \"index.json\"}",
    );
    user("beside", &import("../../bob/secret.json"));
    user("absolute", &import(secret.to_str().unwrap()));
    user("etc", &import("/etc/hostname"));
    user("linked", &import("./link.json"));
    symlink(
        "../../bob/secret.json",
        folder.path().join("users/linked/src/link.json"),
    )
    .unwrap();
    user("zero", &import("./zero.txt"));
    symlink("/dev/zero", folder.path().join("users/zero/src/zero.txt")).unwrap();
    user("fifo", &import("./fifo.txt"));
    let fifo = folder.path().join("users/fifo/src/fifo.txt");
    assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    folder.write("users/alone.js", import("./bob/secret.json"));
    folder
        .write(
            "users/elsewhere/wrangler.toml",
            "name = \"elsewhere\"\nmain = \"../bob/index.js\"\n",
        )
        .write(
            "users/bob/index.js",
            "export default { fetch() { return new Response('hunter2'); } }",
        );

    folder.write("users/unread/wrangler.toml", "name =").write(
        "users/nothing/wrangler.toml",
        "name = \"nothing\"\nmain = \"none.wasm\"\n",
    );

    let scenario = Scenario::of(&folder, &["dispatcher"]).await;
    assert_eq!(answer_of(&scenario, "own").await, "\"of its own\"");
    for (name, said) in [
        ("beside", "Could not resolve \"../../bob/secret.json\""),
        ("absolute", "Could not resolve"),
        ("etc", "Could not resolve \"/etc/hostname\""),
        ("linked", "Could not resolve \"./link.json\""),
        ("zero", "Could not resolve \"./zero.txt\""),
        ("fifo", "Could not resolve \"./fifo.txt\""),
        ("alone", "Could not resolve \"./bob/secret.json\""),
        ("elsewhere", "`main` is outside of the Worker's folder"),
        ("unread", "unread/wrangler.toml:1:"),
        ("nothing", "`none.wasm` cannot be read"),
    ] {
        let answer = answer_of(&scenario, name).await;
        assert!(answer.contains(said), "{name}: {answer}");
        assert!(!answer.contains("hunter2"), "{answer}");
        let host = folder.path().to_str().unwrap();
        assert!(name == "absolute" || !answer.contains(host), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_main_file_that_is_no_regular_file_is_an_error() {
    let folder = Folder::new();
    folder.script("dispatcher", DISPATCHER, USERS);
    let users = folder.path().join("users");
    for (name, end) in [("fifo", "js"), ("pipe", "wasm")] {
        let config = format!("name = \"{name}\"\nmain = \"main.{end}\"\n");
        folder.write(&format!("users/{name}/wrangler.toml"), config);
        let fifo = users.join(name).join(format!("main.{end}"));
        assert!(Command::new("mkfifo").arg(fifo).status().unwrap().success());
    }
    for (name, end) in [("zero", "js"), ("null", "wasm")] {
        let config = format!("name = \"{name}\"\nmain = \"main.{end}\"\n");
        folder.write(&format!("users/{name}/wrangler.toml"), config);
        symlink(
            format!("/dev/{name}"),
            users.join(name).join(format!("main.{end}")),
        )
        .unwrap();
    }
    let scenario = Scenario::of(&folder, &["dispatcher"]).await;
    for (name, said) in [
        ("fifo", "`main.js` is not a regular file"),
        ("pipe", "`main.wasm` is not a regular file"),
        ("zero", "`main` is outside of the Worker's folder"),
        ("null", "`main` is outside of the Worker's folder"),
    ] {
        let answer = answer_of(&scenario, name).await;
        assert!(answer.contains(said), "{name}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_worker_that_cannot_be_bundled_is_not_tried_each_time() {
    let folder = Folder::new();
    let main = "import './big.js'; export default { fetch() { return new Response('small'); } }";
    folder
        .script("dispatcher", DISPATCHER, USERS)
        .write(
            "users/big/wrangler.toml",
            "name = \"big\"\nmain = \"m.js\"\n",
        )
        .write("users/big/m.js", main)
        .write("users/big/big.js", ";".repeat(4 << 20));
    let scenario = Scenario::of(&folder, &["dispatcher"]).await;
    let refused = answer_of(&scenario, "big").await;
    let limit = "bundling takes more than 256 MiB of memory";
    assert!(refused.contains(limit), "{refused}");
    folder.write("users/big/big.js", "");
    assert_eq!(answer_of(&scenario, "big").await, refused);
    folder.write("users/big/m.js", format!("{main};"));
    assert_eq!(answer_of(&scenario, "big").await, "small");
}

#[tokio::test(flavor = "multi_thread")]
async fn modules_that_take_too_much_are_an_error_of_the_worker_that_loads_them() {
    let many: serde_json::Map<_, _> = (0..100_000)
        .map(|n| (format!("{n}.js"), json!("")))
        .chain([("m.js".to_owned(), json!(""))])
        .collect();
    let mut long = serde_json::Map::from_iter([("m.js".to_owned(), json!(""))]);
    long.insert("x".repeat(1 << 20) + ".js", json!(""));
    // The maker holds all of them.
    let memory = "[taffrail]\nmemory_mb = 1024";
    let (said, _) = load_with(
        memory,
        &[
            main_module(";".repeat(4 << 20)),
            Value::Object(many),
            Value::Object(long),
            json!({ "m.js": "export default {}", "M.js": "" }),
            json!({ "m.js": "export default {}", "m.js/n.js": "" }),
            json!({ "m.js": "export default {}", "../n.js": "" }),
            json!({ "m.js": "export default {}", "/n.js": "" }),
            json!({ "m.js": "export default {}", "n\0.js": "" }),
            main_module("export default { fetch() { return new Response('still here'); } }"),
        ],
    )
    .await;
    for (said, expected) in said.iter().zip([
        "bundling takes more than 256 MiB of memory",
        "there are 100001 modules; a Worker has 4096 at most",
        "has 1048579 bytes; a name has 1024 at most",
        "differ only in case",
        "Handler does not export a fetch() function.",
        "is not a path, like",
        "is not a path, like",
        "is not a path, like",
        "still here",
    ]) {
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(said.len() < 1000);
    }
}

/// Modules that take much longer to bundle than the Worker that loads them runs.
fn slow(modules: usize) -> Value {
    let mut all: serde_json::Map<_, _> = (0..modules)
        .map(|n| (format!("{n}.js"), json!("")))
        .collect();
    let imports: String = (0..modules)
        .map(|n| format!("import './{n}.js';\n"))
        .collect();
    let main = imports + "export default { fetch() { return new Response('made'); } }";
    all.insert("m.js".to_owned(), json!(main));
    Value::Object(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn bundling_is_charged_to_the_invocation_that_asked_for_it() {
    let cpu = |items: &[Value]| {
        let maker = items.iter().find(|item| item["scriptName"] == "maker");
        maker.unwrap()["cpuTime"].as_u64().unwrap()
    };
    let module = main_module("export default { fetch() { return new Response('made'); } }");
    let (said, items) = load(&[module]).await;
    let little = cpu(&items);
    assert_eq!(said, ["made"]);
    let (said, items) = load(&[slow(1500)]).await;
    assert_eq!(said, ["made"]);
    // A hundred milliseconds on the fastest machine there is.
    assert!(cpu(&items) > little + 100, "{little} {}", cpu(&items));

    let folder = Folder::new();
    folder
        .script(
            "maker",
            MAKER,
            &format!("{LOADER}\nlimits = {{ cpu_ms = 150 }}"),
        )
        .write("maker/workers.json", json!([slow(4000)]).to_string());
    let (_, items) = invoke(&folder, &["maker"]).await;
    let maker = items.iter().find(|item| item["scriptName"] == "maker");
    assert_eq!(maker.unwrap()["outcome"], "exceededCpu");
}

#[test]
fn five_hundred_loads_hold_up_no_neighbour() {
    let maker = "\
export default { async fetch(request, env) {
  const fill = ';'.repeat(20000);
  const load = async (n) => {
    const worker = env.LOADER.load({ mainModule: 'm.js', modules: { 'm.js': `export default { fetch() { return new Response('${n}'); } }${fill}` } });
    return await (await worker.getEntrypoint().fetch('http://x/')).text();
  };
  const all = await Promise.allSettled(Array.from({ length: 520 }, (_, n) => load(n)));
  return Response.json(all.map(({ value, reason }) => value ?? reason.message));
} };
";
    let neighbour = "\
export default { async fetch(request, env) {
  await env.KV.put('a', 'kept');
  const worker = env.LOADER.load({ mainModule: 'm.js', modules: { 'm.js': `export default { fetch() { return new Response('loaded'); } }` } });
  return new Response(await env.KV.get('a') + ' ' + await (await worker.getEntrypoint().fetch('http://x/')).text());
} };
";
    let main = "\
export default { fetch(request, env) {
  return new URL(request.url).pathname === '/load' ? env.MAKER.fetch(request) : env.NEIGHBOUR.fetch(request);
} };
";
    let folder = Folder::new();
    folder
        .script("main", main, "services = [{ binding = \"MAKER\", service = \"maker\" }, { binding = \"NEIGHBOUR\", service = \"neighbour\" }]")
        .script("maker", maker, LOADER)
        .script("neighbour", neighbour, &format!("{LOADER}\nkv_namespaces = [{{ binding = \"KV\", id = \"abc\" }}]"));
    let server =
        Server::spawn(folder.taffrail(&["serve", "main", "maker", "neighbour", "--port", "0"]));
    let mut loading = taffrail_tests::client::Client::connect(server.address);
    loading.send("GET /load HTTP/1.1\r\nhost: localhost\r\n\r\n");
    for _ in 0..3 {
        assert_eq!(server.get("/").body, "kept loaded");
    }
    drop(loading);
    // The loads went with the client that wanted them.
    let last = server.get("/").body;
    let items = server.terminate().stdout;
    assert_eq!(last, "kept loaded", "{items}");
}

#[test]
fn nothing_is_left_of_bundling_when_the_process_ends() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("temporary")).unwrap();
    folder.script("maker", MAKER, LOADER).write(
        "maker/workers.json",
        Value::from(vec![slow(4000); 20]).to_string(),
    );
    let mut command = folder.taffrail(&["serve", "maker", "--port", "0"]);
    command.env("TMPDIR", folder.path().join("temporary"));
    let server = Server::spawn(command);
    let address = server.address;
    let client = thread::spawn(move || {
        let mut client = taffrail_tests::client::Client::connect(address);
        client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.until_closed()
    });
    // It bundles, in threads of this process and in no other process.
    let threads = format!("/proc/{}/task", server.id());
    let bundles = || {
        let threads = fs::read_dir(&threads).into_iter().flatten().flatten();
        let mut names = threads.map(|thread| fs::read_to_string(thread.path().join("comm")));
        names.any(|name| name.is_ok_and(|name| name.starts_with("taffrail-bundle")))
    };
    while cfg!(target_os = "linux") && !bundles() {
        thread::yield_now();
    }
    let children = fs::read_to_string(format!("{threads}/{}/children", server.id()));
    assert_eq!(children.unwrap_or_default(), "");
    let finished = server.terminate();
    assert!(finished.code.is_some(), "{}", finished.stderr);
    _ = client.join();
    let left = fs::read_dir(folder.path().join("temporary")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_the_operators_is_bundled_with_its_packages_and_nothing_beside_it() {
    let folder = Folder::new();
    let import = |path: &str| {
        format!(
            "import x from '{path}'; export default {{ fetch() {{ return Response.json(x); }} }}"
        )
    };
    folder
        .write("secret.json", "\"hunter2\"")
        .write("node_modules/above/index.js", "export default 'above';")
        .script("outside", &import("../secret.json"), "")
        .script("packages", &import("above"), "")
        .write("space/package.json", "{\"workspaces\": [\"*\"]}")
        .write(
            "space/shared/package.json",
            "{\"name\": \"shared\", \"main\": \"./shared.js\"}",
        )
        .write("space/shared/shared.js", "export default 'shared';")
        .script("space/app", &import("shared"), "")
        .write(
            "space/app/wrangler.toml",
            "name = \"app\"\nmain = \"worker.js\"\n",
        );
    fs::create_dir_all(folder.path().join("space/node_modules")).unwrap();
    symlink("../shared", folder.path().join("space/node_modules/shared")).unwrap();
    let error = refused(&folder, &["outside"]).await;
    assert!(
        error.contains("Could not resolve \"../secret.json\""),
        "{error}"
    );
    for (path, said) in [("packages", "\"above\""), ("space/app", "\"shared\"")] {
        let (answer, _) = invoke(&folder, &[path]).await;
        assert_eq!(answer.text(), said);
    }
}
