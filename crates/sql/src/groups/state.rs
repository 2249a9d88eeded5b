//! What aggregate functions remember of the rows of a group.

use crate::compile::grouping::Function;
use crate::error::Error;
use crate::functions::{Key, quantile};
use rusqlite::types::{Value, ValueRef};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What a remembered value takes besides its text.
const VALUE: usize = 80;

pub(super) enum State {
    Count(i64),
    Sum(Sum),
    Average(Sum),
    /// The value that has this order to all others.
    Best(Ordering, Option<Key>),
    /// The weights of values, and a level.
    Quantile(BTreeMap<Key, f64>, f64),
}

/// A sum, which is exact as long as all numbers are whole.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    whole: i128,
    rest: f64,
    has_rest: bool,
    count: u64,
}

impl State {
    pub(super) fn new(function: Function) -> Self {
        match function {
            Function::Rows | Function::Count => Self::Count(0),
            Function::Sum => Self::Sum(Sum::default()),
            Function::Average => Self::Average(Sum::default()),
            Function::Least => Self::Best(Ordering::Less, None),
            Function::Greatest => Self::Best(Ordering::Greater, None),
            Function::Quantile(level) => Self::Quantile(BTreeMap::new(), level),
        }
    }

    /// Adds a row, whatever it has.
    pub(super) fn add_row(&mut self) {
        if let Self::Count(count) = self {
            *count += 1;
        }
    }

    /// Adds a value. Returns how many bytes more are remembered.
    pub(super) fn add(&mut self, value: ValueRef<'_>) -> usize {
        let Some(key) = Key::of(value) else {
            return 0;
        };
        match self {
            Self::Count(count) => *count += 1,
            Self::Sum(sum) | Self::Average(sum) => sum.add(key),
            Self::Best(..) => return self.choose(key),
            Self::Quantile(..) => {}
        }
        0
    }

    /// Adds a value with a weight. Returns how many bytes more are remembered.
    pub(super) fn add_weighted(&mut self, value: ValueRef<'_>, weight: ValueRef<'_>) -> usize {
        let weight = Key::of(weight).map_or(0.0, |weight| weight.number());
        match (self, Key::of(value)) {
            (Self::Quantile(weights, _), Some(key)) if weight > 0.0 => {
                let before = weights.len();
                *weights.entry(key).or_default() += weight;
                (weights.len() - before) * VALUE
            }
            _ => 0,
        }
    }

    fn choose(&mut self, key: Key) -> usize {
        let Self::Best(order, best) = self else {
            return 0;
        };
        if best.as_ref().is_some_and(|best| key.cmp(best) != *order) {
            return 0;
        }
        let before = best.as_ref().map_or(0, Key::len);
        let more = key.len().saturating_sub(before);
        *best = Some(key);
        more
    }

    /// Adds what is remembered of other rows.
    pub(super) fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Count(count), Self::Count(other)) => *count += other,
            (Self::Sum(sum), Self::Sum(other)) | (Self::Average(sum), Self::Average(other)) => {
                sum.merge(other);
            }
            (best @ Self::Best(..), Self::Best(_, Some(other))) => _ = best.choose(other),
            (Self::Quantile(weights, _), Self::Quantile(others, _)) => {
                for (key, weight) in others {
                    *weights.entry(key).or_default() += weight;
                }
            }
            // Both are of one function.
            _ => {}
        }
    }

    pub(super) fn value(self) -> Result<Value, Error> {
        Ok(match self {
            Self::Count(count) => Value::Integer(count),
            Self::Sum(Sum { count: 0, .. }) | Self::Average(Sum { count: 0, .. }) => Value::Null,
            Self::Sum(sum) if sum.has_rest => Value::Real(sum.real()),
            Self::Sum(sum) => {
                let whole = i64::try_from(sum.whole);
                // As SQLite says it.
                Value::Integer(whole.map_err(|_| Error::invalid("integer overflow"))?)
            }
            Self::Average(sum) => Value::Real(sum.real() / sum.count as f64),
            Self::Best(_, best) => best.map_or(Value::Null, Key::into_value),
            Self::Quantile(weights, level) => quantile(weights, level),
        })
    }
}

impl Sum {
    fn add(&mut self, value: Key) {
        self.count += 1;
        match value {
            Key::Integer(value) => self.whole += i128::from(value),
            other => {
                self.rest += other.number();
                self.has_rest = true;
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.whole += other.whole;
        self.rest += other.rest;
        self.has_rest |= other.has_rest;
        self.count += other.count;
    }

    fn real(self) -> f64 {
        self.whole as f64 + self.rest
    }
}
