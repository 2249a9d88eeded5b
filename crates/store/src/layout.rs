//! The layout of the tables, and how that of an earlier version becomes it.
//!
//! `PRAGMA user_version` counts the steps that a database has gone through. A
//! step that has been released never changes; a new layout is a new step at the
//! end. `rusqlite_migration` does the same, but its releases lag behind those
//! of `rusqlite`, and two processes that open a database at once both begin
//! with the same step.

use rusqlite::{Connection, Result, TransactionBehavior};

/// From an empty database to the present layout.
const STEPS: &[&str] = &[include_str!("layout/1.sql"), include_str!("layout/2.sql")];

/// The present layout.
pub(crate) const LATEST: u32 = STEPS.len() as u32;

/// What a database is like after [`update`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// It has the present layout.
    UpToDate,
    /// It has this one, of a later version of Taffrail, and is untouched.
    Later(u32),
}

/// Brings a database up to date: in one transaction, so that a process that is
/// killed leaves the earlier layout.
pub(crate) fn update(connection: &mut Connection) -> Result<Layout> {
    if number(connection)? == LATEST {
        return Ok(Layout::UpToDate);
    }
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    let layout = number(&change)?;
    let Some(steps) = STEPS.get(layout as usize..) else {
        return Ok(Layout::Later(layout));
    };
    for step in steps {
        change.execute_batch(step)?;
    }
    change.pragma_update(None, "user_version", LATEST)?;
    change.commit()?;
    Ok(Layout::UpToDate)
}

fn number(connection: &Connection) -> Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

#[cfg(test)]
mod tests;
