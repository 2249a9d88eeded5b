//! Runs a query: compiles it, and lets SQLite do what is left.

use crate::answer::{Answer, Column, Value};
use crate::catalogue::Catalogue;
use crate::clock;
use crate::compile::grouping::grouped;
use crate::compile::{Compiled, Compiler, Output};
use crate::error::{Error, ErrorKind};
use crate::functions::{self, time};
use crate::groups;
use crate::guard::{Guard, Stopped};
use crate::parse::{Parsed, Statement, parse};
use crate::request::Request;
use crate::rules::{Cancel, Limits, STACK};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};
use std::thread;

/// Runs a query on a thread of its own, and waits for it.
///
/// Whatever the connection may do, the query only reads what the catalogue names.
///
/// # Errors
///
/// When the query is wrong or exceeds a limit, when it is cancelled, and when the data
/// cannot be read.
pub fn query(
    connection: &mut Connection,
    catalogue: &Catalogue,
    request: &Request<'_>,
    cancel: &Cancel,
) -> Result<Answer, Error> {
    thread::scope(|scope| {
        let run = || run(connection, catalogue, request, cancel);
        let started = thread::Builder::new()
            .name("query".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, run);
        let no_thread = |error| Error::new(ErrorKind::Data, format!("no thread for it: {error}"));
        let panicked = |_| Error::new(ErrorKind::Data, "the query ended by a panic");
        started.map_err(no_thread)?.join().map_err(panicked)?
    })
    .map_err(|error| error.in_text(request.sql))
}

fn run(
    connection: &mut Connection,
    catalogue: &Catalogue,
    request: &Request<'_>,
    cancel: &Cancel,
) -> Result<Answer, Error> {
    let begun = clock::now();
    let Parsed { statement, format } = parse(request.sql, &request.rules)?;
    let (columns, rows) = match statement {
        Statement::Select(query) => {
            let mut compiled = Compiler::new(catalogue, request).compile(&query)?;
            if let Some(grouped) = grouped(catalogue, request, &query)
                && groups::make(
                    connection,
                    catalogue,
                    &grouped,
                    &request.limits,
                    begun,
                    cancel,
                )?
            {
                compiled = grouped.query;
            }
            let guard = Guard::new(connection, catalogue, &request.limits, begun, cancel)
                .map_err(|error| Error::new(ErrorKind::Data, error.to_string()))?;
            let rows = rows(&guard, &compiled, &request.limits);
            let rows = rows.map_err(|error| guard.explain(error))?;
            (
                compiled.columns.into_iter().map(Column::from).collect(),
                rows,
            )
        }
        Statement::ShowTables => {
            let names = catalogue
                .tables
                .iter()
                .filter_map(|table| table.names.first());
            list(
                &[Column::of_strings("dataset"), Column::of_strings("type")],
                names.map(|name| vec![name.clone(), "dataset".to_owned()]),
            )
        }
        Statement::ShowTimeZones => list(
            &[Column::of_strings("timezone")],
            time::zones().map(|zone| vec![zone]),
        ),
        Statement::ShowTimeZone => {
            let zone = vec![functions::DEFAULT_ZONE.to_owned()];
            list(&[Column::of_strings("timezone")], std::iter::once(zone))
        }
    };
    Ok(Answer {
        columns,
        rows,
        format,
        elapsed: begun.elapsed(),
    })
}

fn list(
    columns: &[Column],
    rows: impl Iterator<Item = Vec<String>>,
) -> (Vec<Column>, Vec<Vec<Value>>) {
    let row = |row: Vec<String>| row.into_iter().map(Value::Text).collect();
    (columns.to_vec(), rows.map(row).collect())
}

fn rows(
    guard: &Guard<'_>,
    compiled: &Compiled,
    limits: &Limits,
) -> Result<Vec<Vec<Value>>, Stopped> {
    let mut statement = guard.connection().prepare(&compiled.sql)?;
    let mut found = statement.query(params_from_iter(&compiled.bindings))?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some(row) = found.next()? {
        if rows.len() == limits.rows {
            let message = format!("the result has more than {} rows: add LIMIT", limits.rows);
            return Err(Stopped::TooMuch(message));
        }
        let mut values = Vec::with_capacity(compiled.columns.len());
        for index in 0..compiled.columns.len() {
            let value = value(row.get_ref(index)?);
            bytes += size_of::<Value>();
            if let Value::Text(text) = &value {
                bytes += text.len();
            }
            values.push(value);
        }
        if bytes > limits.bytes {
            let message = format!(
                "the result has more than {} bytes: add LIMIT, or select fewer columns",
                limits.bytes
            );
            return Err(Stopped::TooMuch(message));
        }
        rows.push(values);
    }
    Ok(rows)
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        ValueRef::Real(value) => Value::Real(value),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Value::Text(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

impl From<Output> for Column {
    fn from(output: Output) -> Self {
        Self {
            name: output.name,
            ty: output.ty,
            nullable: output.nullable,
        }
    }
}
