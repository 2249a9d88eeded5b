//! Functions that work on single values.

use super::Compiler;
use super::number_calls::{
    counted, digits, of_bits, of_numbers, rounded, shifted, tested, unsigned, whole_quotient,
};
use super::time_calls::{
    interval, named_part, start_of, start_of_interval, time_formatted, time_part, to_date, to_time,
    unix_timestamp,
};
use super::typed::{Built, Typed, call};
use crate::functions;
use crate::types::{Type, Unit};
use jiff::Timestamp;
use std::ops::RangeInclusive;

/// A function that works on single values.
pub(super) struct Scalar {
    /// Its name, and others for it, in any case.
    names: &'static [&'static str],
    /// How many arguments it takes.
    pub(super) arguments: RangeInclusive<usize>,
    /// Makes the call from its arguments and the present time. An error continues a sentence
    /// that begins with the name.
    pub(super) build: fn(Timestamp, &[Typed]) -> Result<Typed, String>,
}

/// A shorter way to write the table.
const fn scalar(
    names: &'static [&'static str],
    arguments: RangeInclusive<usize>,
    build: fn(Timestamp, &[Typed]) -> Built,
) -> Scalar {
    Scalar {
        names,
        arguments,
        build,
    }
}

/// The pages below
/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/> and
/// <https://developers.cloudflare.com/analytics/sql-api/sql-reference/functions/>.
static SCALARS: &[Scalar] = &[
    // Conditional.
    scalar(&["if"], 3..=3, |_, a| choice(a)),
    // Strings.
    scalar(&["length", "lengthUTF8"], 1..=1, |_, a| {
        of_texts("length", a, Type::UInt64)
    }),
    scalar(&["empty", "isEmpty"], 1..=1, |_, a| {
        of_texts("empty", a, Type::UInt8)
    }),
    scalar(&["lower"], 1..=1, |_, a| of_texts("lower", a, Type::String)),
    scalar(&["upper"], 1..=1, |_, a| of_texts("upper", a, Type::String)),
    scalar(&["lowerUTF8", "toLower"], 1..=1, |_, a| {
        of_texts("lower_utf8", a, Type::String)
    }),
    scalar(&["upperUTF8", "toUpper"], 1..=1, |_, a| {
        of_texts("upper_utf8", a, Type::String)
    }),
    scalar(&["startsWith"], 2..=2, |_, a| {
        of_texts("starts_with", a, Type::UInt8)
    }),
    scalar(&["endsWith"], 2..=2, |_, a| {
        of_texts("ends_with", a, Type::UInt8)
    }),
    scalar(&["position", "strpos"], 2..=2, |_, a| {
        of_texts("position", a, Type::UInt64)
    }),
    scalar(&["substring", "substr"], 2..=3, |_, a| part(a)),
    scalar(&["format"], 1..=50, |_, a| formatted(a)),
    // Numbers.
    scalar(&["intDiv"], 2..=2, |_, a| whole_quotient(a)),
    scalar(&["log", "ln"], 1..=1, |_, a| of_numbers("log", a)),
    scalar(&["pow", "power"], 2..=2, |_, a| of_numbers("pow", a)),
    scalar(&["round"], 1..=2, |_, a| rounded("round", a)),
    scalar(&["floor"], 1..=2, |_, a| rounded("floor", a)),
    scalar(&["ceil", "ceiling"], 1..=2, |_, a| rounded("ceil", a)),
    scalar(&["toUInt8"], 1..=1, |_, a| unsigned(a, 8)),
    scalar(&["toUInt32"], 1..=1, |_, a| unsigned(a, 32)),
    scalar(&["bin"], 1..=1, |_, a| digits("bin", a)),
    scalar(&["hex"], 1..=1, |_, a| digits("hex", a)),
    // Bits.
    scalar(&["bitAnd"], 2..=2, |_, a| of_bits("bit_and", a)),
    scalar(&["bitOr"], 2..=2, |_, a| of_bits("bit_or", a)),
    scalar(&["bitXor"], 2..=2, |_, a| of_bits("bit_xor", a)),
    scalar(&["bitNot"], 1..=1, |_, a| of_bits("bit_not", a)),
    scalar(&["bitShiftLeft"], 2..=2, |_, a| {
        shifted("bit_shift_left", a)
    }),
    scalar(&["bitShiftRight"], 2..=2, |_, a| {
        shifted("bit_shift_right", a)
    }),
    scalar(&["bitRotateLeft"], 2..=2, |_, a| {
        shifted("bit_rotate_left", a)
    }),
    scalar(&["bitRotateRight"], 2..=2, |_, a| {
        shifted("bit_rotate_right", a)
    }),
    scalar(&["bitTest"], 2..=2, |_, a| tested(a)),
    scalar(&["bitCount"], 1..=1, |_, a| counted("bit_count", a)),
    scalar(&["bitHammingDistance"], 2..=2, |_, a| {
        counted("bit_distance", a)
    }),
    // The present time.
    scalar(&["now", "current_timestamp"], 0..=0, |now, _| {
        Ok(Typed {
            constant: None,
            ..Typed {
                ty: Type::DateTime(None),
                ..Typed::integer(now.as_second())
            }
        })
    }),
    scalar(&["today", "current_date"], 0..=0, |now, _| {
        Ok(Typed {
            constant: None,
            ..Typed {
                ty: Type::Date,
                ..Typed::integer(now.as_second().div_euclid(86_400))
            }
        })
    }),
    scalar(&["timezone"], 0..=0, |_, _| {
        Ok(Typed::text(functions::DEFAULT_ZONE))
    }),
    // Times from and to other values.
    scalar(&["toDateTime"], 1..=2, |_, a| to_time(a)),
    scalar(&["toDate"], 1..=1, |_, a| to_date(a)),
    scalar(&["toUnixTimestamp"], 1..=1, |_, a| unix_timestamp(a)),
    scalar(&["formatDateTime"], 2..=3, |_, a| time_formatted(a)),
    // Parts of times.
    scalar(&["date_part"], 2..=2, |_, a| named_part(a)),
    scalar(&["toYear"], 1..=2, |_, a| {
        time_part("year", a, Type::UInt16)
    }),
    scalar(&["toMonth"], 1..=2, |_, a| {
        time_part("month", a, Type::UInt8)
    }),
    scalar(&["toDayOfMonth"], 1..=2, |_, a| {
        time_part("day", a, Type::UInt8)
    }),
    scalar(&["toDayOfWeek", "dayOfWeek"], 1..=1, |_, a| {
        time_part("weekday", a, Type::UInt8)
    }),
    scalar(&["toHour"], 1..=2, |_, a| time_part("hour", a, Type::UInt8)),
    scalar(&["toMinute"], 1..=2, |_, a| {
        time_part("minute", a, Type::UInt8)
    }),
    scalar(&["toSecond"], 1..=2, |_, a| {
        time_part("second", a, Type::UInt8)
    }),
    scalar(&["toYYYYMM"], 1..=2, |_, a| {
        time_part("year_month", a, Type::UInt32)
    }),
    // The beginnings of intervals.
    scalar(&["toStartOfInterval"], 2..=3, |_, a| start_of_interval(a)),
    scalar(&["toStartOfYear"], 1..=2, |_, a| start_of(1, Unit::Year, a)),
    scalar(&["toStartOfMonth"], 1..=2, |_, a| {
        start_of(1, Unit::Month, a)
    }),
    scalar(&["toStartOfWeek"], 1..=1, |_, a| start_of(1, Unit::Week, a)),
    scalar(&["toStartOfDay"], 1..=2, |_, a| start_of(1, Unit::Day, a)),
    scalar(&["toStartOfHour"], 1..=2, |_, a| start_of(1, Unit::Hour, a)),
    scalar(&["toStartOfFifteenMinutes"], 1..=2, |_, a| {
        start_of(15, Unit::Minute, a)
    }),
    scalar(&["toStartOfTenMinutes"], 1..=2, |_, a| {
        start_of(10, Unit::Minute, a)
    }),
    scalar(
        &["toStartOfFiveMinutes", "toStartOfFiveMinute"],
        1..=2,
        |_, a| start_of(5, Unit::Minute, a),
    ),
    scalar(&["toStartOfMinute"], 1..=2, |_, a| {
        start_of(1, Unit::Minute, a)
    }),
    // Intervals.
    scalar(&["toIntervalSecond"], 1..=1, |_, a| {
        interval(Unit::Second, a)
    }),
    scalar(&["toIntervalMinute"], 1..=1, |_, a| {
        interval(Unit::Minute, a)
    }),
    scalar(&["toIntervalHour"], 1..=1, |_, a| interval(Unit::Hour, a)),
    scalar(&["toIntervalDay"], 1..=1, |_, a| interval(Unit::Day, a)),
    scalar(&["toIntervalWeek"], 1..=1, |_, a| interval(Unit::Week, a)),
    scalar(&["toIntervalMonth"], 1..=1, |_, a| interval(Unit::Month, a)),
    scalar(&["toIntervalQuarter"], 1..=1, |_, a| {
        interval(Unit::Quarter, a)
    }),
    scalar(&["toIntervalYear"], 1..=1, |_, a| interval(Unit::Year, a)),
];

