//! KV namespaces: <https://developers.cloudflare.com/kv/platform/limits/>.

use crate::range::{after, after_prefix};
use crate::{Error, Storage};
use bytes::Bytes;
use rusqlite::{OptionalExtension, Row, ToSql, Transaction, params};

/// Bytes of a key.
const KEY_BYTES: usize = 512;
/// Bytes of a value: 25 MiB.
pub const VALUE_BYTES: usize = 25 << 20;
/// Bytes of metadata, as JSON.
const METADATA_BYTES: usize = 1024;
/// Seconds that an entry lives at least.
const MIN_TTL: u64 = 60;
/// Keys of one page.
const LISTED: usize = 1000;

/// Expired entries that go with each one that comes: more than one, so that
/// they get fewer.
const SWEPT: usize = 2;

/// Expired entries that one page passes over at most.
const PASSED: usize = 10_000;

/// A value and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// In JSON.
    pub metadata: Option<String>,
}

/// How an entry is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// The value: 25 MiB at most.
    pub value: Bytes,
    /// In JSON, 1024 bytes at most.
    pub metadata: Option<String>,
    /// When the entry ends, in seconds since 1970: 60 seconds from now or later.
    pub expiration: Option<u64>,
}

/// Keys of a namespace, in the order of their UTF-8 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The keys.
    pub keys: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub cursor: Option<String>,
}

/// One key of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub name: String,
    /// When the entry ends, in seconds since 1970.
    pub expiration: Option<u64>,
    /// In JSON.
    pub metadata: Option<String>,
}

/// Why an operation is refused, in Cloudflare's words.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KvError {
    /// The key is empty.
    #[error("Key name cannot be empty.")]
    EmptyKey,
    /// The key is `.` or `..`.
    #[error("\"{0}\" is not allowed as a key name.")]
    ReservedKey(String),
    /// The key has so many bytes, more than 512.
    #[error("UTF-8 encoded length of {0} exceeds key length limit of {KEY_BYTES}.")]
    KeyTooLong(usize),
    /// The value has so many bytes, more than 25 MiB.
    #[error("Value length of {0} exceeds limit of {VALUE_BYTES}.")]
    ValueTooLong(usize),
    /// The metadata has so many bytes, more than 1024.
    #[error("Metadata length of {0} exceeds limit of {METADATA_BYTES}.")]
    MetadataTooLong(usize),
    /// The entry would end too early, or later than the database can tell.
    #[error(
        "Invalid expiration of {0}. Expiration times must be at least {MIN_TTL} seconds in the future."
    )]
    Expiration(u64),
    /// A page of no key, or of more than 1000.
    #[error("Invalid key_count_limit of {0}. Please specify an integer from 1 to {LISTED}.")]
    PageSize(usize),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl KvError {
    /// The HTTP status that Cloudflare's Workers see with it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::EmptyKey | Self::ReservedKey(_) | Self::Expiration(_) | Self::PageSize(_) => 400,
            Self::ValueTooLong(_) | Self::MetadataTooLong(_) => 413,
            Self::KeyTooLong(_) => 414,
            Self::Store(_) => 500,
        }
    }
}

fn check_key(key: &str) -> Result<(), KvError> {
    match key {
        "" => Err(KvError::EmptyKey),
        "." | ".." => Err(KvError::ReservedKey(key.to_owned())),
        key if key.len() > KEY_BYTES => Err(KvError::KeyTooLong(key.len())),
        _ => Ok(()),
    }
}

