use crate::objects::*;
use crate::tests::{count, in_folder, in_memory, plan};
use crate::{Owner, Store};
use std::sync::mpsc;

fn object(id: &str) -> ObjectKey {
    ObjectKey {
        class: "C".to_owned(),
        id: id.to_owned(),
    }
}

async fn put(storage: &Storage, id: &str, keys: &[&str]) {
    let entries = keys
        .iter()
        .map(|key| ((*key).to_owned(), format!("{id}/{key}")));
    let kept = storage.object_put(object(id), entries.collect());
    kept.await.unwrap();
}

/// The keys of a listing.
async fn list(storage: &Storage, id: &str, listing: Listing) -> String {
    let listed = storage.object_list(object(id), listing).await.unwrap();
    let keys: Vec<_> = listed.into_iter().map(|(key, _)| key).collect();
    keys.join(" ")
}

#[tokio::test]
async fn an_object_has_its_own_entries() {
    let store = Store::new(None).unwrap();
    let storage = store.storage(Owner::new("worker"));
    let other = store.storage(Owner::new("other"));
    put(&storage, "1", &["a", "b"]).await;
    put(&storage, "2", &["a"]).await;
    put(&other, "1", &["z"]).await;
    let keys = ["b", "a", "c"].map(ToOwned::to_owned).to_vec();
    let found = storage.object_get(object("1"), keys).await.unwrap();
    assert_eq!(
        found,
        [("b".into(), "1/b".into()), ("a".into(), "1/a".into())]
    );
    let removed = storage.object_delete(object("1"), vec!["a".into(), "c".into()]);
    assert_eq!(removed.await.unwrap(), 1);
    storage.object_delete_all(object("2")).await.unwrap();
    assert_eq!(list(&storage, "1", Listing::default()).await, "b");
    assert_eq!(list(&storage, "2", Listing::default()).await, "");
    assert_eq!(list(&other, "1", Listing::default()).await, "z");
}

#[tokio::test]
async fn limits_are_those_of_cloudflare() {
    let storage = in_memory();
    let put = async |key: usize, value: usize| {
        let entries = [
            ("k".repeat(key), "v".repeat(value)),
            ("other".into(), String::new()),
        ];
        storage.object_put(object("1"), entries.into()).await
    };
    assert!(put(2048, 128 << 10).await.is_ok());
    storage.object_delete_all(object("1")).await.unwrap();
    assert!(matches!(put(2049, 1).await, Err(ObjectError::KeyTooLong)));
    assert!(matches!(
        put(1, (128 << 10) + 1).await,
        Err(ObjectError::ValueTooLong)
    ));
    let keys: Vec<_> = (0..129).map(|number| number.to_string()).collect();
    let get = storage.object_get(object("1"), keys.clone()).await;
    assert!(matches!(get, Err(ObjectError::TooManyKeys)));
    let delete = storage.object_delete(object("1"), keys.clone()).await;
    assert!(matches!(delete, Err(ObjectError::TooManyKeys)));
    let entries = keys.iter().map(|key| (key.clone(), String::new()));
    let many = storage.object_put(object("1"), entries.collect()).await;
    assert!(matches!(many, Err(ObjectError::TooManyPairs)));
    // Nothing of what was refused is there.
    assert_eq!(list(&storage, "1", Listing::default()).await, "");
}

#[tokio::test]
async fn a_listing_has_all_its_bounds() {
    let storage = in_memory();
    put(&storage, "1", &["c", "b3", "b1", "a", "b2"]).await;
    let all = Listing::default;
    let some = |key: &str| Some(key.to_owned());
    let table = [
        (all(), "a b1 b2 b3 c"),
        (
            Listing {
                prefix: some("b"),
                ..all()
            },
            "b1 b2 b3",
        ),
        (
            Listing {
                prefix: some("b"),
                start: some("b2"),
                ..all()
            },
            "b2 b3",
        ),
        (
            Listing {
                prefix: some("b"),
                start_after: some("b2"),
                ..all()
            },
            "b3",
        ),
        (
            Listing {
                prefix: some("b"),
                start: some("a"),
                end: some("b3"),
                ..all()
            },
            "b1 b2",
        ),
        (
            Listing {
                start: some("b2"),
                reverse: true,
                ..all()
            },
            "c b3 b2",
        ),
        (
            Listing {
                start_after: some("a"),
                limit: Some(1),
                ..all()
            },
            "b1",
        ),
        (
            Listing {
                reverse: true,
                limit: Some(2),
                ..all()
            },
            "c b3",
        ),
        (
            Listing {
                start: some("c"),
                end: some("b"),
                ..all()
            },
            "",
        ),
    ];
    for (listing, expected) in table {
        let shown = format!("{listing:?}");
        assert_eq!(list(&storage, "1", listing).await, expected, "{shown}");
    }
}

#[tokio::test]
async fn a_listing_that_is_too_long_for_the_memory_fails() {
    let storage = in_memory();
    let value = "v".repeat(128 << 10);
    for piece in 0..4 {
        let entries = (0..64).map(|number| (format!("{piece}/{number}"), value.clone()));
        let kept = storage.object_put(object("1"), entries.collect());
        kept.await.unwrap();
    }
    let listed = storage.object_list(object("1"), Listing::default()).await;
    assert!(matches!(listed, Err(ObjectError::ListingTooLong)));
    let some = Listing {
        limit: Some(255),
        ..Listing::default()
    };
    assert!(storage.object_list(object("1"), some).await.is_ok());
}

