use crate::*;
use std::sync::Mutex;
use std::sync::mpsc;

/// A store in memory, as a Worker uses it.
pub(crate) fn in_memory() -> Storage {
    Store::new(None).unwrap().storage(Owner::new("worker"))
}

/// A store in a folder.
pub(crate) fn in_folder(folder: &tempfile::TempDir) -> Store {
    Store::new(Some(folder.path().to_owned())).unwrap()
}

/// How many rows a table has.
pub(crate) async fn count(storage: &Storage, table: &str) -> i64 {
    let select = format!("SELECT count(*) FROM {table}");
    let count = storage.read(move |database| database.query_row(&select, [], |row| row.get(0)));
    count.await.unwrap()
}

/// How SQLite runs a statement, a line for each step.
pub(crate) async fn plan(storage: &Storage, statement: &str) -> String {
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    let steps = storage.read(move |database| {
        let mut explain = database.prepare(&explain)?;
        explain
            .raw_query()
            .mapped(|row| row.get("detail"))
            .collect()
    });
    let steps: Vec<String> = steps.await.unwrap();
    steps.join("\n")
}

async fn put(storage: &Storage, key: &str) {
    let kept = storage.kv_put("kv".into(), key.into(), Put::default(), 0);
    kept.await.unwrap();
}

async fn has(storage: &Storage, key: &str) -> bool {
    let entry = storage.kv_get("kv".into(), key.into(), 0).await;
    entry.unwrap().is_some()
}

#[tokio::test]
async fn a_worker_whose_reads_are_slow_leaves_threads_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = in_folder(&folder);
    let (slow, quick) = (
        store.storage(Owner::new("slow")),
        store.storage(Owner::new("quick")),
    );
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
        // Its changes do not wait for the reads of the other, either.
        put(&quick, "key").await;
        assert!(has(&quick, "key").await);
        drop(end);
    };
    let (..) = tokio::join!(wait(), wait(), wait(), wait(), answers);
}

#[tokio::test]
async fn a_slow_query_does_not_block_the_thread_that_polls_it() {
    let storage = in_memory();
    let (end, ended) = mpsc::channel::<()>();
    let query = storage.read(move |_| {
        _ = ended.recv();
        Ok(())
    });
    // This test has one thread: were it blocked, the query would never end.
    let (done, ()) = tokio::join!(query, async move { drop(end) });
    done.unwrap();
}

#[tokio::test]
async fn work_that_panics_fails_and_its_thread_goes_on() {
    let storage = in_memory();
    let panicked = storage.read::<()>(|_| panic!("a fault of the store"));
    assert!(matches!(panicked.await, Err(Error::ThreadEnded)));
    assert_eq!(count(&storage, "kv").await, 0);
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_the_last_change_that_ended() {
    let folder = tempfile::tempdir().unwrap();
    let storage = in_folder(&folder).storage(Owner::new("worker"));
    put(&storage, "kept").await;
    let killed = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().to_owned(), killed.path().to_owned());
    let change = storage.change(move |database| {
        let change = database.transaction()?;
        change.execute("DELETE FROM kv", [])?;
        change.execute(
            "INSERT INTO kv VALUES ('kv', 'half', zeroblob(50000000), '', 0)",
            [],
        )?;
        // What the files hold now is what they would hold if the process ended
        // here: no connection is closed before.
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
        change.commit()
    });
    change.await.unwrap();
    assert!(!has(&storage, "kept").await);
    let storage = in_folder(&killed).storage(Owner::new("worker"));
    assert!(has(&storage, "kept").await);
    assert_eq!(count(&storage, "kv").await, 1);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_an_error_of_each_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let store = Store::new(Some(file.join("store"))).unwrap();
    let storage = store.storage(Owner::new("worker"));
    for _ in 0..2 {
        let entry = storage.kv_get("kv".into(), "key".into(), 0).await;
        let error = entry.unwrap_err();
        // A Worker is not to know where the files of the host are.
        assert!(!error.to_string().contains("file"), "{error}");
        let KvError::Store(Error::CannotOpen(reason)) = error else {
            panic!("{error:?}");
        };
        assert!(matches!(&*reason, OpenError::Directory { .. }), "{reason}");
    }
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_an_error_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let storage = in_folder(&folder).storage(Owner::new("worker"));
    put(&storage, "key").await;
    let no_patience = storage.change(|database| database.busy_timeout(std::time::Duration::ZERO));
    no_patience.await.unwrap();
    let other = Connection::open(folder.path().join("store.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = storage.kv_delete("kv".into(), "key".into()).await;
    let refused = refused.unwrap_err();
    assert!(
        matches!(&refused, KvError::Store(Error::Busy(_))),
        "{refused}"
    );
    // It can still be read.
    assert!(has(&storage, "key").await);
}
