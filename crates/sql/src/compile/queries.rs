//! Queries: `WITH`, `UNION`, `LIMIT`.

use super::scope::{Relation, Scope};
use super::{Compiler, Output, check_length, start, unsupported};
use crate::error::Error;
use sqlparser::ast::{
    Cte, Expr, LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, SetExpr, SetOperator,
    SetQuantifier, Value, With,
};

/// The name in SQLite of a compound query.
const RESULT: &str = "result";

impl Compiler<'_> {
    /// Compiles a query to its text and its columns, which are `c0`, `c1` and so on.
    pub(super) fn query(&mut self, query: &Query) -> Result<(String, Vec<Output>), Error> {
        self.selects += 1;
        if let (2.., Some(grouping)) = (self.selects, &self.grouping) {
            grouping.borrow_mut().give_up();
        }
        let parts = self.parts.len();
        let compiled = self.query_inside(query);
        self.parts.truncate(parts);
        self.selects -= 1;
        let (sql, columns) = compiled?;
        check_length(&sql)?;
        Ok((sql, columns))
    }

    fn query_inside(&mut self, query: &Query) -> Result<(String, Vec<Output>), Error> {
        let rules = &self.request.rules;
        if self.selects > rules.depth {
            let message = format!("more than {} SELECTs are inside each other", rules.depth);
            return Err(Error::at(message, start(query)));
        }
        refuse_rest(query)?;
        let with = match &query.with {
            Some(with) => self.with(with)?,
            None => String::new(),
        };
        let order = match &query.order_by {
            Some(order) => expressions(order)?,
            None => &[],
        };
        let (body, columns) = match &*query.body {
            SetExpr::Select(select) => self.select(select, order)?,
            body => {
                let (mut sql, columns) = self.set(body)?;
                let scope = of_result(&columns);
                let terms = self.order_terms(&scope, order, &[])?;
                if !terms.is_empty() {
                    sql = format!("{sql} ORDER BY {}", terms.join(", "));
                }
                (sql, columns)
            }
        };
        let limit = match &query.limit_clause {
            Some(limit) => limit_of(limit)?,
            None => String::new(),
        };
        Ok((format!("{with}{body}{limit}"), columns))
    }

    fn with(&mut self, with: &With) -> Result<String, Error> {
        if !self.request.rules.several {
            return Err(unsupported("WITH", with.with_token.0.span.start));
        }
        let mut parts = Vec::new();
        for part in &with.cte_tables {
            let internal = self.table_name("w");
            let name = part.alias.name.value.clone();
            let relation = |columns: Vec<Output>| Relation {
                names: vec![name],
                internal: internal.clone(),
                visible: columns.len(),
                columns,
            };
            let sql = match &*part.query.body {
                SetExpr::SetOperation {
                    op: SetOperator::Union,
                    left,
                    right,
                    set_quantifier,
                } if with.recursive => {
                    refuse_rest_of_recursion(part)?;
                    let (first, columns) = self.set(left)?;
                    let columns = renamed(columns, part)?;
                    self.parts.push(relation(columns.clone()));
                    let (next, others) = self.set(right)?;
                    check_width(&columns, &others, part.query.body.as_ref())?;
                    let all = all(*set_quantifier);
                    format!("{first} UNION{all} {next}")
                }
                _ => {
                    let (sql, columns) = self.query(&part.query)?;
                    self.parts.push(relation(renamed(columns, part)?));
                    sql
                }
            };
            let columns = self.parts.last().map_or(0, |part| part.columns.len());
            let columns: Vec<_> = (0..columns).map(|index| format!("c{index}")).collect();
            parts.push(format!("{internal}({}) AS ({sql})", columns.join(", ")));
        }
        Ok(format!("WITH RECURSIVE {} ", parts.join(", ")))
    }

    /// Compiles a member of `UNION`, or one of its operands.
    fn set(&mut self, body: &SetExpr) -> Result<(String, Vec<Output>), Error> {
        match body {
            SetExpr::Select(select) => self.select(select, &[]),
            SetExpr::Query(query) => {
                let (sql, columns) = self.query(query)?;
                Ok((
                    format!("SELECT {RESULT}.* FROM ({sql}) AS {RESULT}"),
                    columns,
                ))
            }
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                if !self.request.rules.several {
                    return Err(unsupported(&op.to_string(), start(body)));
                }
                let (left, mut columns) = self.set(left)?;
                let (right, others) = self.set(right)?;
                check_width(&columns, &others, body)?;
                for (column, other) in columns.iter_mut().zip(others) {
                    let Some(ty) = column.ty.common(&other.ty) else {
                        let message = format!(
                            "the column `{}` is a {} before {op} and a {} behind it",
                            column.name, column.ty, other.ty
                        );
                        return Err(Error::at(message, start(body)));
                    };
                    column.ty = ty;
                    column.nullable |= other.nullable;
                }
                let operator = match op {
                    SetOperator::Union => format!("UNION{}", all(*set_quantifier)),
                    SetOperator::Except | SetOperator::Minus => "EXCEPT".to_owned(),
                    SetOperator::Intersect => "INTERSECT".to_owned(),
                };
                let sql = format!("SELECT {RESULT}.* FROM ({left} {operator} {right}) AS {RESULT}");
                check_length(&sql)?;
                Ok((sql, columns))
            }
            _ => Err(Error::at("a SELECT is expected here", start(body))),
        }
    }
}

