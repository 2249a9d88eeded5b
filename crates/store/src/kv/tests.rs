use crate::kv::*;
use crate::tests::{count, in_memory, plan};

async fn put(storage: &Storage, key: &str, put: Put, now: u64) -> Result<(), KvError> {
    storage.kv_put("kv".into(), key.into(), put, now).await
}

async fn put_until(storage: &Storage, key: &str, expiration: Option<u64>, now: u64) {
    let expires = Put {
        expiration,
        ..Put::default()
    };
    put(storage, key, expires, now).await.unwrap();
}

async fn get(storage: &Storage, key: &str, now: u64) -> Option<Entry> {
    let entry = storage.kv_get("kv".into(), key.into(), now).await;
    entry.unwrap()
}

/// The names of a page and its cursor.
async fn list(
    storage: &Storage,
    prefix: &str,
    cursor: Option<&str>,
    limit: usize,
    now: u64,
) -> (String, Option<String>) {
    let cursor = cursor.map(ToOwned::to_owned);
    let page = storage.kv_list("kv".into(), prefix.into(), cursor, limit, now);
    let Page { keys, cursor } = page.await.unwrap();
    let names: Vec<_> = keys.into_iter().map(|key| key.name).collect();
    (names.join(" "), cursor)
}

#[tokio::test]
async fn an_entry_comes_back_as_it_was_kept_last() {
    let storage = in_memory();
    for value in ["first", "second"] {
        let kept = Put {
            value: value.into(),
            metadata: Some(format!("\"{value}\"")),
            expiration: None,
        };
        put(&storage, "key", kept, 0).await.unwrap();
    }
    let entry = get(&storage, "key", 0).await.unwrap();
    assert_eq!(entry.value, b"second");
    assert_eq!(entry.metadata.as_deref(), Some("\"second\""));
    let other = storage.kv_get("other".into(), "key".into(), 0).await;
    assert_eq!(other.unwrap(), None);
    let removed = storage.kv_delete("kv".into(), "key".into());
    removed.await.unwrap();
    assert_eq!(get(&storage, "key", 0).await, None);
}

#[tokio::test]
async fn limits_are_those_of_cloudflare() {
    let storage = in_memory();
    let of_key = async |key: String| storage.kv_get("kv".into(), key, 0).await.err();
    let of_put = async |kept: Put| put(&storage, "key", kept, 1000).await.err();
    let of_page = async |limit| {
        let page = storage.kv_list("kv".into(), String::new(), None, limit, 0);
        page.await.err()
    };
    let value = |bytes| Put {
        value: vec![0; bytes].into(),
        ..Put::default()
    };
    let metadata = |bytes| Put {
        metadata: Some("m".repeat(bytes)),
        ..Put::default()
    };
    let expires = |expiration| Put {
        expiration: Some(expiration),
        ..Put::default()
    };
    let refused = [
        (of_key("k".repeat(512)).await, None),
        (of_key("ü".repeat(257)).await, Some(414)),
        (of_key(String::new()).await, Some(400)),
        (of_key(".".to_owned()).await, Some(400)),
        (of_key("..".to_owned()).await, Some(400)),
        (of_put(value(25 << 20)).await, None),
        (of_put(value((25 << 20) + 1)).await, Some(413)),
        (of_put(metadata(1024)).await, None),
        (of_put(metadata(1025)).await, Some(413)),
        (of_put(expires(1060)).await, None),
        (of_put(expires(1059)).await, Some(400)),
        (of_put(expires(u64::MAX)).await, Some(400)),
        (of_page(0).await, Some(400)),
        (of_page(1000).await, None),
        (of_page(1001).await, Some(400)),
    ];
    for (number, (error, status)) in refused.iter().enumerate() {
        let found = error.as_ref().map(KvError::status);
        assert_eq!(found, *status, "{number}: {error:?}");
    }
}

#[tokio::test]
async fn an_entry_ends_when_it_expires() {
    let storage = in_memory();
    put_until(&storage, "key", Some(160), 100).await;
    assert!(get(&storage, "key", 159).await.is_some());
    assert_eq!(list(&storage, "", None, 1, 159).await.0, "key");
    assert!(get(&storage, "key", 160).await.is_none());
    assert_eq!(
        list(&storage, "", None, 1, 160).await,
        (String::new(), None)
    );
}

#[tokio::test]
async fn entries_that_have_expired_are_removed_as_others_come() {
    let storage = in_memory();
    for number in 0..4 {
        put_until(&storage, &format!("old-{number}"), Some(100), 0).await;
    }
    put_until(&storage, "forever", None, 99).await;
    assert_eq!(count(&storage, "kv").await, 5);
    put_until(&storage, "a", None, 100).await;
    put_until(&storage, "b", None, 100).await;
    assert_eq!(count(&storage, "kv").await, 3);
}

#[tokio::test]
async fn pages_go_through_the_keys_with_a_prefix_in_the_order_of_their_bytes() {
    let storage = in_memory();
    for key in ["c", "b\u{10ffff}", "b1", "b\0", "b", "a", "b\u{ffff}"] {
        put_until(&storage, key, None, 0).await;
    }
    let page = async |cursor| list(&storage, "b", cursor, 2, 0).await;
    assert_eq!(page(None).await, ("b b\0".into(), Some("b\0".into())));
    let (second, cursor) = page(Some("b\0")).await;
    assert_eq!(second, "b1 b\u{ffff}");
    assert_eq!(page(cursor.as_deref()).await, ("b\u{10ffff}".into(), None));
    // A cursor that no page ended with.
    assert_eq!(page(Some("a")).await.0, "b b\0");
    assert_eq!(page(Some("c")).await, (String::new(), None));
}

#[tokio::test]
async fn a_page_passes_over_so_many_expired_entries_and_no_more() {
    let storage = in_memory();
    let fill = storage.change(|database| {
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)
             INSERT INTO kv SELECT 'kv', printf('%05d', i), x'', NULL, 1 FROM n",
            [],
        )
    });
    fill.await.unwrap();
    put_until(&storage, "live", None, 0).await;
    let page = async |cursor| list(&storage, "", cursor, 5, 1).await;
    assert_eq!(page(None).await, (String::new(), Some("10000".into())));
    assert_eq!(
        page(Some("10000")).await,
        (String::new(), Some("20000".into()))
    );
    assert_eq!(page(Some("20000")).await, ("live".into(), None));
}

#[tokio::test]
async fn no_statement_goes_through_the_table() {
    let storage = in_memory();
    let range = "SELECT key, expiration, metadata FROM kv
        WHERE namespace = ?1 AND key >= ?2 AND key < ?4 ORDER BY key LIMIT ?3";
    assert_eq!(
        plan(&storage, range).await,
        "SEARCH kv USING PRIMARY KEY (namespace=? AND key>? AND key<?)"
    );
    let sweep = plan(&storage, SWEEP).await;
    assert!(!sweep.contains("SCAN kv"), "{sweep}");
    assert!(sweep.contains("kv_by_expiration"), "{sweep}");
}
