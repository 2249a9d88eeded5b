//! What a query may consist of, and what it may use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The stack of a thread on which a query runs. The parser, the compiler and SQLite call themselves
/// for each level of an expression, and a long sum has a level for each `+`.
pub(crate) const STACK: usize = 64 << 20;

/// What a query may consist of.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The bytes of the text.
    pub bytes: usize,
    /// How many `SELECT`s may be inside each other.
    pub depth: usize,
    /// Whether several tables, `UNION` and the like, `WITH`, and queries inside
    /// expressions are allowed.
    pub several: bool,
}

impl Rules {
    /// Those of Cloudflare's API: one `SELECT` from one table or subquery.
    pub const ANALYTICS: Self = Self {
        bytes: 10 << 10,
        depth: 10,
        several: false,
    };

    /// Those for the person at this machine.
    pub const GENERAL: Self = Self {
        bytes: 64 << 10,
        depth: 10,
        several: true,
    };
}

/// What a query may use until it ends with an error that names the limit.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the beginning to the last row.
    pub time: Duration,
    /// Rows of the result.
    pub rows: usize,
    /// Bytes of the values of the result, and the same again of what an aggregate function
    /// remembers.
    pub bytes: usize,
}

impl Default for Limits {
    /// 30 seconds, a million rows and 64 MiB.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(30),
            rows: 1_000_000,
            bytes: 64 << 20,
        }
    }
}

/// Stops a query from another thread.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Stops the query within some milliseconds. It ends with an error of the kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
