//! Aggregate functions.

use super::grouping::{Function, Grouping};
use super::typed::Typed;
use crate::functions::PREFIX;
use crate::types::Type;
use std::cell::RefCell;

/// An aggregate function.
pub(super) struct Aggregate {
    /// Its name, and others for it, in any case.
    names: &'static [&'static str],
    /// How it is called, for messages.
    pub(super) usage: &'static str,
    pub(super) build: fn(&Call<'_>) -> Result<Typed, Mistake>,
}

/// A message, unless the usage says enough.
type Mistake = Option<String>;

/// A call: `name(parameters)(DISTINCT arguments)`.
pub(super) struct Call<'a> {
    pub(super) parameters: &'a [Typed],
    pub(super) arguments: &'a [Typed],
    pub(super) is_distinct: bool,
    /// The order of the rows, if it matters and is known.
    pub(super) order: Option<&'a str>,
    /// What the query has of functions, if the rows may be grouped outside of SQLite.
    pub(super) grouping: Option<&'a RefCell<Grouping>>,
}

/// Values that `topK` returns at most, and without a parameter.
const MOST: f64 = 100.0;
const TOP: f64 = 10.0;

/// <https://developers.cloudflare.com/analytics/analytics-engine/sql-reference/aggregate-functions/>
/// and <https://developers.cloudflare.com/analytics/sql-api/sql-reference/functions/>.
static AGGREGATES: &[Aggregate] = &[
    Aggregate {
        names: &["count"],
        usage: "count(), count(column) or count(DISTINCT column)",
        build: count,
    },
    Aggregate {
        names: &["sum"],
        usage: "sum([DISTINCT] number)",
        build: sum,
    },
    Aggregate {
        names: &["avg"],
        usage: "avg([DISTINCT] number)",
        build: avg,
    },
    Aggregate {
        names: &["min", "approx_min"],
        usage: "min(column)",
        build: |call| extreme(call, Function::Least),
    },
    Aggregate {
        names: &["max", "approx_max"],
        usage: "max(column)",
        build: |call| extreme(call, Function::Greatest),
    },
    Aggregate {
        names: &["countIf"],
        usage: "countIf(condition)",
        build: count_if,
    },
    Aggregate {
        names: &["sumIf"],
        usage: "sumIf(number, condition)",
        build: |call| of_some(call, sum),
    },
    Aggregate {
        names: &["avgIf"],
        usage: "avgIf(number, condition)",
        build: |call| of_some(call, avg),
    },
    Aggregate {
        names: &["quantileExactWeighted"],
        usage: "quantileExactWeighted(level)(number, weight), with a level from 0 to 1",
        build: quantile_with_parameter,
    },
    Aggregate {
        names: &["quantileWeighted"],
        usage: "quantileWeighted(level, number, weight), with a level from 0 to 1",
        build: quantile_with_arguments,
    },
    Aggregate {
        names: &["argMin"],
        usage: "argMin(result, value)",
        build: |call| argument(call, "arg_min"),
    },
    Aggregate {
        names: &["argMax"],
        usage: "argMax(result, value)",
        build: |call| argument(call, "arg_max"),
    },
    Aggregate {
        names: &["first_value"],
        usage: "first_value(column)",
        build: |call| at_end(call, "first"),
    },
    Aggregate {
        names: &["last_value"],
        usage: "last_value(column)",
        build: |call| at_end(call, "last"),
    },
    Aggregate {
        names: &["topK"],
        usage: "topK(N)(column), with N from 1 to 100",
        build: top,
    },
    Aggregate {
        names: &["topKWeighted"],
        usage: "topKWeighted(N)(column, weight), with N from 1 to 100",
        build: top_weighted,
    },
];

/// Finds a function by its name.
pub(super) fn named(name: &str) -> Option<&'static Aggregate> {
    AGGREGATES.iter().find(|aggregate| {
        aggregate
            .names
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name))
    })
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    AGGREGATES
        .iter()
        .flat_map(|aggregate| aggregate.names)
        .copied()
}

