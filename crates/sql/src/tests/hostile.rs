//! Queries that want to do harm.

use super::{Data, request};
use crate::{Answer, Cancel, Error, ErrorKind, Limits, Request, Rules};
use proptest::prelude::*;
use std::sync::LazyLock;
use std::time::Duration;

/// What a query ends with that may use little.
fn bounded(data: &Data, sql: &str) -> Result<Answer, Error> {
    let request = Request {
        rules: Rules::GENERAL,
        limits: Limits {
            time: Duration::from_millis(300),
            rows: 1_000,
            bytes: 100_000,
        },
        ..request(sql)
    };
    data.analytics().query(&request, &Cancel::default())
}

#[test]
fn nothing_is_written_and_nothing_else_is_read() {
    let data = Data::new();
    for sql in [
        "DELETE FROM temperatures",
        "INSERT INTO temperatures SELECT 1",
        "UPDATE temperatures SET blob1 = ''",
        "DROP TABLE analytics",
        "CREATE TABLE t (a Int8)",
        "ATTACH DATABASE '/tmp/x' AS x",
        "PRAGMA journal_mode = DELETE",
        "VACUUM INTO '/tmp/x'",
        "SELECT * FROM analytics",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM main.analytics",
        "SELECT * FROM kv",
        "SELECT * FROM pragma_table_info('kv')",
        "SELECT * FROM json_each('[1]')",
        "SELECT * FROM file('/etc/passwd')",
        "SELECT readfile('/etc/passwd')",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT fts3_tokenizer('x')",
        "SELECT ae_length('x')",
        "SELECT sqlite_version()",
        "SELECT rowid FROM temperatures",
        "SELECT t0.c0 FROM temperatures",
        "SELECT hex(zeroblob(10000000000))",
        "SELECT printf('%.*c', 1000000000, 'x')",
        "SELECT group_concat(blob1) FROM temperatures",
        "SELECT randomblob(1000000000)",
        "SELECT replace('a', 'a', 'b')",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 FROM temperatures; DROP TABLE analytics",
        "EXPLAIN SELECT 1",
    ] {
        let error = data.ask_generally(sql).expect_err(sql);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error}");
    }
    let left: i64 = data
        .database()
        .query_row("SELECT count(*) FROM analytics", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 5);
}

#[test]
fn no_name_and_no_string_leaves_its_place() {
    let data = Data::new();
    assert_eq!(
        data.rows("SELECT '''; DROP TABLE analytics; --' AS \"a\"\"; --\""),
        "'; DROP TABLE analytics; --"
    );
    assert_eq!(
        data.rows("SELECT blob1 AS c0, blob2 AS \"t0.c0\" FROM temperatures WHERE c0 = 'Yard'"),
        "Yard\tok"
    );
}

#[test]
fn what_would_never_end_ends_with_an_error_that_names_the_limit() {
    let data = Data::new();
    let cross = (0..9)
        .map(|n| format!("n AS n{n}"))
        .collect::<Vec<_>>()
        .join(", ");
    let many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000)";
    let doubled: String = (1..30)
        .map(|n| format!(", format('{{}}{{}}', a{}, a{}) AS a{n}", n - 1, n - 1))
        .collect();
    for (sql, limit) in [
        ("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n".to_owned(), "the query took longer than 0.3 s"),
        (format!("{many} SELECT count() FROM {cross}"), "the query took longer than 0.3 s"),
        ("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n".to_owned(), "the result has more than 1000 rows"),
        (format!("{many} SELECT x, '{}' AS s FROM n", "s".repeat(1_000)), "the result has more than 100000 bytes"),
        (
            "WITH RECURSIVE n(x) AS (SELECT 'x' UNION ALL SELECT format('{}{}', x, x) FROM n) SELECT max(length(x)) FROM n".to_owned(),
            "a value or a row is longer than 4194304 bytes",
        ),
        (
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT topK(x) FROM n".to_owned(),
            "the aggregate functions remember more than 100000 bytes",
        ),
        (format!("SELECT 'a' AS a0{doubled}"), "there are more than 50000 expressions, those of aliases included"),
    ] {
        let error = bounded(&data, &sql).expect_err(&sql).to_string();
        assert!(error.starts_with(limit), "{sql}: {error}");
    }
}