/// KV namespaces, by their ids. `now` is in seconds since 1970.
impl Storage {
    /// The entry of a key, if there is one and it has not expired.
    ///
    /// # Errors
    ///
    /// When the key is over a limit, and when the store fails.
    pub async fn kv_get(
        &self,
        namespace: String,
        key: String,
        now: u64,
    ) -> Result<Option<Entry>, KvError> {
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
    ///
    /// # Errors
    ///
    /// When the key or the entry is over a limit, and when the store fails.
    pub async fn kv_put(
        &self,
        namespace: String,
        key: String,
        put: Put,
        now: u64,
    ) -> Result<(), KvError> {
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
    ///
    /// # Errors
    ///
    /// When the key is over a limit, and when the store fails.
    pub async fn kv_delete(&self, namespace: String, key: String) -> Result<(), KvError> {
        check_key(&key)?;
        let removed = self.change(move |database| {
            database
                .prepare_cached("DELETE FROM kv WHERE namespace = ?1 AND key = ?2")?
                .execute(params![namespace, key])?;
            Ok(())
        });
        Ok(removed.await?)
    }

    /// The keys with a prefix: those behind `cursor`, which an earlier page ended
    /// with, `limit` of them at most. A page may have fewer, or none, with others
    /// behind it: it passes over 10,000 expired entries at most.
    ///
    /// # Errors
    ///
    /// When `limit` is not from 1 to 1000, and when the store fails.
    pub async fn kv_list(
        &self,
        namespace: String,
        prefix: String,
        cursor: Option<String>,
        limit: usize,
        now: u64,
    ) -> Result<Page, KvError> {
        if !(1..=LISTED).contains(&limit) {
            return Err(KvError::PageSize(limit));
        }
        let end = after_prefix(&prefix);
        let start = match cursor {
            Some(cursor) => after(&cursor).max(prefix),
            None => prefix,
        };
        let page = self.read(move |database| {
            let below = if end.is_some() { "AND key < ?4" } else { "" };
            let select = format!(
                "SELECT key, expiration, metadata FROM kv
                 WHERE namespace = ?1 AND key >= ?2 {below} ORDER BY key LIMIT ?3"
            );
            let visited = (limit + 1 + PASSED) as i64;
            let mut values = params![namespace, start, visited].to_vec();
            values.extend(end.as_ref().map(|end| end as &dyn ToSql));
            let mut statement = database.prepare_cached(&select)?;
            let rows = statement.query_map(&*values, listed)?;
            page(rows, limit, now)
        });
        Ok(page.await?)
    }
}

/// Fills a page with what has not expired.
fn page(
    rows: impl Iterator<Item = rusqlite::Result<Listed>>,
    limit: usize,
    now: u64,
) -> rusqlite::Result<Page> {
    let mut page = Page {
        keys: Vec::new(),
        cursor: None,
    };
    let mut last = None;
    let mut passed = 0;
    for row in rows {
        let key = row?;
        let has_expired = key.expiration.is_some_and(|expiration| expiration <= now);
        if passed == PASSED || !has_expired && page.keys.len() == limit {
            page.cursor = last;
            break;
        }
        last = Some(key.name.clone());
        if has_expired {
            passed += 1;
        } else {
            page.keys.push(key);
        }
    }
    Ok(page)
}

impl Put {
    /// Fails when it is over a limit, and returns its expiration as it is kept.
    fn check(&self, now: u64) -> Result<Option<i64>, KvError> {
        if self.value.len() > VALUE_BYTES {
            return Err(KvError::ValueTooLong(self.value.len()));
        }
        let metadata = self.metadata.as_ref().map_or(0, String::len);
        if metadata > METADATA_BYTES {
            return Err(KvError::MetadataTooLong(metadata));
        }
        let Some(expiration) = self.expiration else {
            return Ok(None);
        };
        match i64::try_from(expiration) {
            Ok(kept) if expiration >= now.saturating_add(MIN_TTL) => Ok(Some(kept)),
            _ => Err(KvError::Expiration(expiration)),
        }
    }
}

/// Removes some of the entries of any namespace that have expired.
const SWEEP: &str = "DELETE FROM kv WHERE (namespace, key) IN
    (SELECT namespace, key FROM kv WHERE expiration <= ?1 LIMIT ?2)";

fn sweep(change: &Transaction<'_>, now: u64) -> rusqlite::Result<()> {
    let mut sweep = change.prepare_cached(SWEEP)?;
    sweep.execute(params![now.cast_signed(), SWEPT as i64])?;
    Ok(())
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed {
        name: row.get(0)?,
        expiration: row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned),
        metadata: row.get(2)?,
    })
}

#[cfg(test)]
mod tests;
