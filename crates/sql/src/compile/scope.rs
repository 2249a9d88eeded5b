//! What names mean.

use super::typed::Typed;
use super::{Compiler, Output};
use crate::error::{Error, meant};
use sqlparser::ast::{Expr, Ident};
use sqlparser::tokenizer::Location;

/// A table, a subquery or a part of `WITH`, behind `FROM`.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    /// The names that may be before the dot of a column.
    pub(super) names: Vec<String>,
    /// The name in SQLite.
    pub(super) internal: String,
    /// The columns, the first of which is `c0` in SQLite.
    pub(super) columns: Vec<Output>,
    /// How many of the columns `*` means: the others are hidden.
    pub(super) visible: usize,
}

/// Where an expression stands.
pub(super) struct Scope<'q> {
    pub(super) relations: Vec<Relation>,
    /// Names that `AS` has given, with what they stand for. They come before columns.
    pub(super) aliases: Vec<(&'q Ident, &'q Expr)>,
    /// What the rows are grouped by.
    pub(super) keys: Vec<String>,
    /// Which clause it is, if aggregate functions cannot be in it.
    pub(super) clause_of_rows: Option<&'static str>,
    /// The order of the rows for `first_value` and `last_value`.
    pub(super) order: Option<String>,
}

impl<'q> Scope<'q> {
    fn alias(&self, name: &str, expanding: &[String]) -> Option<&'q Expr> {
        let is_expanding = expanding.iter().any(|other| other == name);
        let mut aliases = self.aliases.iter();
        let alias = aliases.find(|(alias, _)| alias.value == name && !is_expanding);
        alias.map(|(_, expression)| *expression)
    }

    fn unknown(&self, name: &str) -> String {
        let columns = self.relations.iter().flat_map(|relation| &relation.columns);
        let columns = columns.map(|column| column.name.as_str());
        let aliases = self.aliases.iter().map(|(alias, _)| alias.value.as_str());
        let meant = meant(name, columns.chain(aliases));
        format!("there is no column `{name}`{meant}")
    }
}

impl Relation {
    fn column(&self, name: &str, at: Location) -> Option<Typed> {
        let index = self.columns.iter().position(|column| column.name == name)?;
        let column = &self.columns[index];
        let sql = format!("{}.c{index}", self.internal);
        Some(Typed {
            nullable: column.nullable,
            bare: Some((column.name.clone(), at)),
            ..Typed::new(sql, column.ty.clone())
        })
    }
}

impl Compiler<'_> {
    /// Compiles a name: an alias or a column.
    pub(super) fn name(&mut self, scope: &Scope<'_>, name: &Ident) -> Result<Typed, Error> {
        if let Some(expression) = scope.alias(&name.value, &self.expanding) {
            self.expanding.push(name.value.clone());
            let typed = self.expression(scope, expression);
            self.expanding.pop();
            return typed;
        }
        let relations = scope.relations.iter();
        let at = name.span.start;
        let mut found = relations.filter_map(|relation| relation.column(&name.value, at));
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column),
            (Some(_), Some(_)) => Err(Error::at(
                format!(
                    "several tables have a column `{}`: name the table, too",
                    name.value
                ),
                at,
            )),
            (None, _) => Err(Error::at(scope.unknown(&name.value), at)),
        }
    }

    /// Compiles a name behind that of a table.
    pub(super) fn qualified_name(scope: &Scope<'_>, names: &[Ident]) -> Result<Typed, Error> {
        let Some((column, table)) = names.split_last() else {
            return Err(Error::invalid("there is a name without a name"));
        };
        let at = names
            .first()
            .map_or(column.span.start, |name| name.span.start);
        let relation = relation(scope, table, at)?;
        let found = relation.column(&column.value, column.span.start);
        found.ok_or_else(|| Error::at(scope.unknown(&column.value), column.span.start))
    }
}

/// Finds the table that is named before the dot of a column.
pub(super) fn relation<'s>(
    scope: &'s Scope<'_>,
    table: &[Ident],
    at: Location,
) -> Result<&'s Relation, Error> {
    let table: Vec<_> = table.iter().map(|name| name.value.as_str()).collect();
    let table = table.join(".");
    let mut relations = scope.relations.iter();
    let found = relations.find(|relation| relation.names.contains(&table));
    found.ok_or_else(|| Error::at(format!("FROM has no table `{table}`"), at))
}
