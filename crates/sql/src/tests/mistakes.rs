//! What is said to whoever wrote a query that is wrong.

use super::Data;

#[test]
fn a_mistake_is_named_and_its_place_is_shown() {
    let data = Data::new();
    for (sql, expected) in [
        (
            "SELECT blob21 FROM temperatures",
            "there is no column `blob21`; did you mean `blob1`? (line 1, column 8)\nSELECT blob21 FROM temperatures\n       ^",
        ),
        (
            "SELECT count()\nFROM temprature",
            "there is no table `temprature`; did you mean `temperatures`?; SHOW TABLES lists those that there are (line 2, column 6)\nFROM temprature\n     ^",
        ),
        (
            "SELECT Blob1 FROM temperatures",
            "there is no column `Blob1`; did you mean `blob1`? (line 1, column 8)\nSELECT Blob1 FROM temperatures\n       ^",
        ),
        (
            "SELECT averge(double1) FROM temperatures",
            "there is no function `averge` (line 1, column 8)\nSELECT averge(double1) FROM temperatures\n       ^",
        ),
        (
            "SELECT toStartOfHours(timestamp) FROM temperatures",
            "there is no function `toStartOfHours`; did you mean `toStartOfHour`? (line 1, column 8)\nSELECT toStartOfHours(timestamp) FROM temperatures\n       ^",
        ),
        (
            "SELECT 1 +",
            "an expression is expected here, not `the end` (line 1, column 11)\nSELECT 1 +\n          ^",
        ),
        (
            "SELECT\n\t'abc",
            "Unterminated string literal (line 2, column 2)\n 'abc\n ^",
        ),
        (
            "SELECT blob1, count() FROM temperatures",
            "the column `blob1` must be in GROUP BY or in an aggregate function (line 1, column 8)\nSELECT blob1, count() FROM temperatures\n       ^",
        ),
        (
            "SELECT 1 WHERE count() > 1",
            "`count` is an aggregate function, which WHERE cannot have: HAVING can (line 1, column 16)\nSELECT 1 WHERE count() > 1\n               ^",
        ),
        (
            "SELECT sum(count())",
            "`count` is inside another aggregate function (line 1, column 12)\nSELECT sum(count())\n           ^",
        ),
        (
            "SELECT blob1 + 1 FROM temperatures",
            "there is no `+` for String and UInt8 (line 1, column 8)\nSELECT blob1 + 1 FROM temperatures\n       ^",
        ),
        (
            "SELECT 1 FROM temperatures WHERE blob1 = 5",
            "a number is compared with a String; toUInt32 makes a number of a string (line 1, column 34)\nSELECT 1 FROM temperatures WHERE blob1 = 5\n                                 ^",
        ),
        (
            "SELECT 1 FROM temperatures WHERE timestamp > 'soon'",
            "'soon' is not a time; one is written '2026-01-31 23:59:59' (line 1, column 34)\nSELECT 1 FROM temperatures WHERE timestamp > 'soon'\n                                 ^",
        ),
        (
            "SELECT toDateTime('2025-01-01', 'Europe/Berlim')",
            "`toDateTime` does not know the time zone 'Europe/Berlim'; SHOW TIMEZONES lists those that there are (line 1, column 8)\nSELECT toDateTime('2025-01-01', 'Europe/Berlim')\n       ^",
        ),
        (
            "SELECT intDiv(1)",
            "`intDiv` takes 2 argument(s), not 1 (line 1, column 8)\nSELECT intDiv(1)\n       ^",
        ),
        (
            "SELECT quantileExactWeighted(2)(double1, double1) FROM temperatures",
            "`quantileExactWeighted`: it is used as quantileExactWeighted(level)(number, weight), with a level from 0 to 1 (line 1, column 8)\nSELECT quantileExactWeighted(2)(double1, double1) FROM temperatures\n       ^",
        ),
        ("SELECT intDiv(1, 0)", "division by zero"),
        (
            "SELECT 1 FORMAT Pretty",
            "there is no format `Pretty`; there are JSON, JSONEachRow and TabSeparated (line 1, column 17)\nSELECT 1 FORMAT Pretty\n                ^",
        ),
        (
            "SELECT $1",
            "the parameter `$1` has no value (line 1, column 8)\nSELECT $1\n       ^",
        ),
        (
            "SELECT now() - INTERVAL '5' NANOSECOND",
            "NANOSECOND is documented by Cloudflare, but not supported here: times have milliseconds (line 1, column 25)\nSELECT now() - INTERVAL '5' NANOSECOND\n                        ^",
        ),
        ("SELECT 1; SELECT 2", "there may be one statement only"),
        ("", "the query is empty"),
        (
            "SELECT a.x FROM temperatures t",
            "FROM has no table `a` (line 1, column 8)\nSELECT a.x FROM temperatures t\n       ^",
        ),
    ] {
        assert_eq!(data.rows(sql), expected, "{sql}");
    }
}

#[test]
fn one_table_is_queried_at_a_time_as_by_cloudflare() {
    let data = Data::new();
    for (sql, what) in [
        (
            "SELECT 1 FROM temperatures a JOIN temperatures b ON true",
            "more than one table, as with JOIN, is not supported",
        ),
        (
            "SELECT 1 FROM temperatures, temperatures",
            "more than one table, as with JOIN, is not supported",
        ),
        ("SELECT 1 UNION SELECT 2", "UNION is not supported"),
        ("WITH a AS (SELECT 1) SELECT 1", "WITH is not supported"),
        (
            "SELECT (SELECT 1)",
            "a SELECT in an expression is not supported",
        ),
        (
            "SELECT 1 FROM temperatures GROUP BY ALL",
            "GROUP BY ALL is not supported",
        ),
        (
            "SELECT count() OVER () FROM temperatures",
            "OVER, FILTER or NULLS behind a function is not supported",
        ),
    ] {
        let found = data.rows(sql);
        assert!(found.starts_with(what), "{sql}: {found}");
    }
}
