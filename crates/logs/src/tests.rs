use crate::{
    Counts, Deliveries, Entry, Expression, Filter, Privacy, ReadError, Reader, Retention,
    WriteError, Writer,
};
use crate::{folder, reader};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use taffrail_trace::{LogLevel, Outcome, TraceItem};
use tempfile::TempDir;

mod parts;
mod spans;

#[derive(Clone, Default)]
struct Counted(Arc<Mutex<(u64, u64, Vec<String>)>>);

impl Counts for Counted {
    fn accepted(&self, entries: &[Entry]) {
        self.0.lock().unwrap().0 += entries.len() as u64;
    }

    fn lost(&self, entries: &[Entry], reason: &str) {
        let mut counted = self.0.lock().unwrap();
        counted.1 += entries.len() as u64;
        counted.2.push(reason.to_owned());
    }
}

struct Store {
    folder: TempDir,
    counted: Counted,
}

impl Store {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            counted: Counted::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    /// Moves the folder away, at once: threads may still write to it, so that it could not be
    /// removed file by file.
    fn move_away(&self) {
        fs::rename(self.path(), self.folder.path().join("moved")).unwrap();
    }

    /// Puts a file in the place of the folder.
    fn give_way_to_a_file(&self) {
        self.move_away();
        fs::write(self.path(), "").unwrap();
    }

    fn start(&self, retention: Retention) -> Result<Writer, WriteError> {
        Writer::start(self.path(), retention, Box::new(self.counted.clone()))
    }

    /// Keeps items, and waits until they are indexed.
    fn keep(&self, items: impl IntoIterator<Item = TraceItem>) {
        let writer = self.start(Retention::default()).unwrap();
        items.into_iter().for_each(|item| writer.push(entry(item)));
        finish(&writer);
    }

    fn files(&self, end: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.to_str().unwrap().ends_with(end));
        files.sort();
        files
    }

    fn find(&self, filter: &Filter) -> Vec<String> {
        let mut ids = Vec::new();
        let reader = Reader::open(self.path()).unwrap();
        let searched = reader.latest(filter, |found| {
            ids.push(found.item.invocation_id.clone());
            true
        });
        searched.unwrap();
        assert_eq!(reader.count(filter).unwrap(), ids.len() as u64);
        ids
    }

    fn all(&self) -> Vec<String> {
        self.find(&Filter::default())
    }

    fn counts(&self) -> (u64, u64) {
        let counted = self.counted.0.lock().unwrap();
        (counted.0, counted.1)
    }
}

fn finish(writer: &Writer) {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    tokio.block_on(writer.finish());
}

fn entry(item: TraceItem) -> Entry {
    Entry {
        item: Arc::new(item),
        sample_interval: Some(1.0),
        keeps_spans: false,
        shows_invocation: true,
        tails: Vec::new(),
        privacy: Arc::default(),
    }
}

fn id(number: u64) -> String {
    format!("{number:032x}")
}

fn item(number: u64, logs: &[Value]) -> TraceItem {
    item_with(number, logs, json!({}))
}

/// An item with these arguments of one `console.log` each, and with these keys.
fn item_with(number: u64, logs: &[Value], keys: Value) -> TraceItem {
    let at = 1_800_000_000_000 + number * 1000;
    let logs = logs.iter();
    let logs = logs.map(|value| json!({"timestamp": at, "level": "log", "message": [value]}));
    let mut item = json!({
        "wallTime": 5, "cpuTime": 1, "truncated": false, "scriptName": "api",
        "executionModel": "stateless", "outcome": "ok", "diagnosticsChannelEvents": [],
        "exceptions": [], "logs": logs.collect::<Vec<_>>(), "eventTimestamp": at,
        "event": {
            "request": {"url": format!("http://h/{number}"), "method": "GET", "headers": {}},
            "response": {"status": 200},
        },
        "invocationId": id(number), "requestId": id(number),
    });
    let fields = item.as_object_mut().unwrap();
    fields.extend(keys.as_object().unwrap().clone());
    let mut item: TraceItem = serde_json::from_value(item).unwrap();
    item.held_bytes = 2000;
    item
}

