//! Groups the rows of a table in parts, with all processors and without sorting.

mod state;

use crate::catalogue::Catalogue;
use crate::compile::grouping::{Grouped, TABLE};
use crate::error::{Error, ErrorKind};
use crate::guard::{Guard, Stopped};
use crate::rules::{Cancel, Limits, STACK};
use hashbrown::HashMap;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use state::State;
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

/// What a group takes besides its key and what its functions remember.
const GROUP: usize = 128;

/// Why there are no groups.
enum Failed {
    /// They would take more memory than they may. SQLite can put rows on the disk.
    TooLarge,
    Error(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What the threads of a query share.
#[derive(Clone, Copy)]
struct Shared<'a> {
    catalogue: &'a Catalogue,
    grouped: &'a Grouped,
    limits: &'a Limits,
    begun: Instant,
    cancel: &'a Cancel,
    /// Whether a thread has failed, so that the others need not go on.
    has_failed: &'a AtomicBool,
}

/// Makes the table of groups in a connection. Returns false if the groups need too much memory.
pub(crate) fn make(
    connection: &Connection,
    catalogue: &Catalogue,
    grouped: &Grouped,
    limits: &Limits,
    begun: Instant,
    cancel: &Cancel,
) -> Result<bool, Error> {
    let shared = Shared {
        catalogue,
        grouped,
        limits,
        begun,
        cancel,
        has_failed: &AtomicBool::new(false),
    };
    let groups = match shared.all_parts() {
        Ok(groups) => groups,
        Err(Failed::TooLarge) => return Ok(false),
        Err(Failed::Error(error)) => return Err(error),
    };
    let rows = groups.into_rows(grouped)?;
    write(connection, grouped, rows).map_err(|error| unreadable(&error))?;
    Ok(true)
}

/// Writes groups into their table.
fn write(
    connection: &Connection,
    grouped: &Grouped,
    rows: Vec<Vec<Value>>,
) -> rusqlite::Result<()> {
    let keys = (0..grouped.keys).map(|index| format!("k{index}"));
    let values = (0..grouped.functions.len()).map(|index| format!("a{index}"));
    let columns: Vec<_> = keys.chain(values).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS temp.{TABLE}; CREATE TEMP TABLE {TABLE} ({}); BEGIN",
        columns.join(", ")
    ))?;
    let mut insert = connection.prepare(&format!("INSERT INTO temp.{TABLE} VALUES ({marks})"))?;
    for row in rows {
        insert.execute(params_from_iter(row))?;
    }
    connection.execute_batch("COMMIT")
}

fn unreadable(error: &rusqlite::Error) -> Error {
    Error::new(ErrorKind::Data, format!("the data cannot be read: {error}"))
}

impl Shared<'_> {
    fn all_parts(&self) -> Result<Groups, Failed> {
        let count = self.grouped.parts.count();
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = processors.clamp(1, count.max(1));
        thread::scope(|scope| {
            let started: Vec<_> = (0..threads)
                .map(|thread| {
                    let share = thread * count / threads..(thread + 1) * count / threads;
                    thread::Builder::new()
                        .name("query".to_owned())
                        .stack_size(STACK)
                        .spawn_scoped(scope, move || self.share(share, threads))
                })
                .collect();
            let mut all = Groups::default();
            for thread in started {
                let thread = thread.map_err(|error| {
                    Error::new(ErrorKind::Data, format!("no thread for it: {error}"))
                })?;
                let panicked = |_| Error::new(ErrorKind::Data, "the query ended by a panic");
                all.merge(thread.join().map_err(panicked)??, self.limits.bytes)?;
            }
            Ok(all)
        })
    }

    /// Groups some of the parts, with the memory that one of so many threads may have.
    fn share(&self, share: Range<usize>, threads: usize) -> Result<Groups, Failed> {
        let groups = self.parts(share, self.limits.bytes / threads);
        self.has_failed.fetch_or(groups.is_err(), Relaxed);
        groups
    }

    fn parts(&self, share: Range<usize>, bytes: usize) -> Result<Groups, Failed> {
        let mut groups = Groups::default();
        let parts = &self.grouped.parts;
        let mut connection = parts.open().map_err(|error| unreadable(&error))?;
        for part in share {
            if self.has_failed.load(Relaxed) {
                break;
            }
            let shown = parts.show(&connection, part);
            shown.map_err(|error| unreadable(&error))?;
            let guard = Guard::new(
                &mut connection,
                self.catalogue,
                self.limits,
                self.begun,
                self.cancel,
            );
            let guard = guard.map_err(|error| unreadable(&error))?;
            let is_small = groups
                .add_rows(guard.connection(), self.grouped, bytes)
                .map_err(|error| guard.explain(Stopped::Sqlite(error)))?;
            if !is_small {
                return Err(Failed::TooLarge);
            }
        }
        Ok(groups)
    }
}