impl<'a> Call<'a> {
    /// The value of a function over the rows of a group.
    fn apply(&self, function: Function, arguments: &[&Typed]) -> String {
        match self.grouping {
            Some(grouping) => grouping.borrow_mut().add(function, arguments),
            None => function.in_sqlite(arguments),
        }
    }

    /// The value of a function that only SQLite can apply.
    fn only_in_sqlite(&self, sql: String) -> String {
        if let Some(grouping) = self.grouping {
            grouping.borrow_mut().give_up();
        }
        sql
    }

    /// The arguments, if there are so many and nothing else.
    fn plain<const N: usize>(&self) -> Result<&'a [Typed; N], Mistake> {
        match self.parameters.is_empty() && !self.is_distinct {
            true => self.arguments.try_into().map_err(|_| None),
            false => Err(None),
        }
    }

    /// The only argument, a number, and the value of a function of all numbers, or of those that
    /// differ.
    fn of_number(&self, function: Function) -> Result<(&'a Typed, String), Mistake> {
        let [number] = self.arguments else {
            return Err(None);
        };
        if !self.parameters.is_empty() || !number.ty.is_number() {
            return Err(None);
        }
        let sql = match self.is_distinct {
            true => self.only_in_sqlite(format!("{}(DISTINCT {})", function.name(), number.sql)),
            false => self.apply(function, &[number]),
        };
        Ok((number, sql))
    }
}

fn count(call: &Call<'_>) -> Result<Typed, Mistake> {
    let sql = match (call.arguments, call.is_distinct, call.parameters) {
        ([], false, []) => call.apply(Function::Rows, &[]),
        ([value], false, []) => call.apply(Function::Count, &[value]),
        ([value], true, []) => call.only_in_sqlite(format!("count(DISTINCT {})", value.sql)),
        _ => return Err(None),
    };
    Ok(Typed::new(sql, Type::UInt64))
}

fn sum(call: &Call<'_>) -> Result<Typed, Mistake> {
    let (number, sql) = call.of_number(Function::Sum)?;
    let ty = match number.ty.integer() {
        Some((_, is_signed)) => Type::of_bits(64, is_signed),
        None => Type::Float64,
    };
    Ok(match number.nullable {
        true => Typed {
            nullable: true,
            ..Typed::new(sql, ty)
        },
        false => Typed::new(format!("coalesce({sql}, 0)"), ty),
    })
}

/// Without rows it is NULL, which stands for ClickHouse's `nan`.
fn avg(call: &Call<'_>) -> Result<Typed, Mistake> {
    let (number, sql) = call.of_number(Function::Average)?;
    Ok(Typed {
        nullable: number.nullable,
        ..Typed::new(sql, Type::Float64)
    })
}

fn extreme(call: &Call<'_>, function: Function) -> Result<Typed, Mistake> {
    let [value] = call.plain()?;
    // With more arguments they would be others of SQLite.
    Ok(with_default(call.apply(function, &[value]), value))
}

/// Without rows the result is what ClickHouse has by default.
fn with_default(sql: String, value: &Typed) -> Typed {
    let ty = value.ty.clone();
    let default = match (&ty, value.nullable) {
        (Type::Nothing | Type::Dynamic, _) | (_, true) => {
            return Typed {
                nullable: true,
                ..Typed::new(sql, ty)
            };
        }
        (Type::String | Type::Json, _) => "''",
        (Type::Array(_), _) => "'[]'",
        (Type::Float64, _) => "0.0",
        _ => "0",
    };
    Typed::new(format!("coalesce({sql}, {default})"), ty)
}

fn count_if(call: &Call<'_>) -> Result<Typed, Mistake> {
    let [condition] = call.plain()?;
    if !condition.ty.is_number() {
        return Err(None);
    }
    let one = Typed::new(format!("iif({}, 1, NULL)", condition.sql), Type::UInt8);
    let sql = call.apply(Function::Count, &[&one]);
    Ok(Typed::new(sql, Type::UInt64))
}

