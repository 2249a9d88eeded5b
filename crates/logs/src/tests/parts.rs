use super::*;
use crate::parts::RowParts;
use crate::tables::attach;
use jiff::Timestamp;
use rusqlite::Connection;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use taffrail_sql::{
    Answer, Cancel, Catalogue, Error, Limits, Params, Parts, Request, Rules, query,
};

/// Parts, and how many threads have read them.
#[derive(Debug)]
struct Read {
    parts: RowParts,
    threads: AtomicUsize,
}

impl Parts for Read {
    fn count(&self) -> usize {
        self.parts.count()
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        self.threads.fetch_add(1, Relaxed);
        self.parts.open()
    }

    fn show(&self, connection: &Connection, part: usize) -> rusqlite::Result<()> {
        self.parts.show(connection, part)
    }
}

/// Items of some Workers, in several segments.
fn several_segments() -> Store {
    let store = Store::new();
    let retention = Retention {
        age: Duration::from_secs(1200),
        ..Retention::default()
    };
    let writer = store.start(retention).unwrap();
    for number in 0..1000 {
        let word = format!("word {}", number * number % 17);
        let keys = json!({
            "scriptName": format!("worker-{}", number % 3),
            "outcome": if number % 10 == 0 { "exception" } else { "ok" },
        });
        let mut item = item_with(number, &[json!(word), json!({ "n": number % 5 })], keys);
        item.cpu_time = Duration::from_micros(number * 7919 % 1000);
        writer.push(Entry {
            sample_interval: Some(if number % 4 == 0 { 2.5 } else { 1.0 }),
            ..entry(item)
        });
        accepted(&store, number + 1);
    }
    finish(&writer);
    assert!(store.files(".index.sqlite").len() > 2);
    store
}

/// Runs a query in parts of 100 rows and more, and as SQLite does it. Returns both answers, and how
/// many threads have read parts.
fn both_ways(
    store: &Store,
    sql: &str,
    limits: Limits,
) -> (Result<Answer, Error>, Result<Answer, Error>, usize) {
    let request = Request {
        sql,
        params: Params::None,
        now: Timestamp::UNIX_EPOCH,
        rules: Rules::GENERAL,
        limits,
    };
    let mut connection = Connection::open_in_memory().unwrap();
    let mut catalogue = Catalogue::default();
    attach(&store.path(), &connection, &mut catalogue).unwrap();
    let segments = folder::segments(&store.path()).unwrap();
    let parts = RowParts::new(&connection, &segments, 100).unwrap();
    assert!(parts.count() > segments.len());
    let read = Arc::new(Read {
        parts,
        threads: AtomicUsize::new(0),
    });
    let mut run = |parts: Option<Arc<dyn Parts>>| {
        catalogue.tables[0].parts = parts;
        query(&mut connection, &catalogue, &request, &Cancel::default())
    };
    let in_parts = run(Some(Arc::<Read>::clone(&read)));
    let in_one = run(None);
    (in_parts, in_one, read.threads.load(Relaxed))
}

