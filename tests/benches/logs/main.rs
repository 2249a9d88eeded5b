//! What it costs to keep and to find logs, beside SQLite with FTS5 used as it comes, `grep` over a
//! text file, and chDB.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark prints, reads clocks, and ends when something fails"
)]

mod chdb;
mod items;
mod peers;

use clap::Parser;
use items::{COMMON, Items, LINES, RARE};
use mimalloc::MiMalloc;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use taffrail_logs::{Counts, Entry, Expression, Filter, Reader, Retention, Writer};
use taffrail_sql::{Cancel, Limits, Params, Request, Rules};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Parser)]
struct Options {
    /// Lines to keep, three for each item
    #[arg(long, default_value_t = 1_000_000)]
    lines: u64,
    /// Leaves the peers out
    #[arg(long)]
    alone: bool,
    /// What cargo passes to a benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

struct Accepted(Arc<AtomicU64>);

impl Counts for Accepted {
    fn accepted(&self, entries: &[Entry]) {
        self.0.fetch_add(entries.len() as u64, Relaxed);
    }

    fn lost(&self, entries: &[Entry], reason: &str) {
        panic!("{} items are lost: {reason}", entries.len());
    }
}

const INDEXED: &str = "lines indexed, per second and core";

/// A measurement, and the value that it should have.
struct Row {
    name: &'static str,
    value: String,
    peers: String,
    aim: &'static str,
    is_met: Option<bool>,
}

fn main() {
    let options = Options::parse();
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let items = options.lines.div_ceil(LINES);
    let mut rows = keep(&logs, items);
    let peers = (!options.alone).then(|| peers::Peers::make(folder.path(), items));
    if let (Some(peers), Some(row)) = (&peers, rows.iter_mut().find(|row| row.name == INDEXED)) {
        row.peers = format!("chDB {:.0}", peers.chdb.rate);
    }
    rows.extend(find(&logs, items, peers.as_ref()));
    println!("{} lines in {items} items", items * LINES);
    println!("| | Taffrail | peers | aim | |\n|---|---|---|---|---|");
    for Row {
        name,
        value,
        peers,
        aim,
        is_met,
    } in rows
    {
        let met = match is_met {
            Some(true) => "",
            Some(false) => "missed",
            None => "",
        };
        println!("| {name} | {value} | {peers} | {aim} | {met} |");
    }
}

/// Keeps items, and measures the CPU time of each thread.
fn keep(logs: &Path, items: u64) -> Vec<Row> {
    let accepted = Arc::new(AtomicU64::new(0));
    let counts = Box::new(Accepted(Arc::clone(&accepted)));
    let retention = Retention {
        age: Duration::from_secs(365 * 24 * 60 * 60),
        bytes: 1 << 40,
    };
    let writer = Writer::start(logs.to_owned(), retention, counts).unwrap();
    let mut source = Items::new();
    for number in 0..items {
        // What waits is bounded, and nothing may be lost here.
        while number - accepted.load(Relaxed) > 5_000 {
            std::thread::sleep(Duration::from_millis(1));
        }
        writer.push(source.next_entry());
    }
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    // The threads of the writer are there until it is finished.
    tokio.block_on(writer.flush());
    let accepting = thread_cpu("taffrail-logs");
    let indexed_before = indexed(logs);
    let indexing = thread_cpu("taffrail-index");
    tokio.block_on(writer.finish());
    let lines = (items * LINES) as f64;
    let accept_rate = lines / accepting.as_secs_f64();
    let index_rate = (indexed_before * LINES) as f64 / indexing.as_secs_f64();
    let bytes: u64 = fs::read_dir(logs)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    vec![
        Row {
            name: "lines accepted, per second and core",
            value: format!("{accept_rate:.0}"),
            peers: String::new(),
            aim: "400,000",
            is_met: Some(accept_rate >= 400_000.0),
        },
        Row {
            name: INDEXED,
            value: format!("{index_rate:.0}"),
            peers: String::new(),
            aim: "100,000",
            is_met: Some(index_rate >= 100_000.0),
        },
        Row {
            name: "CPU time to keep one item of three lines",
            value: format!(
                "{:.1} µs",
                (1.0 / accept_rate + 1.0 / index_rate) * LINES as f64 * 1e6
            ),
            peers: String::new(),
            aim: "10 µs",
            is_met: Some((1.0 / accept_rate + 1.0 / index_rate) * LINES as f64 <= 10e-6),
        },
        Row {
            name: "bytes of an item on disk",
            value: format!("{}", bytes / items),
            peers: format!("JSON {}", source.bytes() / items),
            aim: "",
            is_met: None,
        },
    ]
}

/// Returns how many items are indexed at present.
fn indexed(logs: &Path) -> u64 {
    let mut indexed = 0;
    for entry in fs::read_dir(logs).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().ends_with(".index.sqlite") {
            let connection = rusqlite::Connection::open(&path).unwrap();
            let last: i64 = connection
                .query_row("SELECT indexed FROM progress", [], |row| row.get(0))
                .unwrap();
            indexed = indexed.max(last.cast_unsigned());
        }
    }
    indexed
}

