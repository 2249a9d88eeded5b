//! `wasi:keyvalue`: KV namespaces for components.

use crate::bindings::platform::wasi::keyvalue::store::{self, Error, KeyResponse};
use crate::clock;
use crate::settings::Binding;
use crate::state::State;
use crate::store::{KvFailed, Put};
use wasmtime::component::Resource;

/// A KV namespace that a component has opened.
#[expect(unreachable_pub, reason = "the generated code re-exports it as `pub`")]
pub struct Bucket {
    namespace: String,
}

/// Keys of one page.
const PAGE: usize = 1000;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl State {
    /// Does something with the namespace of a bucket. `now` is in seconds since
    /// 1970.
    fn with_bucket<T>(
        &mut self,
        bucket: &Resource<Bucket>,
        work: impl FnOnce(&crate::store::Store, &str, u64) -> Result<T, KvFailed>,
    ) -> Answer<T> {
        let namespace = &self.table.get(bucket)?.namespace;
        let Some(platform) = self.invocation().worker.platform.upgrade() else {
            return Ok(Err(Error::Other("the runtime is ending".to_owned())));
        };
        let done = work(&platform.store, namespace, clock::epoch_ms() / 1000);
        Ok(done.map_err(|failed| Error::Other(failed.reason)))
    }
}

impl store::Host for State {
    fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let invocation = self.invocation();
        match invocation.worker.settings.bindings.get(&identifier) {
            Some(Binding::Kv(namespace)) => {
                let namespace = namespace.clone();
                Ok(Ok(self.table.push(Bucket { namespace })?))
            }
            _ => Ok(Err(Error::NoSuchStore)),
        }
    }
}

impl store::HostBucket for State {
    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        self.with_bucket(&bucket, |store, namespace, now| {
            let entry = store.kv_get(namespace, &key, now)?;
            Ok(entry.map(|entry| entry.value))
        })
    }

    fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        self.with_bucket(&bucket, |store, namespace, now| {
            let put = Put {
                value: value.into(),
                ..Put::default()
            };
            store.kv_put(namespace, &key, &put, now)
        })
    }

    fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        self.with_bucket(&bucket, |store, namespace, _| {
            store.kv_delete(namespace, &key)
        })
    }

    fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        self.with_bucket(&bucket, |store, namespace, now| {
            Ok(store.kv_get(namespace, &key, now)?.is_some())
        })
    }

    fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<KeyResponse> {
        self.with_bucket(&bucket, |store, namespace, now| {
            let after = cursor.unwrap_or_default();
            let (listed, has_more) = store.kv_list(namespace, "", &after, PAGE, now)?;
            let keys: Vec<_> = listed.into_iter().map(|key| key.name).collect();
            Ok(KeyResponse {
                cursor: keys.last().filter(|_| has_more).cloned(),
                keys,
            })
        })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}
