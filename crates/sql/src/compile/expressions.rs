//! Expressions.

use super::scope::Scope;
use super::typed::Typed;
use super::{Compiler, DEPTH, EXPRESSIONS, check_length, grouping, start, unsupported};
use crate::error::Error;
use crate::types::Type;
use sqlparser::ast::{
    AccessExpr, CaseWhen, CeilFloorKind, DateTimeField, Expr, InTarget, Query, Subscript,
    UnaryOperator,
};
use sqlparser::tokenizer::Location;

impl Compiler<'_> {
    /// Compiles an expression.
    pub(super) fn expression(
        &mut self,
        scope: &Scope<'_>,
        expression: &Expr,
    ) -> Result<Typed, Error> {
        self.expressions += 1;
        if self.depth == DEPTH || self.expressions > EXPRESSIONS {
            let message = match self.depth {
                DEPTH => format!("more than {DEPTH} expressions are inside each other"),
                _ => format!(
                    "there are more than {EXPRESSIONS} expressions, those of aliases included"
                ),
            };
            return Err(Error::invalid(message));
        }
        self.depth += 1;
        let typed = self.kind_of_expression(scope, expression);
        self.depth -= 1;
        let mut typed = typed?;
        check_length(&typed.sql)?;
        if let Some(key) = scope.keys.iter().position(|key| *key == typed.sql) {
            typed.bare = None;
            if self.grouping.is_some() && !self.is_in_aggregate {
                typed.sql = format!("{}.k{key}", grouping::TABLE);
            }
        }
        Ok(typed)
    }

    fn kind_of_expression(&mut self, scope: &Scope<'_>, expression: &Expr) -> Result<Typed, Error> {
        let at = start(expression);
        match expression {
            Expr::Identifier(name) => self.name(scope, name),
            Expr::CompoundIdentifier(names) => Self::qualified_name(scope, names),
            Expr::Nested(inner) => self.expression(scope, inner),
            Expr::Value(value) => self.value(value),
            Expr::Interval(interval) => self.interval(scope, interval, at),
            Expr::UnaryOp { op, expr } => self.unary(scope, *op, expr, at),
            Expr::BinaryOp { left, op, right } => {
                let (left, right) = (
                    self.expression(scope, left)?,
                    self.expression(scope, right)?,
                );
                self.binary(&left, op, &right, at)
            }
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let parts = self.all(scope, [&**expr, low, high])?;
                let [value, low, high] = &*Self::comparable(&parts, at)? else {
                    return Err(unsupported("this BETWEEN", at));
                };
                let sql = format!("({value} BETWEEN {low} AND {high})");
                Ok(Self::truth(sql, *negated, &parts))
            }
            Expr::In {
                expr,
                target,
                negated,
                ..
            } => self.contains(scope, expr, target, *negated),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => self.like(scope, "like", [expr, pattern], *negated),
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char: None,
            } => self.like(scope, "ilike", [expr, pattern], *negated),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                let inner = self.expression(scope, inner)?;
                let sql = format!("({} IS NULL)", inner.sql);
                let negated = matches!(expression, Expr::IsNotNull(_));
                let mut typed = Self::truth(sql, negated, &[inner]);
                typed.nullable = false;
                Ok(typed)
            }
            Expr::Case {
                operand: None,
                conditions,
                else_result,
                ..
            } => self.case(scope, conditions, else_result.as_deref(), at),
            Expr::Function(function) => self.function(scope, function),
            Expr::Position { expr, r#in } => self.named_call(scope, "strpos", &[r#in, expr], at),
            Expr::Substring {
                expr,
                substring_from: Some(from),
                substring_for,
                ..
            } => {
                let parts: Vec<&Expr> = [&**expr, from]
                    .into_iter()
                    .chain(substring_for.as_deref())
                    .collect();
                self.named_call(scope, "substring", &parts, at)
            }
            Expr::Extract { field, expr, .. } => {
                let value = self.expression(scope, expr)?;
                self.call("date_part", at, &[Typed::text(&field.to_string()), value])
            }
            Expr::Ceil { expr, field } => self.rounded(scope, "ceil", expr, field, at),
            Expr::Floor { expr, field } => self.rounded(scope, "floor", expr, field, at),
            Expr::CompoundFieldAccess { root, access_chain } => {
                self.key(scope, root, access_chain, at)
            }
            Expr::Subquery(query) => self.scalar_query(query, at),
            other => Err(unsupported(&format!("`{other}`"), at)),
        }
    }

    /// Compiles the condition of `WHERE` and the like.
    pub(super) fn boolean(&mut self, scope: &Scope<'_>, condition: &Expr) -> Result<Typed, Error> {
        let typed = self.expression(scope, condition)?;
        match typed.ty.is_number() {
            true => Ok(typed),
            false => {
                let message = format!("a condition is expected here, not a {}", typed.ty);
                Err(Error::at(message, start(condition)))
            }
        }
    }

    pub(super) fn all<'e>(
        &mut self,
        scope: &Scope<'_>,
        expressions: impl IntoIterator<Item = &'e Expr>,
    ) -> Result<Vec<Typed>, Error> {
        let expressions = expressions.into_iter();
        expressions
            .map(|expression| self.expression(scope, expression))
            .collect()
    }

    /// A value that is true or false, from others.
    fn truth(sql: String, negated: bool, parts: &[Typed]) -> Typed {
        let parts: Vec<&Typed> = parts.iter().collect();
        let sql = if negated { format!("(NOT {sql})") } else { sql };
        Typed::of(sql, Type::UInt8, &parts)
    }

    fn unary(
        &mut self,
        scope: &Scope<'_>,
        operator: UnaryOperator,
        operand: &Expr,
        at: Location,
    ) -> Result<Typed, Error> {
        match operator {
            UnaryOperator::Not => {
                let operand = self.boolean(scope, operand)?;
                Ok(Self::truth(operand.sql.clone(), true, &[operand]))
            }
            UnaryOperator::Minus => {
                let operand = self.expression(scope, operand)?;
                Self::negative(&operand, at)
            }
            UnaryOperator::Plus => self.expression(scope, operand),
            _ => Err(unsupported(&format!("the operator `{operator}`"), at)),
        }
    }

    fn contains(
        &mut self,
        scope: &Scope<'_>,
        value: &Expr,
        target: &InTarget,
        negated: bool,
    ) -> Result<Typed, Error> {
        let at = start(value);
        match target {
            InTarget::List(list) => {
                let parts = self.all(scope, std::iter::once(value).chain(list))?;
                let sql = Self::comparable(&parts, at)?;
                let sql = format!("({} IN ({}))", sql[0], sql[1..].join(", "));
                Ok(Self::truth(sql, negated, &parts))
            }
            InTarget::Subquery(query) => {
                let value = self.expression(scope, value)?;
                let (sql, ty) = self.column_of(query, at)?;
                if value.ty.common(&ty).is_none() {
                    let message = format!("a {} is compared with a {ty}", value.ty);
                    return Err(Error::at(message, at));
                }
                let sql = format!("({} IN ({sql}))", value.sql);
                Ok(Self::truth(sql, negated, &[value]))
            }
            InTarget::Unnest(_) | InTarget::Table { .. } => {
                Err(unsupported("IN without a list in parentheses", at))
            }
        }
    }

    fn like(
        &mut self,
        scope: &Scope<'_>,
        function: &str,
        parts: [&Expr; 2],
        negated: bool,
    ) -> Result<Typed, Error> {
        let at = start(parts[0]);
        let parts = self.all(scope, parts)?;
        if let Some(part) = parts.iter().find(|part| !part.ty.is_text()) {
            let message = format!("LIKE needs strings, not a {}", part.ty);
            return Err(Error::at(message, at));
        }
        let like = Typed::call(function, &[&parts[0], &parts[1]], Type::UInt8);
        Ok(Self::truth(like.sql, negated, &parts))
    }

    fn case(
        &mut self,
        scope: &Scope<'_>,
        branches: &[CaseWhen],
        otherwise: Option<&Expr>,
        at: Location,
    ) -> Result<Typed, Error> {
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        for branch in branches {
            conditions.push(self.boolean(scope, &branch.condition)?);
            results.push(self.expression(scope, &branch.result)?);
        }
        results.push(match otherwise {
            Some(otherwise) => self.expression(scope, otherwise)?,
            None => Self::null(),
        });
        let (ty, values) =
            Self::alternatives(&results).map_err(|message| Error::at(message, at))?;
        let mut sql = String::from("(CASE");
        for (condition, value) in conditions.iter().zip(&values) {
            sql.push_str(&format!(" WHEN {} THEN {value}", condition.sql));
        }
        if let Some(value) = values.last() {
            sql.push_str(&format!(" ELSE {value}"));
        }
        sql.push_str(" END)");
        let parts: Vec<&Typed> = conditions.iter().chain(&results).collect();
        let mut typed = Typed::of(sql, ty, &parts);
        typed.nullable = results.iter().any(|result| result.nullable);
        Ok(typed)
    }

    fn rounded(
        &mut self,
        scope: &Scope<'_>,
        name: &str,
        value: &Expr,
        to: &CeilFloorKind,
        at: Location,
    ) -> Result<Typed, Error> {
        let mut arguments = vec![self.expression(scope, value)?];
        match to {
            CeilFloorKind::Scale(scale) => arguments.push(self.value(scale)?),
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => {}
            CeilFloorKind::DateTimeField(_) => {
                return Err(unsupported(&format!("{name} TO a unit of time"), at));
            }
        }
        self.call(name, at, &arguments)
    }

    /// Compiles `json['key']`, where `json` may be behind the name of a table.
    fn key(
        &mut self,
        scope: &Scope<'_>,
        root: &Expr,
        chain: &[AccessExpr],
        at: Location,
    ) -> Result<Typed, Error> {
        let [
            names @ ..,
            AccessExpr::Subscript(Subscript::Index { index }),
        ] = chain
        else {
            return Err(unsupported("anything but one key of JSON", at));
        };
        let mut path = match root {
            Expr::Identifier(name) => vec![name.clone()],
            _ => Vec::new(),
        };
        for name in names {
            match name {
                AccessExpr::Dot(Expr::Identifier(name)) if !path.is_empty() => {
                    path.push(name.clone());
                }
                _ => return Err(unsupported("anything but one key of JSON", at)),
            }
        }
        let json = match &*path {
            [_, _, ..] => Self::qualified_name(scope, &path)?,
            _ => self.expression(scope, root)?,
        };
        let key = self.expression(scope, index)?;
        if json.ty != Type::Json || key.literal().is_none() {
            let message = format!("JSON['key'] is expected here, not {}[{}]", json.ty, key.ty);
            return Err(Error::at(message, at));
        }
        let mut value = Typed::call("json_key", &[&json, &key], Type::Dynamic);
        value.nullable = true;
        Ok(value)
    }

    fn scalar_query(&mut self, query: &Query, at: Location) -> Result<Typed, Error> {
        let (sql, ty) = self.column_of(query, at)?;
        let mut value = Typed::new(format!("({sql})"), ty);
        value.nullable = true;
        Ok(value)
    }

    /// Compiles a query of one column inside an expression.
    fn column_of(&mut self, query: &Query, at: Location) -> Result<(String, Type), Error> {
        if !self.request.rules.several {
            return Err(unsupported("a SELECT in an expression", at));
        }
        let is_in_aggregate = std::mem::take(&mut self.is_in_aggregate);
        let expanding = std::mem::take(&mut self.expanding);
        let compiled = self.query(query);
        (self.is_in_aggregate, self.expanding) = (is_in_aggregate, expanding);
        let (sql, columns) = compiled?;
        match &*columns {
            [column] => Ok((sql, column.ty.clone())),
            columns => {
                let message = format!("the SELECT has {} columns; it needs one", columns.len());
                Err(Error::at(message, at))
            }
        }
    }
}