/// Returns the CPU time of the threads of this name.
fn thread_cpu(name: &str) -> Duration {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir("/proc/self/task").unwrap() {
        let thread = thread.unwrap().path();
        if fs::read_to_string(thread.join("comm"))
            .unwrap_or_default()
            .trim()
            == name
        {
            let stat = fs::read_to_string(thread.join("schedstat")).unwrap();
            let nanoseconds: u64 = stat.split(' ').next().unwrap().parse().unwrap();
            total += Duration::from_nanos(nanoseconds);
        }
    }
    total
}

fn find(logs: &Path, items: u64, peers: Option<&peers::Peers>) -> Vec<Row> {
    let reader = Reader::open(logs).unwrap();
    let search = |text: &str| Filter {
        search: Some(text.to_owned()),
        ..Filter::default()
    };
    let latest = |filter: Filter| {
        median(|| {
            let mut found = 0;
            let each = |item| {
                black_box(item);
                found += 1;
                found < 20
            };
            reader.latest(&filter, each).unwrap();
        })
    };
    let condition = |text: &str| Filter {
        expression: Some(text.parse::<Expression>().unwrap()),
        ..Filter::default()
    };
    let end = items::START + items * items::STEP_MS;
    let range = Filter {
        since: Some(end - (end - items::START) / 2),
        until: Some(end - (end - items::START) / 4),
        ..Filter::default()
    };
    let query = |sql: &str| {
        let sql = sql.to_owned();
        median(|| {
            let request = Request {
                sql: &sql,
                params: Params::None,
                now: jiff::Timestamp::now(),
                rules: Rules::GENERAL,
                limits: Limits {
                    time: Duration::from_secs(600),
                    ..Limits::default()
                },
            };
            black_box(reader.query(&request, &Cancel::default()).unwrap());
        })
    };
    let peer = |measure: fn(&peers::Peers, &str) -> Duration, text: &str| {
        peers.map(|peers| measure(peers, text))
    };
    let row = |name, took: Duration, peers: &[(&str, Option<Duration>)], aim, most: f64| Row {
        name,
        value: shown(took),
        peers: peers
            .iter()
            .filter_map(|(name, took)| Some(format!("{name} {}", shown((*took)?))))
            .collect::<Vec<_>>()
            .join(", "),
        aim,
        is_met: Some(took.as_secs_f64() * 1000.0 <= most),
    };
    let sqlite = peers::Peers::newest;
    let chdb = peers.map(|peers| peers.chdb);
    vec![
        row(
            "the newest 20 with a common word",
            latest(search(COMMON)),
            &[
                ("SQLite", peer(sqlite, COMMON)),
                ("chDB", chdb.map(|chdb| chdb.newest)),
            ],
            "20 ms",
            20.0,
        ),
        row(
            "all with a rare word",
            latest(search(RARE)),
            &[
                ("SQLite", peer(sqlite, RARE)),
                ("grep", peer(peers::Peers::grep, RARE)),
                ("chDB", chdb.map(|chdb| chdb.rare)),
            ],
            "20 ms",
            20.0,
        ),
        row(
            "a field of a logged object, among a thousand values",
            latest(condition("user = 'u77'")),
            &[],
            "20 ms",
            20.0,
        ),
        row(
            "the newest 20 of a range of time",
            latest(range),
            &[],
            "20 ms",
            20.0,
        ),
        row(
            "how many have a common word",
            median(|| _ = black_box(reader.count(&search(COMMON)).unwrap())),
            &[
                ("SQLite", peer(peers::Peers::count, COMMON)),
                ("grep", peer(peers::Peers::grep, COMMON)),
                ("chDB", chdb.map(|chdb| chdb.count)),
            ],
            "100 ms",
            100.0,
        ),
        row(
            "statistics of a day",
            median(|| {
                let statistics = reader.statistics(end.saturating_sub(86_400_000), end, 40);
                _ = black_box(statistics.unwrap());
            }),
            &[],
            "20 ms",
            20.0,
        ),
        row(
            "SQL: quantiles of CPU time by Worker and outcome",
            query(
                "SELECT scriptName, outcome, count(), quantileExactWeighted(0.95)(cpuTimeUs, 1) FROM logs.workersLogs WHERE logType = 'cf-worker-event' GROUP BY scriptName, outcome",
            ),
            &[],
            "2 s",
            2000.0,
        ),
        row(
            "SQL: lines by level and minute",
            query(
                "SELECT level, toStartOfMinute(timestamp) AS minute, count() FROM logs.workersLogs GROUP BY level, minute",
            ),
            &[("chDB", chdb.map(|chdb| chdb.minutes))],
            "2 s",
            2000.0,
        ),
        row(
            "SQL: lines with a text in their message",
            query("SELECT count() FROM logs.workersLogs WHERE message LIKE '%checkout%'"),
            &[("chDB", chdb.map(|chdb| chdb.text))],
            "2 s",
            2000.0,
        ),
    ]
}

/// Returns the median of five times, behind one that is not counted.
fn median(mut work: impl FnMut()) -> Duration {
    work();
    let mut times: Vec<_> = (0..5)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    times.sort();
    times[2]
}

fn shown(time: Duration) -> String {
    match time.as_secs_f64() * 1000.0 {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}
