//! What Workers do in every language: a test for each behaviour and language. What the guests
//! do is in `tests/guests/languages/README.md`.

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::fs;
use std::sync::{Arc, LazyLock};
use taffrail_project::Error;
use taffrail_runtime::trace::{EventInfo, Outcome, TraceItem};
use taffrail_runtime::{Binding, Event, Target};
use taffrail_test::{Item, Outbound, Scenario, full, request};
use taffrail_tests::guests::{self, root};
use taffrail_tests::scenario::{Upload, next_piece};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// A language, and what is its own in it.
struct Language {
    /// The name of its folder.
    folder: &'static str,
    /// The name of the failure of `/fail`.
    failure: &'static str,
    /// A part of the stack of `/fail`: the function, with its file if the language gives it.
    place: &'static str,
    /// A part of the message of a stack that overflows.
    overflow: &'static str,
    /// The message of an exit with status 3, if there is such a thing. WASI 0.2 itself knows
    /// success and failure only.
    exit: Option<&'static str>,
    /// Whether its events tell connections from events of another kind. In JavaScript they have
    /// workerd's properties, which do not.
    has_all_events: bool,
}

const RUST: Language = Language {
    folder: "rust",
    failure: "panic",
    place: "languages/rust/producer/src/lib.rs:",
    overflow: "stack",
    exit: Some("exited with status 1"),
    has_all_events: true,
};

const JAVASCRIPT: Language = Language {
    folder: "javascript",
    failure: "TypeError",
    place: "at fail (worker.js:",
    overflow: "too much recursion",
    exit: None,
    has_all_events: false,
};

const TYPESCRIPT: Language = Language {
    folder: "typescript",
    place: "at fail (worker.ts:",
    ..JAVASCRIPT
};

const PYTHON: Language = Language {
    folder: "python",
    failure: "ValueError",
    place: "File \"entry.py\", line ",
    overflow: "maximum recursion depth exceeded",
    exit: Some("exited with status 3"),
    has_all_events: true,
};

const C: Language = Language {
    folder: "c",
    failure: "Error",
    place: "at fail (main.c:",
    overflow: "stack",
    exit: Some("exited with status 3"),
    has_all_events: true,
};

const CPP: Language = Language {
    folder: "cpp",
    failure: "std::runtime_error",
    place: "at fail() (main.cc:",
    ..C
};

const GO: Language = Language {
    folder: "go",
    failure: "panic",
    place: "/main.go:",
    overflow: "stack",
    exit: Some("exited with status 1"),
    has_all_events: true,
};

macro_rules! behaviours {
    ($($behaviour:ident)*) => {
        pub(super) const BEHAVIOURS: &[&str] = &[$(stringify!($behaviour)),*];

        $(
            #[test]
            fn $behaviour() {
                super::check(&GUESTS, super::$behaviour);
            }
        )*
    };
}

/// A module for each language, with a test for each behaviour.
macro_rules! languages {
    ($($module:ident: $language:ident)*) => {
        const LANGUAGES: &[(&Language, &[&str])] = &[$((&$language, $module::BEHAVIOURS)),*];

        $(
            mod $module {
                use super::{Guests, LazyLock};

                static GUESTS: LazyLock<Result<Guests, String>> =
                    LazyLock::new(|| Guests::start(&super::$language));

                behaviours! {
                    receives_items
                    reads_every_field
                    reads_what_is_redacted_only_if_it_asks
                    posts_items
                    writes_to_kv
                    its_own_failure_is_seen
                    logs_with_levels
                    reads_vars_and_props
                    receives_1000_items
                    receives_256_kib
                    uses_an_instance_again
                    streams_10_mb_both_ways
                    fails_in_its_own_words
                    memory_that_is_refused
                    a_stack_that_overflows
                    an_exit_with_a_status
                }
            }
        )*
    };
}

languages! {
    rust: RUST
    javascript: JAVASCRIPT
    typescript: TYPESCRIPT
    python: PYTHON
    go: GO
    c: C
    cpp: CPP
}

