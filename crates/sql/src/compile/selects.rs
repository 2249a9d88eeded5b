//! `SELECT`.

use super::scope::{Relation, Scope, relation};
use super::typed::Typed;
use super::{Compiler, Output, start, unsupported};
use crate::error::Error;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, OrderByExpr, OrderBySort, Select, SelectFlavor, SelectItem,
    SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};

impl Compiler<'_> {
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
    ) -> Result<(String, Vec<Output>), Error> {
        refuse_rest(select)?;
        let mut scope = Scope {
            relations: Vec::new(),
            aliases: Vec::new(),
            keys: Vec::new(),
            clause_of_rows: None,
            order: None,
        };
        let from = self.from(&mut scope, &select.from)?;
        scope.aliases = aliases(&select.projection);
        let filter = match &select.selection {
            Some(condition) => {
                let condition = self.condition(&mut scope, condition, "WHERE")?;
                format!(" WHERE {}", condition.sql)
            }
            None => String::new(),
        };
        let keys = self.keys(&mut scope, select)?;
        if keys.is_empty() {
            scope.order = self.row_order(&mut scope, order, &select.projection);
        }
        scope.keys = keys;
        let (values, columns) = self.projection(&scope, &select.projection)?;
        let having = match &select.having {
            Some(condition) => Some(self.boolean(&scope, condition)?),
            None => None,
        };
        let is_grouped = !scope.keys.is_empty()
            || having.is_some()
            || values.iter().any(|value| value.aggregates);
        let mut sql = String::from("SELECT ");
        if select.distinct == Some(Distinct::Distinct) {
            sql.push_str("DISTINCT ");
        }
        let list = values.iter().enumerate();
        let list: Vec<_> = list
            .map(|(index, value)| format!("{} AS c{index}", value.sql))
            .collect();
        sql.push_str(&list.join(", "));
        if is_grouped {
            for value in values.iter().chain(&having) {
                check_grouped(value)?;
            }
        }
        // One row has no order.
        let has_one_row = is_grouped && scope.keys.is_empty();
        let terms = match has_one_row && scope.order.is_some() {
            true => Vec::new(),
            false => self.order_terms(&scope, order, &values)?,
        };
        match &self.grouping {
            Some(grouping) if is_grouped => {
                let rows = format!("{from}{filter}");
                sql.push_str(&grouping.borrow_mut().take_rows(&scope.keys, &rows));
                if let Some(having) = having {
                    sql.push_str(&format!(" WHERE {}", having.sql));
                }
            }
            _ => {
                sql.push_str(&from);
                sql.push_str(&filter);
                if !scope.keys.is_empty() {
                    sql.push_str(&format!(" GROUP BY {}", scope.keys.join(", ")));
                }
                if let Some(having) = having {
                    sql.push_str(&format!(" HAVING {}", having.sql));
                }
            }
        }
        if !terms.is_empty() {
            sql.push_str(&format!(" ORDER BY {}", terms.join(", ")));
        }
        Ok((sql, columns))
    }

    /// Compiles a condition on rows.
    pub(super) fn condition(
        &mut self,
        scope: &mut Scope<'_>,
        condition: &Expr,
        clause: &'static str,
    ) -> Result<Typed, Error> {
        let around = scope.clause_of_rows.replace(clause);
        let condition = self.boolean(scope, condition);
        scope.clause_of_rows = around;
        condition
    }

    fn keys(&mut self, scope: &mut Scope<'_>, select: &Select) -> Result<Vec<String>, Error> {
        let GroupByExpr::Expressions(expressions, modifiers) = &select.group_by else {
            return Err(Error::invalid(
                "GROUP BY ALL is not supported: name the columns",
            ));
        };
        if !modifiers.is_empty() {
            return Err(Error::invalid("GROUP BY … WITH is not supported"));
        }
        scope.clause_of_rows = Some("GROUP BY");
        let mut keys = Vec::new();
        for expression in expressions {
            let key = match position(expression) {
                Some(index) => {
                    let (items, index_in_items) = at(&select.projection, index - 1);
                    let (values, _) = self.projection(scope, items)?;
                    let value = values.into_iter().nth(index_in_items);
                    value.ok_or_else(|| no_column(index, expression))?
                }
                None => self.expression(scope, expression)?,
            };
            // A number would be the position of a column.
            keys.push(match key.constant {
                Some(_) => format!("({} + 0)", key.sql),
                None => key.sql,
            });
        }
        scope.clause_of_rows = None;
        Ok(keys)
    }

    /// The order of the rows, unless it is one of groups.
    fn row_order(
        &mut self,
        scope: &mut Scope<'_>,
        order: &[OrderByExpr],
        projection: &[SelectItem],
    ) -> Option<String> {
        scope.clause_of_rows = Some("ORDER BY");
        let values = self
            .projection(scope, projection)
            .map_or(Vec::new(), |(values, _)| values);
        let terms = self.order_terms(scope, order, &values);
        scope.clause_of_rows = None;
        let terms = terms.ok().filter(|terms| !terms.is_empty());
        terms.map(|terms| terms.join(", "))
    }

    /// Compiles the terms of `ORDER BY` for a query that selects `values`.
    pub(super) fn order_terms(
        &mut self,
        scope: &Scope<'_>,
        order: &[OrderByExpr],
        values: &[Typed],
    ) -> Result<Vec<String>, Error> {
        let mut terms = Vec::new();
        for term in order {
            if term.with_fill.is_some() {
                return Err(unsupported("WITH FILL", start(&term.expr)));
            }
            let value = match position(&term.expr) {
                Some(index) => {
                    let value = values.get(index - 1).cloned();
                    value.ok_or_else(|| no_column(index, &term.expr))?
                }
                None => self.expression(scope, &term.expr)?,
            };
            if !scope.keys.is_empty() || values.iter().any(|value| value.aggregates) {
                check_grouped(&value)?;
            }
            if value.constant.is_some() {
                continue;
            }
            let direction = match term.options.sort {
                Some(OrderBySort::Desc) => " DESC",
                Some(OrderBySort::Asc) | None => "",
                Some(OrderBySort::Using(_)) => return Err(unsupported("USING", start(&term.expr))),
            };
            // As in ClickHouse, whatever the direction.
            let nulls = match (term.options.nulls_first, value.nullable) {
                (Some(true), _) => " NULLS FIRST",
                (Some(false), _) | (None, true) => " NULLS LAST",
                (None, false) => "",
            };
            terms.push(format!("{}{direction}{nulls}", value.sql));
        }
        Ok(terms)
    }

    fn projection(
        &mut self,
        scope: &Scope<'_>,
        items: &[SelectItem],
    ) -> Result<(Vec<Typed>, Vec<Output>), Error> {
        let (mut values, mut columns) = (Vec::new(), Vec::new());
        for item in items {
            let (expression, name) = match item {
                SelectItem::UnnamedExpr(expression) => (expression, name_of(expression)),
                SelectItem::ExprWithAlias { expr, alias } => (expr, alias.value.clone()),
                SelectItem::Wildcard(options) => {
                    refuse_options(options, item)?;
                    if scope.relations.is_empty() {
                        return Err(Error::at("`*` needs a table behind FROM", start(item)));
                    }
                    for relation in &scope.relations {
                        all(relation, item, &mut values, &mut columns);
                    }
                    continue;
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(table),
                    options,
                ) => {
                    refuse_options(options, item)?;
                    let table = table.0.iter().filter_map(|part| part.as_ident());
                    let table: Vec<Ident> = table.cloned().collect();
                    let relation = relation(scope, &table, start(item))?;
                    all(relation, item, &mut values, &mut columns);
                    continue;
                }
                _ => return Err(Error::at("a column is expected here", start(item))),
            };
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.expanding.push(alias.value.clone());
            }
            let value = self.expression(scope, expression);
            if let SelectItem::ExprWithAlias { .. } = item {
                self.expanding.pop();
            }
            let value = value?;
            columns.push(Output {
                name,
                ty: value.ty.clone(),
                nullable: value.nullable,
            });
            values.push(value);
        }
        Ok((values, columns))
    }
}

