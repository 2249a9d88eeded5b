//! Groups the rows of a table in parts, with all processors and without sorting.

mod state;

use crate::catalogue::{Catalogue, Parts};
use crate::compile::grouping::{Grouped, TABLE};
use crate::error::{Error, ErrorKind};
use crate::guard::{Guard, Stopped};
use crate::rules::{Cancel, Limits};
use hashbrown::HashMap;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, params_from_iter};
use state::State;
use std::num::NonZero;
use std::ops::Range;
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
    };
    match shared.all_parts().and_then(|groups| {
        let written = groups.write(connection, grouped);
        written.map_err(|error| Failed::Error(unreadable(&error)))
    }) {
        Ok(()) => Ok(true),
        Err(Failed::TooLarge) => Ok(false),
        Err(Failed::Error(error)) => Err(error),
    }
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
        let mut groups = Groups::default();
        let parts: &dyn Parts = &*self.grouped.parts;
        let mut connection = parts.open().map_err(|error| unreadable(&error))?;
        for part in share {
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
            let bytes = self.limits.bytes / threads;
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
                    let group = Group {
                        keys: keys.collect::<rusqlite::Result<_>>()?,
                        states: grouped.functions.iter().copied().map(State::new).collect(),
                    };
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

    /// Writes them into their table.
    fn write(mut self, connection: &Connection, grouped: &Grouped) -> rusqlite::Result<()> {
        // Without keys there is one group, even without rows.
        if grouped.keys == 0 && self.groups.is_empty() {
            let states = grouped.functions.iter().copied().map(State::new).collect();
            let keys = Vec::new();
            self.groups.insert(Box::default(), Group { keys, states });
        }
        let keys = (0..grouped.keys).map(|index| format!("k{index}"));
        let values = (0..grouped.functions.len()).map(|index| format!("a{index}"));
        let columns: Vec<_> = keys.chain(values).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        connection.execute_batch(&format!(
            "DROP TABLE IF EXISTS temp.{TABLE}; CREATE TEMP TABLE {TABLE} ({}); BEGIN",
            columns.join(", ")
        ))?;
        let insert = format!("INSERT INTO temp.{TABLE} VALUES ({marks})");
        let mut insert = connection.prepare(&insert)?;
        for group in self.groups.into_values() {
            let values = group.states.into_iter().map(State::value);
            let values = values.collect::<rusqlite::Result<Vec<_>>>()?;
            insert.execute(params_from_iter(group.keys.into_iter().chain(values)))?;
        }
        connection.execute_batch("COMMIT")
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