/// The table of the documentation has every behaviour and language, and tells what a language
/// lacks.
#[test]
fn the_documentation_has_the_table() {
    let row = |name: &str, cells: &mut dyn Iterator<Item = &'static str>| {
        let cells = cells.map(|cell| format!(" {cell} |"));
        format!("| {name} |{}\n", cells.collect::<String>())
    };
    let folders = LANGUAGES.iter().map(|(language, _)| language.folder);
    let mut table = row("behaviour", &mut folders.clone());
    table += &format!("|---|{}\n", "---|".repeat(LANGUAGES.len()));
    for behaviour in LANGUAGES[0].1 {
        let cell = |(language, _): &(&Language, &[&str])| match *behaviour {
            "an_exit_with_a_status" if language.exit.is_none() => "no exit",
            "reads_every_field" if !language.has_all_events => "but one event",
            _ => "yes",
        };
        let name = behaviour.replace('_', " ");
        table += &row(&name, &mut LANGUAGES.iter().map(cell));
    }
    let page = fs::read_to_string(root().join("docs/languages.md")).unwrap();
    assert!(page.contains(&table), "docs/languages.md lacks\n{table}");
}

/// The producer and the tail of a language, deployed once for all of its tests, which take turns.
struct Guests {
    language: &'static Language,
    scenario: Scenario,
    outbound: Outbound,
    tokio: Runtime,
    turn: Mutex<()>,
}

const ENDPOINT: &str = "http://endpoint.test/items";

/// A Worker that calls the producer with props.
const CALLER: &str =
    "export default { fetch(request, env) { return env.PRODUCER.fetch(request); } };";

fn check(
    guests: &'static LazyLock<Result<Guests, String>>,
    behaviour: impl AsyncFnOnce(&'static Guests),
) {
    let guests = guests.as_ref().unwrap_or_else(|error| panic!("{error}"));
    guests.tokio.block_on(async {
        let _turn = guests.turn.lock().await;
        behaviour(guests).await;
    });
}

impl Guests {
    fn start(language: &'static Language) -> Result<Self, String> {
        let tokio = Runtime::new().unwrap();
        let outbound = Outbound::new().reply("POST", ENDPOINT, accepted());
        let scenario = tokio.block_on(deploy(language, &outbound));
        Ok(Self {
            language,
            scenario: scenario.map_err(|error| format!("{}: {error:#}", language.folder))?,
            outbound,
            tokio,
            turn: Mutex::default(),
        })
    }

    /// The item of the producer after a request for this path, whatever it answers.
    async fn produce(&self, path: &str) -> Item {
        self.scenario.get("producer", path).await;
        self.scenario.items().of("producer").last().clone()
    }

    /// The answer to a request for this path, after which the outcome is `ok`.
    async fn answer(&self, worker: &str, path: &str) -> String {
        let answer = self.scenario.get(worker, path).await;
        let item = self.scenario.items().of("producer").last().clone();
        assert_eq!(item.outcome(), Outcome::Ok, "{item:#?}");
        assert_eq!(answer.status, Some(200));
        answer.text()
    }

    /// The item of the tail after it was called with these items.
    async fn tail(&self, items: Vec<TraceItem>) -> Item {
        let items = items.into_iter().map(Arc::new).collect();
        self.scenario.dispatch("tail", Event::Tail(items)).await;
        self.scenario.items().of("tail").last().clone()
    }
}

fn accepted() -> Response<&'static str> {
    Response::builder().status(202).body("").unwrap()
}

/// Deploys the guests, a caller of the producer, and Workers in Rust for many items.
async fn deploy(language: &Language, outbound: &Outbound) -> Result<Scenario, Error> {
    let folder = root().join("tests/guests/languages").join(language.folder);
    let probe = fs::read(guests::component("probe")).unwrap();
    let builder = Scenario::builder()
        .cache(guests::cache_home().join("taffrail"))
        .outbound(outbound)
        .worker(folder.join("producer"))
        .worker(folder.join("tail"))
        .script("caller", CALLER)
        .component("count", &probe)
        .tails("count", ["tail"])
        .component("vars", &probe)
        .configure("vars", |config| {
            config.tail_consumers.push(with_props("tail"));
        })
        .configure("caller", |config| {
            let producer = Binding::Service(with_props("producer"));
            config.bindings.insert("PRODUCER".to_owned(), producer);
        });
    builder.start().await
}

