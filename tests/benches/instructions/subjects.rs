//! The pieces of work.

use crate::count::{counted, follow};
use anyhow::{Context, Result, bail, ensure};
use http::Request;
use http_body_util::BodyExt;
use serde_json::value::to_raw_value;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use taffrail_runtime::{
    Compiler, Event, FetchResult, Limits, QueueMessage, RequestBody, Runtime, WorkerSettings,
};
use taffrail_tests::guests;
use taffrail_tests::scenario::{full, request};
use taffrail_trace::{
    End, EventInfo, LogLevel, Outcome, RequestData, Script, TailRequest, TailResponse,
    TraceBuilder, TraceException, TraceItem,
};

/// How often work is done before it is counted, so that everything that is made once is there.
const WARM_UP: usize = 5;

pub(crate) struct Subject {
    pub(crate) name: &'static str,
    work: Work,
    /// Growth from which on it has become worse.
    bound: f64,
}

enum Work {
    Redact,
    Build,
    Serialise,
    /// An event of the Worker that runs this guest, whose instance is used again or not.
    Event(Kind, &'static str, bool),
}

#[derive(Clone, Copy)]
enum Kind {
    Fetch,
    Scheduled,
    Queue,
    Tail,
}

/// Native code is the same on each processor.
const fn native(name: &'static str, work: Work) -> Subject {
    Subject {
        name,
        work,
        bound: 0.05,
    }
}

/// The code of the guest, which is compiled for the processor at hand, is a small part of these.
///
/// WASI 0.3 is missing: its guests wait between two turns, and then count as heavy and go to
/// another thread, since each instruction takes so long here.
const fn event(name: &'static str, kind: Kind, guest: &'static str, reused: bool) -> Subject {
    Subject {
        name,
        work: Work::Event(kind, guest, reused),
        bound: 0.05,
    }
}

pub(crate) const ALL: &[Subject] = &[
    native("redaction", Work::Redact),
    native("building", Work::Build),
    native("serialisation", Work::Serialise),
    event("fetch 0.2, fresh", Kind::Fetch, "hello", false),
    event("fetch 0.2, reused", Kind::Fetch, "hello", true),
    event("tail, fresh", Kind::Tail, "tail-log", false),
    event("tail, reused", Kind::Tail, "tail-log", true),
    event("scheduled, fresh", Kind::Scheduled, "events", false),
    event("scheduled, reused", Kind::Scheduled, "events", true),
    event("queue, fresh", Kind::Queue, "events", false),
    event("queue, reused", Kind::Queue, "events", true),
];

impl Subject {
    /// What is wrong with a change of the count, in parts of what was recorded.
    pub(crate) fn judge(&self, change: f64) -> Option<String> {
        let percent = change * 100.0;
        if change > self.bound {
            Some(format!("`{}` takes {percent:.1} % more", self.name))
        } else if change < -2.0 * self.bound {
            let better = "which is to be recorded";
            Some(format!(
                "`{}` takes {:.1} % less, {better}",
                self.name, -percent
            ))
        } else {
            None
        }
    }
}

/// Builds the guests, before any process needs them in no time.
pub(crate) fn make_ready() {
    // Where one is does not matter here.
    _ = guests::component("hello");
}

/// Does a piece of work as the process that is followed.
pub(crate) fn run(name: &str) -> Result<()> {
    let subject = ALL.iter().find(|subject| subject.name == name);
    let subject = subject.context("no such piece of work")?;
    follow()?;
    match &subject.work {
        Work::Redact => repeat(&asked(), TailRequest::redacted),
        Work::Build => repeat(&(), |()| item()),
        Work::Serialise => repeat(&item(), |item| {
            serde_json::to_string(item).map(|text| text.len())
        }),
        Work::Event(kind, guest, reused) => handle(*kind, guest, *reused),
    }
}

/// Does some work until it takes no longer than before, and once more to count.
fn repeat<I, O>(input: &I, work: impl Fn(&I) -> O) -> Result<()> {
    for _ in 0..WARM_UP {
        black_box(work(black_box(input)));
    }
    black_box(counted(|| work(black_box(input)))?);
    Ok(())
}

fn asked() -> TailRequest {
    let headers = [
        ("host", "shop.example.com"),
        ("authorization", "Bearer 0123456789abcdef"),
        ("cookie", "session=0123456789abcdef; theme=dark"),
        ("x-api-key", "0123456789"),
    ];
    let url = "https://shop.example.com/orders/0123456789abcdef0123456789abcdef?page=2&sort=date";
    TailRequest::new(RequestData::new("GET", url, headers, None))
}

/// The item of a request with output and an exception.
fn item() -> TraceItem {
    let event = EventInfo::Fetch {
        request: asked(),
        response: None,
    };
    let script = Script {
        script_name: Some("shop".to_owned()),
        ..Script::default()
    };
    let mut trace = TraceBuilder::new(script, event, 1_000, "0".repeat(32));
    let message = to_raw_value("the order is being packed");
    let message = message.into_iter().collect();
    trace.log(1_001, LogLevel::Log, message, None);
    trace.exception(TraceException {
        timestamp: 1_010,
        name: "TypeError".to_owned(),
        message: "no such order".to_owned(),
        stack: Some("    at pack (worker.js:10:5)\n    at fetch (worker.js:20:9)".to_owned()),
    });
    trace.set_response(TailResponse { status: 500 });
    trace.finish(End {
        outcome: Outcome::Exception,
        cpu_time: Duration::from_millis(1),
        wall_time: Duration::from_millis(10),
        ..End::default()
    })
}

/// Has a runtime of its own handle an event, on this thread.
fn handle(kind: Kind, guest: &str, reused: bool) -> Result<()> {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let runtime = tokio.block_on(async { deploy(guest, reused) })?;
    for _ in 0..WARM_UP {
        let event = given(kind)?;
        tokio.block_on(once(&runtime, event))?;
        tokio.block_on(runtime.idle());
    }
    let event = given(kind)?;
    counted(|| tokio.block_on(once(&runtime, event)))?
}

fn deploy(guest: &str, reused: bool) -> Result<Runtime> {
    let cache = guests::cache_home().join("taffrail");
    let compiler = Compiler::new(Some(&cache), 4)?;
    let runtime = Runtime::builder().compiler(compiler).instances(4).build()?;
    let component = std::fs::read(guests::component(guest))?;
    let code = runtime.compiler().compile(&component)?;
    let settings = WorkerSettings {
        // Each instruction takes as long as thousands of them otherwise.
        limits: Limits {
            cpu: Duration::from_secs(3600),
            ..Limits::default()
        },
        instance_reuse: NonZeroU32::new(if reused { 128 } else { 1 }),
        ..WorkerSettings::new("worker")
    };
    runtime.deploy(settings, code)?;
    Ok(runtime)
}

/// An event, with what it holds.
enum Given {
    Request(Request<RequestBody>),
    Other(Event),
}

fn given(kind: Kind) -> Result<Given> {
    Ok(Given::Other(match kind {
        Kind::Fetch => return Ok(Given::Request(request("/", full("")))),
        Kind::Scheduled => Event::scheduled("*/5 * * * *", Some(1_000)),
        Kind::Queue => {
            let message = |number: u32| -> Result<_> {
                Ok(QueueMessage {
                    id: number.to_string(),
                    timestamp: 1_000,
                    attempts: 1,
                    body: to_raw_value(&["an order"])?,
                })
            };
            Event::queue("orders", (0..3).map(message).collect::<Result<_>>()?)
        }
        Kind::Tail => Event::Tail(vec![Arc::new(item())]),
    }))
}

async fn once(runtime: &Runtime, given: Given) -> Result<()> {
    match given {
        Given::Request(request) => {
            let fetched = runtime.fetch("worker", request, None).await?;
            let FetchResult::Response(response) = fetched else {
                bail!("there is no response");
            };
            response.into_body().collect().await?;
        }
        Given::Other(event) => {
            let outcome = runtime.dispatch("worker", event).await?;
            ensure!(outcome == Outcome::Ok, "its outcome is {outcome:?}");
        }
    }
    Ok(())
}
