//! From a parsed query to SQL of SQLite.
//!
//! Every expression becomes text and a type ([`typed::Typed`]). Tables are `t0`, `t1` and so on in that
//! text, parts of `WITH` are `w0`, `w1`, and columns are `c0`, `c1`, so that no name of the query
//! is a name in SQLite.

mod aggregates;
mod calls;
mod expressions;
pub(crate) mod grouping;
mod literals;
mod number_calls;
mod operators;
mod queries;
mod scalars;
mod scope;
mod selects;
mod tables;
mod time_calls;
mod times;
mod typed;

use crate::catalogue::Catalogue;
use crate::error::Error;
use crate::request::Request;
use crate::types::Type;
use grouping::Grouping;
use rusqlite::types::Value;
use scope::Relation;
use sqlparser::ast::{Query, Spanned};
use sqlparser::tokenizer::Location;
use std::cell::RefCell;

/// Bytes that the SQL for SQLite may have. An alias is replaced by its expression, so it may be
/// longer than the query.
const SQL_BYTES: usize = 256 << 10;

/// Expressions that may be compiled for one query, those of aliases again for each use.
const EXPRESSIONS: usize = 50_000;

/// Expressions that may be inside each other: what SQLite allows by default.
const DEPTH: usize = 1_000;

/// A compiled query.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) sql: String,
    pub(crate) bindings: Vec<Value>,
    pub(crate) columns: Vec<Output>,
}

/// A column of a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) nullable: bool,
}

pub(crate) struct Compiler<'a> {
    catalogue: &'a Catalogue,
    request: &'a Request<'a>,
    /// The values of the parameters that are used, in the order of their first use.
    bindings: Vec<Value>,
    /// The names of the parameters in `bindings`.
    bound: Vec<String>,
    /// Names of tables that have been given.
    tables: usize,
    /// What `WITH` has defined so far.
    parts: Vec<Relation>,
    /// `SELECT`s around this one.
    selects: usize,
    /// Expressions around this one, and all there have been.
    depth: usize,
    expressions: usize,
    /// The aliases whose expressions are being compiled.
    expanding: Vec<String>,
    /// Whether this is the argument of an aggregate function.
    is_in_aggregate: bool,
    /// If the rows are grouped outside of SQLite.
    grouping: Option<RefCell<Grouping>>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue, request: &'a Request<'a>) -> Self {
        Self {
            catalogue,
            request,
            bindings: Vec::new(),
            bound: Vec::new(),
            tables: 0,
            parts: Vec::new(),
            selects: 0,
            depth: 0,
            expressions: 0,
            expanding: Vec::new(),
            is_in_aggregate: false,
            grouping: None,
        }
    }

    pub(crate) fn compile(mut self, query: &Query) -> Result<Compiled, Error> {
        let (sql, columns) = self.query(query)?;
        Ok(Compiled {
            sql,
            columns,
            bindings: self.bindings,
        })
    }

    /// A name in SQLite that no other table has.
    fn table_name(&mut self, kind: &str) -> String {
        self.tables += 1;
        format!("{kind}{}", self.tables - 1)
    }
}

/// The names of all functions.
#[cfg(test)]
pub(crate) fn function_names() -> Vec<&'static str> {
    aggregates::names().chain(scalars::names()).collect()
}

/// Where a node of the query begins.
fn start(node: &impl Spanned) -> Location {
    node.span().start
}

fn unsupported(what: &str, at: Location) -> Error {
    Error::at(format!("{what} is not supported"), at)
}

fn check_length(sql: &str) -> Result<(), Error> {
    if sql.len() <= SQL_BYTES {
        return Ok(());
    }
    Err(Error::invalid(
        "the query becomes too long when its aliases are replaced by what they stand for",
    ))
}
