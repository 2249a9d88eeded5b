//! `wasi:keyvalue`: KV namespaces for components.

use crate::channels::spans::kv_span;
use crate::clock;
use crate::instance::state::State;
use crate::invocation::spans::Span;
use crate::settings::Binding;
use generated::wasi::keyvalue::store;
use generated::wasi::keyvalue::store::{Error, KeyResponse};
use taffrail_store::{KvError, Put, Storage};
use wasmtime::component::{HasSelf, Linker, Resource};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import wasi:keyvalue/store@0.2.0-draft2;",
        path: "../../wit",
        imports: {
            "wasi:keyvalue/store.[method]bucket.get": async | trappable,
            "wasi:keyvalue/store.[method]bucket.set": async | trappable,
            "wasi:keyvalue/store.[method]bucket.delete": async | trappable,
            "wasi:keyvalue/store.[method]bucket.exists": async | trappable,
            "wasi:keyvalue/store.[method]bucket.list-keys": async | trappable,
            default: trappable,
        },
        require_store_data_send: true,
        with: {
            "wasi:keyvalue/store.bucket": crate::interfaces::keyvalue::Bucket,
        },
    });
}

/// A KV namespace that a component has opened.
#[expect(unreachable_pub, reason = "the generated code re-exports it as `pub`")]
pub struct Bucket {
    /// The name of the binding.
    binding: String,
    namespace: String,
}

/// The number of keys on one page.
const PAGE: usize = 1000;

pub(super) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    store::add_to_linker::<_, HasSelf<State>>(linker, state)
}

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl State {
    /// Returns the storage and the namespace of a bucket, and begins the span of an operation.
    fn bucket(
        &self,
        bucket: &Resource<Bucket>,
        operation: &'static str,
        key: Option<&str>,
    ) -> wasmtime::Result<(&Storage, String, Span)> {
        let bucket = self.table.get(bucket)?;
        let caller = self.invocation();
        let within = caller.current_span();
        let span = kv_span(&caller, within, operation, &bucket.binding, key);
        Ok((self.channels.storage(), bucket.namespace.clone(), span))
    }
}

/// Returns the time in seconds since 1970.
fn now() -> u64 {
    clock::epoch_ms() / 1000
}

fn answer<T>(span: Span, done: Result<T, KvError>) -> Answer<T> {
    span.end(done.is_ok());
    Ok(done.map_err(|error| Error::Other(error.to_string())))
}

impl store::Host for State {
    fn open(&mut self, identifier: String) -> Answer<Resource<Bucket>> {
        let invocation = self.invocation();
        match invocation.worker.settings.bindings.get(&identifier) {
            Some(Binding::Kv(namespace)) => {
                let namespace = namespace.clone();
                let binding = identifier;
                Ok(Ok(self.table.push(Bucket { binding, namespace })?))
            }
            _ => Ok(Err(Error::NoSuchStore)),
        }
    }
}

impl store::HostBucket for State {
    async fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<Option<Vec<u8>>> {
        let (storage, namespace, span) = self.bucket(&bucket, "kv_get", Some(&key))?;
        let entry = storage.kv_get(namespace, key, now()).await;
        answer(span, entry.map(|entry| entry.map(|entry| entry.value)))
    }

    async fn set(&mut self, bucket: Resource<Bucket>, key: String, value: Vec<u8>) -> Answer<()> {
        let (storage, namespace, span) = self.bucket(&bucket, "kv_put", Some(&key))?;
        let put = Put {
            value: value.into(),
            ..Put::default()
        };
        answer(span, storage.kv_put(namespace, key, put, now()).await)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<()> {
        let (storage, namespace, span) = self.bucket(&bucket, "kv_delete", Some(&key))?;
        answer(span, storage.kv_delete(namespace, key).await)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> Answer<bool> {
        let (storage, namespace, span) = self.bucket(&bucket, "kv_get", Some(&key))?;
        let entry = storage.kv_get(namespace, key, now()).await;
        answer(span, entry.map(|entry| entry.is_some()))
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> Answer<KeyResponse> {
        let (storage, namespace, span) = self.bucket(&bucket, "kv_list", None)?;
        let page = storage.kv_list(namespace, String::new(), cursor, PAGE, now());
        answer(
            span,
            page.await.map(|page| KeyResponse {
                keys: page.keys.into_iter().map(|key| key.name).collect(),
                cursor: page.cursor,
            }),
        )
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}
