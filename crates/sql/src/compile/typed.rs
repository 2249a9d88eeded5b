//! Expressions that have a type.

use crate::functions::PREFIX;
use crate::types::Type;
use sqlparser::tokenizer::Location;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    /// The expression of SQLite, which stands for itself in any other one.
    pub(super) sql: String,
    pub(super) ty: Type,
    pub(super) nullable: bool,
    /// Its value, if it is written in the query.
    pub(super) constant: Option<Constant>,
    /// A column outside of aggregate functions, and where it is.
    pub(super) bare: Option<(String, Location)>,
    /// Whether there is an aggregate function in it.
    pub(super) aggregates: bool,
}

/// An expression, or what is wrong, in words that continue the name of a function.
pub(super) type Built = Result<Typed, String>;

/// A value that is written in the query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Constant {
    Text(String),
    Integer(i64),
    Number(f64),
}

impl Typed {
    /// An expression that reads no column.
    pub(super) fn new(sql: impl Into<String>, ty: Type) -> Self {
        Self {
            sql: sql.into(),
            ty,
            nullable: false,
            constant: None,
            bare: None,
            aggregates: false,
        }
    }

    pub(super) fn integer(value: i64) -> Self {
        let bits = match value {
            -0x80..=0xff => 8,
            -0x8000..=0xffff => 16,
            -0x8000_0000..=0xffff_ffff => 32,
            _ => 64,
        };
        // Without parentheses `-1` might follow another `-`.
        let sql = match value {
            0.. => value.to_string(),
            i64::MIN => "(-9223372036854775807 - 1)".to_owned(),
            _ => format!("({value})"),
        };
        Self {
            constant: Some(Constant::Integer(value)),
            ..Self::new(sql, Type::of_bits(bits, value < 0))
        }
    }

    pub(super) fn number(value: f64) -> Self {
        let sql = match value {
            _ if value.is_infinite() => if value > 0.0 { "9e999" } else { "(-9e999)" }.to_owned(),
            0.0.. => format!("{value:?}"),
            _ => format!("({value:?})"),
        };
        Self {
            constant: Some(Constant::Number(value)),
            ..Self::new(sql, Type::Float64)
        }
    }

    pub(super) fn text(value: &str) -> Self {
        Self {
            constant: Some(Constant::Text(value.to_owned())),
            ..Self::new(quoted(value), Type::String)
        }
    }

    /// An expression that is made of others.
    pub(super) fn of(sql: String, ty: Type, parts: &[&Self]) -> Self {
        Self {
            sql,
            ty,
            nullable: parts.iter().any(|part| part.nullable),
            constant: None,
            bare: parts.iter().find_map(|part| part.bare.clone()),
            aggregates: parts.iter().any(|part| part.aggregates),
        }
    }

    /// A call of a function of this crate.
    pub(super) fn call(function: &str, arguments: &[&Self], ty: Type) -> Self {
        let sql: Vec<_> = arguments.iter().map(|part| part.sql.as_str()).collect();
        let sql = format!("{PREFIX}{function}({})", sql.join(", "));
        Self::of(sql, ty, arguments)
    }

    /// The value, if it is a string that is written in the query.
    pub(super) fn literal(&self) -> Option<&str> {
        match &self.constant {
            Some(Constant::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The value, if it is a number that is written in the query.
    pub(super) fn fixed(&self) -> Option<f64> {
        match self.constant {
            Some(Constant::Integer(value)) => Some(value as f64),
            Some(Constant::Number(value)) => Some(value),
            _ => None,
        }
    }
}

/// A call of a function of this crate, which needs nothing but these arguments.
pub(super) fn call(function: &str, arguments: &[Typed], ty: Type) -> Built {
    let arguments: Vec<&Typed> = arguments.iter().collect();
    Ok(Typed::call(function, &arguments, ty))
}

/// A string of SQLite.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