fn aliases(items: &[SelectItem]) -> Vec<(&Ident, &Expr)> {
    let mut aliases = Vec::new();
    for item in items {
        if let SelectItem::ExprWithAlias { expr, alias } = item {
            aliases.push((alias, expr));
        }
    }
    aliases
}

/// Adds what `*` means for a table.
fn all(relation: &Relation, item: &SelectItem, values: &mut Vec<Typed>, columns: &mut Vec<Output>) {
    for (index, column) in relation.columns[..relation.visible].iter().enumerate() {
        let sql = format!("{}.c{index}", relation.internal);
        values.push(Typed {
            nullable: column.nullable,
            bare: Some((column.name.clone(), start(item))),
            ..Typed::new(sql, column.ty.clone())
        });
        columns.push(column.clone());
    }
}

fn name_of(expression: &Expr) -> String {
    match expression {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(names) => names
            .last()
            .map_or(String::new(), |name| name.value.clone()),
        expression => expression.to_string(),
    }
}

/// The number of a column, from 1 on, if it is named by its place.
fn position(expression: &Expr) -> Option<usize> {
    let Expr::Value(value) = expression else {
        return None;
    };
    match &value.value {
        sqlparser::ast::Value::Number(digits, _) => digits.parse().ok().filter(|place| *place > 0),
        _ => None,
    }
}