/// Groups by their keys.
#[derive(Default)]
struct Groups {
    groups: HashMap<Box<[u8]>, Group>,
    bytes: usize,
}

struct Group {
    /// The keys as they are in the first row.
    keys: Vec<Value>,
    states: Vec<State>,
}

impl Groups {
    /// Adds the rows that a connection selects. Returns false as soon as there are more than so
    /// many bytes.
    fn add_rows(
        &mut self,
        connection: &Connection,
        grouped: &Grouped,
        most: usize,
    ) -> rusqlite::Result<bool> {
        let mut select = connection.prepare(&grouped.rows)?;
        let mut rows = select.query([])?;
        let mut encoded = Vec::new();
        while let Some(row) = rows.next()? {
            encoded.clear();
            for key in 0..grouped.keys {
                encode(row.get_ref(key)?, &mut encoded);
            }
            let group = match self.groups.get_mut(&*encoded) {
                Some(group) => group,
                None => {
                    let keys = (0..grouped.keys).map(|key| row.get(key));
                    let group = Group::new(keys.collect::<rusqlite::Result<_>>()?, grouped);
                    self.bytes += GROUP + 2 * encoded.len();
                    self.groups
                        .entry(encoded.as_slice().into())
                        .or_insert(group)
                }
            };
            let mut argument = grouped.keys;
            for (function, state) in grouped.functions.iter().zip(&mut group.states) {
                self.bytes += match function.arguments() {
                    0 => {
                        state.add_row();
                        0
                    }
                    1 => state.add(row.get_ref(argument)?),
                    _ => state.add_weighted(row.get_ref(argument)?, row.get_ref(argument + 1)?),
                };
                argument += function.arguments();
            }
            if self.bytes > most {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn merge(&mut self, others: Self, most: usize) -> Result<(), Failed> {
        if self.groups.is_empty() {
            *self = others;
            return Ok(());
        }
        self.bytes += others.bytes;
        if self.bytes > most {
            return Err(Failed::TooLarge);
        }
        for (key, other) in others.groups {
            match self.groups.get_mut(&key) {
                Some(group) => {
                    for (state, other) in group.states.iter_mut().zip(other.states) {
                        state.merge(other);
                    }
                }
                None => _ = self.groups.insert(key, other),
            }
        }
        Ok(())
    }

    /// Returns the keys of each group, and behind them the values of its functions.
    fn into_rows(mut self, grouped: &Grouped) -> Result<Vec<Vec<Value>>, Error> {
        // Without keys there is one group, even without rows.
        if grouped.keys == 0 && self.groups.is_empty() {
            self.groups
                .insert(Box::default(), Group::new(Vec::new(), grouped));
        }
        let groups = self.groups.into_values().map(|group| {
            let mut row = group.keys;
            for state in group.states {
                row.push(state.value()?);
            }
            Ok(row)
        });
        groups.collect()
    }
}

impl Group {
    fn new(keys: Vec<Value>, grouped: &Grouped) -> Self {
        let functions = grouped.functions.iter().copied();
        Self {
            keys,
            states: functions.map(State::new).collect(),
        }
    }
}

/// Adds a value to a key, so that the keys of equal values are equal.
fn encode(value: ValueRef<'_>, key: &mut Vec<u8>) {
    match value {
        ValueRef::Null => key.push(0),
        ValueRef::Integer(value) => {
            key.push(1);
            key.extend_from_slice(&value.to_ne_bytes());
        }
        // As in SQLite, 1.0 is 1.
        ValueRef::Real(value) if value == (value as i64) as f64 => {
            encode(ValueRef::Integer(value as i64), key);
        }
        ValueRef::Real(value) => {
            key.push(2);
            key.extend_from_slice(&value.to_ne_bytes());
        }
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            key.push(3);
            key.extend_from_slice(&bytes.len().to_ne_bytes());
            key.extend_from_slice(bytes);
        }
    }
}
