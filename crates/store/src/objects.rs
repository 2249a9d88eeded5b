//! What Durable Objects keep: entries, and when their alarms are due.

use crate::range::{after, after_prefix};
use crate::{Error, Owner, Storage};
use rusqlite::{Connection, OptionalExtension, ToSql, params};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes of a key, and of a value: Cloudflare's limits for key-value backed
/// objects, <https://developers.cloudflare.com/durable-objects/platform/limits/>.
const KEY_BYTES: usize = 2048;
const VALUE_BYTES: usize = 128 << 10;

/// Entries of one call that names them, likewise.
const ENTRIES: usize = 128;

/// Entries that are removed in one turn when all are: other Workers have theirs
/// in between.
const REMOVED: usize = 256;

/// Bytes of one listing, in which an entry counts for 64 bytes more than its
/// key and its value: about what it takes in memory.
const LISTED_BYTES: usize = 32 << 20;
const ENTRY_BYTES: usize = 64;

/// A Durable Object of a Worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectKey {
    /// The name of its class.
    pub class: String,
    /// Its id, which is unlike that of every other object of the class.
    pub id: String,
}

/// Which entries are listed, in the order of the UTF-8 bytes of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The first key.
    pub start: Option<String>,
    /// The key that comes before the first one.
    pub start_after: Option<String>,
    /// The key that comes after the last one.
    pub end: Option<String>,
    /// What the keys begin with.
    pub prefix: Option<String>,
    /// From the last entry to the first.
    pub reverse: bool,
    /// How many there are at most.
    pub limit: Option<u32>,
}

/// Why an object cannot keep or find something.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// More than 128 keys are read or removed in one call.
    #[error("Maximum number of keys is {ENTRIES}.")]
    TooManyKeys,
    /// More than 128 entries are kept in one call.
    #[error("Maximum number of pairs is {ENTRIES}.")]
    TooManyPairs,
    /// A key has more than 2048 bytes.
    #[error("Keys cannot be larger than {KEY_BYTES} bytes.")]
    KeyTooLong,
    /// A value has more than 128 KiB.
    #[error("Values cannot be larger than {VALUE_BYTES} bytes.")]
    ValueTooLong,
    /// The entries of a listing have more than 32 MiB.
    #[error("list() returns no more than {LISTED_BYTES} bytes; give it a `limit`.")]
    ListingTooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

fn check_keys(keys: &[String]) -> Result<(), ObjectError> {
    if keys.len() > ENTRIES {
        return Err(ObjectError::TooManyKeys);
    }
    Ok(())
}

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

