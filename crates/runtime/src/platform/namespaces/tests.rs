use crate::platform::namespaces::*;
use crate::runtime::Runtime;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A namespace that has a Worker of every name, and counts those that are made.
#[derive(Default)]
struct All(AtomicUsize);

impl Namespaces for All {
    fn find<'a>(
        &'a self,
        _: &'a Compiler,
        wanted: Wanted<'a>,
    ) -> BoxFuture<'a, Result<Found, String>> {
        Box::pin(async move {
            if wanted.known.is_some() {
                return Ok(Found::Unchanged);
            }
            self.0.fetch_add(1, Relaxed);
            Ok(Found::Worker {
                version: 1,
                settings: Box::new(WorkerSettings::new(wanted.name)),
                code: Box::new(Code::Missing(String::new())),
            })
        })
    }
}

#[tokio::test]
async fn of_10_000_names_the_workers_that_were_called_last_are_kept() {
    let all = Arc::new(All::default());
    let builder = Runtime::builder().instances(1).namespaces(all.clone());
    let runtime = builder.build().unwrap();
    let users = &runtime.platform.users;
    let find = async |name: &str| users.find("namespace", name).await.map(drop).unwrap();
    find("in use").await;
    for number in 1..10_000 {
        find(&number.to_string()).await;
        find("in use").await;
    }
    assert_eq!(users.places().len(), KEPT.get());
    assert_eq!(runtime.platform.registry.all().len(), KEPT.get());
    assert_eq!(all.0.load(Relaxed), 10_000);
    // A dropped Worker is found again.
    find("1").await;
    assert_eq!(all.0.load(Relaxed), 10_001);
}
