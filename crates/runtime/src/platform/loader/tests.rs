use crate::platform::loader::*;
use crate::runtime::Runtime;

fn runtime() -> Runtime {
    Runtime::builder().instances(1).build().unwrap()
}

fn key(id: u32) -> Key {
    ("LOADER".to_owned(), id.to_string())
}

#[tokio::test]
async fn of_10_000_ids_the_latest_are_known() {
    let runtime = runtime();
    let loaders = &runtime.platform.loaders;
    let owner = WorkerId::from("maker");
    let first = loaders.slot(&owner, key(0));
    for id in 1..10_000 {
        loaders.slot(&owner, key(id));
    }
    assert_eq!(loaders.lock()[&owner].slots.len(), IDS.get());
    // A forgotten id gets a new slot.
    assert!(!Arc::ptr_eq(&first, &loaders.slot(&owner, key(0))));
    let latest = loaders.slot(&owner, key(9_999));
    assert!(Arc::ptr_eq(&latest, &loaders.slot(&owner, key(9_999))));
}

#[tokio::test]
async fn of_10_000_dynamic_workers_the_128_that_were_used_last_are_kept() {
    let runtime = runtime();
    let loaders = &runtime.platform.loaders;
    let owner = WorkerId::from("maker");
    let in_use = WorkerId::new_dynamic(&owner);
    assert_eq!(loaders.made(&owner, &in_use, 0), []);
    for number in 1..10_000 {
        let gone = loaders.made(&owner, &WorkerId::new_dynamic(&owner), 0);
        assert_eq!(gone.len(), usize::from(number >= 128), "{number}");
        assert!(!gone.contains(&in_use));
        loaders.used(&owner, &in_use);
    }
    assert_eq!(loaders.lock()[&owner].kept.len(), 128);
    loaders.undeploy(&owner);
    assert!(loaders.lock().is_empty());
}

#[tokio::test]
async fn dynamic_workers_are_let_go_for_the_bytes_of_their_code() {
    let runtime = runtime();
    let loaders = &runtime.platform.loaders;
    let owner = WorkerId::from("maker");
    let [a, b, c] = [(); 3].map(|()| WorkerId::new_dynamic(&owner));
    assert_eq!(loaders.made(&owner, &a, KEPT_BYTES / 2), []);
    assert_eq!(loaders.made(&owner, &b, KEPT_BYTES / 2), []);
    assert_eq!(loaders.made(&owner, &c, KEPT_BYTES), [a, b]);
}