#[tokio::test]
async fn no_listing_goes_through_the_table() {
    let storage = in_memory();
    for order in ["ASC", "DESC"] {
        let range = format!(
            "SELECT key, value FROM object_entries
             WHERE worker = ?1 AND class = ?2 AND id = ?3 AND key >= ?4 AND key < ?6
             ORDER BY key {order} LIMIT ?5"
        );
        assert_eq!(
            plan(&storage, &range).await,
            "SEARCH object_entries USING PRIMARY KEY (worker=? AND class=? AND id=? AND key>? AND key<?)"
        );
    }
    let next = "SELECT class, id, time FROM object_alarms WHERE worker = ?1 ORDER BY time LIMIT 1";
    assert_eq!(
        plan(&storage, next).await,
        "SEARCH object_alarms USING COVERING INDEX object_alarms_by_time (worker=?)"
    );
}

#[tokio::test]
async fn the_alarm_that_is_due_next_is_found_and_taken_once() {
    let store = Store::new(None).unwrap();
    let storage = store.storage(Owner::new("worker"));
    let other = store.storage(Owner::new("other"));
    let set = async |storage: &Storage, id, time| {
        storage.set_alarm(object(id), time).await.unwrap();
    };
    for (id, time) in [("late", u64::MAX), ("first", 1), ("second", 2), ("none", 0)] {
        set(&storage, id, Some(time)).await;
    }
    set(&storage, "none", None).await;
    set(&other, "x", Some(0)).await;
    let next = async || storage.next_alarm().await.unwrap();
    let take = async |id, time| storage.take_alarm(object(id), time).await.unwrap();

    assert_eq!(next().await, Some((object("first"), 1)));
    // It has been changed meanwhile.
    assert!(!take("first", 3).await);
    assert!(take("first", 1).await);
    assert!(!take("first", 1).await);
    assert_eq!(next().await, Some((object("second"), 2)));
    assert!(take("second", 2).await);
    let (late, time) = next().await.unwrap();
    assert_eq!(late, object("late"));
    assert!(take("late", time).await);
    assert_eq!(next().await, None);
    assert_eq!(other.alarm(object("x")).await.unwrap(), Some(0));
}

#[tokio::test]
async fn entries_and_alarms_are_there_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let owner = Owner::new("worker");
    let storage = in_folder(&folder).storage(owner.clone());
    put(&storage, "1", &["a"]).await;
    storage.set_alarm(object("1"), Some(5)).await.unwrap();
    drop(storage);
    let storage = in_folder(&folder).storage(owner);
    assert_eq!(list(&storage, "1", Listing::default()).await, "a");
    assert_eq!(storage.next_alarm().await.unwrap(), Some((object("1"), 5)));
}

/// Fills an object with 1,000 entries.
async fn fill(storage: &Storage, id: &str) {
    for piece in 0..10 {
        let entries = (0..100).map(|number| (format!("{piece}/{number}"), String::new()));
        let kept = storage.object_put(object(id), entries.collect());
        kept.await.unwrap();
    }
}

#[tokio::test]
async fn others_have_their_turns_while_a_large_object_is_removed() {
    let store = Store::new(None).unwrap();
    let storage = store.storage(Owner::new("worker"));
    let other = store.storage(Owner::new("other"));
    fill(&storage, "1").await;
    put(&storage, "2", &["stays"]).await;
    // Until all have asked for the database, it is taken.
    let (release, released) = mpsc::channel::<()>();
    let taken = other.change(move |_| {
        _ = released.recv();
        Ok(())
    });
    let count = other.change(|database| {
        database.query_row("SELECT count(*) FROM object_entries", [], |row| row.get(0))
    });
    let release = async { drop(release) };
    let delete_all = storage.object_delete_all(object("1"));
    let (_, deleted, count, ()) = tokio::join!(taken, delete_all, count, release);
    deleted.unwrap();
    let count: i64 = count.unwrap();
    // It has waited for one piece and not for all of them.
    assert_eq!(count, 1001 - 256);
    assert_eq!(list(&storage, "1", Listing::default()).await, "");
    assert_eq!(list(&storage, "2", Listing::default()).await, "stays");
}

#[tokio::test]
async fn what_the_objects_of_an_owner_keep_can_be_removed_together() {
    let store = Store::new(None).unwrap();
    let storage = store.storage(Owner::new("worker"));
    let other = store.storage(Owner::new("other"));
    put(&other, "1", &["stays"]).await;
    fill(&storage, "1").await;
    fill(&storage, "2").await;
    storage.set_alarm(object("1"), Some(1)).await.unwrap();
    storage.remove_objects().await.unwrap();
    assert_eq!(storage.next_alarm().await.unwrap(), None);
    assert_eq!(count(&storage, "object_entries").await, 1);
    assert_eq!(list(&other, "1", Listing::default()).await, "stays");
}

#[tokio::test]
async fn what_temporary_owners_kept_is_gone_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (temporary, lasting) = (Owner::temporary("worker"), Owner::new("worker"));
    let store = in_folder(&folder);
    for owner in [&temporary, &lasting] {
        let storage = store.storage(owner.clone());
        put(&storage, "1", &["a"]).await;
        storage.set_alarm(object("1"), Some(1)).await.unwrap();
        // Another connection is opened meanwhile.
        assert_eq!(list(&storage, "1", Listing::default()).await, "a");
    }
    drop(store);
    let store = in_folder(&folder);
    let storage = store.storage(temporary);
    assert_eq!(list(&storage, "1", Listing::default()).await, "");
    assert_eq!(storage.next_alarm().await.unwrap(), None);
    let storage = store.storage(lasting);
    assert_eq!(list(&storage, "1", Listing::default()).await, "a");
    assert_eq!(storage.next_alarm().await.unwrap(), Some((object("1"), 1)));
}
