use crate::layout::*;
use crate::tests::in_folder;
use crate::{Error, KvError, ObjectKey, Owner};
use std::path::Path;

/// A database as the first version made it, with what a Worker kept.
fn first_layout(folder: &Path) {
    let database = Connection::open(folder.join("store.sqlite")).unwrap();
    database.execute_batch(STEPS[0]).unwrap();
    database
        .execute_batch(
            r#"PRAGMA user_version = 1;
            CREATE INDEX kv_by_expiration ON kv (expiration) WHERE expiration IS NOT NULL;
            INSERT INTO kv VALUES ('kv', 'key', CAST('value' AS BLOB), NULL, NULL);
            INSERT INTO object_entries VALUES ('["worker"]', 'C', '1', 'key', 'value');
            INSERT INTO object_entries VALUES ('["a","b"]', 'C', '1', 'key', 'value');
            INSERT INTO object_entries VALUES ('["[\"worker\"]","dynamic","00"]', 'C', '1', 'key', 'value');
            INSERT INTO object_alarms VALUES ('["worker"]', 'C', '1', 5);
            INSERT INTO object_alarms VALUES ('["[\"worker\"]","dynamic","00"]', 'C', '1', 5);
            INSERT INTO analytics (dataset, timestamp) VALUES ('set', 1);"#,
        )
        .unwrap();
}

#[tokio::test]
async fn a_database_of_the_first_layout_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    first_layout(folder.path());
    let storage = in_folder(&folder).storage(Owner::new("[\"worker\"]"));
    let entry = storage.kv_get("kv".into(), "key".into(), 0).await.unwrap();
    assert_eq!(entry.unwrap().value, b"value");
    let object = ObjectKey {
        class: "C".to_owned(),
        id: "1".to_owned(),
    };
    let found = storage.object_get(object.clone(), vec!["key".into()]).await;
    assert_eq!(found.unwrap(), [("key".into(), "value".into())]);
    assert_eq!(storage.next_alarm().await.unwrap(), Some((object, 5)));
    assert_eq!(crate::tests::count(&storage, "analytics").await, 1);
    // Those of the dynamic Worker, which is gone, are not kept.
    assert_eq!(crate::tests::count(&storage, "object_entries").await, 2);
    assert_eq!(crate::tests::count(&storage, "object_alarms").await, 1);
}

#[tokio::test]
async fn a_database_of_a_later_layout_is_untouched_and_the_error_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    first_layout(folder.path());
    let file = folder.path().join("store.sqlite");
    let database = Connection::open(&file).unwrap();
    database
        .pragma_update(None, "user_version", LATEST + 1)
        .unwrap();
    let storage = in_folder(&folder).storage(Owner::new("worker"));
    let entry = storage.kv_get("kv".into(), "key".into(), 0).await;
    let Err(KvError::Store(Error::CannotOpen(reason))) = entry else {
        panic!("{entry:?}");
    };
    assert_eq!(
        reason.to_string(),
        format!(
            "`{}` has layout 3, and this version of Taffrail knows layouts up to 2. Use a later version of Taffrail, or move the file away to begin with an empty database",
            file.display()
        )
    );
    assert_eq!(number(&database).unwrap(), LATEST + 1);
}

#[test]
fn each_step_is_done_once_and_leads_to_the_same_tables() {
    let tables = |database: &Connection| -> Vec<String> {
        let mut schema = database
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap();
        let tables = schema.query_map([], |row| row.get(0)).unwrap();
        tables.map(Result::unwrap).collect()
    };
    let mut new = Connection::open_in_memory().unwrap();
    assert_eq!(update(&mut new).unwrap(), Layout::UpToDate);
    assert_eq!(update(&mut new).unwrap(), Layout::UpToDate);
    for layout in 0..LATEST {
        let mut earlier = Connection::open_in_memory().unwrap();
        for step in &STEPS[..layout as usize] {
            earlier.execute_batch(step).unwrap();
        }
        earlier.pragma_update(None, "user_version", layout).unwrap();
        assert_eq!(update(&mut earlier).unwrap(), Layout::UpToDate);
        assert_eq!(tables(&earlier), tables(&new));
        assert_eq!(number(&earlier).unwrap(), LATEST);
    }
}
