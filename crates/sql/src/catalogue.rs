//! The tables that can be queried, and what they are in SQLite.

use crate::types::Type;
use rusqlite::{Connection, Result};
use std::fmt::Debug;
use std::sync::Arc;

/// The tables that can be queried.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The tables, in the order in which `SHOW TABLES` lists them.
    pub tables: Vec<Table>,
    /// The functions that sources and columns call, beside those of this crate.
    pub functions: Vec<String>,
}

/// A table of the catalogue.
#[derive(Clone, Debug)]
pub struct Table {
    /// The names by which it is found, such as `events.analyticsEngine.clicks`. Upper and
    /// lower case differ. `SHOW TABLES` lists the first one.
    pub names: Vec<String>,
    /// The columns, in the order of `SELECT *`.
    pub columns: Vec<Column>,
    /// What stands behind `FROM` in SQLite: a table, a view or a subquery in parentheses.
    /// It may have a `WHERE` behind it. It is not checked, so nothing in it may come from a
    /// stranger.
    pub source: String,
    /// The tables and views of SQLite that `source` and the columns read.
    pub reads: Vec<String>,
    /// Parts that all processors can read at once, if there are any.
    pub parts: Option<Arc<dyn Parts>>,
}

/// A table in parts, each of which is read on one thread. All parts together have its rows.
pub trait Parts: Debug + Send + Sync {
    /// How many parts there are.
    fn count(&self) -> usize;

    /// Opens a connection in which [`Table::source`] can be one part.
    ///
    /// # Errors
    ///
    /// Fails if the data cannot be read.
    fn open(&self) -> Result<Connection>;

    /// Makes [`Table::source`] this part, in place of the last one.
    ///
    /// # Errors
    ///
    /// Fails if the data cannot be read.
    fn show(&self, connection: &Connection, part: usize) -> Result<()>;
}

/// A column of a table.
#[derive(Clone, Debug)]
pub struct Column {
    /// The public name. Upper and lower case differ.
    pub name: String,
    /// The type, which says how values are kept.
    pub ty: Type,
    /// Whether values may be NULL.
    pub nullable: bool,
    /// Whether `SELECT *` leaves it out.
    pub hidden: bool,
    /// The expression of SQLite over `source` that gives the value as its type says. Not
    /// checked either.
    pub expression: String,
}

impl Catalogue {
    /// Finds the table of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Table> {
        let mut tables = self.tables.iter();
        tables.find(|table| table.names.iter().any(|other| other == name))
    }

    /// All names of all tables.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.tables.iter().flat_map(|table| &table.names);
        names.map(String::as_str)
    }
}
