//! KV namespaces: <https://developers.cloudflare.com/kv/platform/limits/>.

use super::Store;
use bytes::Bytes;
use rusqlite::{OptionalExtension, params};

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

impl Store {
    /// The entry of a key, if there is one and it has not expired.
    pub(crate) fn kv_get(
        &self,
        namespace: &str,
        key: &str,
        now: u64,
    ) -> Result<Option<Entry>, KvFailed> {
        check_key(key)?;
        Ok(self.with(|database| {
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
        })?)
    }

    /// Keeps an entry in the place of an earlier one.
    pub(crate) fn kv_put(
        &self,
        namespace: &str,
        key: &str,
        put: &Put,
        now: u64,
    ) -> Result<(), KvFailed> {
        check_key(key)?;
        let length = put.value.len();
        if length > VALUE_BYTES {
            return Err(KvFailed::new(
                413,
                format!("Value length of {length} exceeds limit of {VALUE_BYTES}."),
            ));
        }
        let metadata = put.metadata.as_ref().map_or(0, String::len);
        if metadata > METADATA_BYTES {
            return Err(KvFailed::new(
                413,
                format!("Metadata length of {metadata} exceeds limit of {METADATA_BYTES}."),
            ));
        }
        if let Some(expiration) = put.expiration
            && expiration < now + MIN_TTL
        {
            return Err(KvFailed::new(
                400,
                format!(
                    "Invalid expiration of {expiration}. Expiration times must be at least {MIN_TTL} seconds in the future."
                ),
            ));
        }
        Ok(self.with(|database| {
            database
                .prepare_cached("INSERT OR REPLACE INTO kv VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![
                    namespace,
                    key,
                    &put.value[..],
                    put.metadata,
                    put.expiration.map(u64::cast_signed)
                ])?;
            Ok(())
        })?)
    }

    /// Removes an entry, if it is there.
    pub(crate) fn kv_delete(&self, namespace: &str, key: &str) -> Result<(), KvFailed> {
        check_key(key)?;
        Ok(self.with(|database| {
            database
                .prepare_cached("DELETE FROM kv WHERE namespace = ?1 AND key = ?2")?
                .execute(params![namespace, key])?;
            Ok(())
        })?)
    }

    /// The keys with a prefix that come after `after`, in order, and whether
    /// there are more.
    pub(crate) fn kv_list(
        &self,
        namespace: &str,
        prefix: &str,
        after: &str,
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
        let mut listed = self.with(|database| {
            let mut statement = database.prepare_cached(
                "SELECT key, expiration, metadata FROM kv
                 WHERE namespace = ?1 AND key > ?2 AND substr(key, 1, length(?3)) = ?3
                 AND key >= ?3 AND (expiration IS NULL OR expiration > ?4)
                 ORDER BY key LIMIT ?5",
            )?;
            let rows = statement.query_map(
                params![
                    namespace,
                    after,
                    prefix,
                    now.cast_signed(),
                    (limit + 1) as i64
                ],
                |row| {
                    Ok(Listed {
                        name: row.get(0)?,
                        expiration: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
                        metadata: row.get(2)?,
                    })
                },
            )?;
            rows.collect::<Result<Vec<_>, _>>()
        })?;
        let has_more = listed.len() > limit;
        listed.truncate(limit);
        Ok((listed, has_more))
    }
}
