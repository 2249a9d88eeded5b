//! Queries whose rows are grouped outside of SQLite, which would sort them.
//!
//! Such a query becomes two: one that selects for each row what it is grouped by and the arguments
//! of aggregate functions, and one over the table of the groups that are made of these.

use super::typed::Typed;
use super::{Compiled, Compiler};
use crate::catalogue::{Catalogue, Parts};
use crate::functions::PREFIX;
use crate::request::Request;
use sqlparser::ast::{Query, SetExpr, TableFactor};
use std::cell::RefCell;
use std::sync::Arc;

/// The table of groups. Its columns are the keys, `k0` and so on, and the values of functions, `a0`
/// and so on.
pub(crate) const TABLE: &str = "groups";

/// The most columns of the table of groups. SQLite allows 2,000 of a query, in which a function can
/// have two.
const COLUMNS: usize = 500;

/// An aggregate function that needs no order of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Function {
    /// Of rows, without an argument.
    Rows,
    Count,
    Sum,
    Average,
    Least,
    Greatest,
    /// Of a level. Its arguments are the value and the weight.
    Quantile(f64),
}

impl Function {
    /// The name in SQLite.
    pub(super) fn name(self) -> String {
        match self {
            Self::Rows | Self::Count => "count".to_owned(),
            Self::Sum => "sum".to_owned(),
            Self::Average => "avg".to_owned(),
            Self::Least => "min".to_owned(),
            Self::Greatest => "max".to_owned(),
            Self::Quantile(_) => format!("{PREFIX}quantile"),
        }
    }

    /// A call of it in SQLite.
    pub(super) fn in_sqlite(self, arguments: &[&Typed]) -> String {
        let level = match self {
            Self::Quantile(level) => Some(Typed::number(level).sql),
            _ => None,
        };
        let arguments = arguments.iter().map(|argument| argument.sql.clone());
        let arguments: Vec<_> = level.into_iter().chain(arguments).collect();
        format!("{}({})", self.name(), arguments.join(", "))
    }

    /// How many arguments it has.
    pub(crate) fn arguments(self) -> usize {
        match self {
            Self::Rows => 0,
            Self::Quantile(_) => 2,
            _ => 1,
        }
    }
}

/// A query that is compiled to two.
pub(crate) struct Grouped {
    /// Selects the keys of each row, and then the arguments of all functions.
    pub(crate) rows: String,
    pub(crate) keys: usize,
    pub(crate) functions: Vec<Function>,
    /// The parts of the table that has the rows.
    pub(crate) parts: Arc<dyn Parts>,
    /// The query over the table of groups.
    pub(crate) query: Compiled,
}

/// What is found out while such a query is compiled.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    calls: Vec<(Function, Vec<String>)>,
    rows: Option<(String, usize)>,
    is_impossible: bool,
}

impl Grouping {
    /// Adds a call, and returns its value in the table of groups.
    pub(super) fn add(&mut self, function: Function, arguments: &[&Typed]) -> String {
        let arguments = arguments.iter().map(|argument| argument.sql.clone());
        let call = (function, arguments.collect());
        let known = self.calls.iter().position(|other| *other == call);
        let index = known.unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        format!("{TABLE}.a{index}")
    }

    /// Says that only SQLite can run the query.
    pub(super) fn give_up(&mut self) {
        self.is_impossible = true;
    }

    /// Takes what the rows are selected from, and returns what the groups are.
    pub(super) fn take_rows(&mut self, keys: &[String], from_and_filter: &str) -> String {
        let arguments = self.calls.iter().flat_map(|(_, arguments)| arguments);
        let list: Vec<_> = keys.iter().chain(arguments).map(String::as_str).collect();
        // `count()` has no argument.
        let list = if list.is_empty() { vec!["1"] } else { list };
        let sql = format!("SELECT {}{from_and_filter}", list.join(", "));
        self.rows = Some((sql, keys.len()));
        format!(" FROM temp.{TABLE}")
    }
}

/// Compiles a query over the parts of one table, if it is one whose rows can be grouped outside of
/// SQLite.
pub(crate) fn grouped(
    catalogue: &Catalogue,
    request: &Request<'_>,
    query: &Query,
) -> Option<Grouped> {
    let parts = parts(catalogue, query)?;
    let mut compiler = Compiler::new(catalogue, request);
    compiler.grouping = Some(RefCell::default());
    let (sql, columns) = compiler.query(query).ok()?;
    let grouping = compiler.grouping?.into_inner();
    let (rows, keys) = grouping.rows.filter(|_| !grouping.is_impossible)?;
    let has_columns = (1..=COLUMNS).contains(&(keys + grouping.calls.len()));
    let calls = grouping.calls.into_iter();
    (has_columns && compiler.bindings.is_empty()).then(|| Grouped {
        rows,
        keys,
        functions: calls.map(|(function, _)| function).collect(),
        parts,
        query: Compiled {
            sql,
            columns,
            bindings: Vec::new(),
        },
    })
}

/// The parts of the table behind `FROM`, if there is nothing else.
fn parts(catalogue: &Catalogue, query: &Query) -> Option<Arc<dyn Parts>> {
    let SetExpr::Select(select) = &*query.body else {
        return None;
    };
    let ([from], None) = (&select.from[..], &query.with) else {
        return None;
    };
    match &from.relation {
        TableFactor::Table { name, .. } if from.joins.is_empty() => {
            let names: Vec<_> = name.0.iter().filter_map(|part| part.as_ident()).collect();
            let names: Vec<_> = names.iter().map(|name| name.value.as_str()).collect();
            catalogue.find(&names.join("."))?.parts.clone()
        }
        _ => None,
    }
}
