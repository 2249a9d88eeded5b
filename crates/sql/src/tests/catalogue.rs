//! Tables that others describe: with other types, other files and views.

use super::request;
use crate::{Cancel, Catalogue, Column, Error, Format, Params, Request, Rules, Table, Type, query};
use rusqlite::Connection;
use serde_json::json;

/// Log lines in two databases, of which the view `lines` makes one table.
fn logs() -> (Connection, Catalogue) {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(
            "ATTACH ':memory:' AS older;
             CREATE TABLE main.entries (ms INTEGER, message TEXT, status INTEGER, attributes TEXT, secret TEXT);
             CREATE TABLE older.entries (ms INTEGER, message TEXT, status INTEGER, attributes TEXT, secret TEXT);
             CREATE TABLE passwords (word TEXT);
             INSERT INTO older.entries VALUES (1761670800250, 'first', NULL, '{\"http.method\":\"GET\",\"n\":1}', 's');
             INSERT INTO main.entries VALUES (1761756925123, 'second', 500, '{\"http.method\":\"PUT\",\"n\":2.5}', 's');
             CREATE TEMP VIEW lines AS SELECT * FROM older.entries UNION ALL SELECT * FROM main.entries;",
        )
        .unwrap();
    let column = |name: &str, ty, expression: &str| Column {
        name: name.to_owned(),
        ty,
        nullable: name == "status",
        hidden: name == "attributes",
        expression: expression.to_owned(),
    };
    let table = Table {
        names: vec!["logs.workersLogs".to_owned()],
        columns: vec![
            column("timestamp", Type::DateTime64(None), "ms"),
            column("attributes", Type::Json, "attributes"),
            column("message", Type::String, "message"),
            column("status", Type::Int64, "status"),
        ],
        source: "lines".to_owned(),
        parts: None,
        reads: vec!["lines".to_owned(), "entries".to_owned()],
    };
    (
        connection,
        Catalogue {
            tables: vec![table],
            functions: Vec::new(),
        },
    )
}

fn ask(sql: &str, params: Params) -> Result<String, Error> {
    let (mut connection, catalogue) = logs();
    let request = Request {
        rules: Rules::GENERAL,
        params,
        ..request(sql)
    };
    let answer = query(&mut connection, &catalogue, &request, &Cancel::default())?;
    Ok(answer.write(Format::TabSeparated))
}

#[test]
fn tables_of_several_files_are_one() {
    for (sql, expected) in [
        (
            "SELECT * FROM logs.workersLogs ORDER BY timestamp",
            "2025-10-28 17:00:00.250\tfirst\t\\N\n2025-10-29 16:55:25.123\tsecond\t500\n",
        ),
        (
            "SELECT message FROM logs.workersLogs WHERE timestamp > now() - INTERVAL '1' HOUR",
            "second\n",
        ),
        (
            "SELECT message FROM logs.workersLogs WHERE timestamp >= '2025-10-29T16:55:25.123Z'",
            "second\n",
        ),
        (
            "SELECT message FROM logs.workersLogs WHERE timestamp BETWEEN '2025-10-28' AND '2025-10-29'",
            "first\n",
        ),
        (
            "SELECT toStartOfInterval(timestamp, INTERVAL '1' DAY) AS day, count() FROM logs.workersLogs GROUP BY day ORDER BY day",
            "2025-10-28 00:00:00\t1\n2025-10-29 00:00:00\t1\n",
        ),
        (
            "SELECT timestamp + INTERVAL '250' MILLISECOND, timestamp - timestamp, toUnixTimestamp(timestamp) FROM logs.workersLogs LIMIT 1",
            "2025-10-28 17:00:00.500\t0\t1761670800\n",
        ),
        (
            "SELECT max(timestamp), argMax(message, timestamp), count(status), sum(status) FROM logs.workersLogs",
            "2025-10-29 16:55:25.123\tsecond\t1\t500\n",
        ),
        (
            "SELECT attributes['http.method'] AS method, attributes['none'], sum(attributes['n']) FROM logs.workersLogs GROUP BY method, attributes['none'] ORDER BY method",
            "GET\t\\N\t1\nPUT\t\\N\t2.5\n",
        ),
        (
            "SELECT l.message FROM logs.workersLogs AS l WHERE l.attributes['http.method'] = 'PUT'",
            "second\n",
        ),
        (
            "SELECT logs.workersLogs.message FROM logs.workersLogs WHERE status IS NULL",
            "first\n",
        ),
    ] {
        assert_eq!(ask(sql, Params::None).unwrap(), expected, "{sql}");
    }
}

#[test]
fn what_the_catalogue_does_not_name_cannot_be_read() {
    let (mut connection, mut catalogue) = logs();
    catalogue.tables[0].reads.pop();
    let answer = |connection: &mut Connection, sql| {
        query(connection, &catalogue, &request(sql), &Cancel::default())
    };
    let error = answer(&mut connection, "SELECT message FROM logs.workersLogs").unwrap_err();
    assert!(error.to_string().contains("prohibited"), "{error}");
    for sql in [
        "SELECT * FROM passwords",
        "SELECT secret FROM logs.workersLogs",
    ] {
        assert!(ask(sql, Params::None).is_err(), "{sql}");
    }
    // Afterwards the connection is its owner's again.
    connection
        .execute("INSERT INTO passwords VALUES ('x')", [])
        .unwrap();
    connection
        .execute("ATTACH ':memory:' AS third", [])
        .unwrap();
}

#[test]
fn parameters_are_values_and_nothing_else() {
    let named = |value: serde_json::Value| Params::Named(value.as_object().unwrap().clone());
    let by_time =
        "SELECT message FROM logs.workersLogs WHERE timestamp >= $start AND status = $status";
    let params = named(json!({ "start": "2025-10-29T00:00:00Z", "status": 500 }));
    assert_eq!(ask(by_time, params).unwrap(), "second\n");
    let values = Params::Numbered(vec![
        json!("' OR 1 = 1; --"),
        json!(2.5),
        json!(true),
        json!(null),
    ]);
    assert_eq!(
        ask("SELECT $1, $2, $3, $4, $1", values).unwrap(),
        "' OR 1 = 1; --\t2.5\ttrue\t\\N\t' OR 1 = 1; --\n"
    );
    let missing = ask("SELECT $strat", named(json!({ "start": 1 })))
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with("the parameter `$strat` has no value; did you mean `start`?"),
        "{missing}"
    );
    assert_eq!(
        ask("SELECT length($1)", Params::Numbered(vec![json!("a\0b")])).unwrap(),
        "3\n"
    );
}
