//! Operators, with the types that ClickHouse gives their results.

use super::typed::{Constant, Typed};
use super::{Compiler, times, unsupported};
use crate::error::Error;
use crate::types::{Type, Unit};
use sqlparser::ast::BinaryOperator;
use sqlparser::tokenizer::Location;

impl Compiler<'_> {
    pub(super) fn binary(
        &mut self,
        left: &Typed,
        operator: &BinaryOperator,
        right: &Typed,
        at: Location,
    ) -> Result<Typed, Error> {
        match operator {
            BinaryOperator::And | BinaryOperator::Or => {
                let both = left.ty.is_number() && right.ty.is_number();
                let sql = format!("({} {operator} {})", left.sql, right.sql);
                match both {
                    true => Ok(Typed::of(sql, Type::UInt8, &[left, right])),
                    false => Err(not_for(operator, left, right, at)),
                }
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                let sql = Self::comparable(&[left.clone(), right.clone()], at)?;
                let sql = format!("({} {operator} {})", sql[0], sql[1]);
                Ok(Typed::of(sql, Type::UInt8, &[left, right]))
            }
            BinaryOperator::Plus | BinaryOperator::Minus => Self::sum(left, operator, right, at),
            BinaryOperator::Multiply => match Self::product(left, right, 2) {
                Some(ty) => {
                    let sql = format!("({} * {})", left.sql, right.sql);
                    Ok(Typed::of(sql, ty, &[left, right]))
                }
                None => Err(not_for(operator, left, right, at)),
            },
            BinaryOperator::Divide if left.ty.is_number() && right.ty.is_number() => {
                Ok(Typed::call("divide", &[left, right], Type::Float64))
            }
            BinaryOperator::Modulo if left.ty.is_number() && right.ty.is_number() => {
                let ty = match (left.ty.integer(), right.ty.integer()) {
                    (Some((_, is_signed)), Some((bits, _))) => Type::of_bits(bits, is_signed),
                    _ => Type::Float64,
                };
                Ok(Typed::call("modulo", &[left, right], ty))
            }
            BinaryOperator::Divide | BinaryOperator::Modulo => {
                Err(not_for(operator, left, right, at))
            }
            _ => Err(unsupported(&format!("the operator `{operator}`"), at)),
        }
    }

    pub(super) fn negative(operand: &Typed, at: Location) -> Result<Typed, Error> {
        match operand.constant {
            Some(Constant::Integer(value)) if value != i64::MIN => {
                return Ok(match operand.ty {
                    Type::Interval(_) => Typed {
                        ty: operand.ty.clone(),
                        ..Typed::integer(-value)
                    },
                    _ => Typed::integer(-value),
                });
            }
            Some(Constant::Number(value)) => return Ok(Typed::number(-value)),
            _ => {}
        }
        let ty = match operand.ty.integer() {
            Some((bits, true)) => Type::of_bits(bits, true),
            Some((bits, false)) => Type::of_bits(bits * 2, true),
            None if operand.ty.is_number() => Type::Float64,
            None => return Err(Error::at(format!("a {} has no negative", operand.ty), at)),
        };
        Ok(Typed::of(format!("(-{})", operand.sql), ty, &[operand]))
    }

    fn sum(
        left: &Typed,
        operator: &BinaryOperator,
        right: &Typed,
        at: Location,
    ) -> Result<Typed, Error> {
        let is_plus = *operator == BinaryOperator::Plus;
        let plain = |ty, left: &Typed, right: &Typed| {
            let sql = format!("({} {operator} {})", left.sql, right.sql);
            Typed::of(sql, ty, &[left, right])
        };
        match (&left.ty, &right.ty) {
            (time, Type::Interval(unit)) if time.is_time() => {
                Ok(times::moved(left, right, *unit, is_plus))
            }
            (Type::Interval(unit), time) if time.is_time() && is_plus => {
                Ok(times::moved(right, left, *unit, true))
            }
            (left_ty, right_ty) if left_ty.is_time() && right_ty.is_time() && !is_plus => {
                Ok(times::difference(left, right))
            }
            (Type::Date, right_ty) if right_ty.integer().is_some() => {
                Ok(plain(Type::Date, left, right))
            }
            (time, right_ty) if time.is_time() && right_ty.integer().is_some() => {
                Ok(times::moved(left, right, Unit::Second, is_plus))
            }
            _ => match Self::product(left, right, 2) {
                Some(ty) => {
                    let ty = match ty.integer() {
                        Some((bits, _)) if !is_plus => Type::of_bits(bits, true),
                        _ => ty,
                    };
                    Ok(plain(ty, left, right))
                }
                None => Err(not_for(operator, left, right, at)),
            },
        }
    }

    /// The type of arithmetic with two numbers, so many times as wide.
    fn product(left: &Typed, right: &Typed, times: u32) -> Option<Type> {
        match (left.ty.integer(), right.ty.integer()) {
            (Some((left, is_left)), Some((right, is_right))) => {
                Some(Type::of_bits(left.max(right) * times, is_left || is_right))
            }
            _ if left.ty.is_number() && right.ty.is_number() => Some(Type::Float64),
            _ => None,
        }
    }

    /// Returns the SQL of values that are compared with each other: all times in the same unit,
    /// and strings in the query read as times and numbers, where the others are.
    pub(super) fn comparable(parts: &[Typed], at: Location) -> Result<Vec<String>, Error> {
        let is = |test: fn(&Type) -> bool| parts.iter().any(|part| test(&part.ty));
        if is(Type::is_time) {
            return times::comparable(parts).map_err(|message| Error::at(message, at));
        }
        let is_number = is(|ty| ty.integer().is_some() || *ty == Type::Float64);
        let one = |part: &Typed| {
            if let (true, Some(text)) = (is_number, part.literal()) {
                let number: Option<f64> = text.trim().parse().ok();
                let number = number.map(|number| match text.trim().parse() {
                    Ok(integer) => Typed::integer(integer).sql,
                    Err(_) => Typed::number(number).sql,
                });
                return number.ok_or_else(|| format!("a number is compared with '{text}'"));
            }
            match &part.ty {
                ty if is_number && !ty.is_number() => Err(format!(
                    "a number is compared with a {ty}; toUInt32 makes a number of a string"
                )),
                Type::Array(_) | Type::Json | Type::Interval(_) => {
                    Err(format!("a {} cannot be compared", part.ty))
                }
                _ => Ok(part.sql.clone()),
            }
        };
        let sql: Result<_, String> = parts.iter().map(one).collect();
        sql.map_err(|message| Error::at(message, at))
    }

    /// The type of a value that is one of several, and their SQL.
    pub(super) fn alternatives(parts: &[Typed]) -> Result<(Type, Vec<String>), String> {
        let mut ty = Type::Nothing;
        for part in parts {
            ty = ty.common(&part.ty).ok_or_else(|| {
                format!("the results are of different types, {ty} and {}", part.ty)
            })?;
        }
        Ok((ty, parts.iter().map(|part| part.sql.clone()).collect()))
    }
}

fn not_for(operator: &BinaryOperator, left: &Typed, right: &Typed, at: Location) -> Error {
    let message = format!("there is no `{operator}` for {} and {}", left.ty, right.ty);
    Error::at(message, at)
}
