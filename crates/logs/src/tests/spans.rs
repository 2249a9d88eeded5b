use super::*;
use crate::folder::Lock;
use jiff::Timestamp;
use rusqlite::Connection;
use taffrail_sql::{Answer, Cancel, Format, Limits, Params, Request, Rules};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An item with a span for each of some attributes, 10 ms after one another and 5.5 ms long.
fn traced(number: u64, attributes: &[Value]) -> TraceItem {
    let at = (1_800_000_000_000 + number * 1000) as f64;
    let spans = (0..).zip(attributes).map(|(index, value)| {
        let start = at + f64::from(index) * 10.0;
        json!({
            "spanId": format!("{:016x}", 100 * number + 1 + index as u64),
            "parentSpanId": format!("{:016x}", 100 * number),
            "name": "kv_get", "startTime": start, "endTime": start + 5.5, "outcome": "ok",
            "attributes": [{"name": "key", "value": value}],
        })
    });
    let keys = json!({
        "traceId": TRACE, "spanId": format!("{:016x}", 100 * number),
        "spanAttributes": [{"name": "user", "value": "ann"}],
        "spans": spans.collect::<Vec<_>>(),
    });
    item_with(number, &[json!("a line")], keys)
}

fn with_spans(item: TraceItem) -> Entry {
    Entry {
        keeps_spans: true,
        ..entry(item)
    }
}

impl Store {
    fn keep_entries(&self, entries: impl IntoIterator<Item = Entry>) {
        let writer = self.start(Retention::default()).unwrap();
        entries.into_iter().for_each(|entry| writer.push(entry));
        finish(&writer);
    }

    fn query(&self, sql: &str) -> String {
        let request = Request {
            sql,
            params: Params::None,
            now: Timestamp::UNIX_EPOCH,
            rules: Rules::GENERAL,
            limits: Limits::default(),
        };
        let reader = Reader::open(self.path()).unwrap();
        let answer: Answer = reader.query(&request, &Cancel::default()).unwrap();
        answer.write(Format::Csv)
    }
}

#[test]
fn a_span_is_found_by_its_attributes_and_its_trace() {
    let store = Store::new();
    store.keep_entries([
        with_spans(traced(1, &[json!("a"), json!(7)])),
        with_spans(traced(2, &[json!("b")])),
    ]);
    let found = store.query(
        "SELECT name, spanType, startTime, endTime, durationMs, spanId, parentSpanId, scriptName
         FROM logs.traces WHERE attributes['key'] = 7",
    );
    assert_eq!(
        found,
        "name,spanType,startTime,endTime,durationMs,spanId,parentSpanId,scriptName\n\
         kv_get,operation,2027-01-15 08:00:01.010,2027-01-15 08:00:01.015,5.5,0000000000000066,0000000000000064,api\n"
    );
    let found = store.query(&format!(
        "SELECT name, invocationId, durationMs, parentSpanId FROM traces
         WHERE traceId = '{TRACE}' AND spanType = 'invocation' AND attributes['user'] = 'ann'
         ORDER BY startTime"
    ));
    // A span may seem to end later than its invocation.
    let expected = format!(
        "name,invocationId,durationMs,parentSpanId\nfetch,{},15.5,\nfetch,{},5.5,\n",
        id(1),
        id(2)
    );
    assert_eq!(found, expected);
}

#[test]
fn spans_are_kept_only_where_that_is_wanted() {
    let store = Store::new();
    store.keep_entries([
        entry(traced(1, &[json!("a")])),
        Entry {
            sample_interval: None,
            ..with_spans(traced(2, &[json!("b")]))
        },
        Entry {
            sample_interval: None,
            tails: vec!["tail".to_owned()],
            ..with_spans(traced(3, &[json!("c")]))
        },
    ]);
    let count = "SELECT count() AS n FROM logs.traces WHERE spanType = 'operation'";
    assert_eq!(store.query(count), "n\n2\n");
    let lines = "SELECT logType FROM logs.workersLogs ORDER BY logType";
    assert_eq!(store.query(lines), "logType\ncf-worker\ncf-worker-event\n");
    assert_eq!(store.all(), [id(1)]);
    assert_eq!(store.find(&search("line")), [id(1)]);
    let reader = Reader::open(store.path()).unwrap();
    let kept = |number| {
        let mut found = Vec::new();
        let filter = Filter {
            id: Some(id(number)),
            ..Filter::default()
        };
        let search = reader.latest(&filter, |each| {
            found.push((each.item.logs.len(), each.item.spans.len()));
            true
        });
        search.unwrap();
        found
    };
    // The logs of the third one are there for the tail alone.
    assert_eq!([kept(1), kept(2), kept(3)], [[(1, 0)], [(0, 1)], [(0, 1)]]);
    let now = 1_800_000_000_000;
    let statistics = reader.statistics(now, now + 10_000, 1).unwrap();
    assert_eq!(statistics.workers["api"].count, 1);
}

#[test]
fn a_store_of_the_first_layout_is_read_and_continued() {
    let store = Store::new();
    store.keep([item(1, &[json!("old")])]);
    let file = store.files(".items.sqlite").remove(0);
    let connection = Connection::open(file).unwrap();
    let back = "ALTER TABLE items DROP COLUMN keeps_spans; PRAGMA user_version = 1";
    connection.execute_batch(back).unwrap();
    drop(connection);
    {
        // As long as another process writes to it, the layout stays.
        let _lock = Lock::take(&store.path());
        assert_eq!(store.find(&search("old")), [id(1)]);
        let spans = "SELECT count() AS n FROM logs.traces";
        assert_eq!(store.query(spans), "n\n0\n");
    }
    store.keep_entries([with_spans(traced(2, &[json!("new")]))]);
    assert_eq!(store.files(".items.sqlite").len(), 1);
    assert_eq!(store.all(), [id(2), id(1)]);
    let found = "SELECT attributes['key'] AS key FROM logs.traces WHERE spanType = 'operation'";
    assert_eq!(store.query(found), "key\nnew\n");
}
