//! Workers that take places from others.

use http::Request;
use std::collections::BTreeMap;
use std::sync::Arc;
use taffrail_runtime::{
    Binding, BoxFuture, Compiler, DispatchNamespace, Found, Limits, Namespaces, Target, Wanted,
    WorkerSettings,
};
use taffrail_tests::guests;
use taffrail_tests::process::Folder;
use taffrail_tests::scenario::{Answer, Scenario, Upload, full, logs, patiently, read, request};
use taffrail_trace::Outcome;
use tokio::sync::Notify;

fn with_tail(name: &str) -> WorkerSettings {
    WorkerSettings {
        tail_consumers: vec![Target::from("tail-probe")],
        ..WorkerSettings::new(name)
    }
}

fn with_kv(name: &str) -> WorkerSettings {
    WorkerSettings {
        bindings: BTreeMap::from([("KV".to_owned(), Binding::Kv("id".to_owned()))]),
        ..WorkerSettings::new(name)
    }
}

/// The component that a script and its engine become.
fn built(script: &str) -> Vec<u8> {
    let folder = Folder::new();
    folder.script("w", script, "");
    let built = folder.run(&["build", "w"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let folders = [folder.path().join("w"), folder.path().join("w/dist")];
    let files = folders.iter().filter_map(|folder| folder.read_dir().ok());
    let component = files
        .flatten()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|ending| ending == "wasm"));
    std::fs::read(component.unwrap()).unwrap()
}

fn said(answer: &Answer) -> (Option<u16>, String) {
    (answer.status, answer.text())
}

