//! Functions of numbers and bits.

use super::typed::{Built, Typed, call};
use crate::types::Type;

fn numbers(arguments: &[Typed]) -> Result<(), String> {
    match arguments.iter().find(|argument| !argument.ty.is_number()) {
        Some(argument) => Err(format!("needs a number, not a {}", argument.ty)),
        None => Ok(()),
    }
}

pub(super) fn of_numbers(function: &str, arguments: &[Typed]) -> Built {
    numbers(arguments)?;
    call(function, arguments, Type::Float64)
}

pub(super) fn whole_quotient(arguments: &[Typed]) -> Built {
    numbers(arguments)?;
    let ty = match (arguments[0].ty.integer(), arguments[1].ty.integer()) {
        (Some((bits, left)), Some((_, right))) => Type::of_bits(bits, left || right),
        _ => Type::Int64,
    };
    call("int_div", arguments, ty)
}

pub(super) fn rounded(function: &str, arguments: &[Typed]) -> Built {
    numbers(arguments)?;
    let ty = match arguments[0].ty.integer() {
        Some(_) => arguments[0].ty.clone(),
        None => Type::Float64,
    };
    let places = arguments
        .get(1)
        .cloned()
        .unwrap_or_else(|| Typed::integer(0));
    call(function, &[arguments[0].clone(), places], ty)
}

pub(super) fn unsigned(arguments: &[Typed], bits: i64) -> Built {
    let value = &arguments[0];
    if !(value.ty.is_number() || value.ty.is_text() || value.ty.is_time()) {
        return Err(format!("makes no number of a {}", value.ty));
    }
    let ty = Type::of_bits(bits as u32, false);
    call("unsigned", &[value.clone(), Typed::integer(bits)], ty)
}

pub(super) fn digits(function: &str, arguments: &[Typed]) -> Built {
    let bits = match &arguments[0].ty {
        ty if ty.integer().is_some() => ty.integer().map_or(0, |(bits, _)| bits),
        Type::DateTime(_) => 32,
        Type::Date => 16,
        Type::Float64 | Type::String | Type::Dynamic | Type::Nothing => 0,
        ty => return Err(format!("takes numbers and strings, not a {ty}")),
    };
    call(
        function,
        &[arguments[0].clone(), Typed::integer(bits.into())],
        Type::String,
    )
}

/// The width of integers, with an error for other types.
fn width(arguments: &[Typed]) -> Result<(u32, bool), String> {
    let mut width = (8, false);
    for argument in arguments {
        let Some((bits, is_signed)) = argument.ty.integer() else {
            let ty = &argument.ty;
            return Err(format!("needs an integer, not a {ty}; toUInt32 makes one"));
        };
        width = (width.0.max(bits), width.1 || is_signed);
    }
    Ok(width)
}

pub(super) fn of_bits(function: &str, arguments: &[Typed]) -> Built {
    let (bits, is_signed) = width(arguments)?;
    cut(function, arguments, bits, is_signed)
}

pub(super) fn shifted(function: &str, arguments: &[Typed]) -> Built {
    width(arguments)?;
    let (bits, is_signed) = width(&arguments[..1])?;
    cut(function, arguments, bits, is_signed)
}

/// A call with the width of the result as its last argument.
fn cut(function: &str, arguments: &[Typed], bits: u32, is_signed: bool) -> Built {
    let mut arguments = arguments.to_vec();
    arguments.push(Typed::integer(if is_signed {
        -i64::from(bits)
    } else {
        bits.into()
    }));
    call(function, &arguments, Type::of_bits(bits, is_signed))
}

pub(super) fn tested(arguments: &[Typed]) -> Built {
    numbers(arguments)?;
    call("bit_test", arguments, Type::UInt8)
}

pub(super) fn counted(function: &str, arguments: &[Typed]) -> Built {
    numbers(arguments)?;
    let bits = arguments
        .iter()
        .map(|argument| match argument.ty.integer() {
            Some((bits, _)) => bits,
            None => 64,
        });
    let bits = bits.max().unwrap_or(64);
    let mut arguments = arguments.to_vec();
    arguments.push(Typed::integer(bits.into()));
    call(function, &arguments, Type::UInt8)
}
