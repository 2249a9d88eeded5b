//! `FROM`.

use super::scope::{Relation, Scope};
use super::{Compiler, Output, start, unsupported};
use crate::catalogue::Table;
use crate::error::{Error, meant};
use sqlparser::ast::{
    Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableWithJoins,
};

impl Compiler<'_> {
    /// Compiles `FROM` to its text, and adds its tables to the scope.
    pub(super) fn from(
        &mut self,
        scope: &mut Scope<'_>,
        from: &[TableWithJoins],
    ) -> Result<String, Error> {
        let mut sql = String::new();
        for (index, table) in from.iter().enumerate() {
            if index > 0 {
                self.check_several(&table.relation)?;
            }
            sql.push_str(if index == 0 { " FROM " } else { " CROSS JOIN " });
            sql.push_str(&self.relation(scope, &table.relation)?);
            for join in &table.joins {
                self.check_several(&join.relation)?;
                sql.push_str(&self.join(scope, join)?);
            }
        }
        Ok(sql)
    }

    fn check_several(&self, table: &TableFactor) -> Result<(), Error> {
        match self.request.rules.several {
            true => Ok(()),
            false => Err(unsupported(
                "more than one table, as with JOIN,",
                start(table),
            )),
        }
    }

    fn join(&mut self, scope: &mut Scope<'_>, join: &Join) -> Result<String, Error> {
        let (words, constraint, is_left) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                (" JOIN ", constraint, false)
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                (" LEFT JOIN ", constraint, true)
            }
            JoinOperator::CrossJoin(constraint) => (" CROSS JOIN ", constraint, false),
            _ => return Err(unsupported("this kind of JOIN", start(&join.relation))),
        };
        let relation = self.relation(scope, &join.relation)?;
        if let (true, Some(joined)) = (is_left, scope.relations.last_mut()) {
            for column in &mut joined.columns {
                column.nullable = true;
            }
        }
        let on = match constraint {
            JoinConstraint::None => String::new(),
            JoinConstraint::On(condition) => {
                let condition = self.condition(scope, condition, "ON")?;
                format!(" ON {}", condition.sql)
            }
            JoinConstraint::Using(_) | JoinConstraint::UsingAlias(..) | JoinConstraint::Natural => {
                return Err(unsupported("JOIN without ON", start(&join.relation)));
            }
        };
        Ok(format!("{words}{relation}{on}"))
    }

    fn relation(&mut self, scope: &mut Scope<'_>, table: &TableFactor) -> Result<String, Error> {
        let (sql, relation) = match table {
            TableFactor::Table {
                name,
                alias,
                args: None,
                version: None,
                json_path: None,
                sample: None,
                ..
            } => self.table(name, alias.as_ref())?,
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                sample: None,
            } => {
                let (sql, columns) = self.query(subquery)?;
                let internal = self.table_name("t");
                let relation = Relation {
                    names: alias_of(alias.as_ref())?.into_iter().collect(),
                    internal,
                    visible: columns.len(),
                    columns,
                };
                (format!("({sql})"), relation)
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } if table_with_joins.joins.is_empty() => {
                return self.relation(scope, &table_with_joins.relation);
            }
            _ => {
                let message = "the name of a table or a subquery is expected here";
                return Err(Error::at(message, start(table)));
            }
        };
        let sql = format!("{sql} AS {}", relation.internal);
        scope.relations.push(relation);
        Ok(sql)
    }

    fn table(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
    ) -> Result<(String, Relation), Error> {
        let parts = name.0.iter().filter_map(|part| part.as_ident());
        let parts: Vec<_> = parts.map(|part| part.value.as_str()).collect();
        let full = parts.join(".");
        let names = match alias_of(alias)? {
            Some(alias) => vec![alias],
            None => vec![full.clone()],
        };
        let internal = self.table_name("t");
        let mut defined = self.parts.iter().rev();
        if let Some(part) = defined.find(|part| part.names.contains(&full)) {
            let sql = part.internal.clone();
            let relation = Relation {
                names,
                internal,
                ..part.clone()
            };
            return Ok((sql, relation));
        }
        let Some(table) = self.catalogue.find(&full) else {
            return Err(Error::at(self.no_table(&full), start(name)));
        };
        let (sql, columns) = source(table);
        let visible = columns.iter().zip(hidden_last(table));
        let visible = visible.filter(|(_, column)| !column.hidden).count();
        let relation = Relation {
            names,
            internal,
            columns,
            visible,
        };
        Ok((sql, relation))
    }

    fn no_table(&self, name: &str) -> String {
        let mut names = self.catalogue.names().peekable();
        match names.peek() {
            None => format!("there is no table `{name}`: there is no data yet"),
            Some(_) => format!(
                "there is no table `{name}`{}; SHOW TABLES lists those that there are",
                meant(name, names)
            ),
        }
    }
}

/// The columns of a table, those last that `*` leaves out.
fn hidden_last(table: &Table) -> impl Iterator<Item = &crate::catalogue::Column> {
    let (shown, hidden) = (table.columns.iter(), table.columns.iter());
    let shown = shown.filter(|column| !column.hidden);
    shown.chain(hidden.filter(|column| column.hidden))
}

fn source(table: &Table) -> (String, Vec<Output>) {
    let columns = hidden_last(table).enumerate();
    let sql: Vec<_> = columns
        .map(|(index, column)| format!("{} AS c{index}", column.expression))
        .collect();
    let outputs = hidden_last(table).map(|column| Output {
        name: column.name.clone(),
        ty: column.ty.clone(),
        nullable: column.nullable,
    });
    let sql = format!("(SELECT {} FROM {})", sql.join(", "), table.source);
    (sql, outputs.collect())
}

fn alias_of(alias: Option<&TableAlias>) -> Result<Option<String>, Error> {
    match alias {
        Some(alias) if !alias.columns.is_empty() || alias.at.is_some() => Err(unsupported(
            "naming columns behind a table",
            alias.name.span.start,
        )),
        alias => Ok(alias.map(|alias| alias.name.value.clone())),
    }
}