#[tokio::test(flavor = "multi_thread")]
async fn isolates_that_idle_give_their_places_to_others() {
    let script = built("export default { fetch() { return new Response('hello'); } }");
    let scenario = Scenario::built(|builder| builder.instances(3)).worker("tail-probe");
    // Each keeps an isolate after its only event.
    for number in 0..5 {
        let name = format!("user-{number}");
        let code = scenario.runtime().compiler().compile(&script).unwrap();
        scenario.runtime().deploy(with_tail(&name), code).unwrap();
        let answer = scenario.get(&name, "/").await;
        assert_eq!(said(&answer), (Some(200), "hello".to_owned()), "{name}");
    }
    let scenario = scenario.deploy("probe", with_tail("probe"));
    let answer = scenario.get("probe", "/status?200").await;
    assert_eq!(answer.status, Some(200));
    // One that was given up is made again.
    let answer = scenario.get("user-0", "/").await;
    assert_eq!(said(&answer), (Some(200), "hello".to_owned()));
    assert_eq!(scenario.items_of("tail-probe").len(), 7);
    assert!(
        scenario
            .items()
            .iter()
            .all(|item| item.outcome == Outcome::Ok)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_object_that_idles_gives_its_place_to_others() {
    let script = built(
        "import { DurableObject } from 'cloudflare:workers';
        export class Counter extends DurableObject {
            async fetch() {
                const count = (await this.ctx.storage.get('count') ?? 0) + 1;
                await this.ctx.storage.put('count', count);
                return new Response(String(count));
            }
        }
        export default {
            fetch(request, env) { return env.COUNTER.get(env.COUNTER.idFromName('a')).fetch(request); }
        }",
    );
    let scenario = Scenario::built(|builder| builder.instances(2));
    let class = Target {
        entrypoint: Some("Counter".to_owned()),
        ..Target::from("counter")
    };
    let settings = WorkerSettings {
        bindings: BTreeMap::from([("COUNTER".to_owned(), Binding::DurableObject(class))]),
        ..WorkerSettings::new("counter")
    };
    let code = scenario.runtime().compiler().compile(&script).unwrap();
    scenario.runtime().deploy(settings, code).unwrap();
    let scenario = scenario.worker("probe");
    assert_eq!(scenario.get("counter", "/").await.text(), "1");
    let mut open = Vec::new();
    for _ in 0..2 {
        let (gate, body) = Upload::new();
        open.push((gate, scenario.open("probe", "/work/behind", body).await));
    }
    for (gate, response) in open {
        drop(gate);
        read(response).await;
    }
    scenario.idle().await;
    // The object has kept what it stored.
    let answer = scenario.get("counter", "/").await;
    assert_eq!(said(&answer), (Some(200), "2".to_owned()), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_has_a_place_when_producers_have_taken_all() {
    let scenario = Scenario::built(|builder| builder.instances(1))
        .worker("tail-probe")
        .deploy("probe", with_tail("probe"));
    let (gate, body) = Upload::new();
    let running = scenario.open("probe", "/work/behind", body).await;
    let answer = scenario
        .stream("probe", request("/status?200", full("")))
        .await;
    assert_eq!(answer.failed, Some(Outcome::LoadShed));
    let told = scenario.item_from("tail-probe").await;
    assert_eq!(told.outcome, Outcome::Ok);
    let seen = logs(&told).concat();
    assert!(
        seen.contains("All instances of the process are taken."),
        "{seen}"
    );
    drop(gate);
    read(running).await;
    scenario.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_makes_counts_for_it() {
    let limits = Limits {
        instances: 1,
        ..Limits::default()
    };
    let settings = WorkerSettings {
        bindings: BTreeMap::from([("LOADER".to_owned(), Binding::Loader)]),
        limits,
        ..WorkerSettings::new("probe")
    };
    let scenario = Scenario::new().deploy("probe", settings);
    let component = std::fs::read(guests::component("hello")).unwrap();
    let post = Request::post("http://localhost/binding/load?LOADER")
        .header("host", "localhost")
        .body(component.into());
    let answer = scenario.send("probe", post.unwrap()).await;
    let made = scenario
        .items()
        .into_iter()
        .find(|item| item.script.script_name.is_none());
    assert_eq!(made.unwrap().outcome, Outcome::LoadShed, "{answer:?}");
}

#[test]
fn a_component_of_many_memories_is_refused() {
    let instances = "(core instance (instantiate $m))".repeat(17);
    let component = format!(
        "(component
            (core module $m (memory 1))
            {instances}
            (instance $i)
            (export \"wasi:http/incoming-handler@0.2.0\" (instance $i)))"
    );
    let scenario = Scenario::new();
    let component = wat::parse_str(component).unwrap();
    let refused = scenario
        .runtime()
        .compiler()
        .compile(&component)
        .err()
        .unwrap();
    assert_eq!(
        refused.to_string(),
        "an instance of it has 17 memories and 0 tables, but 16 and 64 are allowed. Compose fewer components"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_another_process_holds_stops_nobody_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = Scenario::built(|builder| builder.store(folder.path()))
        .deploy("probe", with_kv("keeper"))
        .worker("probe");
    let before = scenario.get("keeper", "/binding/keep?KV").await;
    assert_eq!(before.status, Some(200));

    let file = folder.path().join("store.sqlite");
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let scenario = Arc::new(scenario);
    // More than there are threads for events.
    let keepers: Vec<_> = (0..64)
        .map(|_| {
            let scenario = Arc::clone(&scenario);
            tokio::spawn(async move {
                let request = request("/binding/keep?KV", full(""));
                scenario.stream("keeper", request).await
            })
        })
        .collect();
    for _ in 0..8 {
        let answer = scenario
            .stream("probe", request("/status?200", full("")))
            .await;
        assert_eq!(answer.status, Some(200));
    }
    other.execute_batch("COMMIT").unwrap();
    for keeper in keepers {
        let answer = keeper.await.unwrap();
        let text = answer.text();
        // None has waited for so long that it gave up.
        assert!(
            answer.status == Some(200) && text.contains("value"),
            "{text}"
        );
    }
}

/// A namespace whose Worker `slow` is found once the test says so.
#[derive(Default)]
struct SlowOne {
    begun: Notify,
    end: Notify,
}

impl Namespaces for SlowOne {
    fn find<'a>(
        &'a self,
        compiler: &'a Compiler,
        wanted: Wanted<'a>,
    ) -> BoxFuture<'a, Result<Found, String>> {
        Box::pin(async move {
            if wanted.name == "slow" {
                self.begun.notify_one();
                self.end.notified().await;
            }
            let component = std::fs::read(guests::component("hello")).unwrap();
            let code = compiler.compile(&component).unwrap();
            Ok(Found::Worker {
                version: 1,
                settings: Box::new(WorkerSettings::new(wanted.name)),
                code: Box::new(code),
            })
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_worker_that_is_compiled_holds_up_no_other() {
    let namespace = Arc::new(SlowOne::default());
    let binding = Binding::Dispatch(DispatchNamespace {
        namespace: "users".to_owned(),
        outbound: None,
    });
    let settings = WorkerSettings {
        bindings: BTreeMap::from([("DISPATCHER".to_owned(), binding)]),
        ..WorkerSettings::new("probe")
    };
    let scenario = Scenario::built(|builder| builder.namespaces(namespace.clone()));
    let scenario = Arc::new(scenario.deploy("probe", settings));
    let dispatch = |name: &str| {
        let request = request(&format!("/binding/dispatch?{name}"), full(""));
        let scenario = Arc::clone(&scenario);
        async move { scenario.stream("probe", request).await.text() }
    };
    let slow = tokio::spawn(dispatch("slow"));
    patiently(namespace.begun.notified()).await;
    let quick = dispatch("quick").await;
    assert!(quick.starts_with("200 "), "{quick}");
    namespace.end.notify_one();
    assert_eq!(slow.await.unwrap(), quick);
}