/// The columns of a compound query, for its `ORDER BY`.
fn of_result<'q>(columns: &[Output]) -> Scope<'q> {
    let result = Relation {
        names: Vec::new(),
        internal: RESULT.to_owned(),
        columns: columns.to_vec(),
        visible: columns.len(),
    };
    Scope {
        relations: vec![result],
        aliases: Vec::new(),
        keys: Vec::new(),
        clause_of_rows: Some("ORDER BY behind UNION"),
        order: None,
    }
}

fn all(quantifier: SetQuantifier) -> &'static str {
    match quantifier {
        SetQuantifier::All => " ALL",
        _ => "",
    }
}

fn check_width(left: &[Output], right: &[Output], body: &SetExpr) -> Result<(), Error> {
    if left.len() == right.len() {
        return Ok(());
    }
    let (left, right) = (left.len(), right.len());
    let message = format!("the queries have {left} and {right} columns; they need as many");
    Err(Error::at(message, start(body)))
}

/// Gives columns the names that stand behind that of a part of `WITH`.
fn renamed(mut columns: Vec<Output>, part: &Cte) -> Result<Vec<Output>, Error> {
    let names = &part.alias.columns;
    if names.is_empty() {
        return Ok(columns);
    }
    if names.len() != columns.len() {
        let (named, there) = (names.len(), columns.len());
        let message = format!("{named} columns are named, and there are {there}");
        return Err(Error::at(message, part.alias.name.span.start));
    }
    for (column, name) in columns.iter_mut().zip(names) {
        column.name.clone_from(&name.name.value);
    }
    Ok(columns)
}

fn refuse_rest_of_recursion(part: &Cte) -> Result<(), Error> {
    let Query {
        with,
        order_by,
        limit_clause,
        ..
    } = &*part.query;
    if with.is_some() || order_by.is_some() || limit_clause.is_some() {
        let what = "WITH, ORDER BY or LIMIT in a recursive part of WITH";
        return Err(unsupported(what, start(part)));
    }
    refuse_rest(&part.query)
}

/// Refuses what a query can have for the parser only.
fn refuse_rest(query: &Query) -> Result<(), Error> {
    let rest = [
        (query.fetch.is_some(), "FETCH"),
        (!query.locks.is_empty(), "FOR UPDATE"),
        (query.for_clause.is_some(), "FOR"),
        (query.settings.is_some(), "SETTINGS"),
        (query.format_clause.is_some(), "FORMAT in a subquery"),
        (!query.pipe_operators.is_empty(), "|>"),
    ];
    match rest.into_iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => Err(unsupported(what, start(query))),
        None => Ok(()),
    }
}

fn expressions(order: &OrderBy) -> Result<&[OrderByExpr], Error> {
    match (&order.kind, &order.interpolate) {
        (OrderByKind::Expressions(expressions), None) => Ok(expressions),
        (_, Some(_)) => Err(Error::invalid("INTERPOLATE is not supported")),
        (OrderByKind::All(_), None) => Err(Error::invalid("ORDER BY ALL is not supported")),
    }
}

fn limit_of(clause: &LimitClause) -> Result<String, Error> {
    let (limit, offset) = match clause {
        LimitClause::LimitOffset {
            limit,
            offset,
            limit_by,
        } => {
            if let Some(by) = limit_by.first() {
                return Err(unsupported("LIMIT … BY", start(by)));
            }
            (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
        }
        LimitClause::OffsetCommaLimit { offset, limit } => (Some(limit), Some(offset)),
    };
    let limit = limit.map(count).transpose()?;
    let offset = offset.map(count).transpose()?;
    Ok(match (limit, offset) {
        (None, None) => String::new(),
        (Some(limit), None) => format!(" LIMIT {limit}"),
        (Some(limit), Some(offset)) => format!(" LIMIT {limit} OFFSET {offset}"),
        (None, Some(offset)) => format!(" LIMIT -1 OFFSET {offset}"),
    })
}

fn count(expression: &Expr) -> Result<i64, Error> {
    let count = match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    let message = "LIMIT and OFFSET need a whole number";
    count.ok_or_else(|| Error::at(message, start(expression)))
}
