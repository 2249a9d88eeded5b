//! What people use without Taffrail: a table with FTS5 of its defaults, a file of lines, and chDB.

use crate::chdb::Chdb;
use crate::items::{COMMON, Items, RARE};
use crate::median;
use rusqlite::{Connection, params};
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub(crate) struct Peers {
    connection: Connection,
    file: PathBuf,
    pub(crate) chdb: Chdb,
}

impl Peers {
    /// Writes the same items into all.
    pub(crate) fn make(folder: &Path, items: u64) -> Self {
        let mut connection = Connection::open(folder.join("naive.sqlite")).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
                 CREATE VIRTUAL TABLE lines USING fts5(time UNINDEXED, worker UNINDEXED, text);",
            )
            .unwrap();
        let file = folder.join("lines.log");
        let mut out = BufWriter::new(File::create(&file).unwrap());
        let mut source = Items::new();
        let change = connection.transaction().unwrap();
        for _ in 0..items {
            let item = source.next_item();
            for log in &item.logs {
                let text = log.message[0].get();
                let worker = item.script.script_name.as_deref();
                let mut insert = change
                    .prepare_cached("INSERT INTO lines VALUES (?1, ?2, ?3)")
                    .unwrap();
                insert
                    .execute(params![log.timestamp.cast_signed(), worker, text])
                    .unwrap();
                let (time, level) = (log.timestamp, log.level);
                writeln!(out, "{time}\t{level:?}\t{}\t{text}", worker.unwrap()).unwrap();
            }
        }
        change.commit().unwrap();
        out.flush().unwrap();
        let chdb = Chdb::measure(&folder.join("chdb"), &file, COMMON, RARE).unwrap();
        Self {
            connection,
            file,
            chdb,
        }
    }

    /// The newest 20 lines with a word.
    pub(crate) fn newest(&self, word: &str) -> Duration {
        let sql = "SELECT text FROM lines WHERE lines MATCH ?1 ORDER BY rowid DESC LIMIT 20";
        let mut select = self.connection.prepare(sql).unwrap();
        median(|| {
            let rows = select
                .query_map([word], |row| row.get::<_, String>(0))
                .unwrap();
            black_box(rows.collect::<Result<Vec<_>, _>>().unwrap());
        })
    }

    /// How many lines have a word.
    pub(crate) fn count(&self, word: &str) -> Duration {
        let sql = "SELECT count(*) FROM lines WHERE lines MATCH ?1";
        let mut select = self.connection.prepare(sql).unwrap();
        median(|| {
            _ = black_box(
                select
                    .query_row([word], |row| row.get::<_, i64>(0))
                    .unwrap(),
            )
        })
    }

    /// How many lines have a word, by `grep`.
    pub(crate) fn grep(&self, word: &str) -> Duration {
        median(|| {
            let mut grep = Command::new("grep");
            grep.args(["-c", "-w", word]).arg(&self.file);
            // Into a pipe: with `/dev/null` it ends at the first match.
            assert!(grep.output().unwrap().status.success());
        })
    }
}