/// Items that have a column, which may be all, and its place in them.
fn at(items: &[SelectItem], index: usize) -> (&[SelectItem], usize) {
    let is_one = |item: &SelectItem| {
        matches!(
            item,
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
        )
    };
    match items.get(index) {
        Some(item) if items.iter().all(is_one) => (std::slice::from_ref(item), 0),
        _ => (items, index),
    }
}

fn no_column(index: usize, expression: &Expr) -> Error {
    Error::at(format!("SELECT has no column {index}"), start(expression))
}

fn check_grouped(value: &Typed) -> Result<(), Error> {
    let Some((name, at)) = &value.bare else {
        return Ok(());
    };
    let message = format!("the column `{name}` must be in GROUP BY or in an aggregate function");
    Err(Error::at(message, *at))
}

fn refuse_options(options: &WildcardAdditionalOptions, item: &SelectItem) -> Result<(), Error> {
    let plain = WildcardAdditionalOptions {
        wildcard_token: options.wildcard_token.clone(),
        ..WildcardAdditionalOptions::default()
    };
    match *options == plain {
        true => Ok(()),
        false => Err(unsupported("anything behind `*`", start(item))),
    }
}

/// Refuses what a `SELECT` can have for the parser only.
fn refuse_rest(select: &Select) -> Result<(), Error> {
    let rest = [
        (
            matches!(select.distinct, Some(Distinct::On(_))),
            "DISTINCT ON",
        ),
        (
            select.flavor != SelectFlavor::Standard,
            "FROM before SELECT",
        ),
        (select.top.is_some(), "TOP"),
        (select.exclude.is_some(), "EXCLUDE"),
        (select.into.is_some(), "INTO"),
        (select.prewhere.is_some(), "PREWHERE"),
        (select.qualify.is_some(), "QUALIFY"),
        (select.value_table_mode.is_some(), "AS VALUE"),
        (select.select_modifiers.is_some(), "a modifier of SELECT"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (!select.cluster_by.is_empty(), "CLUSTER BY"),
        (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
        (!select.sort_by.is_empty(), "SORT BY"),
        (!select.named_window.is_empty(), "WINDOW"),
    ];
    match rest.into_iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => Err(unsupported(what, start(select))),
        None => Ok(()),
    }
}
