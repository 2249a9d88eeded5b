//! Calls of functions.

use super::aggregates::{self, Aggregate};
use super::scalars::{self, Scalar};
use super::scope::Scope;
use super::typed::Typed;
use super::{Compiler, start, unsupported};
use crate::error::{Error, meant};
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
};
use sqlparser::tokenizer::Location;

impl Compiler<'_> {
    pub(super) fn function(
        &mut self,
        scope: &Scope<'_>,
        function: &Function,
    ) -> Result<Typed, Error> {
        let at = start(function);
        let name = function.name.to_string();
        if function.over.is_some() || function.filter.is_some() || function.null_treatment.is_some()
        {
            return Err(unsupported("OVER, FILTER or NULLS behind a function", at));
        }
        let (parameters, _) = self.arguments(scope, &function.parameters, at)?;
        let Some(aggregate) = aggregates::named(&name) else {
            let (arguments, is_distinct) = self.arguments(scope, &function.args, at)?;
            if is_distinct || !parameters.is_empty() {
                let message = format!(
                    "`{name}` takes its arguments in one pair of parentheses, without DISTINCT"
                );
                return Err(Error::at(message, at));
            }
            return self.call(&name, at, &arguments);
        };
        if let Some(clause) = scope.clause_of_rows {
            let message = format!("`{name}` is an aggregate function, which {clause} cannot have");
            let having = if clause == "WHERE" {
                ": HAVING can"
            } else {
                ""
            };
            return Err(Error::at(format!("{message}{having}"), at));
        }
        if self.is_in_aggregate {
            let message = format!("`{name}` is inside another aggregate function");
            return Err(Error::at(message, at));
        }
        self.is_in_aggregate = true;
        let arguments = self.arguments(scope, &function.args, at);
        self.is_in_aggregate = false;
        let (arguments, is_distinct) = arguments?;
        let call = aggregates::Call {
            parameters: &parameters,
            arguments: &arguments,
            is_distinct,
            order: scope.order.as_deref(),
            grouping: self.grouping.as_ref(),
        };
        let Aggregate { build, usage, .. } = aggregate;
        let typed = build(&call).map_err(|message| {
            let message = message.unwrap_or_else(|| format!("it is used as {usage}"));
            Error::at(format!("`{name}`: {message}"), at)
        })?;
        Ok(Typed {
            bare: None,
            aggregates: true,
            constant: None,
            ..typed
        })
    }

    /// Compiles a call that has a syntax of its own.
    pub(super) fn named_call(
        &mut self,
        scope: &Scope<'_>,
        name: &str,
        arguments: &[&Expr],
        at: Location,
    ) -> Result<Typed, Error> {
        let arguments = self.all(scope, arguments.iter().copied())?;
        self.call(name, at, &arguments)
    }

    /// Compiles a call of a function that works on single values.
    pub(super) fn call(
        &self,
        name: &str,
        at: Location,
        arguments: &[Typed],
    ) -> Result<Typed, Error> {
        let Some(Scalar {
            arguments: counts,
            build,
            ..
        }) = scalars::named(name)
        else {
            let names = aggregates::names().chain(scalars::names());
            let message = format!("there is no function `{name}`{}", meant(name, names));
            return Err(Error::at(message, at));
        };
        if !counts.contains(&arguments.len()) {
            let (least, most) = (counts.start(), counts.end());
            let range = if least == most {
                least.to_string()
            } else {
                format!("{least} to {most}")
            };
            let message = format!(
                "`{name}` takes {range} argument(s), not {}",
                arguments.len()
            );
            return Err(Error::at(message, at));
        }
        build(self.request.now, arguments)
            .map_err(|message| Error::at(format!("`{name}` {message}"), at))
    }

    /// Compiles arguments, without `*`. Returns also whether `DISTINCT` is before them.
    fn arguments(
        &mut self,
        scope: &Scope<'_>,
        arguments: &FunctionArguments,
        at: Location,
    ) -> Result<(Vec<Typed>, bool), Error> {
        let list = match arguments {
            FunctionArguments::None => return Ok((Vec::new(), false)),
            FunctionArguments::Subquery(_) => {
                return Err(unsupported("a SELECT as an argument", at));
            }
            FunctionArguments::List(list) => list,
        };
        if !list.clauses.is_empty() {
            return Err(unsupported("a clause behind arguments", at));
        }
        let mut typed = Vec::new();
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => {
                    typed.push(self.expression(scope, expression)?);
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if list.args.len() == 1 => {}
                _ => return Err(unsupported("this argument", at)),
            }
        }
        let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        Ok((typed, is_distinct))
    }
}