#[test]
fn what_is_deep_or_long_is_refused() {
    let data = Data::new();
    let nested = |open: &str, close: &str, times: usize| {
        format!("SELECT {}1{}", open.repeat(times), close.repeat(times))
    };
    let selects = (0..20).fold("SELECT 1".to_owned(), |inner, _| {
        format!("SELECT * FROM ({inner})")
    });
    for (sql, expected) in [
        (
            "(".repeat(1 << 20),
            "the query has 1048576 bytes; it may have 65536",
        ),
        (
            nested("(", ")", 10_000),
            "more than 32 parentheses, CASEs and signs are inside each other",
        ),
        (
            "(".repeat(60_000),
            "more than 32 parentheses, CASEs and signs are inside each other",
        ),
        (
            nested("- ", "", 10_000),
            "more than 32 parentheses, CASEs and signs are inside each other",
        ),
        (
            nested("NOT ", "", 10_000),
            "more than 32 parentheses, CASEs and signs are inside each other",
        ),
        (
            nested("CASE WHEN ", " THEN 1 END", 2_000),
            "more than 32 parentheses, CASEs and signs are inside each other",
        ),
        (
            format!("SELECT 1{}", " + 1".repeat(10_000)),
            "more than 1000 expressions are inside each other",
        ),
        (selects, "more than 10 SELECTs are inside each other"),
    ] {
        let found = data
            .ask_generally(&sql)
            .expect_err("it is too much")
            .to_string();
        assert!(found.starts_with(expected), "{found}");
    }
    for (open, close) in [
        ("(", ")"),
        ("if(1, ", ", 2)"),
        ("CASE WHEN 1 THEN ", " END"),
        ("- ", ""),
    ] {
        let deep = nested(open, close, 32);
        assert_eq!(data.rows(&deep), "1", "{deep}");
    }
    let long = format!("SELECT 1{}", " + 1".repeat(900));
    assert_eq!(data.rows(&long), "901");
}

#[test]
fn a_query_can_be_cancelled() {
    let data = Data::new();
    let endless =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";
    let cancel = Cancel::default();
    let error = std::thread::scope(|scope| {
        let query = scope.spawn(|| {
            let request = Request {
                rules: Rules::GENERAL,
                ..request(endless)
            };
            data.analytics().query(&request, &cancel)
        });
        cancel.cancel();
        query.join().unwrap().unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

/// Pieces of queries, so that many of them have a meaning.
fn sql() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "SELECT",
        "FROM",
        "temperatures",
        "WHERE",
        "GROUP BY",
        "ORDER BY",
        "HAVING",
        "LIMIT",
        "blob1",
        "double1",
        "timestamp",
        "count()",
        "sum(",
        "topK(3)(",
        "quantileExactWeighted(0.5)(",
        "toStartOfInterval(",
        "INTERVAL",
        "'1'",
        "DAY",
        "MONTH",
        "(",
        ")",
        "(",
        ")",
        ",",
        "+",
        "-",
        "*",
        "/",
        "%",
        "=",
        "<",
        "AND",
        "NOT",
        "IN",
        "LIKE",
        "BETWEEN",
        "9223372036854775807",
        "-9223372036854775808",
        "1e400",
        "0.5",
        "'a%'",
        "NULL",
        "true",
        "AS x",
        "x",
        "UNION ALL",
        "WITH",
        "JOIN",
        "ON",
        "CASE WHEN",
        "THEN",
        "END",
        "if(",
        "bitShiftLeft(",
        "intDiv(",
        "formatDateTime(",
        "'%Q%f'",
        "substring(",
        "format('{}',",
        "toDateTime(",
        "toUInt8(",
        "$1",
        "[",
        "]",
        ";",
        "'",
        "\"",
        "FORMAT JSON",
        "\u{1f600}",
        "\0",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

static DATA: LazyLock<Data> = LazyLock::new(Data::new);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_is_a_panic_or_a_fault_of_the_data(sql in prop_oneof![sql(), sql().prop_map(|rest| format!("SELECT {rest}")), ".*"]) {
        if let Err(error) = bounded(&DATA, &sql) {
            prop_assert!(error.kind() != ErrorKind::Data, "{sql}: {error}");
        }
    }

    #[test]
    fn no_arguments_are_a_panic(name in prop::sample::select(crate::compile::function_names()), arguments in prop::collection::vec(prop::sample::select(vec![
        "0", "1", "-1", "9223372036854775807", "-9223372036854775807 - 1", "1e300", "-1e300", "0.5", "'a'", "'Europe/Berlin'", "''", "now()", "today()",
        "INTERVAL 1 DAY", "INTERVAL 9223372036854775807 YEAR", "NULL", "double1", "blob1", "timestamp", "toDateTime(99999999999999)", "'year'", "'%d'",
    ]), 0..4)) {
        let sql = format!("SELECT {name}({}) FROM temperatures", arguments.join(", "));
        if let Err(error) = bounded(&DATA, &sql) {
            prop_assert!(error.kind() != ErrorKind::Data, "{sql}: {error}");
        }
    }
}