fn search(text: &str) -> Filter {
    Filter {
        search: Some(text.to_owned()),
        ..Filter::default()
    }
}

fn condition(text: &str) -> Filter {
    Filter {
        expression: Some(text.parse::<Expression>().unwrap()),
        ..Filter::default()
    }
}

#[test]
fn what_is_kept_is_found_by_what_it_has() {
    let store = Store::new();
    store.keep([
        item(
            1,
            &[json!("the quick brown fox"), json!({"user": "a", "n": 5})],
        ),
        item(2, &[json!("{\"workerId\": \"w-7\", \"source\": \"user\"}")]),
        item_with(
            3,
            &[json!("Über-Straße 🦀 日本語")],
            json!({"outcome": "exception"}),
        ),
        item_with(
            4,
            &[json!("quick")],
            json!({"scriptName": "other", "requestId": id(1)}),
        ),
    ]);
    for (filter, expected) in [
        (Filter::default(), vec![4, 3, 2, 1]),
        (search("QUICK"), vec![4, 1]),
        (search("fox quick"), vec![1]),
        (search("quic"), vec![]),
        (search("über"), vec![3]),
        (search("Über-Straße"), vec![3]),
        (search("🦀"), vec![3]),
        (search("本"), vec![3]),
        (search("\""), vec![2, 1]),
        (search("w-7"), vec![2]),
        (search("7-w"), vec![]),
        (search("AND NEAR( * fox"), vec![]),
        (condition("user = \"a\""), vec![1]),
        (condition("n = 5.0"), vec![1]),
        (condition("n > 4 and n < 6"), vec![1]),
        (condition("workerId = 'w-7'"), vec![2]),
        (condition("worker = 'other' or user = 'a'"), vec![4, 1]),
        (condition("cpuTime >= 1"), vec![4, 3, 2, 1]),
        (
            Filter {
                workers: vec!["other".to_owned()],
                ..Filter::default()
            },
            vec![4],
        ),
        (
            Filter {
                outcomes: vec![Outcome::Exception],
                ..Filter::default()
            },
            vec![3],
        ),
        (
            Filter {
                id: Some(id(1)),
                ..Filter::default()
            },
            vec![4, 1],
        ),
        (
            Filter {
                since: Some(1_800_000_002_000),
                until: Some(1_800_000_003_000),
                ..Filter::default()
            },
            vec![3, 2],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(id).collect();
        assert_eq!(store.find(&filter), expected, "{filter:?}");
    }
    assert_eq!(store.counts(), (4, 0));
}

#[test]
fn an_item_is_what_it_was() {
    let store = Store::new();
    let mut kept = item(1, &[json!({"a": [1, "x"]})]);
    kept.cpu_time = Duration::from_micros(1234);
    kept.wall_time = Duration::from_micros(5678);
    store.keep([kept.clone()]);
    let reader = Reader::open(store.path()).unwrap();
    let mut all = Vec::new();
    let last = reader
        .after(0, &Filter::default(), |found| all.push(found))
        .unwrap();
    assert_eq!((last, reader.last().unwrap(), all.len()), (1, 1, 1));
    let found = &all[0].item;
    assert_eq!(
        (found.cpu_time, found.wall_time),
        (kept.cpu_time, kept.wall_time)
    );
    assert_eq!(
        serde_json::to_string(found).unwrap(),
        serde_json::to_string(&kept).unwrap()
    );
}

#[test]
fn a_second_writer_is_refused_with_the_first_ones_process_and_reads() {
    let store = Store::new();
    let writer = store.start(Retention::default()).unwrap();
    writer.push(entry(item(1, &[])));
    let error = store.start(Retention::default()).err().unwrap();
    let pid = std::process::id();
    let folder = store.path();
    assert_eq!(
        error.to_string(),
        format!("another process ({pid}) writes to `{}`", folder.display())
    );
    finish(&writer);
    assert_eq!(store.all(), [id(1)]);
    // What is pushed later is counted.
    writer.push(entry(item(2, &[])));
    assert_eq!(store.counts(), (1, 1));
}

#[test]
fn what_was_not_indexed_is_found_all_the_same() {
    let store = Store::new();
    store.keep([item(1, &[json!("one")]), item(2, &[json!("two")])]);
    // As if the process had been killed before.
    for file in store.files(".index.sqlite") {
        fs::remove_file(file).unwrap();
    }
    let writing = store.start(Retention::default());
    assert_eq!(store.find(&search("one")), [id(1)]);
    drop(writing);
    assert_eq!(store.find(&search("two")), [id(2)]);
    assert_eq!(store.all(), [id(2), id(1)]);
}

/// Items are indexed between the moment at which a reader looks and that at which it reads.
#[test]
fn an_item_is_found_once_while_it_is_indexed() {
    let store = Store::new();
    store.keep([item(1, &[json!("one two")])]);
    let segment = &folder::segments(&store.path()).unwrap()[0];
    let open = reader::OpenSegment::open(segment).unwrap();
    store.keep((2..=3).map(|number| item(number, &[json!("one two")])));
    for filter in [search("one"), search("two one"), Filter::default()] {
        let mut found = Vec::new();
        let each = &mut |item: crate::Found| {
            found.push(item.number);
            true
        };
        open.latest(&filter, each).unwrap();
        assert_eq!(found, [3, 2, 1]);
        assert_eq!(open.count(&filter).unwrap(), 3);
    }
}

#[test]
fn a_damaged_index_is_made_again() {
    let store = Store::new();
    store.keep([item(1, &[json!("one")])]);
    for garbage in [&b"garbage"[..], &[0; 8192]] {
        fs::write(&store.files(".index.sqlite")[0], garbage).unwrap();
        assert_eq!(store.find(&search("one")), [id(1)]);
    }
    store.keep([item(2, &[json!("one")])]);
    assert_eq!(store.find(&search("one")), [id(2), id(1)]);
}

#[test]
fn an_index_of_an_earlier_version_is_made_again() {
    let store = Store::new();
    store.keep([item(1, &[json!("one")])]);
    let index = store.files(".index.sqlite").remove(0);
    let connection = rusqlite::Connection::open(&index).unwrap();
    let earlier = "DROP TABLE counts; PRAGMA user_version = 2";
    connection.execute_batch(earlier).unwrap();
    drop(connection);
    let statistics = || {
        let reader = Reader::open(store.path()).unwrap();
        let since = 1_800_000_000_000;
        reader.statistics(since, since + 1000, 1).unwrap().workers
    };
    {
        // As long as another process writes to the store, its index stays.
        let _lock = folder::Lock::take(&store.path());
        assert_eq!(store.find(&search("one")), [id(1)]);
        assert!(statistics().is_empty());
    }
    assert_eq!(statistics()["api"].count, 1);
}

#[test]
fn damaged_items_are_set_aside_and_the_rest_opens() {
    let store = Store::new();
    store.keep([item(1, &[])]);
    let file = store.files(".items.sqlite").remove(0);
    fs::write(&file, "x".repeat(10_000)).unwrap();
    store.keep([item(2, &[]), item(3, &[])]);
    assert_eq!(store.all(), [id(3), id(2)]);
    assert_eq!(store.files(".damaged").len(), 1);
    assert_eq!(store.counts(), (3, 0));
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let store = Store::new();
    store.keep([item(1, &[])]);
    let file = store.files(".items.sqlite").remove(0);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = store.start(Retention::default()).err().unwrap();
    let expected =
        "was written by a later version of Taffrail; use that version, or another folder";
    assert!(error.to_string().ends_with(expected), "{error}");
    let reader = Reader::open(store.path()).unwrap();
    let read = reader.latest(&Filter::default(), |_| true);
    assert!(read.unwrap_err().to_string().ends_with(expected));
}

#[test]
fn writing_goes_on_after_files_were_removed() {
    let store = Store::new();
    let writer = store.start(Retention::default()).unwrap();
    writer.push(entry(item(1, &[])));
    accepted(&store, 1);
    store.move_away();
    writer.push(entry(item(2, &[])));
    accepted(&store, 2);
    finish(&writer);
    assert_eq!(store.all(), [id(2)]);
}

#[test]
fn writing_resumes_when_it_is_possible_again() {
    let store = Store::new();
    let writer = store.start(Retention::default()).unwrap();
    writer.push(entry(item(1, &[])));
    accepted(&store, 1);
    store.give_way_to_a_file();
    writer.push(entry(item(2, &[])));
    while !format!("{:?}", writer).contains("cannot be written to") {
        std::thread::yield_now();
    }
    fs::remove_file(store.path()).unwrap();
    accepted(&store, 2);
    finish(&writer);
    assert_eq!(store.all(), [id(2)]);
    assert_eq!(store.counts(), (2, 0));
}

#[test]
fn what_cannot_be_written_at_the_end_is_counted_with_its_reason() {
    let store = Store::new();
    let writer = store.start(Retention::default()).unwrap();
    store.give_way_to_a_file();
    for number in 1..=3 {
        writer.push(entry(item(number, &[])));
    }
    finish(&writer);
    assert_eq!(store.counts(), (0, 3));
    let reason = store.counted.0.lock().unwrap().2[0].clone();
    assert!(
        reason.starts_with("the store cannot be written to: "),
        "{reason}"
    );
}

/// Waits until so many items are accepted.
fn accepted(store: &Store, items: u64) {
    while store.counts().0 < items {
        std::thread::yield_now();
    }
}

#[test]
fn the_oldest_items_make_room() {
    let store = Store::new();
    let retention = Retention {
        bytes: 4 << 20,
        ..Retention::default()
    };
    let writer = store.start(retention).unwrap();
    let text = "lorem ipsum dolor ".repeat(50);
    for number in 1..=8000 {
        writer.push(entry(item(number, &[json!(text)])));
        if number % 500 == 0 {
            accepted(&store, number);
        }
    }
    finish(&writer);
    let all = store.all();
    assert_eq!(all[0], id(8000));
    assert!((1000..6000).contains(&all.len()), "{}", all.len());
    let sizes = fs::read_dir(store.path()).unwrap();
    let bytes: u64 = sizes
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 6 << 20, "{bytes}");
    assert!(store.files(".items.sqlite").len() <= 10);
}

