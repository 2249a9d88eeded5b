//! Conditions on trace items, as `--where` has them: `user = "a" and cpuTime > 10`.

mod field;
mod parse;

pub use parse::SyntaxError;

use crate::row::Row;
use field::{Field, Value};
use std::cmp::Ordering;
use std::str::FromStr;
use taffrail_sql::is_like;
use taffrail_trace::TraceItem;

/// A condition on trace items.
///
/// The syntax is that of expressions in SQL: comparisons, `LIKE`, `ILIKE`, `IN`, `BETWEEN`,
/// `IS NULL`, `AND`, `OR`, `NOT`. Text is in single or double quotes, and names with unusual
/// characters in backquotes. A comparison with a field that is absent is neither true nor false,
/// as with `NULL` in SQL.
///
/// An item has a row for its invocation, one for each log entry and one for each exception. It
/// matches if any of its rows does.
///
/// ```
/// use taffrail_logs::Expression;
///
/// assert!("outcome != 'ok' and cpuTime > 10".parse::<Expression>().is_ok());
/// let error = "outcome = ".parse::<Expression>().unwrap_err();
/// assert_eq!(error.column, 11);
/// ```
#[derive(Clone, Debug)]
pub struct Expression(Node);

impl FromStr for Expression {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        parse::parse(text).map(Self)
    }
}

impl Expression {
    /// Whether any row of an item matches.
    #[must_use]
    pub fn matches(&self, item: &TraceItem) -> bool {
        Row::all(item).any(|row| self.0.test(&row) == Some(true))
    }

    /// Returns fields of log entries, each with its value, that every matching item has.
    pub(crate) fn required_fields(&self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        self.0.require(&mut fields);
        fields
    }
}

/// A part of an expression. Its value is true, false, or neither.
#[derive(Clone, Debug)]
enum Node {
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    /// The field is `true`.
    Is(Field),
    IsNull(Field),
    Compare(Field, Operator, Value<'static>),
    /// Matches a pattern of `LIKE`, or of `ILIKE` if case does not matter.
    Like {
        field: Field,
        pattern: String,
        ignore_case: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    /// Returns the operator for exchanged sides.
    fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same @ (Self::Equal | Self::NotEqual) => same,
        }
    }
}

impl Node {
    fn test(&self, row: &Row<'_>) -> Option<bool> {
        match self {
            Self::And(left, right) => match left.test(row) {
                Some(false) => Some(false),
                Some(true) => right.test(row),
                None => right.test(row).filter(|right| !right),
            },
            Self::Or(left, right) => match left.test(row) {
                Some(true) => Some(true),
                Some(false) => right.test(row),
                None => right.test(row).filter(|right| *right),
            },
            Self::Not(node) => node.test(row).map(|value| !value),
            Self::Is(field) => match field.value(row)? {
                Value::Boolean(value) => Some(value),
                _ => None,
            },
            Self::IsNull(field) => Some(field.value(row).is_none()),
            Self::Compare(field, operator, value) => {
                Some(operator.holds(field.value(row)?.compare(value)?))
            }
            Self::Like {
                field,
                pattern,
                ignore_case,
            } => {
                let value = field.value(row)?;
                Some(match ignore_case {
                    true => is_like(&value.text().to_lowercase(), &pattern.to_lowercase()),
                    false => is_like(&value.text(), pattern),
                })
            }
        }
    }

    fn require(&self, fields: &mut Vec<(String, String)>) {
        match self {
            Self::And(left, right) => {
                left.require(fields);
                right.require(fields);
            }
            Self::Compare(Field::Log(path), Operator::Equal, value) => {
                fields.push((path.join("."), value.text().into_owned()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
