use crate::Format;
use crate::tests::Data;

#[test]
fn each_format_has_its_escapes() {
    let data = Data::new();
    let sql = "SELECT 'a\"b,\tc\nd\\\\' AS \"t,x\", 1.5 AS f, 1 / 0 AS inf, NULL AS n, 18 AS u, topK(blob1) AS k, max(timestamp) AS m FROM temperatures WHERE index1 = 'north'";
    let answer = data.ask(sql).unwrap();
    for (format, expected) in [
        (
            Format::JsonEachRow,
            "{\"t,x\":\"a\\\"b,\\tc\\nd\\\\\",\"f\":1.5,\"inf\":null,\"n\":null,\"u\":18,\"k\":[\"hall\"],\"m\":\"2025-10-29 16:00:00\"}\n",
        ),
        (
            Format::TabSeparated,
            "a\"b,\\tc\\nd\\\\\t1.5\tinf\t\\N\t18\t['hall']\t2025-10-29 16:00:00\n",
        ),
        (
            Format::Csv,
            "\"t,x\",f,inf,n,u,k,m\n\"a\"\"b,\tc\nd\\\",1.5,inf,,18,['hall'],2025-10-29 16:00:00\n",
        ),
        (
            Format::Table,
            "t,x            f  inf     n   u  k         m\na\"b,\\tc\\nd\\  1.5  inf  NULL  18  ['hall']  2025-10-29 16:00:00\n",
        ),
    ] {
        assert_eq!(answer.write(format), expected, "{format:?}");
    }
}

#[test]
fn numbers_are_written_as_by_clickhouse() {
    let data = Data::new();
    let sql = "SELECT 1.0, 1e20, 1e22, 0.000001, 1e-7, -0.1, count(), toDateTime(0), true FROM temperatures";
    let answer = data.ask(sql).unwrap();
    assert_eq!(
        answer.write(Format::TabSeparated),
        "1\t100000000000000000000\t1e22\t0.000001\t1e-7\t-0.1\t4\t1970-01-01 00:00:00\ttrue\n"
    );
}

#[test]
fn cells_cannot_control_a_terminal() {
    let data = Data::new();
    let answer = data.ask("SELECT '\u{1b}[31mred' AS \"\u{7}bell\"").unwrap();
    let table = answer.write(Format::Table);
    assert_eq!(table, "\\u{7}bell\n\\u{1b}[31mred\n");
}
