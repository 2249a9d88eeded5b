//! Values that are written in the query, parameters and intervals.

use super::scope::Scope;
use super::typed::Typed;
use super::{Compiler, unsupported};
use crate::error::{Error, meant};
use crate::request::Params;
use crate::types::{Type, Unit};
use rusqlite::types::Value as Bound;
use serde_json::Value as Json;
use sqlparser::ast::{Interval, Value, ValueWithSpan};
use sqlparser::tokenizer::Location;

impl Compiler<'_> {
    pub(super) fn value(&mut self, value: &ValueWithSpan) -> Result<Typed, Error> {
        let at = value.span.start;
        match &value.value {
            Value::Number(digits, _) => {
                if let Ok(integer) = digits.parse() {
                    return Ok(Typed::integer(integer));
                }
                let number: Option<f64> = digits.parse().ok();
                let number = number.map(Typed::number);
                number.ok_or_else(|| Error::at(format!("`{digits}` is not a number"), at))
            }
            Value::SingleQuotedString(text) if text.contains('\0') => {
                Err(unsupported("the character 0 in a string", at))
            }
            Value::SingleQuotedString(text) => Ok(Typed::text(text)),
            Value::Boolean(value) => Ok(Typed::new(u8::from(*value).to_string(), Type::Bool)),
            Value::Null => Ok(Self::null()),
            Value::Placeholder(name) => self.parameter(name, at),
            other => Err(unsupported(&format!("`{other}`"), at)),
        }
    }

    pub(super) fn null() -> Typed {
        Typed {
            nullable: true,
            ..Typed::new("NULL", Type::Nothing)
        }
    }

    fn parameter(&mut self, name: &str, at: Location) -> Result<Typed, Error> {
        let bare = name.strip_prefix('$').unwrap_or(name);
        let value = match &self.request.params {
            Params::None => None,
            Params::Numbered(values) => {
                let index: Option<usize> = bare.parse().ok();
                index.and_then(|index| values.get(index.checked_sub(1)?))
            }
            Params::Named(values) => values.get(bare),
        };
        let Some(value) = value else {
            let names = match &self.request.params {
                Params::Named(values) => values.keys().map(String::as_str).collect(),
                _ => Vec::new(),
            };
            let message = format!(
                "the parameter `{name}` has no value{}",
                meant(bare, names.into_iter())
            );
            return Err(Error::at(message, at));
        };
        let (bound, ty) = match value {
            Json::Null => return Ok(Self::null()),
            Json::Bool(value) => (Bound::Integer(i64::from(*value)), Type::Bool),
            Json::Number(number) => match number.as_i64() {
                Some(integer) => return Ok(Typed::integer(integer)),
                None => return Ok(Typed::number(number.as_f64().unwrap_or(f64::NAN))),
            },
            // As a literal, so that it can be a time.
            Json::String(text) if !text.contains('\0') => return Ok(Typed::text(text)),
            Json::String(text) => (Bound::Text(text.clone()), Type::String),
            Json::Array(_) | Json::Object(_) => {
                let message =
                    format!("the parameter `{name}` must be a string, a number, a Boolean or null");
                return Err(Error::at(message, at));
            }
        };
        let known = self.bound.iter().position(|other| other == name);
        let index = known.unwrap_or(self.bound.len());
        if known.is_none() {
            self.bound.push(name.to_owned());
            self.bindings.push(bound);
        }
        Ok(Typed::new(format!("?{}", index + 1), ty))
    }

    /// Compiles `INTERVAL '15' MINUTE`.
    pub(super) fn interval(
        &mut self,
        scope: &Scope<'_>,
        interval: &Interval,
        at: Location,
    ) -> Result<Typed, Error> {
        if interval.last_field.is_some() || interval.leading_precision.is_some() {
            return Err(unsupported("an interval of two units", at));
        }
        let value = self.expression(scope, &interval.value)?;
        let field = interval.leading_field.as_ref().map(ToString::to_string);
        let (digits, unit) = match (value.literal(), field) {
            (Some(text), None) => match text.trim().split_once(' ') {
                Some((digits, unit)) => (Some(digits.to_owned()), unit.trim().to_owned()),
                None => return Err(Error::at("the interval has no unit, such as MINUTE", at)),
            },
            (literal, Some(unit)) => (literal.map(str::to_owned), unit),
            (None, None) => return Err(Error::at("the interval has no unit, such as MINUTE", at)),
        };
        let unit = named_unit(&unit).map_err(|message| Error::at(message, at))?;
        let count = match digits {
            Some(digits) => {
                let count = digits.trim().parse().map(Typed::integer);
                count.map_err(|_| Error::at(format!("`{digits}` is not a whole number"), at))?
            }
            None if value.ty.integer().is_some() => value,
            None => return Err(Error::at("an interval is a whole number of a unit", at)),
        };
        Ok(Typed {
            ty: Type::Interval(unit),
            ..count
        })
    }
}

/// The unit of this name. Cloudflare has two more, which no type here can tell apart.
pub(super) fn named_unit(name: &str) -> Result<Unit, String> {
    let finer = ["microsecond", "nanosecond"];
    let lower = name.to_ascii_lowercase();
    match Unit::named(name) {
        Some(unit) => Ok(unit),
        None if finer.contains(&lower.trim_end_matches('s')) => Err(format!(
            "{} is documented by Cloudflare, but not supported here: times have milliseconds",
            name.to_ascii_uppercase()
        )),
        None => Err(format!(
            "there is no unit `{name}`; there are YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND and MILLISECOND"
        )),
    }
}