#[test]
fn items_of_an_earlier_time_make_room_and_clocks_may_go_back() {
    let store = Store::new();
    let retention = Retention {
        age: Duration::from_secs(1000),
        ..Retention::default()
    };
    let writer = store.start(retention).unwrap();
    for (count, number) in (1..).zip([1, 400, 300, 800, 1200, 1600, 2000, 100, 2400]) {
        writer.push(entry(item(number, &[])));
        accepted(&store, count);
    }
    finish(&writer);
    let expected = [2400, 100, 2000, 1600];
    assert_eq!(store.all()[..4], expected.map(id));
    assert!(!store.all().contains(&id(1)));
}

/// The superuser may write anywhere, so it is only told apart by the files.
#[test]
fn a_folder_that_cannot_be_written_to_is_read() {
    let store = Store::new();
    store.keep([item(1, &[json!("one")])]);
    assert_eq!(store.files("-wal").len(), 0);
    for file in fs::read_dir(store.path()).unwrap() {
        let path = file.unwrap().path();
        // A directory takes the place of what SQLite would make.
        if path.extension().is_some_and(|end| end == "sqlite") {
            fs::create_dir(format!("{}-shm", path.display())).unwrap();
        }
    }
    assert_eq!(store.find(&search("one")), [id(1)]);
}

