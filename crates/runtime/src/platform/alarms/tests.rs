use crate::platform::Platform;
use crate::platform::alarms::*;
use crate::runtime::Runtime;
use crate::settings::WorkerSettings;
use crate::worker::Code;

#[test]
fn an_alarm_is_tried_again_six_times_after_pauses_that_double() {
    let seconds: Vec<_> = pauses().map(|pause| pause.as_secs()).collect();
    assert_eq!(seconds, [2, 4, 8, 16, 32, 64]);
}

fn object() -> ObjectKey {
    ObjectKey {
        class: "C".to_owned(),
        id: "1".to_owned(),
    }
}

/// Waits until no Worker has a task for alarms.
async fn until_there_are_no_tasks(alarms: &Alarms) {
    while !alarms.tasks().is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Deploys a dynamic Worker and returns it with its data.
fn dynamic_worker(platform: &Platform) -> (WorkerId, Arc<Storage>) {
    let id = WorkerId::new_dynamic(&WorkerId::from("maker"));
    let (settings, code) = (WorkerSettings::new(""), Code::Missing(String::new()));
    let worker = platform.registry.worker(id.clone(), settings, code, None);
    let storage = Arc::clone(&worker.context.storage);
    platform.registry.deploy(worker);
    (id, storage)
}

#[tokio::test]
async fn a_worker_that_is_let_go_has_no_task_for_its_alarms() {
    let runtime = Runtime::builder().instances(1).build().unwrap();
    let platform = &runtime.platform;
    for _ in 0..100 {
        let (id, storage) = dynamic_worker(platform);
        storage.set_alarm(object(), Some(u64::MAX)).await.unwrap();
        platform.alarms.ring(&id);
        assert_eq!(platform.alarms.tasks().len(), 1);
        platform.loaders.undeploy(&id);
        until_there_are_no_tasks(&platform.alarms).await;
    }
}

#[tokio::test]
async fn what_the_objects_of_a_dynamic_worker_keep_goes_with_it() {
    let runtime = Runtime::builder().instances(1).build().unwrap();
    let platform = &runtime.platform;
    let (id, storage) = dynamic_worker(platform);
    storage.set_alarm(object(), Some(u64::MAX)).await.unwrap();
    platform.loaders.undeploy(&id);
    let store = &platform.registry.store;
    let storage = store.storage(id.data_owner());
    while storage.alarm(object()).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_alarm_without_its_worker_stays_for_the_next_one() {
    let runtime = Runtime::builder().instances(1).build().unwrap();
    let platform = &runtime.platform;
    let id = WorkerId::from("w");
    let storage = platform.registry.store.storage(id.data_owner());
    storage.set_alarm(object(), Some(0)).await.unwrap();
    platform.alarms.ring(&id);
    until_there_are_no_tasks(&platform.alarms).await;
    assert_eq!(storage.alarm(object()).await.unwrap(), Some(0));
}