#[test]
fn parts_together_answer_as_the_whole() {
    let store = several_segments();
    for sql in [
        "SELECT level, toStartOfMinute(timestamp) AS minute, count() AS n FROM logs.workersLogs
         GROUP BY level, minute ORDER BY level, minute",
        "SELECT scriptName, outcome, count(), sum(cpuTimeUs), avg(cpuTimeUs), min(message),
           max(timestamp), quantileExactWeighted(0.95)(cpuTimeUs, sampleInterval)
         FROM logs.workersLogs GROUP BY 1, outcome ORDER BY scriptName, 2",
        "SELECT count(), sum(cpuTimeUs) / count() AS mean, count(httpStatus) FROM logs.workersLogs
         WHERE message LIKE '%word 1%'",
        "SELECT count(), max(cpuTimeUs), min(message), sum(cpuTimeUs), avg(cpuTimeUs),
           quantileExactWeighted(0.5)(cpuTimeUs, 1)
         FROM logs.workersLogs WHERE level = 'nothing'",
        "SELECT level FROM logs.workersLogs WHERE level = 'nothing' GROUP BY level",
        "SELECT intDiv(cpuTimeUs, 10) AS ten, count() AS n FROM logs.workersLogs
         WHERE logType = 'cf-worker-event'
         GROUP BY ten HAVING n > 3 AND max(cpuTimeUs) > 5 ORDER BY n DESC, ten LIMIT 5",
        "SELECT DISTINCT count() AS n FROM logs.workersLogs GROUP BY message ORDER BY n",
        "SELECT countIf(level = 'warn'), sumIf(cpuTimeUs, outcome = 'ok'),
           avgIf(cpuTimeUs, httpStatus = 404) FROM logs.workersLogs",
        "SELECT attributes['n'] AS n, sum(sampleInterval * 1.5) FROM logs.workersLogs
         GROUP BY n ORDER BY n",
        &format!(
            "SELECT count() FROM logs.workersLogs WHERE cpuTimeUs{} > 0",
            " + 1".repeat(900)
        ),
        "SELECT message, length(message) + 1 AS l, count() FROM logs.workersLogs
         GROUP BY message, length(message) ORDER BY sum(cpuTimeUs) DESC, message LIMIT 3",
    ] {
        let (in_parts, in_one, threads) = both_ways(&store, sql, Limits::default());
        let (in_parts, in_one) = (in_parts.unwrap(), in_one.unwrap());
        assert_eq!(in_parts.rows, in_one.rows, "{sql}");
        assert_eq!(in_parts.columns, in_one.columns, "{sql}");
        assert!(threads > 0, "{sql} is not in parts");
    }
}

#[test]
fn what_parts_cannot_answer_is_read_as_a_whole() {
    let store = several_segments();
    for sql in [
        "SELECT topK(2)(level) FROM logs.workersLogs",
        "SELECT count(DISTINCT message) FROM logs.workersLogs",
        "SELECT first_value(message) FROM logs.workersLogs ORDER BY timestamp",
        "SELECT message FROM logs.workersLogs ORDER BY timestamp, message LIMIT 4",
        "SELECT count() FROM (SELECT message FROM logs.workersLogs GROUP BY message)",
        "SELECT count() FROM logs.workersLogs WHERE cpuTimeUs > (SELECT 400)",
        "WITH a AS (SELECT 1 AS n) SELECT count() FROM logs.workersLogs",
        "SELECT count() FROM logs.workersLogs UNION ALL SELECT 1",
    ] {
        let (in_parts, in_one, threads) = both_ways(&store, sql, Limits::default());
        assert_eq!(in_parts.unwrap().rows, in_one.unwrap().rows, "{sql}");
        assert_eq!(threads, 0, "{sql} is in parts");
    }
    let long = format!(
        "SELECT length('{}') FROM logs.workersLogs",
        "x".repeat(5_000_000)
    );
    for wrong in [
        "SELECT message, count() FROM logs.workersLogs GROUP BY level",
        "SELECT 1 FROM logs.workersLogs HAVING 1 = 1",
        "SELECT sum(9223372036854775807) FROM logs.workersLogs",
        "SELECT sum(intDiv(cpuTimeUs, cpuTimeUs - cpuTimeUs)) FROM logs.workersLogs",
        &long,
    ] {
        let (in_parts, in_one, _) = both_ways(&store, wrong, Limits::default());
        let (in_parts, in_one) = (in_parts.unwrap_err(), in_one.unwrap_err());
        assert_eq!(in_parts.to_string(), in_one.to_string(), "{wrong:.100}");
        assert_eq!(in_parts.kind(), in_one.kind(), "{wrong:.100}");
    }
}

#[test]
fn groups_that_need_too_much_memory_are_left_to_sqlite() {
    let store = several_segments();
    let limits = Limits {
        bytes: 20_000,
        ..Limits::default()
    };
    let sql = "SELECT invocationId, count() AS n FROM logs.workersLogs
        GROUP BY invocationId ORDER BY n, invocationId LIMIT 2";
    let (in_parts, in_one, threads) = both_ways(&store, sql, limits);
    assert_eq!(in_parts.unwrap().rows, in_one.unwrap().rows);
    assert!(threads > 0);
}