fn with_props(worker: &str) -> Target {
    let Value::Object(props) = json!({ "team": "red" }) else {
        unreachable!()
    };
    Target {
        props: Arc::new(props),
        ..Target::from(worker)
    }
}

/// What the invocation printed, and all that it logged if it all was printed.
fn printed(item: &Item) -> String {
    assert_eq!(item.outcome(), Outcome::Ok, "{item:#?}");
    let lines = item.logs().into_iter().map(|line| {
        let line = line.strip_prefix("log ");
        line.unwrap_or_else(|| panic!("{item:#?}")).to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The items of `fields.json`.
fn items() -> Vec<TraceItem> {
    let path = root().join("tests/guests/languages/fields.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// An item with a request, of a Worker of this name.
fn item_of(worker: &str) -> TraceItem {
    let mut item = items().swap_remove(0);
    item.script.script_name = Some(worker.to_owned());
    item
}

async fn receives_items(guests: &'static Guests) {
    assert_eq!(guests.answer("producer", "/hello").await, "hello");
    let items = guests.scenario.items();
    assert_eq!(printed(items.of("producer").last()), "hello");
    assert_eq!(printed(items.of("tail").last()), "producer 1 1");
}

async fn reads_every_field(guests: &'static Guests) {
    let mut items = items();
    let mut connection = items.last().unwrap().clone();
    connection.event = Some(EventInfo::Connect {});
    items.push(connection);
    let printed = printed(&guests.tail(items).await);

    let path = root().join("tests/guests/languages/fields.txt");
    let mut expected = fs::read_to_string(path).unwrap();
    if !guests.language.has_all_events {
        expected = expected.replace("event 9\n", "event 8\n");
    }
    let differing = expected.lines().zip(printed.lines());
    let differing = differing.filter(|(expected, printed)| expected != printed);
    assert_eq!(differing.collect::<Vec<_>>(), []);
    assert_eq!(printed, expected.trim_end());
}

async fn reads_what_is_redacted_only_if_it_asks(guests: &'static Guests) {
    let mut item = item_of("unredacted");
    let id = "0123456789abcdef0123456789abcdef";
    let request = json!({
        "url": format!("http://a.test/{id}"),
        "method": "GET",
        "headers": { "authorization": "Bearer 1234" },
    });
    item.event = Some(serde_json::from_value(json!({ "request": request })).unwrap());
    assert_eq!(
        printed(&guests.tail(vec![item]).await),
        format!("http://a.test/REDACTED REDACTED\nhttp://a.test/{id} Bearer 1234")
    );
}

async fn posts_items(guests: &'static Guests) {
    let item = item_of("post");
    let expected = serde_json::to_value([&item]).unwrap();
    assert_eq!(printed(&guests.tail(vec![item]).await), "202");
    let requests = guests.outbound.requests();
    let request = requests.last().unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), ENDPOINT);
    assert_eq!(request.headers()["content-type"], "application/json");
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(body, expected);
}

async fn writes_to_kv(guests: &'static Guests) {
    assert_eq!(guests.answer("producer", "/kv").await, "grün");
    assert_eq!(printed(&guests.tail(vec![item_of("kv")]).await), "kv");
}

async fn its_own_failure_is_seen(guests: &'static Guests) {
    let item = guests.tail(vec![item_of("fail")]).await;
    is_failure(&item, guests.language.failure, "the tail failed");
    let event = serde_json::to_value(&item.event).unwrap();
    assert_eq!(
        event,
        json!({ "consumedEvents": [{ "scriptName": "fail" }] })
    );
}

const LEVELS: [&str; 5] = [
    "debug a debug",
    "info an info",
    "log a log",
    "warn a warning",
    "error an error",
];

async fn logs_with_levels(guests: &'static Guests) {
    assert_eq!(guests.answer("producer", "/levels").await, "logged");
    assert_eq!(guests.scenario.items().of("producer").last().logs(), LEVELS);
    assert_eq!(guests.tail(vec![item_of("levels")]).await.logs(), LEVELS);
}

async fn reads_vars_and_props(guests: &'static Guests) {
    assert_eq!(guests.answer("producer", "/vars").await, "Grüße");
    assert_eq!(guests.answer("producer", "/props").await, "{}");
    assert_eq!(guests.answer("caller", "/props").await, r#"{"team":"red"}"#);
    guests.scenario.get("vars", "/status?200").await;
    let items = guests.scenario.items();
    assert_eq!(
        printed(items.of("tail").last()),
        "Grüße\n{\"team\":\"red\"}"
    );
}

async fn receives_1000_items(guests: &'static Guests) {
    const ITEMS: usize = 1000;
    let before = guests.scenario.items().of("tail").len();
    for _ in 0..ITEMS / 50 {
        let mut requests = JoinSet::new();
        for _ in 0..50 {
            let request = request("/status?200", full(Bytes::new()));
            requests.spawn(guests.scenario.stream("count", request));
        }
        let answers = requests.join_all().await;
        assert!(answers.iter().all(|answer| answer.status == Some(200)));
    }
    guests.scenario.idle().await;
    let tails = guests.scenario.items().of("tail");
    let counts = tails[before..].iter().map(|item| {
        let text = printed(item);
        let (items, rest) = text.split_once(' ').unwrap();
        assert_eq!(rest, "0 0");
        items.parse::<usize>().unwrap()
    });
    assert_eq!(counts.sum::<usize>(), ITEMS);
}

async fn receives_256_kib(guests: &'static Guests) {
    let path = "/output/long?260000";
    assert_eq!(guests.scenario.get("count", path).await.status, Some(200));
    let items = guests.scenario.items();
    assert_eq!(printed(items.of("tail").last()), "1 1 260002");
}

async fn uses_an_instance_again(guests: &'static Guests) {
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let tail = guests.tail(vec![item_of("again")]).await;
        numbers.push(printed(&tail).parse::<u32>().unwrap());
    }
    let first = numbers[0];
    assert_eq!(numbers, [first, first + 1, first + 2]);
}

async fn streams_10_mb_both_ways(guests: &'static Guests) {
    const PIECE: usize = 1 << 18;
    let (upload, body) = Upload::new();
    let response = guests.scenario.open("producer", "/stream", body).await;
    let mut response = response.into_body();
    for number in 0..40_u8 {
        upload.send(vec![number; PIECE]).await;
        let mut back = Vec::new();
        while back.len() < PIECE {
            back.extend_from_slice(&next_piece(&mut response).await);
        }
        assert!(back == vec![number; PIECE], "piece {number} is another one");
    }
    drop(upload);
    let rest = response.collect().await.unwrap().to_bytes();
    assert_eq!(rest.len(), 0);
    guests.scenario.idle().await;
    let items = guests.scenario.items();
    assert_eq!(items.of("producer").last().outcome(), Outcome::Ok);
}

async fn fails_in_its_own_words(guests: &'static Guests) {
    let item = guests.produce("/fail").await;
    is_failure(&item, guests.language.failure, "no such order");
    let stack = item.exception().stack.as_deref().unwrap_or_default();
    assert!(stack.contains(guests.language.place), "{stack}");
    assert!(stack.contains("fail"), "{stack}");
}

async fn memory_that_is_refused(guests: &'static Guests) {
    let item = guests.produce("/memory").await;
    assert_eq!(item.outcome(), Outcome::ExceededMemory, "{item:#?}");
    let limit = item.exceeded_limit.as_ref().unwrap();
    assert_eq!(limit.key, "taffrail.memory_mb");
}

async fn a_stack_that_overflows(guests: &'static Guests) {
    let item = guests.produce("/overflow").await;
    assert_eq!(item.outcome(), Outcome::Exception, "{item:#?}");
    let message = &item.exception().message;
    assert!(message.contains(guests.language.overflow), "{item:#?}");
}

async fn an_exit_with_a_status(guests: &'static Guests) {
    let Some(expected) = guests.language.exit else {
        return;
    };
    let item = guests.produce("/exit").await;
    assert_eq!(item.outcome(), Outcome::Exception, "{item:#?}");
    assert_eq!(item.exception().message, expected, "{item:#?}");
}

fn is_failure(item: &Item, name: &str, message: &str) {
    assert_eq!(item.outcome(), Outcome::Exception, "{item:#?}");
    let [exception] = &item.exceptions[..] else {
        panic!("there is not one exception: {item:#?}");
    };
    assert_eq!((&*exception.name, &*exception.message), (name, message));
}
