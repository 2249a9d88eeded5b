//! The types of columns and expressions, by the names that ClickHouse gives them.

use std::fmt;

/// The type of a column. Beside each is how its values are kept in SQLite.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// INTEGER.
    UInt8,
    /// INTEGER.
    UInt16,
    /// INTEGER.
    UInt32,
    /// INTEGER: the same 64 bits, so that values from 2^63 on are negative there.
    UInt64,
    /// INTEGER.
    Int8,
    /// INTEGER.
    Int16,
    /// INTEGER.
    Int32,
    /// INTEGER.
    Int64,
    /// REAL.
    Float64,
    /// INTEGER: 0 or 1.
    Bool,
    /// TEXT.
    String,
    /// INTEGER: days since 1970-01-01.
    Date,
    /// INTEGER: seconds since 1970, with the time zone in which it is shown, if that is
    /// not UTC.
    DateTime(Option<String>),
    /// INTEGER: milliseconds since 1970, with the time zone in which it is shown, if that
    /// is not UTC.
    DateTime64(Option<String>),
    /// TEXT: a JSON array of values as they are kept in SQLite.
    Array(Box<Type>),
    /// TEXT: JSON.
    Json,
    /// Any storage class: a value from JSON, whose type depends on the row.
    Dynamic,
    /// What `NULL` has.
    Nothing,
    /// INTEGER: so many of a unit. No column has it.
    Interval(Unit),
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Unit {
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Type {
    /// Returns the width in bits of an integer, and whether it has a sign.
    pub(crate) fn integer(&self) -> Option<(u32, bool)> {
        Some(match self {
            Self::UInt8 | Self::Bool => (8, false),
            Self::UInt16 => (16, false),
            Self::UInt32 => (32, false),
            Self::UInt64 => (64, false),
            Self::Int8 => (8, true),
            Self::Int16 => (16, true),
            Self::Int32 => (32, true),
            Self::Int64 => (64, true),
            _ => return None,
        })
    }

    /// The integer type with so many bits, 64 at most.
    pub(crate) fn of_bits(bits: u32, is_signed: bool) -> Self {
        match (bits, is_signed) {
            (..=8, false) => Self::UInt8,
            (..=16, false) => Self::UInt16,
            (..=32, false) => Self::UInt32,
            (_, false) => Self::UInt64,
            (..=8, true) => Self::Int8,
            (..=16, true) => Self::Int16,
            (..=32, true) => Self::Int32,
            (_, true) => Self::Int64,
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        self.integer().is_some() || matches!(self, Self::Float64 | Self::Dynamic | Self::Nothing)
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::String | Self::Dynamic | Self::Nothing)
    }

    pub(crate) fn is_time(&self) -> bool {
        matches!(self, Self::Date | Self::DateTime(_) | Self::DateTime64(_))
    }

    /// The time zone in which values are shown.
    pub(crate) fn zone(&self) -> &str {
        match self {
            Self::DateTime(Some(zone)) | Self::DateTime64(Some(zone)) => zone,
            _ => "UTC",
        }
    }

    /// The type of values that may have either type, if there is one.
    pub(crate) fn common(&self, other: &Self) -> Option<Self> {
        if self == other {
            return Some(self.clone());
        }
        Some(match (self, other) {
            (Self::Nothing, any) | (any, Self::Nothing) => any.clone(),
            (Self::Dynamic, _) | (_, Self::Dynamic) => Self::Dynamic,
            (Self::DateTime(zone), Self::DateTime(_)) => Self::DateTime(zone.clone()),
            (Self::DateTime64(zone), Self::DateTime64(_)) => Self::DateTime64(zone.clone()),
            (Self::Float64, number) | (number, Self::Float64) if number.is_number() => {
                Self::Float64
            }
            _ => {
                let ((left, is_left), (right, is_right)) = (self.integer()?, other.integer()?);
                let unsigned_beside_signed = |bits: u32, is_signed: bool| {
                    if is_signed || is_left == is_right {
                        bits
                    } else {
                        bits * 2
                    }
                };
                let bits = unsigned_beside_signed(left, is_left)
                    .max(unsigned_beside_signed(right, is_right));
                Self::of_bits(bits, is_left || is_right)
            }
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DateTime(Some(zone)) => write!(f, "DateTime('{zone}')"),
            Self::DateTime(None) => f.write_str("DateTime"),
            Self::DateTime64(Some(zone)) => write!(f, "DateTime64(3, '{zone}')"),
            Self::DateTime64(None) => f.write_str("DateTime64(3)"),
            Self::Array(items) => write!(f, "Array({items})"),
            Self::Interval(unit) => write!(f, "Interval{unit:?}"),
            Self::Json => f.write_str("JSON"),
            plain => write!(f, "{plain:?}"),
        }
    }
}

impl Unit {
    /// The unit of this name, in the singular or plural, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Some(match name.strip_suffix('s').unwrap_or(&name) {
            "millisecond" => Self::Millisecond,
            "second" => Self::Second,
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// The seconds of a unit that always has as many in UTC.
    pub(crate) fn seconds(self) -> Option<i64> {
        Some(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            _ => return None,
        })
    }

    /// The months of a unit of whole months.
    pub(crate) fn months(self) -> Option<i64> {
        Some(match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => 12,
            _ => return None,
        })
    }
}