/// The entries of an object.
impl Storage {
    /// Those of the entries that are there, with their keys: 128 at most.
    ///
    /// # Errors
    ///
    /// When there are more keys, and when the store fails.
    pub async fn object_get(
        &self,
        object: ObjectKey,
        keys: Vec<String>,
    ) -> Result<Vec<(String, String)>, ObjectError> {
        check_keys(&keys)?;
        let owner = self.owner.clone();
        let found = self.read(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT value FROM object_entries
                 WHERE worker = ?1 AND class = ?2 AND id = ?3 AND key = ?4",
            )?;
            let mut found = Vec::new();
            for key in keys {
                let value = statement
                    .query_row(params![owner, object.class, object.id, key], |row| {
                        row.get(0)
                    })
                    .optional()?;
                found.extend(value.map(|value| (key, value)));
            }
            Ok(found)
        });
        Ok(found.await?)
    }

    /// Keeps all of the entries or none: 128 at most, with keys of up to 2048
    /// bytes and values of up to 128 KiB.
    ///
    /// # Errors
    ///
    /// When an entry is over a limit, and when the store fails.
    pub async fn object_put(
        &self,
        object: ObjectKey,
        entries: BTreeMap<String, String>,
    ) -> Result<(), ObjectError> {
        if entries.len() > ENTRIES {
            return Err(ObjectError::TooManyPairs);
        }
        for (key, value) in &entries {
            if key.len() > KEY_BYTES {
                return Err(ObjectError::KeyTooLong);
            }
            if value.len() > VALUE_BYTES {
                return Err(ObjectError::ValueTooLong);
            }
        }
        let owner = self.owner.clone();
        self.has_objects.store(true, Relaxed);
        let kept = self.change(move |database| {
            let change = database.transaction()?;
            for (key, value) in entries {
                change
                    .prepare_cached(
                        "INSERT OR REPLACE INTO object_entries VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![owner, object.class, object.id, key, value])?;
            }
            change.commit()
        });
        Ok(kept.await?)
    }

    /// Removes all of the entries or none, 128 at most, and returns how many were
    /// there.
    ///
    /// # Errors
    ///
    /// When there are more keys, and when the store fails.
    pub async fn object_delete(
        &self,
        object: ObjectKey,
        keys: Vec<String>,
    ) -> Result<usize, ObjectError> {
        check_keys(&keys)?;
        let owner = self.owner.clone();
        let removed = self.change(move |database| {
            let change = database.transaction()?;
            let mut removed = 0;
            for key in keys {
                removed += change
                    .prepare_cached(
                        "DELETE FROM object_entries
                         WHERE worker = ?1 AND class = ?2 AND id = ?3 AND key = ?4",
                    )?
                    .execute(params![owner, object.class, object.id, key])?;
            }
            change.commit()?;
            Ok(removed)
        });
        Ok(removed.await?)
    }

    /// The entries of a listing, in its order: 32 MiB at most.
    ///
    /// # Errors
    ///
    /// When there are more, and when the store fails.
    pub async fn object_list(
        &self,
        object: ObjectKey,
        listing: Listing,
    ) -> Result<Vec<(String, String)>, ObjectError> {
        let owner = self.owner.clone();
        self.read(move |database| listed(database, &owner, &object, &listing))
            .await?
            .ok_or(ObjectError::ListingTooLong)
    }

    /// Removes all entries of an object. Its alarm stays.
    ///
    /// It is done piece by piece. If it fails or its caller leaves, a part of the
    /// entries is still there.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn object_delete_all(&self, object: ObjectKey) -> Result<(), ObjectError> {
        loop {
            let (owner, object) = (self.owner.clone(), object.clone());
            let removed = self.change(move |database| {
                database
                    .prepare_cached(
                        "DELETE FROM object_entries
                         WHERE worker = ?1 AND class = ?2 AND id = ?3 AND key IN (
                             SELECT key FROM object_entries
                             WHERE worker = ?1 AND class = ?2 AND id = ?3 LIMIT ?4
                         )",
                    )?
                    .execute(params![owner, object.class, object.id, REMOVED as i64])
            });
            if removed.await? < REMOVED {
                return Ok(());
            }
        }
    }

    /// Removes the entries and alarms of all objects of the owner, piece by piece
    /// likewise. An owner of whom nothing was kept over this `Storage` costs
    /// nothing.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_objects(&self) -> Result<(), Error> {
        if !self.has_objects.swap(false, Relaxed) {
            return Ok(());
        }
        for piece in [ENTRIES_OF_OWNER, ALARMS_OF_OWNER] {
            loop {
                let owner = self.owner.clone();
                let removed = self.change(move |database| {
                    let mut piece = database.prepare_cached(piece)?;
                    piece.execute(params![owner, REMOVED as i64])
                });
                if removed.await? < REMOVED {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Removes some entries of an owner.
const ENTRIES_OF_OWNER: &str = "DELETE FROM object_entries
    WHERE worker = ?1 AND (class, id, key) IN
    (SELECT class, id, key FROM object_entries WHERE worker = ?1 LIMIT ?2)";

/// Removes some alarms of an owner.
const ALARMS_OF_OWNER: &str = "DELETE FROM object_alarms
    WHERE worker = ?1 AND (class, id) IN
    (SELECT class, id FROM object_alarms WHERE worker = ?1 LIMIT ?2)";

/// The alarms of objects. Times are in milliseconds since 1970.
impl Storage {
    /// When the alarm of an object is due, if it is set.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn alarm(&self, object: ObjectKey) -> Result<Option<u64>, Error> {
        let owner = self.owner.clone();
        self.read(move |database| {
            database
                .prepare_cached(
                    "SELECT time FROM object_alarms WHERE worker = ?1 AND class = ?2 AND id = ?3",
                )?
                .query_row(params![owner, object.class, object.id], |row| {
                    row.get::<_, i64>(0)
                })
                .optional()
                .map(|time| time.map(i64::cast_unsigned))
        })
        .await
    }

    /// Sets the alarm of an object, or removes it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn set_alarm(&self, object: ObjectKey, time: Option<u64>) -> Result<(), Error> {
        let owner = self.owner.clone();
        self.has_objects.store(true, Relaxed);
        self.change(move |database| {
            match time {
                Some(time) => database
                    .prepare_cached("INSERT OR REPLACE INTO object_alarms VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![owner, object.class, object.id, stored(time)])?,
                None => database
                    .prepare_cached(
                        "DELETE FROM object_alarms WHERE worker = ?1 AND class = ?2 AND id = ?3",
                    )?
                    .execute(params![owner, object.class, object.id])?,
            };
            Ok(())
        })
        .await
    }

    /// The object of the owner whose alarm is due next, and when.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn next_alarm(&self) -> Result<Option<(ObjectKey, u64)>, Error> {
        let owner = self.owner.clone();
        self.read(move |database| {
            let mut statement = database.prepare_cached(
                "SELECT class, id, time FROM object_alarms WHERE worker = ?1
                 ORDER BY time LIMIT 1",
            )?;
            let next = statement.query_row([&owner], |row| {
                let object = ObjectKey {
                    class: row.get(0)?,
                    id: row.get(1)?,
                };
                Ok((object, row.get::<_, i64>(2)?.cast_unsigned()))
            });
            next.optional()
        })
        .await
    }

    /// Removes the alarm of an object if it is due at `time`, and tells whether
    /// it was. So an alarm that has been changed meanwhile stays, and of several
    /// callers one takes it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn take_alarm(&self, object: ObjectKey, time: u64) -> Result<bool, Error> {
        let owner = self.owner.clone();
        self.change(move |database| {
            let taken = database
                .prepare_cached(
                    "DELETE FROM object_alarms
                     WHERE worker = ?1 AND class = ?2 AND id = ?3 AND time = ?4",
                )?
                .execute(params![owner, object.class, object.id, stored(time)])?;
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
    owner: &Owner,
    object: &ObjectKey,
    listing: &Listing,
) -> rusqlite::Result<Option<Vec<(String, String)>>> {
    let (start, end) = listing.range();
    let below = if end.is_some() { "AND key < ?6" } else { "" };
    let order = if listing.reverse { "DESC" } else { "ASC" };
    let limit = listing.limit.map_or(-1, i64::from);
    let select = format!(
        "SELECT key, value FROM object_entries
         WHERE worker = ?1 AND class = ?2 AND id = ?3 AND key >= ?4 {below}
         ORDER BY key {order} LIMIT ?5"
    );
    let mut values = params![owner, object.class, object.id, start, limit].to_vec();
    values.extend(end.as_ref().map(|end| end as &dyn ToSql));
    let mut statement = database.prepare_cached(&select)?;
    let rows = statement.query_map(&*values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut bytes = 0;
    let mut listed = Vec::new();
    for row in rows {
        let (key, value): (String, String) = row?;
        bytes += key.len() + value.len() + ENTRY_BYTES;
        if bytes > LISTED_BYTES {
            return Ok(None);
        }
        listed.push((key, value));
    }
    Ok(Some(listed))
}

#[cfg(test)]
mod tests;