/// What `function` makes of the rows for which the second argument is true.
fn of_some(
    call: &Call<'_>,
    function: fn(&Call<'_>) -> Result<Typed, Mistake>,
) -> Result<Typed, Mistake> {
    let [number, condition] = call.plain()?;
    if !condition.ty.is_number() {
        return Err(None);
    }
    let some = Typed {
        sql: format!("iif({}, {}, NULL)", condition.sql, number.sql),
        ..number.clone()
    };
    function(&Call {
        arguments: &[some],
        ..*call
    })
}

fn quantile_with_parameter(call: &Call<'_>) -> Result<Typed, Mistake> {
    match (call.parameters, call.arguments) {
        ([level], [value, weight]) => quantile(call, level, value, weight),
        ([], [value, weight]) => quantile(call, &Typed::number(0.5), value, weight),
        ([], [level, value, weight]) => quantile(call, level, value, weight),
        _ => Err(None),
    }
}

fn quantile_with_arguments(call: &Call<'_>) -> Result<Typed, Mistake> {
    let [level, value, weight] = call.plain()?;
    quantile(call, level, value, weight)
}

fn quantile(
    call: &Call<'_>,
    level: &Typed,
    value: &Typed,
    weight: &Typed,
) -> Result<Typed, Mistake> {
    let fixed = level.fixed();
    let fixed = fixed.filter(|level| (0.0..=1.0).contains(level));
    let is_ordered = value.ty.is_number() || value.ty.is_time();
    let Some(level) = fixed.filter(|_| !call.is_distinct && is_ordered && weight.ty.is_number())
    else {
        return Err(None);
    };
    let sql = call.apply(Function::Quantile(level), &[value, weight]);
    Ok(Typed {
        nullable: true,
        ..Typed::new(sql, value.ty.clone())
    })
}

fn argument(call: &Call<'_>, function: &str) -> Result<Typed, Mistake> {
    let [result, value] = call.plain()?;
    let sql = format!("{PREFIX}{function}({}, {})", result.sql, value.sql);
    Ok(with_default(call.only_in_sqlite(sql), result))
}

fn at_end(call: &Call<'_>, function: &str) -> Result<Typed, Mistake> {
    let [value] = call.plain()?;
    let order = call
        .order
        .map_or(String::new(), |order| format!(" ORDER BY {order}"));
    let sql = format!("{PREFIX}{function}({}{order})", value.sql);
    Ok(with_default(call.only_in_sqlite(sql), value))
}

fn top(call: &Call<'_>) -> Result<Typed, Mistake> {
    let [value] = call.arguments else {
        return Err(None);
    };
    most_frequent(call, value, &Typed::integer(1))
}

fn top_weighted(call: &Call<'_>) -> Result<Typed, Mistake> {
    let [value, weight] = call.arguments else {
        return Err(None);
    };
    most_frequent(call, value, weight)
}

fn most_frequent(call: &Call<'_>, value: &Typed, weight: &Typed) -> Result<Typed, Mistake> {
    // The second parameter says how much an approximation remembers; this is exact.
    let count = match call.parameters {
        [] => TOP,
        [count] | [count, _] => count.fixed().ok_or(None)?,
        _ => return Err(Some("the third parameter is not supported".to_owned())),
    };
    let is_count = (1.0..=MOST).contains(&count) && count.fract() == 0.0;
    let is_plain = value.ty.integer().is_some()
        || value.ty.is_time()
        || matches!(value.ty, Type::Float64 | Type::String | Type::Dynamic);
    if call.is_distinct || !is_count || !is_plain || !weight.ty.is_number() {
        return Err(None);
    }
    let items = Type::Array(Box::new(value.ty.clone()));
    let count = Typed::integer(count as i64);
    let top = Typed::call("top", &[&count, value, weight], items);
    Ok(Typed {
        nullable: false,
        sql: call.only_in_sqlite(top.sql.clone()),
        ..top
    })
}
