//! The functions that SQLite calls.

mod aggregates;
mod bits;
mod calendar;
mod like;
mod numbers;
mod pattern;
mod texts;
pub(crate) mod time;

pub use like::is_like;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result};
use smallvec::SmallVec;
use std::borrow::Cow;

pub(crate) use aggregates::{Budget, Key, quantile};
pub(crate) use numbers::number;

/// How their names in SQLite begin.
pub(crate) const PREFIX: &str = "ae_";

/// The time zone in which times are shown by default, as Cloudflare names it.
pub(crate) const DEFAULT_ZONE: &str = "Etc/UTC";

const FLAGS: FunctionFlags = FunctionFlags::SQLITE_UTF8
    .union(FunctionFlags::SQLITE_DETERMINISTIC)
    .union(FunctionFlags::SQLITE_DIRECTONLY);

/// Adds the functions to a connection. Aggregate functions remember what the budget allows.
pub(crate) fn register(connection: &Connection, budget: &Budget) -> Result<()> {
    texts::register(connection)?;
    like::register(connection)?;
    numbers::register(connection)?;
    bits::register(connection)?;
    time::register(connection)?;
    aggregates::register(connection, budget)
}

/// Whether a name in SQLite is that of a part of `WITH`.
pub(crate) fn is_part(name: &str) -> bool {
    let number = name.strip_prefix('w');
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The arguments of a call, none of which is NULL. Most functions have a few, and are called for
/// each row.
struct Arguments<'a>(SmallVec<[ValueRef<'a>; 4]>);

/// Adds a function with so many arguments, or any number of them if it is -1. It is NULL where
/// an argument is.
fn scalar<T: Into<Value> + 'static>(
    connection: &Connection,
    name: &str,
    arguments: i32,
    function: fn(&Arguments<'_>) -> Result<T, String>,
) -> Result<()> {
    let call = move |context: &Context<'_>| {
        let mut values = SmallVec::new();
        for index in 0..context.len() {
            match context.get_raw(index) {
                ValueRef::Null => return Ok(Value::Null),
                value => values.push(value),
            }
        }
        match function(&Arguments(values)) {
            Ok(value) => Ok(value.into()),
            Err(message) => Err(failure(message)),
        }
    };
    connection.create_scalar_function(format!("{PREFIX}{name}").as_str(), arguments, FLAGS, call)
}

fn failure(message: String) -> Error {
    Error::UserFunctionError(message.into())
}

impl Arguments<'_> {
    fn text(&self, index: usize) -> Cow<'_, str> {
        match self.0[index] {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes),
            ValueRef::Integer(value) => value.to_string().into(),
            ValueRef::Real(value) => number(value).into(),
            ValueRef::Null => "".into(),
        }
    }

    /// A number as an integer, without its fraction.
    fn integer(&self, index: usize) -> Result<i64, String> {
        match self.0[index] {
            ValueRef::Integer(value) => Ok(value),
            ValueRef::Real(value) => Ok(value as i64),
            _ => Err(self.no_number(index)),
        }
    }

    fn number(&self, index: usize) -> Result<f64, String> {
        match self.0[index] {
            ValueRef::Integer(value) => Ok(value as f64),
            ValueRef::Real(value) => Ok(value),
            _ => Err(self.no_number(index)),
        }
    }

    /// Whether both are integers.
    fn are_integers(&self) -> Option<(i64, i64)> {
        match (self.0[0], self.0[1]) {
            (ValueRef::Integer(left), ValueRef::Integer(right)) => Some((left, right)),
            _ => None,
        }
    }

    fn no_number(&self, index: usize) -> String {
        let shown: String = self.text(index).chars().take(40).collect();
        format!("'{shown}' is not a number")
    }
}
