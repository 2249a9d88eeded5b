//! Every example of Cloudflare's reference whose result is documented, and what differs between
//! ClickHouse and SQLite.

use super::Data;
use crate::Format;

/// Compares the values of expressions without a table.
fn check(examples: &[(&str, &str)]) {
    let data = Data::new();
    let wrong: Vec<String> = examples
        .iter()
        .map(|(sql, expected)| (sql, expected, data.rows(&format!("SELECT {sql}"))))
        .filter(|(_, expected, found)| *expected != found)
        .map(|(sql, expected, found)| format!("{sql}\n  expected: {expected}\n  found:    {found}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/bit-functions/>.
/// There `bitTest(2, 1)` is 0; ClickHouse counts bits from 0, and so is it here.
#[test]
fn bit_functions() {
    check(&[
        ("bitAnd(1, 3)", "1"),
        ("bitAnd(toUInt8(5.5), 1)", "1"),
        ("bitCount(1.5)", "11"),
        ("bitCount(toUInt32(7.9))", "3"),
        ("bitHammingDistance(1, 1)", "0"),
        ("bitHammingDistance(3, 0)", "2"),
        ("bitNot(1)", "254"),
        ("bitOr(1, 2)", "3"),
        ("bitRotateLeft(1, 1)", "2"),
        ("bitRotateLeft(128, 1)", "1"),
        ("bitRotateRight(1, 1)", "128"),
        ("bitRotateRight(12, 2)", "3"),
        ("bitShiftLeft(1, 1)", "2"),
        ("bitShiftLeft(128, 1)", "0"),
        ("bitShiftRight(1, 1)", "0"),
        ("bitShiftRight(12, 2)", "3"),
        ("bitTest(3, 1)", "1"),
        ("bitTest(2, 1)", "1"),
        ("bitTest(2, 0)", "0"),
        ("bitTest(3.0, 2)", "0"),
        ("bitXor(1, 2)", "3"),
        ("bitXor(3, 3)", "0"),
        // Beyond the page: what is wider, and what has a sign.
        ("bitNot(-1)", "0"),
        ("bitNot(256)", "65279"),
        ("bitShiftLeft(1, 99)", "0"),
        ("bitRotateLeft(1, 9)", "2"),
    ]);
}

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/conditional-functions/>.
#[test]
fn conditional_functions() {
    check(&[
        ("if(21 > 20, 'It is warm', 'Bring a jumper')", "It is warm"),
        (
            "if(20 > 20, 'It is warm', 'Bring a jumper')",
            "Bring a jumper",
        ),
        ("if(null, 1, 2)", "2"),
        ("CASE WHEN 1 = 2 THEN 'a' WHEN 1 = 1 THEN 'b' END", "b"),
    ]);
}

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/date-time-functions/>.
#[test]
fn date_and_time_functions() {
    check(&[
        ("formatDateTime(now(), '%Y-%m-%d')", "2025-10-29"),
        (
            "formatDateTime(toDateTime('2022-12-01 16:17:00', 'America/New_York'), '%Y-%m-%d')",
            "2022-12-01",
        ),
        (
            "formatDateTime(toDateTime('2022-12-01 22:17:00', 'America/New_York'), '%Y-%m-%d', 'Etc/UTC')",
            "2022-12-02",
        ),
        ("now()", "2025-10-29 16:55:25"),
        ("today()", "2025-10-29"),
        ("toDateTime(355924804)", "1981-04-12 12:00:04"),
        ("toDateTime('355924804')", "1981-04-12 12:00:04"),
        ("toDateTime('1981-04-12 12:00:04')", "1981-04-12 12:00:04"),
        (
            "toUnixTimestamp(toDateTime('1981-04-12 12:00:04'))",
            "355924804",
        ),
        (
            "toDateTime('2022-12-01 16:17:00', 'America/New_York')",
            "2022-12-01 16:17:00",
        ),
        (
            "toUnixTimestamp(toDateTime('2022-12-01 16:17:00', 'America/New_York'))",
            "1669929420",
        ),
        ("toYear(toDateTime('2025-10-27 00:00:00'))", "2025"),
        ("toMonth(toDateTime('2025-10-27 00:00:00'))", "10"),
        ("toDayOfWeek(toDateTime('2025-10-27 00:00:00'))", "1"),
        ("toDayOfWeek(toDateTime('2025-10-28 00:00:00'))", "2"),
        ("toDayOfWeek(toDateTime('2025-11-02 00:00:00'))", "7"),
        ("toDayOfMonth(toDateTime('2025-10-27 00:00:00'))", "27"),
        ("toHour(toDateTime('2025-10-27 09:11:13'))", "9"),
        ("toMinute(toDateTime('2025-10-27 09:11:13'))", "11"),
        ("toSecond(toDateTime('2025-10-27 09:11:13'))", "13"),
        ("toUnixTimestamp(now())", "1761756925"),
        (
            "toStartOfInterval(now(), INTERVAL '15' MINUTE)",
            "2025-10-29 16:45:00",
        ),
        (
            "toStartOfInterval(now(), INTERVAL '1' DAY)",
            "2025-10-29 00:00:00",
        ),
        (
            "toStartOfYear(toDateTime('2025-10-27 00:00:00'))",
            "2025-01-01 00:00:00",
        ),
        (
            "toStartOfMonth(toDateTime('2025-10-27 00:00:00'))",
            "2025-10-01 00:00:00",
        ),
        (
            "toStartOfWeek(toDateTime('2025-10-27 00:00:00'))",
            "2025-10-27 00:00:00",
        ),
        (
            "toStartOfWeek(toDateTime('2025-10-29 00:00:00'))",
            "2025-10-27 00:00:00",
        ),
        (
            "toStartOfDay(toDateTime('2025-10-27 00:00:00'))",
            "2025-10-27 00:00:00",
        ),
        (
            "toStartOfHour(toDateTime('2025-10-27 16:55:25'))",
            "2025-10-27 16:00:00",
        ),
        (
            "toStartOfFifteenMinutes(toDateTime('2025-10-27 16:55:25'))",
            "2025-10-27 16:45:00",
        ),
        (
            "toStartOfTenMinutes(toDateTime('2025-10-27 16:55:25'))",
            "2025-10-27 16:50:00",
        ),
        (
            "toStartOfFiveMinutes(toDateTime('2025-10-27 16:55:25'))",
            "2025-10-27 16:55:00",
        ),
        (
            "toStartOfMinute(toDateTime('2025-10-27 16:55:25'))",
            "2025-10-27 16:55:00",
        ),
        (
            "toStartOfMinute(toDateTime('1969-12-31 23:58:01'))",
            "1969-12-31 23:58:00",
        ),
        ("toYYYYMM(toDateTime('2025-10-27 16:55:25'))", "202510"),
        // From the page of string functions.
        (
            "extract(SECOND from toDateTime('2022-06-06 11:30:15'))",
            "15",
        ),
        // Beyond the page: time zones, intervals, and the newer API.
        (
            "toStartOfInterval(now(), INTERVAL '1' DAY, 'Asia/Tokyo')",
            "2025-10-30 00:00:00",
        ),
        (
            "toStartOfInterval(toDateTime('2025-10-27 16:55:25'), INTERVAL 3 MONTH)",
            "2025-10-01 00:00:00",
        ),
        (
            "toStartOfWeek(toDateTime('1969-12-31 23:00:00'))",
            "1969-12-29 00:00:00",
        ),
        (
            "toHour(toDateTime('2025-07-01 12:00:00'), 'Europe/Berlin')",
            "14",
        ),
        (
            "toDateTime('2025-01-31 10:00:00') + INTERVAL '1' MONTH",
            "2025-02-28 10:00:00",
        ),
        (
            "toDateTime('2025-03-29 12:00:00', 'Europe/Berlin') + INTERVAL '1' DAY",
            "2025-03-30 12:00:00",
        ),
        ("now() - toIntervalHour(2)", "2025-10-29 14:55:25"),
        ("now() - INTERVAL '-2' HOUR", "2025-10-29 18:55:25"),
        ("now() - today()", "60925"),
        (
            "CURRENT_TIMESTAMP() = NOW() AND CURRENT_DATE() = TODAY()",
            "1",
        ),
        ("now() > '2025-10-29'", "1"),
        (
            "now() BETWEEN '2025-10-29T16:55:25Z' AND '2025-10-29T18:55:25+02:00'",
            "1",
        ),
        ("date_part('month', now())", "10"),
        ("toDate('2025-10-29 23:00:00')", "2025-10-29"),
        ("timezone()", "Etc/UTC"),
        (
            "formatDateTime(now(), '%T %D %W %M %j %V %u %i %%')",
            "16:55:25 10/29/25 Wednesday October 302 44 3 55 %",
        ),
    ]);
}

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/mathematical-functions/>
/// and the pages of functions for encoding and type conversion.
#[test]
fn mathematical_functions() {
    check(&[
        ("intDiv(7, 2)", "3"),
        ("log(1)", "0"),
        ("ln(0)", "-inf"),
        ("pow(3, 2)", "9"),
        ("round(5.5)", "6"),
        ("round(3.14, 1)", "3.1"),
        ("floor(5.5)", "5"),
        ("floor(3.14, 1)", "3.1"),
        ("ceil(5.5)", "6"),
        ("ceil(3.14, 1)", "3.2"),
        ("bin(1)", "00000001"),
        ("bin('abc')", "011000010110001001100011"),
        ("hex(1)", "01"),
        ("hex('abc')", "616263"),
        ("toUInt8(258)", "2"),
        ("toUInt32('17')", "17"),
        ("toUInt32(4.9)", "4"),
        // Beyond the pages.
        (
            "round(4.5), round(1234.5, -2), round(15, -1)",
            "4\t1200\t20",
        ),
        ("hex(1.0)", "000000000000F03F"),
        ("hex(-1)", "FF"),
    ]);
}

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/string-functions/>.
#[test]
fn string_functions() {
    check(&[
        ("length('a string')", "8"),
        ("length('grün')", "4"),
        ("empty('a string'), empty('')", "0\t1"),
        ("lower('STRING TO DOWNCASE')", "string to downcase"),
        ("lower('Ü'), lowerUTF8('Ü'), toLower('Ü')", "Ü\tü\tü"),
        ("upper('string to uppercase')", "STRING TO UPPERCASE"),
        ("upper('ü'), upperUTF8('ü'), toUpper('ü')", "ü\tÜ\tÜ"),
        ("startsWith('prefix ...', 'prefix')", "1"),
        ("endsWith('prefix suffix', 'suffix')", "1"),
        ("position(':' IN 'hello: world')", "6"),
        ("position('x' IN 'hello: world')", "0"),
        ("substring('hello world', 6)", " world"),
        (
            "substring('hello: world', 1, position(':' IN 'hello: world')-1)",
            "hello",
        ),
        ("substring('grün', 3, 1)", "ü"),
        ("format('blob1: {}', 'hall')", "blob1: hall"),
        (
            "format('{} {} {}', 1, 2.5, now())",
            "1 2.5 2025-10-29 16:55:25",
        ),
    ]);
}

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/operators/> and
/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/literals/>.
#[test]
fn operators_and_literals() {
    check(&[
        (
            "42, -42, 4.2, -4.2, true, false",
            "42\t-42\t4.2\t-4.2\ttrue\tfalse",
        ),
        (
            "'so long and thanks for all the fish'",
            "so long and thanks for all the fish",
        ),
        ("1 + 2, 1 - 2, 2 * 3", "3\t-1\t6"),
        // Division is never that of integers, and there is one by zero.
        ("7 / 2, 1 / 0, -1 / 0", "3.5\tinf\t-inf"),
        ("7 % 3, -7 % 3, 7.5 % 2", "1\t-1\t1.5"),
        (
            "1 = 1, 1 < 2, 2 > 1, 1 <= 1, 1 >= 2, 1 <> 1, 1 != 2",
            "1\t1\t1\t1\t0\t0\t1",
        ),
        (
            "'of' IN ('a', 'list', 'of', 'values'), 'x' NOT IN ('a')",
            "1\t1",
        ),
        ("2 BETWEEN 1 AND 2, 3 NOT BETWEEN 1 AND 2", "1\t1"),
        (
            "'error: x' LIKE 'error%', 'Error' LIKE 'error%', 'Error' ILIKE 'error%'",
            "1\t0\t1",
        ),
        (
            "'a.JPG' ILIKE '%.jpg', 'my test!' LIKE '%test%', 'log12' LIKE 'log__', 'log1' LIKE 'log__'",
            "1\t1\t1\t0",
        ),
        ("'a debugger' NOT ILIKE '%DEBUG%', 'x' NOT LIKE 'y'", "0\t1"),
        ("'100%' LIKE '100\\\\%', '1000' LIKE '100\\\\%'", "1\t0"),
        ("'ü' LIKE '_'", "1"),
        ("true AND false, true OR false, NOT true", "0\t1\t0"),
        ("NULL = 1, NULL IS NULL, 1 IS NOT NULL", "\\N\t1\t1"),
        ("- 42, -(-1)", "-42\t1"),
        ("1 = '1'", "1"),
    ]);
}

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/aggregate-functions/>.
#[test]
fn aggregate_functions() {
    let of_table = |sql: &str| format!("{sql} FROM temperatures");
    let examples = [
        (
            "count(), COUNT(*), count(DISTINCT blob1), count(DISTINCT index1)",
            "4\t4\t3\t2",
        ),
        (
            "sum(double1), sum(DISTINCT double1), SUM(_sample_interval)",
            "49.5\t49.5\t14",
        ),
        ("avg(double1), avg(DISTINCT double2)", "12.375\t0.4375"),
        (
            "min(double1), max(double1), min(blob1), APPROX_MAX(double1)",
            "0\t22\tYard\t22",
        ),
        ("quantileExactWeighted(0.5)(double1, _sample_interval)", "7"),
        (
            "quantileExactWeighted(0.95)(double1, _sample_interval)",
            "22",
        ),
        ("QUANTILEWEIGHTED(0.5, double1, _sample_interval)", "7"),
        (
            "argMax(blob1, double1), argMax(blob1, _sample_interval)",
            "hall\tyard%",
        ),
        (
            "argMin(blob1, double1), argMin(blob1, double2)",
            "Yard\tYard",
        ),
        ("topK(blob1)", "['hall','Yard','yard%']"),
        ("topK(1)(blob1)", "['hall']"),
        ("topKWeighted(double1, _sample_interval)", "[7,22,0,20.5]"),
        (
            "topKWeighted(2)(blob1, _sample_interval)",
            "['yard%','hall']",
        ),
        (
            "countIf(double1 > 10), sumIf(double1, blob2 = 'ok'), avgIf(double1, index1 = 'north')",
            "2\t20.5\t21.25",
        ),
        (
            "SUM(_sample_interval * double1) / SUM(_sample_interval)",
            "9.607142857142858",
        ),
    ];
    let examples: Vec<_> = examples
        .map(|(sql, expected)| (of_table(sql), expected))
        .into();
    let examples: Vec<_> = examples
        .iter()
        .map(|(sql, expected)| (sql.as_str(), *expected))
        .collect();
    check(&examples);
    check(&[
        (
            "first_value(blob1) FROM temperatures ORDER BY timestamp ASC",
            "yard%",
        ),
        (
            "first_value(blob1) FROM temperatures ORDER BY timestamp DESC",
            "Yard",
        ),
        (
            "last_value(blob1) FROM temperatures ORDER BY timestamp DESC",
            "yard%",
        ),
        // Without rows.
        (
            "count(), sum(double1), avg(double1), min(blob1), max(timestamp) FROM temperatures WHERE blob1 = 'none'",
            "0\t0\t\\N\t\t1970-01-01 00:00:00",
        ),
        (
            "count() FROM temperatures WHERE blob1 = 'none' GROUP BY blob1",
            "",
        ),
    ]);
}

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/statements/> and
/// the examples of <https://developers.cloudflare.com/analytics/analytics-engine/sql-api/>.
#[test]
fn statements() {
    check(&[
        (
            "blob2, double2 FROM temperatures WHERE timestamp > NOW() - INTERVAL '12' HOUR ORDER BY timestamp",
            "ok\t3\n\t4\nok\t-5.25",
        ),
        (
            "blob1 AS probe_name, double1*1.8+32 AS temp_f FROM temperatures WHERE double1 = 20.5",
            "hall\t68.9",
        ),
        (
            "index1, if(double2 <= 0, 'FREEZING', 'NOT FREEZING') AS description FROM temperatures ORDER BY description, index1 LIMIT 2",
            "south\tFREEZING\nsouth\tFREEZING",
        ),
        (
            "probe_name, num_readings FROM (SELECT blob1 AS probe_name, count() as num_readings FROM temperatures GROUP BY probe_name) ORDER BY num_readings DESC, probe_name LIMIT 2",
            "hall\t2\nYard\t1",
        ),
        (
            "blob1 AS probe_name, avg(double1) AS average_temp FROM temperatures GROUP BY probe_name HAVING average_temp > 10",
            "hall\t21.25",
        ),
        (
            "blob1 AS probe_name, count() FROM temperatures GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1",
            "hall\t2",
        ),
        (
            "blob1 AS city, avg(double1) AS avg_temp, count() AS readings FROM temperatures GROUP BY city HAVING avg_temp > 20 AND readings >= 2",
            "hall\t21.25\t2",
        ),
        (
            "double1 FROM temperatures WHERE if(blob1 = 'f', (double1-32)/1.8, double1) <= 0",
            "0",
        ),
        (
            "index1 AS location_id, SUM(_sample_interval) AS n_readings FROM temperatures WHERE timestamp > NOW() - INTERVAL '7' DAY GROUP BY index1 ORDER BY index1",
            "north\t3\nsouth\t11",
        ),
        (
            "toStartOfInterval(timestamp, INTERVAL '1' HOUR) AS hour, sum(_sample_interval) AS count FROM temperatures GROUP BY hour ORDER BY hour ASC LIMIT 2 OFFSET 1",
            "2025-10-29 15:00:00\t1\n2025-10-29 16:00:00\t2",
        ),
        (
            "timestamp, blob1 FROM events.analyticsEngine.temperatures ORDER BY 1 LIMIT 1",
            "2025-10-28 17:00:00\tyard%",
        ),
        (
            "dataset, index1, blob1, double1 FROM events.analyticsEngine.\"example-dataset\"",
            "example-dataset\t\t\t0",
        ),
        (
            "DISTINCT index1 FROM temperatures ORDER BY index1 LIMIT ALL",
            "north\nsouth",
        ),
        (
            "'Hello Workers Analytics Engine' AS message",
            "Hello Workers Analytics Engine",
        ),
        // An alias comes before the column of its name.
        (
            "upper(blob1) AS blob1 FROM temperatures GROUP BY blob1 ORDER BY blob1",
            "HALL\nYARD\nYARD%",
        ),
        ("1 -- a comment\n + /* another */ 1;", "2"),
    ]);
    let data = Data::new();
    assert_eq!(
        data.rows("SHOW TABLES"),
        "example-dataset\tdataset\ntemperatures\tdataset"
    );
    assert_eq!(data.rows("show timezone format TabSeparated;"), "Etc/UTC");
    assert!(data.rows("SHOW TIMEZONES").contains("\nEurope/Berlin\n"));
    let all = data.ask("SELECT * FROM temperatures LIMIT 1").unwrap();
    assert_eq!(all.columns.len(), 44);
}

#[test]
fn types_have_the_names_of_clickhouse() {
    let data = Data::new();
    let sql = "SELECT timestamp, _sample_interval, blob1, double1, count() AS c, sum(_sample_interval) AS s,
               today() AS d, toDateTime(0, 'Asia/Tokyo') AS t, topK(blob1) AS k, 1 AS one, 300 - 1 AS minus, null AS n, double1 > 1 AS b
               FROM temperatures GROUP BY timestamp, _sample_interval, blob1, double1 LIMIT 1";
    let answer = data.ask(sql).unwrap();
    let types: Vec<_> = answer
        .columns
        .iter()
        .map(|column| column.type_name())
        .collect();
    assert_eq!(
        types.join(" "),
        "DateTime UInt32 String Float64 UInt64 UInt64 Date DateTime('Asia/Tokyo') Array(String) UInt8 Int32 Nullable(Nothing) UInt8"
    );
}

#[test]
fn the_person_at_this_machine_may_join_and_unite() {
    let data = Data::new();
    let ask = |sql| {
        let answer = data.ask_generally(sql).unwrap();
        answer.write(Format::TabSeparated)
    };
    assert_eq!(
        ask("WITH hot AS (SELECT blob1 AS place FROM temperatures WHERE double1 > 10)
             SELECT a.place, count() AS c FROM hot AS a JOIN hot AS b ON a.place = b.place GROUP BY a.place"),
        "hall\t4\n"
    );
    assert_eq!(
        ask("SELECT 1 AS a UNION ALL SELECT 300 ORDER BY a DESC"),
        "300\n1\n"
    );
    assert_eq!(
        ask(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5) SELECT sum(x) FROM n"
        ),
        "15\n"
    );
    assert_eq!(
        ask(
            "SELECT blob1 FROM temperatures WHERE double1 = (SELECT max(double1) FROM temperatures)
             AND blob1 IN (SELECT blob1 FROM temperatures)"
        ),
        "hall\n"
    );
    assert_eq!(
        ask(
            "SELECT t.index1, e.blob1 FROM temperatures t LEFT JOIN \"example-dataset\" e ON t.blob1 = e.blob1 LIMIT 1"
        ),
        "south\t\\N\n"
    );
}
