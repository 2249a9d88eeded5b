//! Many invocations, each ended in another way, and what is left of them.

use crate::guests;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use taffrail_runtime::{Code, FetchResult, Limits, Runtime, TailConsumer, WorkerSettings};
use taffrail_trace::TraceItem;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// Bytes of resident memory.
    pub resident: usize,
    /// Open file descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Tasks of the asynchronous runtime.
    pub tasks: usize,
}

/// What came of a soak.
#[derive(Debug)]
pub struct Report {
    /// How many invocations were asked for.
    pub runs: usize,
    /// How many ended with each outcome.
    pub outcomes: BTreeMap<String, usize>,
    /// What the process held once everything had been used for the first time.
    pub before: Left,
    /// What it holds at the end.
    pub after: Left,
}

impl Report {
    /// Whether every run has its item and nothing is left behind.
    ///
    /// # Errors
    ///
    /// What is missing or left.
    pub fn verdict(&self) -> Result<(), String> {
        let items: usize = self.outcomes.values().sum();
        if items != self.runs {
            return Err(format!("{} runs, but {items} items", self.runs));
        }
        let (before, after) = (self.before, self.after);
        if after.descriptors > before.descriptors {
            return Err("file descriptors are left open".to_owned());
        }
        if after.threads > before.threads {
            return Err("threads are left".to_owned());
        }
        if after.tasks > before.tasks {
            return Err("tasks are left".to_owned());
        }
        // The allocator keeps some of what it once had.
        if after.resident > before.resident + (64 << 20) {
            return Err("memory has grown".to_owned());
        }
        Ok(())
    }
}

#[derive(Default)]
struct Outcomes(Mutex<BTreeMap<String, usize>>);

impl TailConsumer for Outcomes {
    fn deliver(&self, item: &Arc<TraceItem>) {
        let outcome = format!("{:?}", item.outcome);
        *self.0.lock().unwrap().entry(outcome).or_default() += 1;
    }
}

/// What is asked of the Worker, and how long the client stays.
struct Kind {
    worker: &'static str,
    path: &'static str,
    client: Client,
}

#[derive(Clone, Copy)]
enum Client {
    /// Reads the response to its end.
    Patient,
    /// Leaves before there is a response.
    LeavesAtOnce,
    /// Leaves in the middle of the response.
    LeavesMidway,
}

const fn kind(worker: &'static str, path: &'static str, client: Client) -> Kind {
    Kind {
        worker,
        path,
        client,
    }
}

/// Every way to end that does not take long.
const KINDS: [Kind; 14] = [
    kind("probe", "/status?200", Client::Patient),
    kind("probe", "/fault/panic", Client::Patient),
    kind("probe", "/fault/divide", Client::Patient),
    kind("probe", "/fault/overflow", Client::Patient),
    kind("probe", "/fault/midway", Client::Patient),
    kind("probe", "/fault/flood?1000", Client::Patient),
    kind("probe", "/fault/allocate?100000000", Client::Patient),
    kind("probe", "/fault/exit?3", Client::Patient),
    kind("probe", "/work/loop", Client::Patient),
    kind("probe", "/work/sleep?60000", Client::Patient),
    kind("probe", "/work/sleep?60000", Client::LeavesAtOnce),
    kind("probe-p3", "/endless", Client::LeavesMidway),
    kind("probe-p3", "/panic", Client::Patient),
    kind("missing", "/", Client::Patient),
];

/// Runs at a time.
const CONCURRENT: usize = 16;

/// Ends `runs` invocations, a small part of them before anything is measured.
///
/// # Panics
///
/// When the runtime cannot start, or `/proc` cannot be read.
pub async fn run(runs: usize) -> Report {
    let outcomes = Arc::new(Outcomes::default());
    let runtime = Runtime::builder()
        .cache(guests::root().join("target/test-components"))
        .tail_consumer(outcomes.clone())
        .build()
        .unwrap();
    deploy(&runtime);
    let first = (runs / 10).clamp(KINDS.len() * CONCURRENT, runs);
    send_all(&runtime, first).await;
    let before = Left::settled(1).await;
    send_all(&runtime, runs - first).await;
    let after = Left::settled(before.tasks).await;
    let outcomes = outcomes.0.lock().unwrap().clone();
    Report {
        runs,
        outcomes,
        before,
        after,
    }
}

fn deploy(runtime: &Runtime) {
    let limits = Limits {
        cpu: Duration::from_millis(10),
        memory: 32 << 20,
        wall_time: Some(Duration::from_millis(50)),
        ..Limits::default()
    };
    for guest in ["probe", "probe-p3"] {
        let bytes = fs::read(guests::component(guest)).unwrap();
        let settings = WorkerSettings {
            limits: limits.clone(),
            ..WorkerSettings::new(guest)
        };
        let code = runtime.compiler().compile(&bytes).unwrap();
        runtime.deploy(settings, code).unwrap();
    }
    let missing = Code::Missing("it never was".to_owned());
    runtime
        .deploy(WorkerSettings::new("missing"), missing)
        .unwrap();
}

async fn send_all(runtime: &Runtime, runs: usize) {
    let places = Arc::new(Semaphore::new(CONCURRENT));
    let mut sending = JoinSet::new();
    for kind in KINDS.iter().cycle().take(runs) {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let runtime = runtime.clone();
        sending.spawn(async move {
            send(&runtime, kind).await;
            drop(place);
        });
        while sending.try_join_next().is_some() {}
    }
    sending.join_all().await;
    runtime.idle().await;
}

async fn send(runtime: &Runtime, kind: &Kind) {
    let body = Full::new(Bytes::new())
        .map_err(|never| match never {})
        .boxed_unsync();
    let request = Request::get(format!("http://localhost{}", kind.path))
        .body(body)
        .unwrap();
    let fetch = runtime.fetch(kind.worker, request, None);
    let result = match kind.client {
        Client::LeavesAtOnce => {
            // Long enough for the guest to begin to wait.
            _ = tokio::time::timeout(Duration::from_millis(5), fetch).await;
            return;
        }
        Client::Patient | Client::LeavesMidway => fetch.await.unwrap(),
    };
    if let FetchResult::Response(mut response) = result {
        match kind.client {
            Client::LeavesMidway => _ = response.body_mut().frame().await,
            _ => _ = response.into_body().collect().await,
        }
    }
}

impl Left {
    /// What is held once no more than `tasks` are left: an invocation is over a
    /// moment before its task is.
    async fn settled(tasks: usize) -> Self {
        for _ in 0..500 {
            if Self::now().tasks <= tasks {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self::now()
    }

    fn now() -> Self {
        let entries = |folder: &str| fs::read_dir(folder).unwrap().count();
        let pages = fs::read_to_string("/proc/self/statm").unwrap();
        let resident: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            resident: resident * 4096,
            descriptors: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"),
            tasks: tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks(),
        }
    }
}
