//! Queries from text to text, over some data points.

mod catalogue;
mod dialect;
mod hostile;
mod mistakes;

use crate::analytics::Analytics;
use crate::{Answer, Cancel, Error, Format, Limits, Params, Request, Rules};
use jiff::Timestamp;
use rusqlite::Connection;
use tempfile::TempDir;

/// What `now()` is: a Wednesday.
const NOW: &str = "2025-10-29T16:55:25Z";

/// Datasets in a directory.
pub(crate) struct Data(TempDir);

impl Data {
    /// A dataset `temperatures` of four readings.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = Self(directory);
        let database = data.database();
        database.pragma_update(None, "synchronous", "OFF").unwrap();
        database.pragma_update(None, "user_version", 2).unwrap();
        database.execute_batch(LAYOUT).unwrap();
        database.execute_batch(POINTS).unwrap();
        data
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) fn database(&self) -> Connection {
        Connection::open(self.0.path().join("store.sqlite")).unwrap()
    }

    pub(crate) fn analytics(&self) -> Analytics {
        Analytics::in_directory(self.0.path())
    }

    pub(crate) fn ask(&self, sql: &str) -> Result<Answer, Error> {
        self.analytics().query(&request(sql), &Cancel::default())
    }

    /// Without the rules of Cloudflare's API.
    pub(crate) fn ask_generally(&self, sql: &str) -> Result<Answer, Error> {
        let request = Request {
            rules: Rules::GENERAL,
            ..request(sql)
        };
        self.analytics().query(&request, &Cancel::default())
    }

    /// The rows in the format `TabSeparated`, or the error.
    pub(crate) fn rows(&self, sql: &str) -> String {
        match self.ask(sql) {
            Ok(answer) => answer
                .write(Format::TabSeparated)
                .trim_end_matches('\n')
                .to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

pub(crate) fn request(sql: &str) -> Request<'_> {
    Request {
        sql,
        params: Params::None,
        now: NOW.parse::<Timestamp>().unwrap(),
        rules: Rules::ANALYTICS,
        limits: Limits::default(),
    }
}

/// The table as the store lays it out, with fewer columns spelled out.
const LAYOUT: &str = include_str!("../../store/src/layout/1.sql");

const POINTS: &str = "
    INSERT INTO analytics (dataset, timestamp, index1, blob1, blob2, double1, double2, _sample_interval) VALUES
    ('temperatures', 1761750000123, 'north', 'hall', 'ok', 20.5, 3, 1),
    ('temperatures', 1761753600000, 'north', 'hall', NULL, 22, 4, 2),
    ('temperatures', 1761757200999, 'south', 'Yard', 'ok', NULL, -5.25, 1),
    ('temperatures', 1761670800000, 'south', 'yard%', 'grün', 7, NULL, 10),
    ('example-dataset', 1761670800000, NULL, NULL, NULL, NULL, NULL, 1);";
