//! Aggregate functions that SQLite lacks.

use super::{FLAGS, PREFIX, failure};
use rusqlite::functions::{Aggregate, Context};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Result};
use serde_json::Value as Json;
use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering as Memory};

/// Bytes that an entry takes besides its text.
const ENTRY: usize = 80;

/// The bytes that the aggregate functions of a query may remember.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: Arc<AtomicUsize>,
    is_exceeded: Arc<AtomicBool>,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            used: Arc::default(),
            is_exceeded: Arc::default(),
        }
    }

    /// Whether a function has failed since it would need more.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.is_exceeded.load(Memory::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<()> {
        let used = self.used.fetch_add(bytes, Memory::Relaxed) + bytes;
        if used <= self.limit {
            return Ok(());
        }
        self.is_exceeded.store(true, Memory::Relaxed);
        Err(failure(format!(
            "the aggregate functions remember more than {} bytes: let WHERE select less, or group by less",
            self.limit
        )))
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Memory::Relaxed);
    }
}

pub(super) fn register(connection: &Connection, budget: &Budget) -> Result<()> {
    let add = |name: &str, arguments, aggregate: Kind| {
        let (name, budget) = (format!("{PREFIX}{name}"), budget.clone());
        let function = Function {
            kind: aggregate,
            budget,
        };
        connection.create_aggregate_function(name.as_str(), arguments, FLAGS, function)
    };
    add("quantile", 3, Kind::Quantile)?;
    add("top", 3, Kind::Top)?;
    add("arg_min", 2, Kind::Argument(Ordering::Less))?;
    add("arg_max", 2, Kind::Argument(Ordering::Greater))?;
    add("first", 1, Kind::First)?;
    add("last", 1, Kind::Last)
}

enum Kind {
    /// Of a level, a value and a weight.
    Quantile,
    /// Of a count, a value and a weight.
    Top,
    /// Of a result and a value.
    Argument(Ordering),
    First,
    Last,
}

struct Function {
    kind: Kind,
    budget: Budget,
}

/// What a function remembers of the rows so far.
#[derive(Default)]
struct State {
    /// The first argument.
    constant: Option<Key>,
    /// The weights of values.
    weights: BTreeMap<Key, f64>,
    /// The chosen value, and what it was chosen by.
    chosen: Option<(Value, Key)>,
    /// Bytes of the budget.
    bytes: usize,
}

/// A value that has an order.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    Integer(i64),
    Real(f64),
    Text(String),
}

impl Key {
    pub(crate) fn of(value: ValueRef<'_>) -> Option<Self> {
        Some(match value {
            ValueRef::Null => return None,
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Real(value) => Self::Real(value),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                Self::Text(String::from_utf8_lossy(bytes).into_owned())
            }
        })
    }

    pub(crate) fn number(&self) -> f64 {
        match self {
            Self::Integer(value) => *value as f64,
            Self::Real(value) => *value,
            Self::Text(_) => f64::INFINITY,
        }
    }

    /// The bytes of text.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Integer(value) => Value::Integer(value),
            Self::Real(value) => Value::Real(value),
            Self::Text(text) => Value::Text(text),
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Text(_), _) => Ordering::Greater,
            (_, Self::Text(_)) => Ordering::Less,
            (left, right) => left.number().total_cmp(&right.number()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

impl Aggregate<State, Value> for Function {
    fn init(&self, _: &mut Context<'_>) -> Result<State> {
        Ok(State::default())
    }

    fn step(&self, context: &mut Context<'_>, state: &mut State) -> Result<()> {
        let first: Value = context.get(0)?;
        match self.kind {
            Kind::Quantile | Kind::Top => {
                state.constant = Key::of((&first).into());
                let weight: Option<f64> = context.get(2)?;
                match (Key::of(context.get_raw(1)), weight) {
                    (Some(key), Some(weight)) if weight > 0.0 => self.add(state, key, weight),
                    _ => Ok(()),
                }
            }
            Kind::Argument(better) => {
                let Some(key) = Key::of(context.get_raw(1)) else {
                    return Ok(());
                };
                let chosen = state.chosen.as_ref();
                if chosen.is_none_or(|(_, best)| key.cmp(best) == better) {
                    state.chosen = Some((first, key));
                }
                Ok(())
            }
            Kind::First | Kind::Last => {
                let is_wanted = matches!(self.kind, Kind::Last) || state.chosen.is_none();
                if first != Value::Null && is_wanted {
                    state.chosen = Some((first, Key::Integer(0)));
                }
                Ok(())
            }
        }
    }

    fn finalize(&self, _: &mut Context<'_>, state: Option<State>) -> Result<Value> {
        let state = state.unwrap_or_default();
        self.budget.give_back(state.bytes);
        let constant = state.constant.as_ref().map_or(0.0, Key::number);
        Ok(match self.kind {
            Kind::Quantile => quantile(state.weights, constant),
            Kind::Top => top(state.weights, constant as usize),
            _ => state.chosen.map_or(Value::Null, |(value, _)| value),
        })
    }
}

impl Function {
    fn add(&self, state: &mut State, key: Key, weight: f64) -> Result<()> {
        if let Some(sum) = state.weights.get_mut(&key) {
            *sum += weight;
            return Ok(());
        }
        let bytes = ENTRY + key.len();
        state.bytes += bytes;
        self.budget.take(bytes)?;
        state.weights.insert(key, weight);
        Ok(())
    }
}

/// The least value up to which there is this part of the weight.
pub(crate) fn quantile(weights: BTreeMap<Key, f64>, level: f64) -> Value {
    let threshold = (weights.values().sum::<f64>() * level).ceil();
    let mut so_far = 0.0;
    let mut last = Value::Null;
    for (key, weight) in weights {
        last = key.into_value();
        so_far += weight;
        if so_far >= threshold {
            break;
        }
    }
    last
}

/// The values with the most weight, as a JSON array.
fn top(weights: BTreeMap<Key, f64>, count: usize) -> Value {
    let mut weights: Vec<_> = weights.into_iter().collect();
    // The sort is stable: values of the same weight stay in their order.
    weights.sort_by_key(|(_, weight)| Reverse(weight.to_bits()));
    let items = weights.into_iter().take(count).map(|(key, _)| match key {
        Key::Integer(value) => Json::from(value),
        Key::Real(value) => Json::from(value),
        Key::Text(text) => Json::String(text),
    });
    Value::Text(items.collect::<Json>().to_string())
}