/// Finds a function by its name.
pub(super) fn named(name: &str) -> Option<&'static Scalar> {
    SCALARS.iter().find(|scalar| {
        scalar
            .names
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name))
    })
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SCALARS.iter().flat_map(|scalar| scalar.names).copied()
}

fn choice(arguments: &[Typed]) -> Built {
    if !arguments[0].ty.is_number() {
        return Err(format!("needs a condition, not a {}", arguments[0].ty));
    }
    let (ty, values) = Compiler::alternatives(&arguments[1..])?;
    let sql = format!("iif({}, {}, {})", arguments[0].sql, values[0], values[1]);
    let parts: Vec<&Typed> = arguments.iter().collect();
    let mut typed = Typed::of(sql, ty, &parts);
    typed.nullable = arguments[1..].iter().any(|value| value.nullable);
    Ok(typed)
}

fn of_texts(function: &str, arguments: &[Typed], ty: Type) -> Built {
    match arguments.iter().find(|argument| !argument.ty.is_text()) {
        Some(argument) => Err(format!("needs a String, not a {}", argument.ty)),
        None => call(function, arguments, ty),
    }
}

fn part(arguments: &[Typed]) -> Built {
    let are_numbers = arguments[1..]
        .iter()
        .all(|argument| argument.ty.is_number());
    match arguments[0].ty.is_text() && are_numbers {
        true => call("substring", arguments, Type::String),
        false => Err("needs a String, an offset and perhaps a length".to_owned()),
    }
}

fn formatted(arguments: &[Typed]) -> Built {
    let Some(pattern) = arguments[0].literal() else {
        return Err("needs a pattern that is written in the query".to_owned());
    };
    let places = pattern.matches("{}").count();
    if places != arguments.len() - 1 {
        let values = arguments.len() - 1;
        return Err(format!(
            "has {places} pair(s) of braces for {values} value(s)"
        ));
    }
    let mut shown = vec![arguments[0].clone()];
    for argument in &arguments[1..] {
        shown.push(match &argument.ty {
            ty if ty.is_time() => {
                let pattern = match ty {
                    Type::Date => "%F",
                    _ => "%F %T",
                };
                time_formatted(&[argument.clone(), Typed::text(pattern)])?
            }
            Type::Array(_) | Type::Json => return Err(format!("cannot show a {}", argument.ty)),
            _ => argument.clone(),
        });
    }
    call("format", &shown, Type::String)
}