#[test]
fn there_is_nothing_where_nothing_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none");
    assert!(matches!(Reader::open(&path), Err(ReadError::Nothing(folder)) if folder == path));
    assert!(!path.exists());
}

#[test]
fn secrets_are_removed_before_anything_is_written() {
    let store = Store::new();
    let writer = store.start(Retention::default()).unwrap();
    let privacy = Privacy {
        redact_query_string: true,
        scrub: crate::Scrub::new(&["email"]).unwrap(),
    };
    let span = json!({
        "spanId": "00f067aa0ba902b7", "parentSpanId": "00f067aa0ba902b6", "name": "fetch",
        "startTime": 1, "endTime": 2, "outcome": "ok",
        "attributes": [
            {"name": "url.full", "value": "http://up/p?q=secret"},
            {"name": "to", "value": "carol@example.com"},
        ],
    });
    let mut kept = item_with(
        1,
        &[
            json!("from ann@example.com"),
            json!({"to": "bob@example.com"}),
        ],
        json!({"spans": [span]}),
    );
    let request = json!({
        "request": {"url": "http://h/p?q=secret", "method": "GET", "headers": {"x-key": "hidden"}},
    });
    kept.event = Some(serde_json::from_value(request).unwrap());
    writer.push(Entry {
        privacy: Arc::new(privacy),
        ..entry(kept)
    });
    finish(&writer);
    for file in fs::read_dir(store.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for secret in ["ann@", "bob@", "carol@", "q=secret", "hidden"] {
            assert!(!contains(&bytes, secret), "{secret}");
        }
    }
    assert_eq!(store.find(&search("from")), [id(1)]);
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn a_million_fields_are_bounded_and_counted() {
    let store = Store::new();
    let fields = |n: u64| {
        let fields = (0..1000).map(|k| (format!("k{n}_{k}"), json!(k)));
        Value::Object(fields.collect())
    };
    store.keep((1..=20).map(|number| item(number, &[fields(number)])));
    let index = rusqlite::Connection::open(&store.files(".index.sqlite")[0]).unwrap();
    let dropped: i64 = index
        .query_row("SELECT dropped_fields FROM progress", [], |row| row.get(0))
        .unwrap();
    assert_eq!(dropped, 20 * (1000 - 256));
    assert_eq!(store.find(&condition("k7_0 = 0")), [id(7)]);
}

fn any_item() -> impl Strategy<Value = (String, String, i32, bool)> {
    let text = "[abü 🦀\"-]{0,6}";
    (text, "[xy]", 0..3, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The index finds the items that match, and no others.
    #[test]
    fn the_index_agrees_with_the_filter(
        items in proptest::collection::vec(any_item(), 1..12),
        words in "[abü 🦀\"-]{1,4}",
        user in "[xy]",
        number in 0..3,
    ) {
        let store = Store::new();
        let made: Vec<_> = (1..).zip(&items).map(|(id, (text, user, number, failed))| {
            let outcome = if *failed { "exception" } else { "ok" };
            let logs = [json!(text), json!({"user": user, "n": number})];
            item_with(id, &logs, json!({"outcome": outcome}))
        }).collect();
        store.keep(made.iter().cloned());
        for filter in [
            search(&words),
            condition(&format!("user = '{user}' and n = {number}")),
            Filter { outcomes: vec![Outcome::Exception], ..search(&words) },
            Filter { levels: vec![LogLevel::Log], outcomes: vec![Outcome::Ok], ..Filter::default() },
        ] {
            let matching = made.iter().rev().filter(|item| filter.matches(item));
            let expected: Vec<_> = matching.map(|item| item.invocation_id.clone()).collect();
            prop_assert_eq!(store.find(&filter), expected);
        }
    }
}

#[test]
fn statistics_count_invocations_for_those_that_they_stand_for() {
    let store = Store::new();
    let writer = store.start(Retention::default()).unwrap();
    for number in 0..600 {
        let failed = json!({"outcome": if number % 10 == 0 { "exception" } else { "ok" }});
        let mut item = item_with(number, &[], failed);
        item.cpu_time = Duration::from_micros(1000 + number);
        writer.push(Entry {
            sample_interval: Some(2.0),
            ..entry(item)
        });
    }
    finish(&writer);
    let reader = Reader::open(store.path()).unwrap();
    let since = 1_800_000_000_000;
    let statistics = reader.statistics(since, since + 599_999, 5).unwrap();
    assert_eq!((statistics.from, statistics.slot_ms), (since, 120_000));
    let api = &statistics.workers["api"];
    assert_eq!((api.count, api.failed), (1200, 120));
    assert_eq!(
        api.outcomes,
        [("exception".to_owned(), 120), ("ok".to_owned(), 1080)].into()
    );
    let slots: Vec<_> = api
        .series
        .iter()
        .map(|slot| (slot.count, slot.failed))
        .collect();
    assert_eq!(slots, [(240, 24); 5]);
    assert!((1.28..1.32).contains(&api.cpu_ms.p50), "{:?}", api.cpu_ms);
    assert!((1.57..1.61).contains(&api.cpu_ms.p99), "{:?}", api.cpu_ms);
    let nothing = reader.statistics(0, 1000, 5).unwrap();
    assert!(nothing.workers.is_empty());
}

#[test]
fn statistics_of_hours_are_those_of_their_minutes() {
    let store = Store::new();
    let start = 1_800_000_000_000;
    store.keep((0..300).map(|number| {
        let minute = start + number * 60_000;
        let mut item = item_with(number, &[], json!({"eventTimestamp": minute}));
        // The time of each is 1 % longer than that of the one before.
        item.cpu_time = Duration::from_secs_f64(0.001 * 1.01_f64.powf(number as f64));
        item
    }));
    let reader = Reader::open(store.path()).unwrap();
    let minutes = [
        (0, 300),
        (0, 60),
        (7, 59),
        (7, 61),
        (59, 60),
        (59, 181),
        (120, 300),
        (130, 299),
    ];
    for (first, end) in minutes {
        let last = start + end * 60_000 - 1;
        let found = reader.statistics(start + first * 60_000, last, 7).unwrap();
        let api = &found.workers["api"];
        assert_eq!(api.count, end - first);
        assert_eq!(
            api.series.iter().map(|slot| slot.count).sum::<u64>(),
            end - first
        );
        let middle = (first + end) as f64 / 2.0;
        let off = api.cpu_ms.p50.ln() / 1.01_f64.ln() - middle;
        assert!(off.abs() < 3.0, "{first} to {end}: {off}");
    }
}

const TARGET: &str = "{\"service\":\"t\"}";

#[test]
fn items_wait_for_their_delivery_until_it_is_done_and_are_not_removed() {
    let store = Store::new();
    let retention = Retention {
        age: Duration::from_secs(100),
        ..Retention::default()
    };
    let writer = store.start(retention).unwrap();
    writer.keep_above(0);
    for number in 1..=400 {
        let is_for_tail = number % 2 == 0;
        let tails = is_for_tail.then(|| TARGET.to_owned());
        writer.push(Entry {
            tails: tails.into_iter().collect(),
            ..entry(item(number, &[]))
        });
        accepted(&store, number);
    }
    finish(&writer);
    let deliveries = Deliveries::open(store.path()).unwrap();
    let next = |deliveries: &Deliveries| -> Vec<u64> {
        let after = deliveries.cursor(TARGET).unwrap();
        let (next, through) = deliveries.next(TARGET, after, 3).unwrap();
        assert_eq!(through, next.last().unwrap().number);
        next.iter().map(|waiting| waiting.number).collect()
    };
    assert_eq!(deliveries.count(TARGET).unwrap(), 200);
    assert_eq!(next(&deliveries), [2, 4, 6]);
    deliveries.done(TARGET, 4).unwrap();
    // Another process goes on.
    drop(deliveries);
    let deliveries = Deliveries::open(store.path()).unwrap();
    assert_eq!(next(&deliveries), [6, 8, 10]);
    let (none, through) = deliveries.next("other", 0, 3).unwrap();
    assert_eq!((none.len(), through), (0, 400));
    assert_eq!(deliveries.count(TARGET).unwrap(), 198);
    // What is delivered makes room.
    let writer = store.start(retention).unwrap();
    writer.keep_above(300);
    writer.push(entry(item(1000, &[])));
    finish(&writer);
    let waiting = deliveries.count(TARGET).unwrap();
    assert!((50..=62).contains(&waiting), "{waiting}");
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let started = Writer::start(
        file.join("logs"),
        Retention::default(),
        Box::<Counted>::default(),
    );
    let error = started.err().unwrap().to_string();
    let shown = Path::new(&file).join("logs");
    assert!(
        error.starts_with(&format!("`{}`: ", shown.display())),
        "{error}"
    );
}
