//! What Durable Objects keep: entries, and when their alarms are due.

use crate::script::ObjectKey;
use crate::settings::identity::WorkerId;
use crate::store::range::{after, after_prefix};
use crate::store::{Result as Sql, Storage};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Cloudflare's limits for an entry of a key-value backed object.
const KEY_BYTES: usize = 2048;
const VALUE_BYTES: usize = 128 << 10;

/// Bytes of one listing.
const LISTED_BYTES: usize = 32 << 20;

/// An object of a Worker.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct StoredObject {
    pub(crate) worker: WorkerId,
    pub(crate) key: ObjectKey,
}

impl ToSql for WorkerId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.storage_key().into())
    }
}

/// Which entries are listed, in the order of their keys.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Listing {
    start: Option<String>,
    start_after: Option<String>,
    end: Option<String>,
    prefix: Option<String>,
    reverse: bool,
    limit: Option<u32>,
}

/// Why an object cannot keep or find something, in words.
pub(crate) type ObjectFailed = String;

impl Listing {
    /// The first key that may be listed, and the first behind those.
    fn range(&self) -> (String, Option<String>) {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let bounds = [self.start.clone(), self.start_after.as_deref().map(after)];
        let start = bounds.into_iter().flatten().max().unwrap_or_default();
        let ends = [self.end.clone(), after_prefix(prefix)];
        let end = ends.into_iter().flatten().min();
        (start.max(prefix.to_owned()), end)
    }
}

impl Storage {
    /// Those of the entries that are there.
    pub(crate) async fn object_get(
        &self,
        object: StoredObject,
        keys: Vec<String>,
    ) -> Result<Vec<(String, String)>, ObjectFailed> {
        self.read(move |database| {
            let StoredObject { worker, key } = object;
            let mut statement = database.prepare_cached(
                "SELECT value FROM object_entries
                 WHERE worker = ?1 AND class = ?2 AND id = ?3 AND key = ?4",
            )?;
            let mut found = Vec::new();
            for name in keys {
                let value = statement
                    .query_row(params![worker, key.class, key.id, name], |row| row.get(0))
                    .optional()?;
                found.extend(value.map(|value| (name, value)));
            }
            Ok(found)
        })
        .await
    }

