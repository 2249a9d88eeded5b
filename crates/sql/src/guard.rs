//! A connection that only reads, for a limited time.

use crate::catalogue::Catalogue;
use crate::clock;
use crate::compile::grouping::TABLE;
use crate::error::{Error, ErrorKind};
use crate::functions::{self, Budget};
use crate::rules::{Cancel, Limits};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, Result};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Instructions of SQLite between two looks at the clock: less than a millisecond.
const INSTRUCTIONS: i32 = 1_000;

/// Bytes of one text or of one row within SQLite.
const VALUE_BYTES: i32 = 4 << 20;

/// What SQLite has built in and the compiler uses.
const BUILT_IN: &[&str] = &[
    "avg", "coalesce", "count", "iif", "max", "min", "sum", "total",
];

/// Why reading the rows ended early.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// The result is over a limit, which this names.
    TooMuch(String),
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// A connection in which a query can do no harm, until it is dropped.
pub(crate) struct Guard<'a> {
    connection: &'a mut Connection,
    lengths: Vec<(Limit, i32)>,
    limits: Limits,
    budget: Budget,
    is_late: Arc<AtomicBool>,
    cancel: Cancel,
}

impl<'a> Guard<'a> {
    pub(crate) fn new(
        connection: &'a mut Connection,
        catalogue: &Catalogue,
        limits: &Limits,
        begun: Instant,
        cancel: &Cancel,
    ) -> Result<Self> {
        let budget = Budget::new(limits.bytes);
        functions::register(connection, &budget)?;
        let mut lengths = Vec::new();
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES),
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            lengths.push((limit, connection.limit(limit)?));
            // The databases that the caller has attached stay.
            connection.set_limit(limit, value)?;
        }
        let is_late = Arc::new(AtomicBool::new(false));
        let (deadline, late, stop) = (begun + limits.time, is_late.clone(), cancel.clone());
        let progress = move || {
            let is_over = clock::now() >= deadline;
            late.fetch_or(is_over, Ordering::Relaxed);
            is_over || stop.is_cancelled()
        };
        connection.progress_handler(INSTRUCTIONS, Some(progress))?;
        let tables = catalogue.tables.iter().flat_map(|table| &table.reads);
        let tables: HashSet<String> = tables.cloned().collect();
        let functions: HashSet<String> = catalogue.functions.iter().cloned().collect();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            match is_allowed(&context.action, &tables, &functions) {
                true => Authorization::Allow,
                false => Authorization::Deny,
            }
        }))?;
        Ok(Self {
            connection,
            lengths,
            limits: *limits,
            budget,
            is_late,
            cancel: cancel.clone(),
        })
    }

    pub(crate) fn connection(&self) -> &Connection {
        self.connection
    }

    /// Why the query has ended.
    pub(crate) fn explain(&self, stopped: Stopped) -> Error {
        let error = match stopped {
            Stopped::TooMuch(message) => return Error::new(ErrorKind::Limit, message),
            Stopped::Sqlite(error) => error,
        };
        match error.sqlite_error_code() {
            _ if self.cancel.is_cancelled() => {
                Error::new(ErrorKind::Cancelled, "the query was cancelled")
            }
            _ if self.is_late.load(Ordering::Relaxed) => Error::new(
                ErrorKind::Limit,
                format!(
                    "the query took longer than {} s: let WHERE select less",
                    self.limits.time.as_secs_f32()
                ),
            ),
            Some(ErrorCode::TooBig) => Error::new(
                ErrorKind::Limit,
                format!("a value or a row is longer than {VALUE_BYTES} bytes"),
            ),
            Some(ErrorCode::Unknown) => {
                let message = match error {
                    rusqlite::Error::SqliteFailure(_, Some(message)) => message,
                    error => error.to_string(),
                };
                let kind = match self.budget.is_exceeded() {
                    true => ErrorKind::Limit,
                    false => ErrorKind::Invalid,
                };
                Error::new(kind, message)
            }
            _ => Error::new(ErrorKind::Data, format!("the data cannot be read: {error}")),
        }
    }
}

fn is_allowed(
    action: &AuthAction<'_>,
    tables: &HashSet<String>,
    functions: &HashSet<String>,
) -> bool {
    match action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => {
            function_name.starts_with(functions::PREFIX)
                || functions.contains(*function_name)
                || BUILT_IN.contains(&function_name.to_ascii_lowercase().as_str())
        }
        // No column of it is needed: it is a part of the query (`WITH`), or one of the tables.
        AuthAction::Read {
            table_name,
            column_name,
        } => {
            let is_part = column_name.is_empty() && functions::is_part(table_name);
            is_part || *table_name == TABLE || tables.contains(*table_name)
        }
        _ => false,
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // The connection is as it was, except for the functions.
        _ = self
            .connection
            .authorizer(None::<fn(AuthContext<'_>) -> Authorization>);
        _ = self.connection.progress_handler(0, None::<fn() -> bool>);
        for (limit, value) in &self.lengths {
            _ = self.connection.set_limit(*limit, *value);
        }
    }
}
