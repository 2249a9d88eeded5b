//! Workers in a runtime of their own, and everything that was recorded of them.

use crate::answer::{Answer, read};
use crate::items::{Item, Items, Recorder};
use crate::patience::patiently;
use crate::shared;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use std::path::Path;
use std::sync::Arc;
use taffrail_project::Project;
use taffrail_runtime::trace::Outcome;
use taffrail_runtime::{Error, Event, FetchResult, RequestBody, ResponseBody, Runtime};
use tempfile::TempDir;

/// Workers in a runtime of their own, and everything that was recorded of them.
///
/// It is used inside a tokio runtime. A test that drops it ends its Workers.
pub struct Scenario {
    runtime: Runtime,
    recorder: Arc<Recorder>,
    /// Holds what the Workers stand on for as long as they run.
    _held: Option<(Project, Option<TempDir>)>,
}

impl Scenario {
    /// A runtime without Workers, which `make` makes. It keeps what it compiles in
    /// `cache`.
    ///
    /// # Errors
    ///
    /// Fails if the runtime cannot start.
    pub fn of_runtime(
        cache: &Path,
        make: impl FnOnce(taffrail_runtime::Builder) -> taffrail_runtime::Builder,
    ) -> Result<Self, taffrail_project::Error> {
        let recorder = Arc::new(Recorder::default());
        let builder = Runtime::builder()
            .compiler(shared::tools(cache)?.compiler().clone())
            .tail_consumer(recorder.clone());
        Ok(Self {
            runtime: make(builder).build()?,
            recorder,
            _held: None,
        })
    }

    pub(crate) fn of_project(
        project: Project,
        recorder: Arc<Recorder>,
        files: Option<TempDir>,
    ) -> Self {
        Self {
            runtime: project.runtime().clone(),
            recorder,
            _held: Some((project, files)),
        }
    }

    /// The runtime itself.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Sends a GET request for a path, and waits for everything that it causes.
    ///
    /// # Panics
    ///
    /// Panics if there is no such Worker, or the path is malformed.
    pub async fn get(&self, worker: &str, path: &str) -> Answer {
        self.send(worker, request(path, Bytes::new())).await
    }

    /// Sends a request, and waits for everything that it causes. Its URI is
    /// absolute.
    ///
    /// # Panics
    ///
    /// Panics if there is no such Worker.
    pub async fn send(&self, worker: &str, request: Request<Bytes>) -> Answer {
        let answer = self.stream(worker, request.map(full)).await;
        self.idle().await;
        answer
    }

    /// Dispatches a cron trigger or a batch of messages, and waits for everything
    /// that it causes.
    ///
    /// # Panics
    ///
    /// Panics if there is no such Worker.
    pub async fn dispatch(&self, worker: &str, event: Event) -> Outcome {
        let outcome = patiently(self.runtime.dispatch(worker, event)).await;
        self.idle().await;
        expect(outcome)
    }

    /// Sends a request whose body streams, and reads the response to its end.
    ///
    /// # Panics
    ///
    /// Panics if there is no such Worker.
    pub async fn stream(&self, worker: &str, request: Request<RequestBody>) -> Answer {
        match self.fetch(worker, request).await {
            FetchResult::Response(response) => read(response).await,
            FetchResult::Failed { outcome, .. } => Answer {
                failed: Some(outcome),
                ..Answer::default()
            },
        }
    }

    /// Sends a GET request with a body for a path, and leaves the body of the
    /// response unread.
    ///
    /// # Panics
    ///
    /// Panics if there is no such Worker, or it gives no response.
    pub async fn open(
        &self,
        worker: &str,
        path: &str,
        body: RequestBody,
    ) -> http::Response<ResponseBody> {
        match self.fetch(worker, request(path, body)).await {
            FetchResult::Response(response) => response,
            FetchResult::Failed {
                outcome, exception, ..
            } => panic!("no response but {outcome:?}: {exception:?}"),
        }
    }

    async fn fetch(&self, worker: &str, request: Request<RequestBody>) -> FetchResult {
        expect(patiently(self.runtime.fetch(worker, request, None)).await)
    }

    /// Waits until nothing runs and every item is delivered.
    ///
    /// # Panics
    ///
    /// Panics if that is not so within a minute.
    pub async fn idle(&self) {
        patiently(self.runtime.idle()).await;
    }

    /// The items so far.
    #[must_use]
    pub fn items(&self) -> Items {
        self.recorder.items()
    }

    /// Waits for the first item of a Worker, whatever else still goes on.
    ///
    /// # Panics
    ///
    /// Panics if it does not come.
    pub async fn item_from(&self, worker: &str) -> Item {
        let item = patiently(self.recorder.item_from(worker)).await;
        item.unwrap_or_else(|| panic!("there is no item of `{worker}`"))
    }
}

fn expect<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// A GET request for a path of `http://localhost`.
///
/// # Panics
///
/// Panics if the path is malformed.
pub fn request<B>(path: &str, body: B) -> Request<B> {
    Request::get(format!("http://localhost{path}"))
        .header("host", "localhost")
        .body(body)
        .unwrap_or_else(|error| panic!("`{path}` is no path: {error}"))
}

/// A request body that is there at once.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}