    /// Keeps all of the entries or none.
    pub(crate) async fn object_put(
        &self,
        object: StoredObject,
        entries: BTreeMap<String, String>,
    ) -> Result<(), ObjectFailed> {
        for (name, value) in &entries {
            if name.len() > KEY_BYTES {
                return Err(format!("Keys cannot be larger than {KEY_BYTES} bytes."));
            }
            if value.len() > VALUE_BYTES {
                return Err(format!("Values cannot be larger than {VALUE_BYTES} bytes."));
            }
        }
        self.change(move |database| {
            let StoredObject { worker, key } = object;
            let change = database.transaction()?;
            for (name, value) in entries {
                change
                    .prepare_cached(
                        "INSERT OR REPLACE INTO object_entries VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![worker, key.class, key.id, name, value])?;
            }
            change.commit()
        })
        .await
    }

    /// Removes entries, and returns how many there were.
    pub(crate) async fn object_delete(
        &self,
        object: StoredObject,
        keys: Vec<String>,
    ) -> Result<usize, ObjectFailed> {
        self.change(move |database| {
            let StoredObject { worker, key } = object;
            let change = database.transaction()?;
            let mut removed = 0;
            for name in keys {
                removed += change
                    .prepare_cached(
                        "DELETE FROM object_entries
                         WHERE worker = ?1 AND class = ?2 AND id = ?3 AND key = ?4",
                    )?
                    .execute(params![worker, key.class, key.id, name])?;
            }
            change.commit()?;
            Ok(removed)
        })
        .await
    }

    pub(crate) async fn object_list(
        &self,
        object: StoredObject,
        listing: Listing,
    ) -> Result<Vec<(String, String)>, ObjectFailed> {
        self.read(move |database| listed(database, &object, &listing))
            .await?
            .ok_or_else(|| {
                format!("list() returns no more than {LISTED_BYTES} bytes; give it a `limit`.")
            })
    }

    /// Removes all entries. The alarm stays.
    pub(crate) async fn object_delete_all(&self, object: StoredObject) -> Result<(), ObjectFailed> {
        self.change(move |database| {
            let StoredObject { worker, key } = object;
            database
                .prepare_cached(
                    "DELETE FROM object_entries WHERE worker = ?1 AND class = ?2 AND id = ?3",
                )?
                .execute(params![worker, key.class, key.id])?;
            Ok(())
        })
        .await
    }

    /// When the alarm is due, in milliseconds since 1970.
    pub(crate) async fn alarm(&self, object: StoredObject) -> Result<Option<u64>, ObjectFailed> {
        self.read(move |database| {
            let StoredObject { worker, key } = object;
            database
                .prepare_cached(
                    "SELECT time FROM object_alarms WHERE worker = ?1 AND class = ?2 AND id = ?3",
                )?
                .query_row(params![worker, key.class, key.id], |row| {
                    row.get::<_, i64>(0)
                })
                .optional()
                .map(|time| time.map(i64::cast_unsigned))
        })
        .await
    }

    /// Sets the alarm, or removes it.
    pub(crate) async fn set_alarm(
        &self,
        object: StoredObject,
        time: Option<u64>,
    ) -> Result<(), ObjectFailed> {
        self.change(move |database| {
            let StoredObject { worker, key } = object;
            match time {
                Some(time) => database
                    .prepare_cached("INSERT OR REPLACE INTO object_alarms VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![worker, key.class, key.id, stored(time)])?,
                None => database
                    .prepare_cached(
                        "DELETE FROM object_alarms WHERE worker = ?1 AND class = ?2 AND id = ?3",
                    )?
                    .execute(params![worker, key.class, key.id])?,
            };
            Ok(())
        })
        .await
    }

    /// The alarm of a Worker's objects that is due next.
    pub(crate) async fn next_alarm(
        &self,
        worker: WorkerId,
    ) -> Result<Option<(StoredObject, u64)>, ObjectFailed> {
        self.read(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT class, id, time FROM object_alarms WHERE worker = ?1
                 ORDER BY time LIMIT 1",
            )?;
            let next = statement.query_row([&worker], |row| {
                let key = ObjectKey {
                    class: row.get(0)?,
                    id: row.get(1)?,
                };
                let worker = worker.clone();
                let time = row.get::<_, i64>(2)?.cast_unsigned();
                Ok((StoredObject { worker, key }, time))
            });
            next.optional()
        })
        .await
    }

    /// Removes an alarm that is due at `time`, and tells whether there is one.
    pub(crate) async fn take_alarm(
        &self,
        object: StoredObject,
        time: u64,
    ) -> Result<bool, ObjectFailed> {
        self.change(move |database| {
            let StoredObject { worker, key } = object;
            let taken = database
                .prepare_cached(
                    "DELETE FROM object_alarms
                     WHERE worker = ?1 AND class = ?2 AND id = ?3 AND time = ?4",
                )?
                .execute(params![worker, key.class, key.id, stored(time)])?;
            Ok(taken > 0)
        })
        .await
    }
}

/// A time as the database holds it, which has no later one than that.
fn stored(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// The entries of a listing, or none if they are too many for one.
fn listed(
    database: &Connection,
    object: &StoredObject,
    listing: &Listing,
) -> Sql<Option<Vec<(String, String)>>> {
    let StoredObject { worker, key } = object;
    let (start, end) = listing.range();
    let below = if end.is_some() { "AND key < ?6" } else { "" };
    let order = if listing.reverse { "DESC" } else { "ASC" };
    let limit = listing.limit.map_or(-1, i64::from);
    let select = format!(
        "SELECT key, value FROM object_entries
         WHERE worker = ?1 AND class = ?2 AND id = ?3 AND key >= ?4 {below}
         ORDER BY key {order} LIMIT ?5"
    );
    let mut values = params![worker, key.class, key.id, start, limit].to_vec();
    values.extend(end.as_ref().map(|end| end as &dyn ToSql));
    let mut statement = database.prepare_cached(&select)?;
    let rows = statement.query_map(&*values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut bytes = 0;
    let mut listed = Vec::new();
    for row in rows {
        let (key, value): (String, String) = row?;
        bytes += key.len() + value.len();
        if bytes > LISTED_BYTES {
            return Ok(None);
        }
        listed.push((key, value));
    }
    Ok(Some(listed))
}
