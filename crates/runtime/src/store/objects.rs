//! What Durable Objects keep: entries, and when their alarms are due.

use super::Store;
use crate::identity::WorkerId;
use crate::script::ObjectKey;
use rusqlite::types::ToSqlOutput;
use rusqlite::{OptionalExtension, ToSql, params};
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

impl Store {
    /// Those of the entries that are there.
    pub(crate) fn object_get(
        &self,
        object: &StoredObject,
        keys: &[String],
    ) -> Result<Vec<(String, String)>, ObjectFailed> {
        let StoredObject { worker, key } = object;
        self.with(|database| {
            let mut statement = database.prepare_cached(
                "SELECT value FROM object_entries
                 WHERE worker = ?1 AND class = ?2 AND id = ?3 AND key = ?4",
            )?;
            let mut found = Vec::new();
            for name in keys {
                let value = statement
                    .query_row(params![worker, key.class, key.id, name], |row| row.get(0))
                    .optional()?;
                found.extend(value.map(|value| (name.clone(), value)));
            }
            Ok(found)
        })
    }

    /// Keeps all of the entries or none.
    pub(crate) fn object_put(
        &self,
        object: &StoredObject,
        entries: &BTreeMap<String, String>,
    ) -> Result<(), ObjectFailed> {
        for (name, value) in entries {
            if name.len() > KEY_BYTES {
                return Err(format!("Keys cannot be larger than {KEY_BYTES} bytes."));
            }
            if value.len() > VALUE_BYTES {
                return Err(format!("Values cannot be larger than {VALUE_BYTES} bytes."));
            }
        }
        let StoredObject { worker, key } = object;
        self.with(|database| {
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
    }

    /// Removes entries, and returns how many there were.
    pub(crate) fn object_delete(
        &self,
        object: &StoredObject,
        keys: &[String],
    ) -> Result<usize, ObjectFailed> {
        let StoredObject { worker, key } = object;
        self.with(|database| {
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
    }

    pub(crate) fn object_list(
        &self,
        object: &StoredObject,
        listing: &Listing,
    ) -> Result<Vec<(String, String)>, ObjectFailed> {
        let StoredObject { worker, key } = object;
        let order = if listing.reverse { "DESC" } else { "ASC" };
        let select = format!(
            "SELECT key, value FROM object_entries
             WHERE worker = ?1 AND class = ?2 AND id = ?3
             AND (?4 IS NULL OR key >= ?4) AND (?5 IS NULL OR key > ?5)
             AND (?6 IS NULL OR key < ?6)
             AND (?7 IS NULL OR substr(key, 1, length(?7)) = ?7)
             ORDER BY key {order} LIMIT ?8"
        );
        self.with(|database| {
            let mut statement = database.prepare_cached(&select)?;
            let rows = statement.query_map(
                params![
                    worker,
                    key.class,
                    key.id,
                    listing.start,
                    listing.start_after,
                    listing.end,
                    listing.prefix,
                    listing.limit.map_or(-1, i64::from),
                ],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
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
        })?
        .ok_or_else(|| {
            format!("list() returns no more than {LISTED_BYTES} bytes; give it a `limit`.")
        })
    }

    /// Removes all entries. The alarm stays.
    pub(crate) fn object_delete_all(&self, object: &StoredObject) -> Result<(), ObjectFailed> {
        let StoredObject { worker, key } = object;
        self.with(|database| {
            database
                .prepare_cached(
                    "DELETE FROM object_entries WHERE worker = ?1 AND class = ?2 AND id = ?3",
                )?
                .execute(params![worker, key.class, key.id])?;
            Ok(())
        })
    }

    /// When the alarm is due, in milliseconds since 1970.
    pub(crate) fn alarm(&self, object: &StoredObject) -> Result<Option<u64>, ObjectFailed> {
        let StoredObject { worker, key } = object;
        self.with(|database| {
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
    }

    /// Sets the alarm, or removes it.
    pub(crate) fn set_alarm(
        &self,
        object: &StoredObject,
        time: Option<u64>,
    ) -> Result<(), ObjectFailed> {
        let StoredObject { worker, key } = object;
        self.with(|database| {
            match time {
                Some(time) => database
                    .prepare_cached("INSERT OR REPLACE INTO object_alarms VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![worker, key.class, key.id, time.cast_signed()])?,
                None => database
                    .prepare_cached(
                        "DELETE FROM object_alarms WHERE worker = ?1 AND class = ?2 AND id = ?3",
                    )?
                    .execute(params![worker, key.class, key.id])?,
            };
            Ok(())
        })
    }

    /// The alarms of a Worker's objects.
    pub(crate) fn alarms(
        &self,
        worker: &WorkerId,
    ) -> Result<Vec<(StoredObject, u64)>, ObjectFailed> {
        self.with(|database| {
            let mut statement = database
                .prepare_cached("SELECT class, id, time FROM object_alarms WHERE worker = ?1")?;
            let rows = statement.query_map([worker], |row| {
                let key = ObjectKey {
                    class: row.get(0)?,
                    id: row.get(1)?,
                };
                let worker = worker.clone();
                Ok((
                    StoredObject { worker, key },
                    row.get::<_, i64>(2)?.cast_unsigned(),
                ))
            })?;
            rows.collect()
        })
    }
}
