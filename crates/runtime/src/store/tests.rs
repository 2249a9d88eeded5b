use crate::store::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::mpsc;

/// A folder for a database, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("taffrail-store-{:032x}", rand::random::<u128>());
        Self(std::env::temp_dir().join(name))
    }

    fn store(&self) -> Store {
        Store::new(Some(self.0.clone())).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn put(storage: &Storage, key: &str, expiration: Option<u64>, now: u64) {
    let put = Put {
        expiration,
        ..Put::default()
    };
    let kept = storage.kv_put("kv".to_owned(), key.to_owned(), put, now);
    kept.await.unwrap();
}

async fn count(storage: &Storage, table: &str) -> i64 {
    let select = format!("SELECT count(*) FROM {table}");
    let count = storage.read(move |database| database.query_row(&select, [], |row| row.get(0)));
    count.await.unwrap()
}

#[tokio::test]
async fn a_worker_whose_work_is_slow_leaves_threads_to_others() {
    let folder = Folder::new();
    let store = folder.store();
    let (slow, quick) = (store.storage(), store.storage());
    let (end, ended) = mpsc::channel::<()>();
    let ended = Arc::new(Mutex::new(ended));
    let wait = || {
        let ended = Arc::clone(&ended);
        slow.read(move |_| {
            // An error is the end that is waited for.
            _ = ended.lock().unwrap().recv();
            Ok(())
        })
    };
    let answers = async {
        let found = quick.kv_get("kv".to_owned(), "key".to_owned(), 0).await;
        assert!(found.unwrap().is_none());
        drop(end);
    };
    let (..) = tokio::join!(wait(), wait(), wait(), wait(), answers);
}

#[tokio::test]
async fn a_thread_that_panics_does_not_end() {
    let storage = Store::new(None).unwrap().storage();
    let panicked = storage.read::<()>(|_| panic!("a fault of the host"));
    assert!(panicked.await.is_err());
    assert_eq!(count(&storage, "kv").await, 0);
}

#[tokio::test]
async fn entries_that_have_expired_are_removed_as_others_come() {
    let storage = Store::new(None).unwrap().storage();
    for number in 0..4 {
        put(&storage, &format!("old-{number}"), Some(100), 0).await;
    }
    put(&storage, "forever", None, 99).await;
    assert_eq!(count(&storage, "kv").await, 5);
    put(&storage, "a", None, 100).await;
    put(&storage, "b", None, 100).await;
    assert_eq!(count(&storage, "kv").await, 3);
}

#[tokio::test]
async fn an_expiration_beyond_all_numbers_is_refused() {
    let storage = Store::new(None).unwrap().storage();
    let put = Put {
        expiration: Some(u64::MAX),
        ..Put::default()
    };
    let refused = storage.kv_put("kv".to_owned(), "key".to_owned(), put, 0);
    assert_eq!(refused.await.unwrap_err().status, 400);
}

#[tokio::test]
async fn a_listing_goes_through_the_keys_with_a_prefix() {
    let storage = Store::new(None).unwrap().storage();
    for key in ["a", "b", "b\0", "b1", "b\u{10ffff}", "c"] {
        put(&storage, key, None, 0).await;
    }
    let list = async |last: Option<&str>, limit| {
        let last = last.map(ToOwned::to_owned);
        let page = storage.kv_list("kv".to_owned(), "b".to_owned(), last, limit, 0);
        let (listed, has_more) = page.await.unwrap();
        let names: Vec<_> = listed.into_iter().map(|key| key.name).collect();
        (names.join(" "), has_more)
    };
    assert_eq!(list(None, 2).await, ("b b\0".to_owned(), true));
    let rest = "b1 b\u{10ffff}".to_owned();
    assert_eq!(list(Some("b\0"), 2).await, (rest, false));
    assert_eq!(list(Some("c"), 2).await, (String::new(), false));
}

fn object(worker: &str, id: &str) -> StoredObject {
    StoredObject {
        worker: worker.into(),
        key: crate::script::ObjectKey {
            class: "C".to_owned(),
            id: id.to_owned(),
        },
    }
}

#[tokio::test]
async fn the_alarm_that_is_due_next_is_found_and_taken_once() {
    let storage = Store::new(None).unwrap().storage();
    for (id, time) in [("late", u64::MAX), ("first", 1), ("second", 2)] {
        let set = storage.set_alarm(object("w", id), Some(time));
        set.await.unwrap();
    }
    let set = storage.set_alarm(object("other", "x"), Some(0));
    set.await.unwrap();
    let next = async || storage.next_alarm("w".into()).await.unwrap();
    let take = async |id: &str, time| storage.take_alarm(object("w", id), time).await.unwrap();

    assert!(next().await == Some((object("w", "first"), 1)));
    // It has been changed meanwhile.
    assert!(!take("first", 3).await);
    assert!(take("first", 1).await);
    assert!(!take("first", 1).await);
    assert!(next().await == Some((object("w", "second"), 2)));
    assert!(take("second", 2).await);
    let (late, time) = next().await.unwrap();
    assert!(late == object("w", "late"));
    assert!(take("late", time).await);
    assert!(next().await.is_none());
}

#[tokio::test]
async fn a_listing_of_an_object_has_all_its_bounds() {
    let storage = Store::new(None).unwrap().storage();
    let object = object("w", "1");
    let entries = ["a", "b1", "b2", "b3", "c"].map(|key| (key.to_owned(), String::new()));
    let kept = storage.object_put(object.clone(), BTreeMap::from(entries));
    kept.await.unwrap();
    let table = [
        (json!({}), "a b1 b2 b3 c"),
        (json!({ "prefix": "b" }), "b1 b2 b3"),
        (json!({ "prefix": "b", "start": "b2" }), "b2 b3"),
        (json!({ "prefix": "b", "startAfter": "b2" }), "b3"),
        (json!({ "prefix": "b", "start": "a", "end": "b3" }), "b1 b2"),
        (json!({ "start": "b2", "reverse": true }), "c b3 b2"),
        (json!({ "startAfter": "a", "limit": 1 }), "b1"),
        (json!({ "start": "c", "end": "b" }), ""),
    ];
    for (listing, expected) in table {
        let parsed = serde_json::from_value(listing.clone()).unwrap();
        let listed = storage.object_list(object.clone(), parsed).await.unwrap();
        let keys: Vec<_> = listed.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys.join(" "), expected, "{listing}");
    }
}

#[tokio::test]
async fn data_points_of_all_shapes_are_kept() {
    let storage = Store::new(None).unwrap().storage();
    for blobs in [0, 1, 20] {
        let point = DataPoint {
            blobs: vec![Some("blob".to_owned()); blobs],
            doubles: vec![1.0; 20 - blobs],
            indexes: vec![None],
        };
        let written = storage.write_data_point("set".to_owned(), 1, point);
        written.await.unwrap();
    }
    let sums = storage.read(|database| {
        database.query_row(
            "SELECT count(blob1), count(blob20), count(double20), sum(double1) FROM analytics",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
    });
    let sums: (i64, i64, i64, f64) = sums.await.unwrap();
    assert_eq!(sums, (2, 1, 1, 2.0));
}
