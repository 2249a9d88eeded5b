//! KV namespaces: <https://developers.cloudflare.com/kv/platform/limits/>.

use crate::store::range::{after, after_prefix};
use crate::store::{Result as Sql, Storage};
use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, ToSql, Transaction, params};

/// Bytes of a key.
const KEY_BYTES: usize = 512;
/// Bytes of a value.
pub(crate) const VALUE_BYTES: usize = 25 << 20;
/// Bytes of metadata, as JSON.
const METADATA_BYTES: usize = 1024;
/// Seconds that an entry lives at least.
const MIN_TTL: u64 = 60;
/// Keys of one listing.
const LISTED: usize = 1000;

/// Finds the entries that have expired.
pub(super) const EXPIRATIONS: &str = "CREATE INDEX IF NOT EXISTS kv_by_expiration
    ON kv (expiration) WHERE expiration IS NOT NULL";

/// Expired entries that go with each one that comes: more than one, so that
/// they get fewer.
const SWEPT: usize = 2;

/// A value and what belongs to it.
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    /// In JSON.
    pub(crate) metadata: Option<String>,
}

/// How an entry is kept. Times are in seconds since 1970.
#[derive(Default)]
pub(crate) struct Put {
    pub(crate) value: Bytes,
    /// In JSON.
    pub(crate) metadata: Option<String>,
    pub(crate) expiration: Option<u64>,
}

/// One key of a listing.
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) expiration: Option<u64>,
    /// In JSON.
    pub(crate) metadata: Option<String>,
}

/// Why an operation is refused: the status and the reason that Cloudflare's
/// Workers see.
#[derive(Debug)]
pub(crate) struct KvFailed {
    pub(crate) status: u16,
    pub(crate) reason: String,
}

impl KvFailed {
    fn new(status: u16, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
        }
    }
}

impl From<String> for KvFailed {
    fn from(error: String) -> Self {
        Self::new(500, error)
    }
}

fn check_key(key: &str) -> Result<(), KvFailed> {
    match key {
        "" => Err(KvFailed::new(400, "Key name cannot be empty.")),
        "." | ".." => Err(KvFailed::new(
            400,
            format!("\"{key}\" is not allowed as a key name."),
        )),
        key if key.len() > KEY_BYTES => Err(KvFailed::new(
            414,
            format!(
                "UTF-8 encoded length of {} exceeds key length limit of {KEY_BYTES}.",
                key.len()
            ),
        )),
        _ => Ok(()),
    }
}

impl Storage {
    /// The entry of a key, if there is one and it has not expired.
    pub(crate) async fn kv_get(
        &self,
        namespace: String,
        key: String,
        now: u64,
    ) -> Result<Option<Entry>, KvFailed> {
        check_key(&key)?;
        let entry = self.read(move |database| {
            database
                .prepare_cached(
                    "SELECT value, metadata FROM kv WHERE namespace = ?1 AND key = ?2
                     AND (expiration IS NULL OR expiration > ?3)",
                )?
                .query_row(params![namespace, key, now.cast_signed()], |row| {
                    Ok(Entry {
                        value: row.get(0)?,
                        metadata: row.get(1)?,
                    })
                })
                .optional()
        });
        Ok(entry.await?)
    }

    /// Keeps an entry in the place of an earlier one.
    pub(crate) async fn kv_put(
        &self,
        namespace: String,
        key: String,
        put: Put,
        now: u64,
    ) -> Result<(), KvFailed> {
        check_key(&key)?;
        let expiration = put.check(now)?;
        let kept = self.change(move |database| {
            let change = database.transaction()?;
            sweep(&change, now)?;
            change
                .prepare_cached("INSERT OR REPLACE INTO kv VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    namespace,
                    key,
                    &put.value[..],
                    put.metadata,
                    expiration
                ])?;
            change.commit()
        });
        Ok(kept.await?)
    }

    /// Removes an entry, if it is there.
    pub(crate) async fn kv_delete(&self, namespace: String, key: String) -> Result<(), KvFailed> {
        check_key(&key)?;
        let removed = self.change(move |database| {
            database
                .prepare_cached("DELETE FROM kv WHERE namespace = ?1 AND key = ?2")?
                .execute(params![namespace, key])?;
            Ok(())
        });
        Ok(removed.await?)
    }

    /// The keys with a prefix that come after `last`, in order, and whether
    /// there are more.
    pub(crate) async fn kv_list(
        &self,
        namespace: String,
        prefix: String,
        last: Option<String>,
        limit: usize,
        now: u64,
    ) -> Result<(Vec<Listed>, bool), KvFailed> {
        if !(1..=LISTED).contains(&limit) {
            return Err(KvFailed::new(
                400,
                format!(
                    "Invalid key_count_limit of {limit}. Please specify an integer from 1 to {LISTED}."
                ),
            ));
        }
        let end = after_prefix(&prefix);
        let start = match last {
            Some(last) => after(&last).max(prefix),
            None => prefix,
        };
        let listed = self.read(move |database| {
            let below = if end.is_some() { "AND key < ?5" } else { "" };
            let select = format!(
                "SELECT key, expiration, metadata FROM kv
                 WHERE namespace = ?1 AND key >= ?2 {below}
                 AND (expiration IS NULL OR expiration > ?3)
                 ORDER BY key LIMIT ?4"
            );
            let now = now.cast_signed();
            let rows = (limit + 1) as i64;
            let mut values = params![namespace, start, now, rows].to_vec();
            values.extend(end.as_ref().map(|end| end as &dyn ToSql));
            let mut statement = database.prepare_cached(&select)?;
            let rows = statement.query_map(&*values, listed)?;
            rows.collect::<Sql<Vec<_>>>()
        });
        let mut listed = listed.await?;
        let has_more = listed.len() > limit;
        listed.truncate(limit);
        Ok((listed, has_more))
    }
}

impl Put {
    /// Fails when it is over a limit, and returns its expiration as it is kept.
    fn check(&self, now: u64) -> Result<Option<i64>, KvFailed> {
        let length = self.value.len();
        if length > VALUE_BYTES {
            return Err(KvFailed::new(
                413,
                format!("Value length of {length} exceeds limit of {VALUE_BYTES}."),
            ));
        }
        let metadata = self.metadata.as_ref().map_or(0, String::len);
        if metadata > METADATA_BYTES {
            return Err(KvFailed::new(
                413,
                format!("Metadata length of {metadata} exceeds limit of {METADATA_BYTES}."),
            ));
        }
        let Some(expiration) = self.expiration else {
            return Ok(None);
        };
        match i64::try_from(expiration) {
            Ok(kept) if expiration >= now + MIN_TTL => Ok(Some(kept)),
            _ => Err(KvFailed::new(
                400,
                format!(
                    "Invalid expiration of {expiration}. Expiration times must be at least {MIN_TTL} seconds in the future."
                ),
            )),
        }
    }
}

/// Removes some of the entries of any namespace that have expired.
fn sweep(change: &Transaction<'_>, now: u64) -> Sql<()> {
    change
        .prepare_cached(
            "DELETE FROM kv WHERE (namespace, key) IN
             (SELECT namespace, key FROM kv WHERE expiration <= ?1 LIMIT ?2)",
        )?
        .execute(params![now.cast_signed(), SWEPT as i64])?;
    Ok(())
}

fn listed(row: &Row<'_>) -> Sql<Listed> {
    Ok(Listed {
        name: row.get(0)?,
        expiration: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
        metadata: row.get(2)?,
    })
}
