"""Puts the lines of a file into a table of chDB, and prints how long it takes to find them."""

import json
import statistics
import sys
import time

from chdb.session import Session

folder, file, common, rare = sys.argv[1:]
session = Session(folder)
session.query("CREATE DATABASE bench ENGINE = Atomic")
session.query(
    """CREATE TABLE bench.lines (
        time DateTime64(3), level LowCardinality(String), worker LowCardinality(String),
        text String, INDEX words text TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 1
    ) ENGINE = MergeTree ORDER BY time"""
)
columns = "time Int64, level String, worker String, text String"
before = time.process_time()
session.query(
    f"""INSERT INTO bench.lines
        SELECT fromUnixTimestamp64Milli(time), level, worker, text
        FROM file('{file}', 'TSVRaw', '{columns}')"""
)
inserting = time.process_time() - before
lines = int(session.query("SELECT count() FROM bench.lines", "TSV").data())


def median(sql):
    """Seconds, the median of five behind one that is not counted."""
    times = []
    for _ in range(6):
        begun = time.perf_counter()
        session.query(sql, "JSON").data()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


newest = "SELECT text FROM bench.lines WHERE hasToken(text, '{}') ORDER BY time DESC LIMIT 20"
print(
    json.dumps(
        {
            "rate": lines / inserting,
            "newest": median(newest.format(common)),
            "rare": median(newest.format(rare)),
            "count": median(
                f"SELECT count() FROM bench.lines WHERE hasToken(text, '{common}')"
            ),
            "minutes": median(
                """SELECT level, toStartOfMinute(time) AS minute, count()
                FROM bench.lines GROUP BY level, minute"""
            ),
            "text": median(
                "SELECT count() FROM bench.lines WHERE text LIKE '%checkout%'"
            ),
        }
    )
)
