//! What a Worker was not handed it cannot reach.

use serde_json::{Value, json};
use taffrail_tests::process::{Folder, Server};
use taffrail_tests::scenario::Scenario;

/// Dispatches to the user Worker that the path names, in a namespace:
/// `/NAMESPACE/NAME/REST`.
const DISPATCHER: &str = "\
export default { async fetch(request, env) {
  const [, namespace, name, ...rest] = new URL(request.url).pathname.split('/');
  try {
    return await env[namespace].get(name).fetch('http://user.test/' + rest.join('/'));
  } catch (error) {
    return new Response(error.message);
  }
} };
";

/// Two namespaces: the Workers of `one` may load Workers, those of `two` may
/// use what its table lists.
const NAMESPACES: &str = "\
dispatch_namespaces = [
  { binding = \"one\", namespace = \"one\" },
  { binding = \"two\", namespace = \"two\" },
]
[taffrail.dispatch_namespaces.one]
workers = \"../users-one\"
worker_loaders = true
[taffrail.dispatch_namespaces.two]
workers = \"../users-two\"
worker_loaders = true
services = [{ service = \"search\", props = { tenant = \"two\" } }]
kv_namespaces = [\"shared\"]
allowed_outbound_hosts = [\"https://api.test\"]
limits = { cpu_ms = 50 }
";

/// A user Worker that does, by path, what its identity decides about.
fn identified(place: &str) -> String {
    let source = "\
import { DurableObject, WorkerEntrypoint } from 'cloudflare:workers';
export class Own extends WorkerEntrypoint { hi() { return 'own of PLACE'; } }
export class Counter extends DurableObject {
  async next() {
    const next = ((await this.ctx.storage.get('n')) ?? 0) + 1;
    await this.ctx.storage.put('n', next);
    return 'PLACE ' + next;
  }
  async ring() {
    await this.ctx.storage.setAlarm(Date.now());
    return 'set in PLACE';
  }
  async alarm() { console.log('rung in PLACE'); }
}
export default { async fetch(request, env, ctx) {
  const { pathname } = new URL(request.url);
  const object = env.COUNTER?.getByName('it');
  switch (pathname) {
    case '/exports': return new Response(await ctx.exports.Own.hi());
    case '/object': return new Response(await object.next());
    case '/alarm': return new Response(await object.ring());
    case '/loader': {
      const text = \"export default { fetch() { return new Response('made by PLACE'); } }\";
      const worker = env.LOADER.get('id', () => ({ mainModule: 'm.js', modules: { 'm.js': text } }));
      return worker.getEntrypoint().fetch('http://x/');
    }
  }
} };
";
    source.replace("PLACE", place)
}

const IDENTIFIED: &str = "\
name = \"alice\"
main = \"worker.js\"
worker_loaders = [{ binding = \"LOADER\" }]
durable_objects.bindings = [{ name = \"COUNTER\", class_name = \"Counter\" }]
";

fn namespaces() -> Folder {
    let folder = Folder::new();
    folder
        .script("dispatcher", DISPATCHER, NAMESPACES)
        .script("search", SEARCH, "")
        .script(
            "secret",
            "export default { fetch() { return new Response('secret'); } };",
            "",
        );
    folder
}

const SEARCH: &str = "\
export default { fetch(request, env, ctx) { return new Response('for ' + ctx.props.tenant); } };
";

fn serve(folder: &Folder) -> Server {
    let arguments = [
        "serve",
        "dispatcher",
        "search",
        "secret",
        "alice",
        "--port",
        "0",
    ];
    Server::spawn(folder.taffrail(&arguments))
}

#[test]
fn workers_of_one_name_share_nothing_but_the_name() {
    let folder = namespaces();
    folder.script("alice", &identified("the deployed one"), "");
    for place in ["one", "two"] {
        folder
            .write(&format!("users-{place}/alice/worker.js"), identified(place))
            .write(&format!("users-{place}/alice/wrangler.toml"), IDENTIFIED);
    }
    let server = serve(&folder);
    let get = |path: &str| server.get(path).body;
    assert_eq!(get("/one/alice/loader"), "made by one");
    assert_eq!(get("/two/alice/loader"), "made by two");
    assert_eq!(get("/one/alice/exports"), "own of one");
    assert_eq!(get("/two/alice/exports"), "own of two");
    assert_eq!(get("/one/alice/object"), "one 1");
    assert_eq!(get("/two/alice/object"), "two 1");
    assert_eq!(get("/one/alice/object"), "one 2");
    for place in ["one", "two"] {
        assert_eq!(
            get(&format!("/{place}/alice/alarm")),
            format!("set in {place}")
        );
        let alarm = alarm(&server);
        assert_eq!(alarm["dispatchNamespace"], place);
        assert_eq!(
            alarm["logs"][0]["message"],
            json!([format!("rung in {place}")])
        );
    }
    _ = server.terminate();
}

/// The item of the next alarm.
fn alarm(server: &Server) -> Value {
    loop {
        let item = server.item();
        if item["event"].get("scheduledTime").is_some() {
            return item;
        }
    }
}

/// Makes a user Worker whose `wrangler.toml` has `more`.
fn user(folder: &Folder, namespace: &str, name: &str, source: &str, more: &str) {
    let place = format!("users-{namespace}/{name}");
    let config = format!("name = \"{name}\"\nmain = \"worker.js\"\n{more}\n");
    folder
        .write(&format!("{place}/worker.js"), source)
        .write(&format!("{place}/wrangler.toml"), config);
}

/// The platform, without a Worker that is called as a user Worker is.
async fn platform(folder: &Folder) -> Scenario {
    Scenario::of(folder, &["dispatcher", "search", "secret"]).await
}

/// What a user Worker answers.
async fn asked(scenario: &Scenario, namespace: &str, name: &str) -> String {
    let path = format!("/{namespace}/{name}/");
    scenario.get("dispatcher", &path).await.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_workers_own_configuration_grants_nothing() {
    let source = "export default { fetch() { return new Response('ran'); } };";
    let cases = [
        (
            "services = [{ binding = \"S\", service = \"secret\" }]",
            "services",
        ),
        (
            "tail_consumers = [{ service = \"secret\" }]",
            "tail_consumers",
        ),
        (
            "kv_namespaces = [{ binding = \"KV\", id = \"shared\" }]",
            "kv_namespaces",
        ),
        (
            "analytics_engine_datasets = [{ binding = \"A\", dataset = \"clicks\" }]",
            "analytics_engine_datasets",
        ),
        ("analytics = { binding = \"SQL\" }", "analytics"),
        (
            "durable_objects.bindings = [{ name = \"O\", class_name = \"C\", script_name = \"secret\" }]",
            "durable_objects.bindings",
        ),
        (
            "dispatch_namespaces = [{ binding = \"D\", namespace = \"two\" }]",
            "dispatch_namespaces",
        ),
        (
            "taffrail.global_outbound = \"secret\"",
            "taffrail.global_outbound",
        ),
        ("limits.cpu_ms = 60000", "limits.cpu_ms"),
        ("limits.subrequests = 20000", "limits.subrequests"),
        ("taffrail.memory_mb = 4096", "taffrail.memory_mb"),
        ("taffrail.instances = 1000", "taffrail.instances"),
    ];
    let folder = namespaces();
    for (index, (more, _)) in cases.iter().enumerate() {
        user(&folder, "one", &format!("bob-{index}"), source, more);
    }
    let scenario = platform(&folder).await;
    for (index, (more, key)) in cases.iter().enumerate() {
        let name = format!("bob-{index}");
        let answer = asked(&scenario, "one", &name).await;
        let names_it =
            answer.contains(&format!("`{name}`")) && answer.contains(&format!("`{key}`"));
        assert!(names_it, "{more}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dispatchers_configuration_grants_by_name_and_with_its_own_props() {
    let source = "\
export default { async fetch(request, env) {
  const said = await (await env.S.fetch('http://s/')).text();
  const elsewhere = await fetch('https://other.test/').catch((error) => error.message);
  return new Response(said + '; ' + elsewhere);
} };
";
    let service = "services = [{ binding = \"S\", service = \"search\" }]";
    let forged = service.replace("\"search\"", "\"search\", props = { tenant = \"one\" }");
    let folder = namespaces();
    user(&folder, "two", "bob", source, service);
    user(&folder, "two", "forger", source, &forged);
    user(&folder, "two", "hoarder", source, "limits.cpu_ms = 51");
    let scenario = platform(&folder).await;
    let answer = asked(&scenario, "two", "bob").await;
    assert!(answer.starts_with("for two; "), "{answer}");
    assert!(answer.contains("https://other.test"), "{answer}");
    let answer = asked(&scenario, "two", "forger").await;
    assert!(
        answer.contains("`services` has `props` for `search`"),
        "{answer}"
    );
    let answer = asked(&scenario, "two", "hoarder").await;
    assert!(answer.contains("allows at most 50"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_code_of_a_user_worker_stands_in_its_own_folder() {
    let folder = namespaces();
    folder
        .write(
            "users-one/bob/wrangler.toml",
            "name = \"bob\"\nmain = \"../carol/worker.js\"\n",
        )
        .script(
            "users-one/carol",
            "export default { fetch() { return new Response('carol'); } };",
            "",
        );
    let scenario = platform(&folder).await;
    let answer = asked(&scenario, "one", "bob").await;
    assert!(
        answer.contains("`main` is outside of the Worker's folder"),
        "{answer}"
    );
}
